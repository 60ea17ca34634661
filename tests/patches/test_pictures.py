"""The pictures of an index: found, moved, changed, gone, given anew."""

from __future__ import annotations

import math
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset

from cnnwidgets import Classifier, PatchIndex
from cnnwidgets.errors import MissingDataError
from cnnwidgets.preprocess import Preprocess
from tests.explain.nets import Gap, noise, seeded


def picture(number):
    return Image.fromarray(np.random.default_rng(number).integers(0, 256, (20, 16, 3), dtype=np.uint8))


@pytest.fixture
def clf():
    return Classifier(seeded(Gap()), Preprocess(resize=12, crop=12))


@pytest.fixture
def folder(tmp_path):
    for number in range(6):
        (tmp_path / "pictures" / "ab"[number % 2]).mkdir(exist_ok=True, parents=True)
        picture(number).save(tmp_path / "pictures" / "ab"[number % 2] / f"{number}.png")
    return tmp_path / "pictures"


@pytest.fixture
def path(clf, folder, tmp_path):
    PatchIndex.build(clf, folder, k=3, path=tmp_path / "index.patches", progress=False)
    return tmp_path / "index.patches"


def same(index):
    """Whether every picture of an index is the one that was indexed."""
    return [index.picture(n).tobytes() == picture(int(index.name(n)[2])).tobytes() for n in range(len(index))]


def test_a_folder_is_found_by_itself(path):
    index = PatchIndex.open(path)
    assert all(same(index))
    patch = index.top("features", 0)[0]
    assert index.picture(patch).tobytes() == index.picture(patch.image).tobytes()
    # An edge that misses a pixel's by a rounding error is that pixel's.
    box = (*(math.floor(edge + 1e-6) for edge in patch.box[:2]), *(math.ceil(edge - 1e-6) for edge in patch.box[2:]))
    np.testing.assert_array_equal(np.array(index.crop(patch)), np.array(index.picture(patch).crop(box)))


def test_a_folder_that_was_moved(path, folder, tmp_path):
    moved = folder.rename(tmp_path / "elsewhere")
    index = PatchIndex.open(path)
    with pytest.raises(MissingDataError, match=r"a/0\.png"):
        index.picture(0)
    patches = index.top("features.0", 0)  # what needs no pictures still answers
    assert patches[0].value > patches[1].value
    assert patches.picture(16).size[0] >= 16
    assert all(same(PatchIndex.open(path, moved)))
    assert all(same(PatchIndex.open(path, str(moved))))


def test_pictures_that_came_since_do_not_shift_the_others(path, folder, tmp_path):
    picture(99).save(folder / "a" / "00.png")
    picture(98).save(folder / "0.png")
    assert all(same(PatchIndex.open(path)))
    assert all(same(PatchIndex.open(path, folder)))
    assert all(same(PatchIndex.open(path, shutil.copytree(folder, tmp_path / "copy"))))


def test_one_picture_that_is_gone_or_changed(path, folder, clf):
    (folder / "a" / "0.png").unlink()
    picture(9).resize((30, 30)).save(folder / "a" / "2.png")
    picture(9).save(folder / "a" / "4.png")
    (folder / "b" / "1.png").write_bytes(b"bad")
    index = PatchIndex.open(path)
    for image, words in ((0, r"a/0\.png"), (1, "not what was indexed: it has 30 x 30"), (3, r"b/1\.png")):
        with pytest.raises(MissingDataError, match=words):
            index.picture(image)
    with pytest.raises(MissingDataError, match="other values now"):
        index.prepared(2, clf)
    for image in (4, 5):
        assert index.picture(image).size == (16, 20)
        np.testing.assert_array_equal(index.prepared(image, clf).x[0], clf.prepare(index.picture(image)).x[0])


def test_paths_relative_and_absolute(clf, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    relative = [f"pictures/{'ab'[n % 2]}/{n}.png" for n in range(6)]
    for paths in (relative, [tmp_path / one for one in relative]):
        index = PatchIndex.build(clf, paths, k=2, progress=False)
        monkeypatch.chdir("/")
        opened = PatchIndex.open(index.path)
        assert [opened.picture(n).tobytes() for n in range(6)] == [picture(n).tobytes() for n in range(6)]
        monkeypatch.chdir(tmp_path)


class Numbers(Dataset):
    def __init__(self, count=6, shift=0):
        self.count, self.shift = count, shift

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        if number == 3:
            raise OSError("a bad sector")
        return picture(number + self.shift), number % 2


def test_data_sets_have_to_be_given(clf, tmp_path):
    path = tmp_path / "index.patches"
    index = PatchIndex.build(clf, Numbers(), k=2, path=path, progress=False)
    numbers = [0, 1, 2, 4, 5]  # items that could be read
    assert [index.picture(n).tobytes() for n in range(5)] == [picture(n).tobytes() for n in numbers]
    assert [(one.number, one.reason) for one in index.skipped] == [(3, "OSError: a bad sector")]
    with pytest.raises(MissingDataError, match=r"item 0.*PatchIndex\.open\(path, images="):
        PatchIndex.open(path).picture(0)
    given = PatchIndex.open(path, Numbers())
    assert [given.picture(n).tobytes() for n in range(5)] == [picture(n).tobytes() for n in numbers]
    with pytest.raises(MissingDataError, match="no item 5"):
        PatchIndex.open(path, Numbers(5)).picture(4)
    with pytest.raises(MissingDataError, match="other values now"):
        PatchIndex.open(path, Numbers(shift=1)).prepared(0, clf)


def test_streams_keep_no_pictures(clf):
    index = PatchIndex.build(clf, (picture(n) for n in range(4)), k=2, progress=False)
    assert len(index) == 4
    with pytest.raises(MissingDataError, match="item 2"):
        index.picture(2)


def test_tensors_are_shown_as_pictures():
    net, x = seeded(Gap()), noise(5, 3, 12, 12)
    index = PatchIndex.build(net, x, k=2, progress=False)
    assert index.picture(3).size == (12, 12)
    torch.testing.assert_close(index.prepared(3, net).x, x[3:4])
    patch = index.top(0, 0)[0]
    assert index.crop(patch).size == (patch.box.right - patch.box.left, patch.box.bottom - patch.box.top)


def test_prepared_is_what_the_network_got(clf, path):
    index = PatchIndex.open(path)
    for image in range(6):
        prepared = index.prepared(image, clf)
        assert prepared.frames[0] == index.frame(image)
        assert prepared.pictures[0].tobytes() == index.picture(image).tobytes()
        clf_maps = clf.model.eval().features(prepared.x).detach()[0]
        for patch in index.top("features", 2):
            if patch.image == image:
                np.testing.assert_allclose(patch.value, clf_maps[2].max(), rtol=1e-5)
