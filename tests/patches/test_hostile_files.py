"""Damaged and hostile files are refused in words, or answer; they never crash, and nothing in them runs."""

from __future__ import annotations

import contextlib
import json
import pickle
import random
import re
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from cnnwidgets import Classifier, PatchIndex
from cnnwidgets.errors import CnnWidgetsError, IndexFileError
from tests.explain.nets import Gap, seeded

NET = seeded(Gap())


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The bytes of an index of six pictures of two classes in a folder, one of them unreadable."""
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for number in range(6):
        inside = folder / ("cats" if number % 2 else "dogs")
        inside.mkdir(exist_ok=True)
        picture = Image.fromarray(generator.integers(0, 256, (12, 14, 3), dtype=np.uint8))
        picture.save(inside / f"{number}.png")
    (folder / "cats" / "bad.png").write_bytes(b"no picture")
    clf = Classifier(NET, lambda picture: torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255)
    path = tmp_path_factory.mktemp("index") / "index.patches"
    PatchIndex.build(clf, folder, k=3, path=path, progress=False)
    return path.read_bytes()


def parts(data):
    """The header as a table, its facts as a table, and the numbers behind it."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    return header, json.loads(header["__metadata__"]["cnnwidgets"]), data[8 + length :]


def joined(header, facts, numbers):
    header = {**header, "__metadata__": {"cnnwidgets": json.dumps(facts)}}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


def ask_everything(path):
    """Ask an index for all that it can say; only this library's own errors may come out of it."""
    index = PatchIndex.open(path)
    asked = [
        lambda: repr(index), lambda: index.facts, lambda: index.total, lambda: index.skipped, lambda: index.features,
        lambda: index.labels, lambda: index.class_counts, lambda: index.for_class(0), lambda: index.for_class("cats"),
        lambda: index.input_size, lambda: index.matches(NET), lambda: index.check(NET),
        lambda: index.feature_layer, lambda: index.given, lambda: PatchIndex.merge([index, index]),
        lambda: index.picture(0), lambda: index.prepared(0, NET), lambda: index.name(1),
        lambda: index.frame(1), lambda: index.layers,
    ]  # fmt: skip
    for layer in range(min(2, len(index.layers))):
        for kind in ("top", "bottom", "sample"):
            asked += [
                lambda layer=layer, kind=kind: [repr(p) for p in getattr(index, kind)(layer, 0)],
                lambda layer=layer, kind=kind: getattr(index, kind)(layer, 0, label=0),
                lambda layer=layer, kind=kind: [index.crop(p, 8) for p in getattr(index, kind)(layer, -1, 1)],
            ]
        asked += [
            lambda layer=layer: index.dead(layer), lambda layer=layer: index.means(layer),
            lambda layer=layer: index.ties(layer, 0), lambda layer=layer: index.ties(layer, -1, "bottom"),
            lambda layer=layer: index.separation(layer),
            lambda layer=layer: index.mean(layer), lambda layer=layer: index.like(layer, 0, within="all"),
            lambda layer=layer: index.histogram(layer, 0), lambda layer=layer: index.quantile(layer, 0, 0.5),
        ]  # fmt: skip
    for question in asked:
        with contextlib.suppress(CnnWidgetsError), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # numbers of a damaged file that are too large
            question()


def refused(path, data):
    """Write a file and ask it everything; return the words with which it was refused, "" if it was opened."""
    path.write_bytes(data)
    try:
        ask_everything(path)
    except IndexFileError as error:
        return str(error)
    return ""


def test_the_good_one_answers(good, path):
    header, facts, numbers = parts(good)
    assert not refused(path, good)
    assert not refused(path, joined(header, facts, numbers))


def test_it_is_a_file_of_safetensors(good, path):
    safetensors = pytest.importorskip("safetensors")
    path.write_bytes(good)
    index = PatchIndex.open(path)
    with safetensors.safe_open(path, framework="np") as file:
        names = set(file.keys())
        assert {"top_values", "features", "names"} <= names
        np.testing.assert_array_equal(file.get_tensor("features"), index.features)
        for layer in index.layers:
            np.testing.assert_array_equal(file.get_tensor("top_values")[layer.channels], index.entries(layer).values)
        assert json.loads(file.metadata()["cnnwidgets"]) == index.stored_facts


def test_every_region_cut_off(good, path):
    length = int.from_bytes(good[:8], "little")
    ends = sorted({0, 1, 7, 8, 9, 8 + length // 2, 8 + length - 1, 8 + length, len(good) - 1, len(good) - 8})
    header, _, _ = parts(good)
    starts = [8 + length + entry["data_offsets"][0] for name, entry in header.items() if name != "__metadata__"]
    for end in [*ends, *starts, *(start + 1 for start in starts)]:
        if end < len(good):
            assert refused(path, good[:end]), end


def test_more_behind_the_end(good, path):
    path.write_bytes(good + b"more")
    with pytest.raises(IndexFileError):
        PatchIndex.open(path)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0", b"\0" * 8, b"\0" * 5000, b"\xff" * 5000, b"PK\3\4" + b"\0" * 100, b"\x89PNG\r\n\x1a\n" + b"\0" * 99,
        b"GIF89a" * 20, b"{}" * 30, pickle.dumps({"a": [1, 2]}), b"\x93NUMPY\x01\0" + b" " * 200,
        b"\x89HDF\r\n\x1a\n" * 9,
        (2).to_bytes(8, "little") + b"[]", (4).to_bytes(8, "little") + b"null", (2).to_bytes(8, "little") + b"{}",
        (2**63).to_bytes(8, "little") + b"{}", (10**9).to_bytes(8, "little") + b"{}" * 50,
        (40000).to_bytes(8, "little") + b"[" * 40000, (40000).to_bytes(8, "little") + b'{"a":' * 8000,
        (19).to_bytes(8, "little") + b'{"__metadata__": 3}', (20).to_bytes(8, "little") + b'{"__metadata__": {}}',
        (6000).to_bytes(8, "little") + b"9" * 6000, (7).to_bytes(8, "little") + b'"\xff\xfe\xfd\xfc"',
    ],
    ids=str,
)  # fmt: skip
def test_other_formats(data, path):
    assert re.search(r"index\.patches' is no patch index, or a damaged one: .*\. Build it anew\.", refused(path, data))


class Marker:
    """What a pickle would call."""

    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle was run')",)


def test_a_pickle_is_not_run(path):
    data = pickle.dumps(Marker())
    assert refused(path, data)
    torch.save(Marker(), path)
    with pytest.raises(IndexFileError):
        PatchIndex.open(path)


def test_what_is_no_file(tmp_path, path):
    with pytest.raises(IndexFileError, match="There is no file"):
        PatchIndex.open(path)
    with pytest.raises(IndexFileError):
        PatchIndex.open(tmp_path)


ODD = [
    None, True, -1, 0, 1, 2**31, 2**63, 10**40, -(10**40), 1.5, float("nan"), float("inf"), "", "x", "\ud800", [], [[]],
    [1], [None], {}, {"a": 1}, [2**62] * 4, [-1, -1], "9" * 99,
]  # fmt: skip


def leaves(value, where=()):
    """Every place in a JSON value."""
    yield where
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield from leaves(one, (*where, key))


def changed(value, where, new):
    """A JSON value with another one at a place; `...` takes it away."""
    if not where:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    key, *rest = where
    if not rest and new is ...:
        del copy[key]
    else:
        copy[key] = changed(value[key], rest, new)
    return copy


@pytest.mark.parametrize("start", range(4))
def test_lies_in_the_facts(good, path, start):
    header, facts, numbers = parts(good)
    chance = random.Random(start)
    for where in list(leaves(facts))[1 + start :: 4]:
        for new in [..., *chance.sample(ODD, 2)]:
            refused(path, joined(header, changed(facts, where, new), numbers))


@pytest.mark.parametrize("start", range(4))
def test_lies_about_the_arrays(good, path, start):
    header, facts, numbers = parts(good)
    header.pop("__metadata__")
    chance = random.Random(start)
    count = 0
    for where in list(leaves(header))[1 + start :: 4]:
        for new in [..., *chance.sample(ODD, 2), "F64", "BF16"]:
            count += bool(refused(path, joined(changed(header, where, new), facts, numbers)))
    assert count > 50


@pytest.mark.parametrize("seed", range(2))
def test_lies_in_the_numbers(good, path, seed):
    header, facts, numbers = parts(good)
    chance = np.random.default_rng(seed)
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        for fill in (b"\xff", None):
            some = chance.bytes(end - start) if fill is None else fill * (end - start)
            refused(path, joined(header, facts, numbers[:start] + some + numbers[end:]))


@pytest.mark.parametrize("seed", range(20))
def test_flipped_bits(good, path, seed):
    data = bytearray(good)
    chance = random.Random(seed)
    for _ in range(chance.choice([1, 5, 100])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    refused(path, bytes(data))


def test_arrays_of_many_gigabytes_are_refused(good, path):
    header, facts, numbers = parts(good)
    facts["images"] = 2**40
    header["features"] = {"dtype": "F32", "shape": [2**40, 6], "data_offsets": [0, 2**42 * 6]}
    assert refused(path, joined(header, facts, numbers))


@pytest.mark.parametrize(
    ("name", "dtype", "value"), [("behind", "<i4", -1), ("behind", "<i4", 99), ("scale", "<f8", 0)]
)
def test_convolutions_of_no_normalisation_are_refused_where_they_are_needed(good, path, name, dtype, value):
    header, facts, numbers = parts(good)
    start, _ = header[f"unfolded_{name}"]["data_offsets"]
    lie = np.array([value], dtype).tobytes()
    path.write_bytes(joined(header, facts, numbers[:start] + lie + numbers[start + len(lie) :]))
    index = PatchIndex.open(path)
    with pytest.raises(IndexFileError, match="belong to no normalisations"):
        PatchIndex.merge([index, index])
