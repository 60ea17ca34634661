"""Each array of an index has a checksum, compared when it is read: damage is refused, never answered with."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch
from PIL import Image

from cnnwidgets import Classifier, PatchIndex
from cnnwidgets.errors import IndexFileError
from cnnwidgets.patches import tensors
from tests.explain.nets import Gap, seeded

NET = seeded(Gap())


def classifier():
    return Classifier(NET, lambda picture: torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for number in range(6):
        inside = folder / ("cats" if number % 2 else "dogs")
        inside.mkdir(exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (12, 14, 3), dtype=np.uint8)).save(inside / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def built(pictures, tmp_path_factory):
    path = tmp_path_factory.mktemp("index") / "index.patches"
    return PatchIndex.build(classifier(), pictures, k=3, path=path, progress=False)


@pytest.fixture(scope="module")
def good(built):
    return built.path.read_bytes()


def answers(index):
    """All that an index says, as text."""
    said = [index.facts, index.classes, index.total, index.skipped, index.features.tolist(), index.labels.tolist()]
    said += [
        index.class_counts,
        [index.name(i) for i in range(len(index))],
        [index.frame(i) for i in range(len(index))],
    ]
    for layer in index.layers:
        said += [layer.name, layer.shape, layer.grid.places, index.mean(layer).tolist(), index.means(layer).tolist()]
        for kind in ("top", "bottom", "sample"):
            said += [[table.tolist() for table in index.entries(layer, kind)]]
            said += [repr(patch) for patch in getattr(index, kind)(layer, 0)]
        said += [index.ties(layer, 0), index.histogram(layer, 0), index.separation(layer).tolist()]
        said += [index.preactivation(layer).tolist(), index.dead(layer).tolist()]
    return repr(said)


@pytest.mark.parametrize("seed", range(4))
def test_a_flipped_bit_is_refused_or_does_no_harm(good, built, path, seed):
    chance, before, refused = random.Random(seed), answers(built).replace(str(built.path), ""), 0
    for _ in range(50):
        data = bytearray(good)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        try:
            said = answers(PatchIndex.open(path))
            merged = PatchIndex.merge([PatchIndex.open(path)])  # reads what nothing else does
        except IndexFileError:
            refused += 1
        else:
            assert said.replace(str(path), "") == before
            assert len(merged) == 6
    assert refused > 40


def test_a_flipped_bit_in_each_array(good, built, path):
    """Nothing is read at opening but the header and what the layers are made of; the array itself is refused."""
    length = int.from_bytes(good[:8], "little")
    header = json.loads(good[8 : 8 + length])
    opened = 0
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        if start == end:
            continue
        data = bytearray(good)
        data[(start + end) // 2] ^= 16
        path.write_bytes(data)
        file = tensors.Tensors(path)
        with pytest.raises(IndexFileError, match=rf"the array '{name}' is not what was written: its checksum differs"):
            file.get(name, tensors._DTYPES[entry["dtype"]], *entry["shape"])
        try:
            PatchIndex.open(path)
        except IndexFileError:
            continue
        opened += 1
    assert opened > 20


def test_the_header_has_one_too(good, path):
    for old, new in ((b"cats", b"dats"), (b'\\"dogs\\"', b'\\"cogs\\"'), (b"sees_all", b"sees_alm")):
        assert old in good
        path.write_bytes(good.replace(old, new, 1))
        with pytest.raises(IndexFileError):
            PatchIndex.open(path)


def test_files_of_earlier_versions_have_none_and_open(good, built, path):
    length = int.from_bytes(good[:8], "little")
    header = json.loads(good[8 : 8 + length])
    header["__metadata__"] = {"cnnwidgets": header["__metadata__"]["cnnwidgets"]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + good[8 + length :])
    old = PatchIndex.open(path)
    assert built.has_checksums
    assert not old.has_checksums
    assert not old.trusted
    assert answers(old).replace(str(path), "") == answers(built).replace(str(built.path), "")


def test_nothing_is_read_before_it_is_asked_for(good, path, monkeypatch):
    path.write_bytes(good)
    read = []
    get = tensors.Tensors.get

    def noted(self, name, *form):
        read.append(name)
        return get(self, name, *form)

    monkeypatch.setattr(tensors.Tensors, "get", noted)
    index = PatchIndex.open(path)
    assert set(read) == {"geometry"}
    index.top(0, 0)
    assert not {"features", "sums", "histogram_counts", "bottom_values"} & set(read)
