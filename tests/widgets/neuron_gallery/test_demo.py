"""A NeuronGallery's first use: the demo pictures, indexed once and kept in the cache folder."""

from __future__ import annotations

import pytest
import torch

import cnnwidgets as cw
from cnnwidgets.demo import pictures
from tests.widgets.conftest import make_classifier
from tests.widgets.galleries import Pictures


class Few(pictures.Digits):
    """The first of the digits, to be quick."""

    def __len__(self):
        return 30

    @property
    def names(self):
        return tuple(f"digit {number}" for number in range(30))

    @property
    def targets(self):
        return super().targets[:30]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNWIDGETS_CACHE", str(tmp_path))
    monkeypatch.setattr(pictures, "Digits", Few)
    return tmp_path / "gallery"


@pytest.fixture
def one():
    return make_classifier(channels=1, classes=10, names=tuple("0123456789"))


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_second_use_opens_what_the_first_has_made(folder, one):
    first = cw.NeuronGallery(one)
    assert first._build["state"] == "building"
    assert len(first.wait(60)) == 16
    assert first._wall["pictures"][0]["source"].startswith("digit ")
    assert first._classes == list("0123456789")
    (name,) = files(folder)
    assert first.index.path == folder / name
    second = cw.NeuronGallery(make_classifier(channels=1, classes=10, names=tuple("0123456789")))
    assert second.index is not None  # at once
    assert second._build["state"] == "done"
    assert second.wait(20) == first.patches
    assert second._wall["images"] == first._wall["images"]
    assert files(folder) == [name]
    for gallery in (first, second):
        gallery.close()


def test_another_model_another_preprocessing_and_other_options_have_indexes_of_their_own(folder, one):
    def build(**options):
        gallery = cw.NeuronGallery(one, **options)
        gallery.wait(60)
        gallery.close()
        return len(files(folder))

    assert build() == 1
    assert build(k=3) == 2
    assert build(layers=["second"]) == 3
    with torch.no_grad():
        one.model.first.weight.add_(0.1)
    assert build() == 4
    one.preprocess = cw.Preprocess(resize=(32, 32), mean=0.2, channels=1)
    assert build() == 5


def test_old_indexes_make_room(folder, one, monkeypatch):
    from cnnwidgets.widgets import _gallery_origin

    monkeypatch.setattr(_gallery_origin, "_KEPT", 2)
    for k in (1, 2, 3):
        gallery = cw.NeuronGallery(one, k=k)
        gallery.wait(60)
        gallery.close()
    assert len(files(folder)) == 2


def test_a_damaged_index_is_made_anew(folder, one):
    gallery = cw.NeuronGallery(one)
    gallery.wait(60)
    gallery.close()
    (name,) = files(folder)
    (folder / name).write_bytes(b"no index")
    again = cw.NeuronGallery(one)
    assert again.index is None
    assert len(again.wait(60)) == 16
    again.close()


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path, monkeypatch, one):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CNNWIDGETS_CACHE", str(tmp_path / "file"))
    gallery = cw.NeuronGallery(one)
    gallery.wait(60)
    assert gallery._build["state"] == "done"
    assert "cannot be written to" in gallery._build["message"]
    gallery.index.path.unlink()  # the next test has the same temporary folder
    gallery.close()


def test_a_data_set_of_ones_own_is_not_kept(folder, one):
    gallery = cw.NeuronGallery(one, Pictures(), k=2)
    gallery.wait(60)
    assert not folder.exists()
    gallery.close()
