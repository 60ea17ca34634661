"""Every path is expanded, checked for what it names, opened without waiting, and written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import socket
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import cnnwidgets as cw
from cnnwidgets import PatchIndex, explain, files
from cnnwidgets.errors import CnnWidgetsError, FileError, ImageError, OptionError
from cnnwidgets.images import to_picture
from cnnwidgets.patches.sources import source_of
from tests.explain.nets import Gap, seeded

NET = seeded(Gap())
X = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def classifier():
    return cw.Classifier(NET, lambda picture: torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255)


@pytest.fixture(params=["a pipe", "a socket", "a device"])
def special(request, tmp_path, monkeypatch):
    """A path of what is no file, with its kind."""
    if request.param == "a device":
        return Path("/dev/zero"), request.param
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    path = tmp_path / "special.png"
    if request.param == "a pipe":
        os.mkfifo(path)
    else:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind("special.png")
    return path, request.param


def at_once(call):
    """Return what a call raises; it fails where that takes longer than a few seconds."""
    raised = []

    def run():
        try:
            call()
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "it waits"
    assert raised, "nothing was raised"
    return raised[0]


def in_folder(path, name):
    """A folder in which a name is a link to a path."""
    folder = path.parent / f"with-{name}" if path.parent != Path("/dev") else Path.cwd() / f"with-{name}"
    folder.mkdir(exist_ok=True)
    (folder / name).symlink_to(path)
    return folder


def test_what_is_no_file_is_refused_at_once_everywhere(special, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, kind = special
    calls = {
        "to_picture": lambda: to_picture(path),
        "predict": lambda: classifier().predict(str(path)),
        "explain": lambda: explain.saliency(classifier(), path, 0),
        "open": lambda: PatchIndex.open(path),
        "build": lambda: PatchIndex.build(NET, X, path=path, progress=False),
        "restart": lambda: PatchIndex.build(NET, X, path=path, progress=False, restart=True),
        "images": lambda: PatchIndex.build(classifier(), path, progress=False),
        "list": lambda: PatchIndex.build(classifier(), [path], progress=False),
        "load": lambda: cw.Heatmap.load(path),
        "save": lambda: explain.saliency(NET, X[:1], 0).save(path),
        "gallery": lambda: cw.NeuronGallery(classifier(), path),
        "gallery index": lambda: cw.NeuronGallery(classifier(), index=path),
        "manifest": lambda: cw.Heatmap.load(in_folder(path, "manifest.json")),
        "new_file": lambda: files.new_file(path).__enter__(),
    }
    for name, call in calls.items():
        error = at_once(call)
        assert isinstance(error, CnnWidgetsError), (name, error)
        assert str(path) in str(error) or "manifest.json" in str(error), (name, error)
        assert kind.removeprefix("a ") in str(error) or "link" in str(error), (name, error)


def test_a_pipe_for_a_part_of_a_heat_map_is_refused_at_once(tmp_path):
    folder = explain.saliency(NET, X[:1], 0).save(tmp_path / "map")
    for name in ("arrays.npz", "picture-0.png", "manifest.json"):
        (folder / name).rename(tmp_path / "aside")
        os.mkfifo(folder / name)
        error = at_once(lambda: cw.Heatmap.load(folder))
        assert isinstance(error, CnnWidgetsError)
        assert re.search("pipe", str(error))
        (folder / name).unlink()
        (tmp_path / "aside").rename(folder / name)
    assert cw.Heatmap.load(folder).values.shape == (1, 16, 16)


def test_home_is_understood_by_all(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "pics").mkdir()
    Image.new("RGB", (16, 16), "red").save(tmp_path / "pics" / "a.png")
    index = PatchIndex.build(classifier(), "~/pics", path="~/i.patches", progress=False)
    assert index.path == tmp_path / "i.patches"
    assert PatchIndex.open("~/i.patches").picture(0).size == (16, 16)
    assert PatchIndex.open(Path("~/i.patches"), "~/pics").picture(0).size == (16, 16)
    assert PatchIndex.merge([index, index], "~/merged.patches").path == tmp_path / "merged.patches"
    assert explain.saliency(NET, X[:1], 0).save("~/map") == tmp_path / "map"
    assert cw.Heatmap.load("~/map").values.shape == (1, 16, 16)
    gallery = cw.NeuronGallery(classifier(), "~/i.patches")
    gallery.close()
    assert gallery.index.path == tmp_path / "i.patches"
    assert not Path("~").exists()


def test_a_home_that_there_is_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for call in (
        lambda: to_picture("~nosuch/x.png"), lambda: PatchIndex.open("~nosuch/x.patches"),
        lambda: cw.Heatmap.load("~nosuch/map"), lambda: source_of(classifier(), "~nosuch/pics"),
    ):  # fmt: skip
        with pytest.raises(CnnWidgetsError, match=r"There is no user 'nosuch'.*\./~nosuch"):
            call()
    (tmp_path / "~nosuch").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "~nosuch" / "x.png")
    assert to_picture("~nosuch/x.png").size == (4, 4)  # as a shell takes it


@pytest.mark.parametrize("path", [b"a.patches", "a\0b.patches", 3, None])
def test_what_is_no_path(path):
    for call in (PatchIndex.open, cw.Heatmap.load, files.expand):
        with pytest.raises(CnnWidgetsError, match="path"):
            call(FsPath(path) if isinstance(path, bytes) else path)


class FsPath:
    """A path in bytes, which `os.PathLike` allows."""

    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")

    def half():
        with files.new_file(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert path.read_text() == "old"
    with files.new_file(path) as file:
        file.write(b"new")
    assert path.read_text() == "new"
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full. Free some room"),
        (errno.EROFS, "the place is read-only. Choose another one"),
        (errno.EACCES, "Permission denied. Check your rights"),
        (errno.EDQUOT, "your share of the disk is used up"),
        (errno.EIO, "the disk reports an error"),
    ],
)
def test_full_and_read_only_places_get_words(tmp_path, monkeypatch, number, words):
    """What the system refuses when a file is brought to the disk, or made."""
    heatmap = explain.saliency(NET, X[:1], 0)
    old = heatmap.save(tmp_path / "map")
    built = PatchIndex.build(NET, X, path=tmp_path / "whole.patches", progress=False)

    def refuse(*_args, **_keywords):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        for call in (
            lambda: heatmap.save(tmp_path / "map"), lambda: heatmap.save(tmp_path / "other"),
            lambda: PatchIndex.build(NET, X, path=tmp_path / "i.patches", progress=False),
            lambda: PatchIndex.merge([built, built], tmp_path / "m.patches"),
        ):  # fmt: skip
            with pytest.raises(FileError, match=words) as raised:
                call()
            assert raised.value.errno == number
            assert str(tmp_path) in str(raised.value)
    assert np.array_equal(cw.Heatmap.load(old).values, heatmap.values)
    assert len(PatchIndex.build(NET, X, path=tmp_path / "i.patches", progress=False)) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["i.patches", "map", "whole.patches"]
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        for call in (
            lambda: heatmap.save(tmp_path / "new" / "map"),
            lambda: PatchIndex.build(NET, X, path=tmp_path / "new" / "i.patches", progress=False),
        ):
            with pytest.raises(FileError, match=words):
                call()


@pytest.mark.skipif(
    getattr(os, "geteuid", lambda: 1)() == 0, reason="root may write everywhere; the test above stands in for it"
)
def test_a_folder_without_rights(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(FileError, match="Permission denied"):
        PatchIndex.build(NET, X, path=tmp_path / "i.patches", progress=False)
    tmp_path.chmod(0o700)


LIMITED = """
import resource, signal, sys
from pathlib import Path
import numpy as np
import cnnwidgets as cw
from cnnwidgets import PatchIndex, explain
from cnnwidgets.errors import FileError
from tests.test_files import NET, X

place = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
heatmap = explain.saliency(NET, X[:1], 0)
heatmap.save(place / "map")
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, most))
for call in (
    lambda: PatchIndex.build(NET, X, path=place / "i.patches", progress=False),
    lambda: heatmap.save(place / "map"),
):
    try:
        call()
    except FileError as error:
        assert "larger than this disk can hold" in str(error), error
    else:
        raise AssertionError("it was written")
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
assert np.array_equal(cw.Heatmap.load(place / "map").values, heatmap.values)
assert len(PatchIndex.build(NET, X, path=place / "i.patches", progress=False)) == 4
print("as it should be")
"""


def test_the_size_of_a_file_is_limited(tmp_path):
    """A real refusal in the midst of the work; `RLIMIT_FSIZE` stands in for a full disk. It holds for a process."""
    pytest.importorskip("resource")
    root = Path(__file__).parents[1]
    command = [sys.executable, "-c", LIMITED, str(tmp_path)]
    run = subprocess.run(command, check=False, capture_output=True, text=True, cwd=root)
    assert run.stdout == "as it should be\n", run.stderr


# What a picture or tensor may be.


def test_arrays_of_other_classes():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        matrix = np.matrix([[1, 2], [3, 4]], dtype=np.uint8)
    assert np.asarray(to_picture(matrix))[:, :, 0].tolist() == [[1, 2], [3, 4]]
    whole = np.ma.masked_array(np.full((2, 2, 3), 7, np.uint8), False)
    assert (np.asarray(to_picture(whole)) == 7).all()
    with pytest.raises(ImageError, match=r"masked array that hides 3 of its 12 values.*filled\(0\)"):
        to_picture(np.ma.masked_array(np.zeros((2, 2, 3), np.uint8), [[[1] * 3, [0] * 3], [[0] * 3, [0] * 3]]))
    with pytest.raises(ImageError, match=r"\(4, 4, 5\).*has 5 channels, choose one or three.*transpose\(1, 2, 0\)"):
        to_picture(np.zeros((4, 4, 5), np.uint8))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (torch.zeros(1, 3, 8, 8, device="meta"), r"\(1, 3, 8, 8\) lies on the device 'meta'.*no values"),
        (torch.zeros(1, 3, 8, 8).to_sparse(), r"is sparse.*x\.to_dense\(\)"),
        (torch.zeros(1).expand(1, 3, 60000, 60000), r"\(1, 3, 60000, 60000\).*expand.*40 GiB"),
        (torch.zeros(1).expand(10**6, 3, 224, 224), r"expand.*561 GiB"),
    ],
    ids=["meta", "sparse", "giant", "many"],
)
def test_tensors_without_values_of_their_own(x, words):
    for call in (
        lambda: classifier().predict(x), lambda: explain.saliency(NET, x, 0), lambda: explain.layers(NET, x),
        lambda: PatchIndex.build(NET, x, progress=False),
    ):  # fmt: skip
        with pytest.raises(ImageError, match=words):
            call()


def test_giants_that_take_no_memory():
    for array in (np.broadcast_to(np.uint8(0), (60000, 60000, 3)), np.broadcast_to(np.float32(0), (60000, 60000))):
        with pytest.raises(ImageError, match=r"60000 x 60000 pixels, more than the.*MAX_IMAGE_PIXELS"):
            to_picture(array)
    small = torch.zeros(1).expand(2, 3, 8, 8)  # a few values spread out are as good as any
    assert len(classifier().predict(small)) == 2


def test_what_is_no_file_is_not_replaced(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(OptionError, match="pipe' is a pipe"):
        PatchIndex.build(nn.Sequential(nn.Conv2d(3, 2, 3)), X, path=path, progress=False, restart=True)
    assert path.is_fifo()


# Which formats are decoded.

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n%%EOF"


@pytest.fixture
def ghostscript(tmp_path, monkeypatch):
    """A stand-in for Ghostscript, and the file that it leaves when it is run."""
    folder, mark = tmp_path / "bin", tmp_path / "was-run"
    folder.mkdir()
    (folder / "gs").write_text(f"#!/bin/sh\necho run >> {mark}\n")
    (folder / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    return mark


def test_no_program_is_started_for_a_picture(tmp_path, ghostscript):
    pics = tmp_path / "pics"
    pics.mkdir()
    path = pics / "cat.png"
    for data in (POSTSCRIPT, b"\xc5\xd0\xd3\xc6" + (30).to_bytes(4, "little") + b"\0" * 22 + POSTSCRIPT):
        path.write_bytes(data)
        calls = [
            lambda: to_picture(path), lambda: to_picture(path.read_bytes()), lambda: classifier().predict(path),
            lambda: PatchIndex.build(classifier(), pics, progress=False),
            lambda: PatchIndex.build(classifier(), [path], progress=False),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(ImageError, match="PostScript"):
                call()
    path.write_bytes(POSTSCRIPT)
    with Image.open(path) as opened:
        for call in (
            lambda: to_picture(opened), lambda: classifier().predict(opened),
            lambda: PatchIndex.build(classifier(), [opened], progress=False),
        ):  # fmt: skip
            with pytest.raises(ImageError, match=r"format EPS, which is not decoded here.*image\.load\(\)"):
                call()
    assert not ghostscript.exists()


def test_no_suffix_of_such_a_format_is_listed(tmp_path):
    from cnnwidgets.patches.sources.listing import suffixes

    assert {".png", ".jpg", ".tif", ".webp", ".bmp", ".gif", ".jp2"} <= suffixes()
    assert not suffixes() & {".eps", ".ps", ".wmf", ".emf", ".pdf", ".fits", ".h5"}
