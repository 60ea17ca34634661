"""An index of a stranger leads to no picture that the user has not allowed; the user's own lead where they did."""

from __future__ import annotations

import re
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import cnnwidgets as cw
from cnnwidgets import Classifier, PatchIndex
from cnnwidgets.errors import MissingDataError
from cnnwidgets.patches import seal, tensors
from tests.explain.nets import Gap, seeded

NET = seeded(Gap())
COLOURS = {"a.png": "red", "b.png": "green", "c.png": "blue"}


def classifier():
    return Classifier(NET, lambda picture: torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255)


def write_pictures(folder):
    folder.mkdir(parents=True)
    for name, colour in COLOURS.items():
        Image.new("RGB", (12, 14), colour).save(folder / name)
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Pictures in one folder, private ones in another, a download folder, a home, and an own cache."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CNNWIDGETS_CACHE", str(tmp_path / "home" / "cache"))
    for name in ("home", "work", "downloads"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    write_pictures(tmp_path / "home" / "pics")
    return tmp_path


def strangers(index, path, monkeypatch, **changes):
    """Copy of an index as made by somebody else: sealed with another key, with changed metadata or names."""
    file = tensors.Tensors(index.path)
    facts = file.facts
    facts["parts"][0]["source"] |= changes.pop("source", {})
    columns = {name: np.array(file.get(name, dtype, *shape)) for name, (dtype, shape, _, _) in file._entries.items()}
    if "names" in changes:
        encoded = [name.encode() for name in changes.pop("names")]
        columns["names"] = np.frombuffer(b"".join(encoded), np.uint8)
        columns["image_name_end"] = np.cumsum([len(name) for name in encoded]).astype("<i8")
    with monkeypatch.context() as patch:
        patch.setattr(seal, "_key", lambda _folder: b"another key")
        tensors.write(path, columns, facts)
    return path


def refused(index, words):
    """Every way to a picture is refused in words."""
    patch = next(patch for patch in index.top(0, 0) if patch.image == 0)
    for call in (lambda: index.picture(0), lambda: index.crop(patch), lambda: index.prepared(0, classifier())):
        with pytest.raises(MissingDataError, match=words):
            call()


def test_the_users_own_index_leads_where_the_user_did(place):
    index = PatchIndex.build(classifier(), "~/pics", path=place / "work" / "i.patches", progress=False)
    seal._key.cache_clear()  # as in another process
    again = PatchIndex.open(index.path)
    assert again.trusted
    assert again.withheld == ""
    assert again.picture(0).getpixel((0, 0)) == (255, 0, 0)
    listed = PatchIndex.build(classifier(), [place / "home" / "pics" / n for n in COLOURS], path="l", progress=False)
    assert PatchIndex.open(listed.path).picture(2).getpixel((0, 0)) == (0, 0, 255)
    merged = PatchIndex.merge([PatchIndex.open(index.path), PatchIndex.open(listed.path)], "m.patches")
    assert PatchIndex.open(merged.path).picture(5).getpixel((0, 0)) == (0, 0, 255)


def test_a_strangers_index_leads_nowhere_before_it_is_allowed(place, monkeypatch):
    own = PatchIndex.build(classifier(), "~/pics", path="own.patches", progress=False)
    path = strangers(own, place / "downloads" / "i.patches", monkeypatch)
    index = PatchIndex.open(path)
    assert not index.trusted
    words = r"withheld: it says that they lie in '.*pics'.*not made here by you.*images=\.\.\.\).*index\.allow\(\)"
    assert re.search(words, index.withheld)
    refused(index, words)
    assert index.top(0, 0)  # all else answers
    given = PatchIndex.open(path, place / "home" / "pics")
    assert given.withheld == ""
    assert given.picture(0).getpixel((0, 0)) == (255, 0, 0)
    index.allow()
    assert index.withheld == ""
    assert index.picture(1).getpixel((0, 0)) == (0, 128, 0)


def test_pictures_beside_the_index_or_in_the_working_directory_are_read(place, monkeypatch):
    beside = write_pictures(place / "downloads" / "pics")
    built = PatchIndex.build(classifier(), beside, path="own.patches", progress=False)
    assert PatchIndex.open(strangers(built, place / "downloads" / "i", monkeypatch)).picture(0).size == (12, 14)
    here = write_pictures(place / "work" / "pics")
    built = PatchIndex.build(classifier(), here, path="own2.patches", progress=False)
    assert PatchIndex.open(strangers(built, place / "downloads" / "j", monkeypatch)).picture(0).size == (12, 14)
    monkeypatch.chdir(place / "home")  # JupyterLab often begins there; it holds all that is private
    own = PatchIndex.build(classifier(), "~/pics", path="own3.patches", progress=False)
    for path in (place / "downloads" / "k", place / "home" / "k"):
        refused(PatchIndex.open(strangers(own, path, monkeypatch)), "withheld")


@pytest.mark.parametrize(
    "lie", ["../private/a.png", "/private/a.png", "~/pics/a.png", "pics/../../private/a.png", ".."]
)
def test_names_never_lead_out_of_the_folder(place, monkeypatch, lie):
    write_pictures(place / "downloads" / "pics")
    Image.new("RGB", (12, 14), "yellow").save(place / "downloads" / "pics" / "a.png")
    shutil.copytree(place / "home" / "pics", place / "downloads" / "private")
    lie = lie.replace("/private", str(place / "downloads" / "private")) if lie.startswith("/") else lie
    for source in ("pics", None):
        images = [f"pics/{name}" for name in COLOURS] if source is None else place / "downloads" / "pics"
        monkeypatch.chdir(place / "downloads")
        built = PatchIndex.build(classifier(), images, path="own.patches", progress=False, restart=True)
        path = strangers(built, place / "downloads" / "i.patches", monkeypatch, names=[lie, "b.png", "c.png"])
        refused(PatchIndex.open(path), "withheld: it lies outside of|There is no file|is a folder|cannot be read")
        given = PatchIndex.open(path, place / "downloads" / "pics")
        try:
            assert given.picture(0).getpixel((0, 0)) == (255, 255, 0)  # the one in the folder that was given
        except MissingDataError:
            continue


def test_links_of_a_stranger_lead_nowhere(place, monkeypatch):
    pics = write_pictures(place / "downloads" / "pics")
    built = PatchIndex.build(classifier(), pics, path="own.patches", progress=False)
    path = strangers(built, place / "downloads" / "i.patches", monkeypatch)
    (pics / "a.png").unlink()
    (pics / "a.png").symlink_to(place / "home" / "pics" / "a.png")
    index = PatchIndex.open(path)
    refused(index, r"'a\.png' is withheld: it lies outside")
    assert index.picture(1).size == (12, 14)
    assert PatchIndex.open(built.path).picture(0).size == (12, 14)  # the user's own: links of data sets are followed
    shutil.rmtree(pics)
    pics.symlink_to(place / "home" / "pics")
    refused(PatchIndex.open(path), "withheld")


@pytest.mark.parametrize(
    "root", [r"\\host\share\pics", "//host/share/pics", "pics", "~/pics", "", "/work/../home/pics"]
)
def test_roots_on_other_machines_and_relative_ones_are_refused_on_sight(place, monkeypatch, root):
    own = PatchIndex.build(classifier(), "~/pics", path="own.patches", progress=False)
    path = strangers(own, place / "downloads" / "i.patches", monkeypatch, source={"root": root})
    asked = []
    real = Path.resolve

    def noted(path, *args):
        asked.append(str(path))
        return real(path, *args)

    monkeypatch.setattr(Path, "resolve", noted)
    refused(PatchIndex.open(path), r"withheld: it says that they lie in .*(on another machine|no full path|outside)")
    assert not [one for one in asked if "host" in one]


def test_merging_does_not_make_a_strangers_index_ones_own(place, monkeypatch):
    own = PatchIndex.build(classifier(), "~/pics", path="own.patches", progress=False)
    path = strangers(own, place / "downloads" / "i.patches", monkeypatch)
    merged = PatchIndex.merge([own, PatchIndex.open(path)], place / "downloads" / "m.patches")
    again = PatchIndex.open(merged.path)
    assert not again.trusted
    refused(again, "withheld")
    allowed = PatchIndex.open(path)
    allowed.allow()
    assert PatchIndex.open(PatchIndex.merge([own, allowed], "m2.patches").path).trusted


def test_work_that_a_stranger_has_begun_does_not_become_ones_own(place, monkeypatch):
    steps = PatchIndex.building(classifier(), "~/pics", path="i.patches", chunk=1)
    next(steps)
    with monkeypatch.context() as patch:
        patch.setattr(seal, "_key", lambda _folder: b"another key")
        steps.close()
    PatchIndex.build(classifier(), "~/pics", path="i.patches", progress=False)
    index = PatchIndex.open(shutil.copy("i.patches", place / "downloads"))
    assert not index.trusted
    refused(index, "withheld")


def test_the_gallery_says_that_pictures_are_withheld(place, monkeypatch):
    own = PatchIndex.build(classifier(), "~/pics", path="own.patches", progress=False)
    path = strangers(own, place / "downloads" / "i.patches", monkeypatch)
    gallery = cw.NeuronGallery(classifier(), path)
    try:
        gallery.wait(60)
        assert "withheld" in gallery._build["message"]
        missing = {picture["missing"] for picture in gallery._wall["pictures"]}
        assert missing
        assert all("withheld" in words for words in missing)
    finally:
        gallery.close()


def test_a_key_that_cannot_be_kept_lasts_as_long_as_python_runs(place, monkeypatch):
    (place / "file").write_text("")
    monkeypatch.setenv("CNNWIDGETS_CACHE", str(place / "file"))
    index = PatchIndex.build(classifier(), "~/pics", path="i.patches", progress=False)
    assert PatchIndex.open(index.path).trusted


def test_the_key_is_private_and_made_once(place):
    first = seal.seal_of("text")
    path = place / "home" / "cache" / "seal.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["seal.key"]
    seal._key.cache_clear()
    assert seal.seal_of("text") == first
    assert seal.is_sealed("text", first)
    for text, other in (("texT", first), ("text", ""), ("text", None), (None, first), ("text", "é"), (3, 4)):
        assert not seal.is_sealed(text, other)


@pytest.mark.parametrize("fault", ["short", "empty", "long", "group", "others"])
def test_a_spoilt_key_is_replaced_with_a_warning(place, fault):
    first = seal.seal_of("text")
    path = place / "home" / "cache" / "seal.key"
    if fault in ("group", "others"):
        path.chmod(0o620 if fault == "group" else 0o602)
    else:
        path.write_bytes({"short": b"short", "empty": b"", "long": path.read_bytes() * 2}[fault])
    seal._key.cache_clear()
    with pytest.warns(UserWarning, match=r"seal\.key.*is replaced.*build them anew"):
        second = seal.seal_of("text")
    assert second != first
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["seal.key"]
    seal._key.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert seal.seal_of("text") == second  # for every process that comes after
