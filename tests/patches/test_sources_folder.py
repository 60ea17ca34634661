"""Folders: which files count, their order, names and classes, and what cannot be listed."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from cnnwidgets.errors import ImageError, MissingDataError
from cnnwidgets.patches.sources import reopened, source_of

from .planted import classifier, picture, save


def names_of(folder):
    return [item.name for item in source_of(classifier(), folder).items()]


def test_items_are_sorted_by_path_and_labelled_by_the_first_folder(tmp_path):
    for name in ("b/deep/er/1.png", "a/2.jpg", "a/10.jpg", "a-b/1.PNG", "top.bmp"):
        save(tmp_path / name)
    source = source_of(classifier(), tmp_path)
    items = list(source.items())
    assert source.kind == "folder"
    assert source.total == len(items) == 5
    assert [item.name for item in items] == ["a-b/1.PNG", "a/10.jpg", "a/2.jpg", "b/deep/er/1.png", "top.bmp"]
    assert source.classes == ("a", "a-b", "b")
    assert [item.label for item in items] == [1, 0, 0, 2, None]
    assert [item.number for item in items] == [0, 1, 2, 3, 4]


def test_an_item_is_what_the_classifier_prepares(tmp_path):
    path = save(tmp_path / "cat" / "1.png")
    (item,) = source_of(classifier(), str(tmp_path)).items()
    prepared = classifier().prepare(path)
    assert item.x.equal(prepared.x[0])
    assert item.frame == prepared.frames[0]
    assert item.picture_size == (24, 36)
    assert item.reason is None


def test_items_can_begin_anywhere(tmp_path):
    for number in range(5):
        save(tmp_path / f"{number}.png", number)
    source = source_of(classifier(), tmp_path)
    assert [item.number for item in source.items(3)] == [3, 4]
    assert list(source.items(5)) == []
    assert source.item(3).x.equal(list(source.items())[3].x)


def test_files_that_are_no_pictures_and_hidden_ones_are_left_out(tmp_path):
    save(tmp_path / "1.png")
    save(tmp_path / ".hidden.png")
    save(tmp_path / ".trash" / "2.png")
    (tmp_path / "labels.csv").write_text("1.png,cat")
    (tmp_path / "weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    (tmp_path / "film.mpg").write_bytes(b"\x00\x00\x01\xb3")
    (tmp_path / "folder.jpg").mkdir()
    assert names_of(tmp_path) == ["1.png"]


def test_links_are_followed_but_not_in_circles(tmp_path):
    save(tmp_path / "data" / "cat" / "1.png")
    save(tmp_path / "elsewhere" / "2.png")
    (tmp_path / "data" / "dog").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "cat" / "up").symlink_to(tmp_path / "data")
    (tmp_path / "elsewhere" / "self").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "loop.png").symlink_to("loop.png")
    (tmp_path / "data" / "gone.png").symlink_to("nowhere.png")
    source = source_of(classifier(), tmp_path / "data")
    items = {item.name: item for item in source.items()}
    assert list(items) == ["cat/1.png", "dog/2.png", "gone.png", "loop.png"]
    assert items["gone.png"].reason == "There is no file 'gone.png'."
    assert items["loop.png"].reason == "There is no file 'loop.png'."
    assert source.classes == ("cat", "dog")


def refuse(monkeypatch, folder):
    """Make a folder one that cannot be listed, which no right withholds from root."""
    scandir = os.scandir

    def refusing(path):
        if os.fspath(path) == str(folder):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)


def test_a_folder_that_cannot_be_listed_is_a_skipped_item(tmp_path, monkeypatch):
    for name in ("a/1.png", "b/secret/2.png", "c/3.png"):
        save(tmp_path / name)
    refuse(monkeypatch, tmp_path / "b" / "secret")
    items = list(source_of(classifier(), tmp_path).items())
    assert [item.name for item in items] == ["a/1.png", "b/secret", "c/3.png"]
    assert items[1].reason == "The folder 'b/secret' cannot be listed: Permission denied."
    assert items[1].x is None
    assert items[1].picture_size is None


def test_a_folder_that_breaks_off_while_it_is_listed_keeps_what_was_listed(tmp_path, monkeypatch):
    save(tmp_path / "a" / "1.png")
    scandir = os.scandir

    class Breaking:
        def __init__(self, path):
            self.entries, self.path = scandir(path), str(path)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.entries.close()

        def __iter__(self):
            yield from self.entries
            if self.path.endswith("a"):
                raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "scandir", Breaking)
    items = list(source_of(classifier(), tmp_path).items())
    assert [item.name for item in items] == ["a", "a/1.png"]
    assert "Input/output error" in items[0].reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything; the tests above stand in for it")
def test_rights_that_are_missing(tmp_path):
    save(tmp_path / "a" / "1.png")
    save(tmp_path / "b" / "2.png").chmod(0)
    (tmp_path / "a").chmod(0)
    items = list(source_of(classifier(), tmp_path).items())
    (tmp_path / "a").chmod(0o700)
    assert ["Permission denied" in item.reason for item in items] == [True, True]


def test_a_root_that_cannot_be_listed(tmp_path, monkeypatch):
    save(tmp_path / "1.png")
    refuse(monkeypatch, tmp_path)
    with pytest.raises(ImageError, match=r"cannot be listed: Permission denied\. Check your rights"):
        source_of(classifier(), tmp_path)


def test_folders_without_pictures(tmp_path):
    with pytest.raises(ImageError, match="it is empty"):
        source_of(classifier(), tmp_path)
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(ImageError, match=r"its files have \.txt"):
        source_of(classifier(), tmp_path)
    with pytest.raises(ImageError, match="There is no folder"):
        source_of(classifier(), tmp_path / "absent")
    with pytest.raises(ImageError, match=r"one file.*list of paths"):
        source_of(classifier(), tmp_path / "notes.txt")


def test_names_that_are_no_text(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9.png"
    picture().save(tmp_path / "plain.png")
    (tmp_path / "plain.png").rename(os.fsdecode(path))
    source = source_of(classifier(), tmp_path)
    (item,) = source.items()
    assert item.reason is None
    assert item.name == "caf\ufffd.png"
    item.name.encode()  # fit for a file
    assert len(source.stamp()) == 64


def test_a_picture_is_found_by_its_number_and_missed_by_its_name(tmp_path):
    for number in range(3):
        save(tmp_path / f"{number}.png", number)
    source = source_of(None, tmp_path)
    assert np.array_equal(source.picture(1), picture(1))
    (tmp_path / "1.png").unlink()
    with pytest.raises(MissingDataError, match=r"'1\.png' is missing: .*looked for in .*images="):
        source.picture(1)
    (tmp_path / "2.png").write_text("rubbish")
    with pytest.raises(MissingDataError, match=r"'2\.png' is missing: .* is text"):
        source.picture(2)
    for number in (-1, 3):
        with pytest.raises(MissingDataError, match=f"no item {number}"):
            source.picture(number)


def test_pictures_need_a_classifier_to_become_items(tmp_path):
    save(tmp_path / "1.png")
    with pytest.raises(ImageError, match=r"Classifier\(model, preprocess"):
        next(source_of(None, tmp_path).items())


def test_the_stamp_knows_names_and_sizes_but_not_the_place(tmp_path):
    for name in ("a/1.png", "b/2.png"):
        save(tmp_path / "data" / name)
    stamp = source_of(None, tmp_path / "data").stamp()
    shutil.move(tmp_path / "data", tmp_path / "moved")
    assert source_of(None, tmp_path / "moved").stamp() == stamp
    (tmp_path / "moved" / "b" / "2.png").rename(tmp_path / "moved" / "a" / "2.png")
    renamed = source_of(None, tmp_path / "moved").stamp()
    save(tmp_path / "moved" / "a" / "2.png", height=25)
    resized = source_of(None, tmp_path / "moved").stamp()
    assert len({stamp, renamed, resized}) == 3


def test_a_folder_is_found_again_from_its_description(tmp_path):
    for name in ("a/1.png", "b/2.png"):
        save(tmp_path / name, seed=int(name[2]))
    source = source_of(classifier(), tmp_path)
    names = [item.name for item in source.items()]
    save(tmp_path / "a" / "0.png")  # numbers stay those of the names
    again = reopened(source.describe(), names.__getitem__, classifier())
    assert np.array_equal(again.picture(1), picture(2))
    assert again.item(1).x.equal(source.item(1).x)
    shutil.rmtree(tmp_path / "b")
    with pytest.raises(MissingDataError, match=r"'b/2\.png' is missing"):
        again.picture(1)
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert np.array_equal(reopened(source.describe(), names.__getitem__, root=str(moved)).picture(0), picture(1))
    nameless = reopened(source.describe(), lambda _number: None)
    with pytest.raises(MissingDataError, match="no name for item 0"):
        nameless.picture(0)


def test_a_picture_on_its_side_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture().save(tmp_path / "1.png", exif=exif)
    source = source_of(classifier(), tmp_path)
    (item,) = source.items()
    assert item.picture_size == (36, 24)
    assert source.picture(0).size == (24, 36)
