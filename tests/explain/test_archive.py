"""A saved heat map is whole or as it was, takes only folders of its own, and is believed only once it is checked."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import cnnwidgets as cw
from cnnwidgets import explain
from cnnwidgets.errors import CnnWidgetsError
from cnnwidgets.explain import archive
from cnnwidgets.explain.archive import ArchiveError
from tests.explain.nets import Gap, seeded

NET = seeded(Gap())
X = torch.rand(3, 3, 12, 10, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def one():
    return explain.grad_cam(NET, X[:1], 0)


@pytest.fixture(scope="module")
def other():
    return explain.grad_cam(NET, X[1:], 1)


@pytest.fixture
def folder(one, tmp_path):
    return one.save(tmp_path / "map")


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def same(loaded, heatmap):
    """Whether a heat map that was loaded is one that was saved, as a whole."""
    return (
        np.array_equal(loaded.values, heatmap.values)
        and np.array_equal(loaded.scores, heatmap.scores)
        and loaded.target == heatmap.target
        and loaded.frames == heatmap.frames
        and dict(loaded.params) == dict(heatmap.params)
        and [p.tobytes() for p in loaded.pictures] == [p.convert("RGB").tobytes() for p in heatmap.pictures]
        and all(np.array_equal(a, b) for a, b in zip(loaded.grid.places, heatmap.grid.places, strict=True))
    )


class Stopped(BaseException):
    """What stands for Control-C, a full disk or the end of the process."""


class Stopping:
    """Breaks off at the n-th call that changes the disk.

    Args:
        at: which call.
        dead: whether nothing comes after it, as in a killed process.

    """

    def __init__(self, at, dead):
        self.at, self.dead, self.calls, self.stopped = at, dead, 0, False

    def wrapped(self, real):
        def call(*args, **keywords):
            self.calls += 1
            if self.calls == self.at or (self.dead and self.calls > self.at):
                self.stopped = True
                raise Stopped
            return real(*args, **keywords)

        return call

    def save(self, heatmap, folder):
        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Stopped):
            patch.setattr(os, "fsync", self.wrapped(os.fsync))
            for name in ("mkdir", "rename", "replace", "unlink", "rmdir"):
                patch.setattr(Path, name, self.wrapped(getattr(Path, name)))
            if self.dead:
                patch.setattr(shutil, "rmtree", lambda *_args, **_keywords: None)
            heatmap.save(folder)


@pytest.mark.parametrize("dead", [False, True], ids=["an exception", "a killed process"])
@pytest.mark.parametrize("fewer", [False, True])
def test_a_save_that_breaks_off_anywhere_leaves_the_old_or_the_new(one, other, tmp_path, fewer, dead):
    first, second = (other, one) if fewer else (one, other)
    seen = set()
    for at in range(1, 80):
        folder = first.save(tmp_path / f"map{at}")
        (folder / "notes.txt").write_text("mine")
        stopping = Stopping(at, dead)
        stopping.save(second, folder)
        loaded = cw.Heatmap.load(folder)
        assert same(loaded, first) or same(loaded, second), at
        seen.add(same(loaded, second))
        if not dead and same(loaded, first):
            assert not [path for path in folder.iterdir() if path.name.startswith(".")]
        assert (folder / "notes.txt").read_text() == "mine"
        other.save(folder)  # what was left behind is in nobody's way
        assert same(cw.Heatmap.load(folder), other)
        shutil.rmtree(folder)
        if not stopping.stopped:
            break
    assert at < 79
    assert seen == {True, False}


def test_a_first_save_that_breaks_off_leaves_nothing(one, tmp_path, monkeypatch):
    monkeypatch.setattr(cw.Heatmap, "overlay", lambda *_args, **_keywords: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        one.save(tmp_path / "map")
    assert not list(tmp_path.iterdir())


def test_fewer_pictures_leave_none_behind(one, other, tmp_path):
    folder = other.save(tmp_path / "map")
    (folder / "picture-of-my-mother.png").write_bytes(b"mine")
    (folder / "picture-7.png").write_bytes(b"mine")
    one.save(folder)
    assert sorted(files_of(folder)) == [
        "arrays.npz", "manifest.json", "overlay-0.png", "picture-0.png", "picture-7.png", "picture-of-my-mother.png",
    ]  # fmt: skip
    assert same(cw.Heatmap.load(folder), one)


MANIFESTS = {
    "a web app": '{"name": "My web app", "icons": []}',
    "another format": '{"format": 1, "frames": [], "target": []}',
    "no JSON": "{",
    "a list": "[1, 2]",
    "no text": "\udc80",
    "empty": "",
}


@pytest.mark.parametrize("text", MANIFESTS.values(), ids=MANIFESTS)
def test_the_folder_of_another_program_is_left_alone(one, tmp_path, text):
    site = tmp_path / "site"
    site.mkdir()
    (site / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    (site / "picture-0.png").write_bytes(b"mine")
    before = files_of(site)
    with pytest.raises(ArchiveError, match=r"not empty, and its manifest\.json is not that of a heat map.*new folder"):
        one.save(site)
    assert files_of(site) == before
    with pytest.raises(ArchiveError, match="broken"):
        cw.Heatmap.load(site)


def test_a_file_of_the_user_is_not_written_over(one, other, folder):
    (folder / "picture-1.png").write_bytes(b"mine")
    with pytest.raises(ArchiveError, match=r"holds 'picture-1\.png', which is no part of the heat map"):
        other.save(folder)
    assert (folder / "picture-1.png").read_bytes() == b"mine"
    assert same(cw.Heatmap.load(folder), one)


def test_links_lead_nowhere_else(one, folder, tmp_path):
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("three years of work")
    for name in ("arrays.npz", "manifest.json", "picture-0.png"):
        aside = (folder / name).rename(tmp_path / name)
        (folder / name).symlink_to(aside)
        with pytest.raises(ArchiveError, match="is a link that leads out of the folder"):
            cw.Heatmap.load(folder)
        (folder / name).unlink()
        aside.rename(folder / name)
    (folder / "arrays.npz").unlink()
    (folder / "arrays.npz").symlink_to(thesis)
    one.save(folder)
    assert thesis.read_text() == "three years of work"
    assert same(cw.Heatmap.load(folder), one)
    (folder / "arrays.npz").rename(folder / "elsewhere")
    (folder / "arrays.npz").symlink_to("elsewhere")  # within the folder a link is followed
    assert same(cw.Heatmap.load(folder), one)


@pytest.mark.parametrize("seed", range(4))
def test_any_flipped_bit_is_refused_or_does_no_harm(one, folder, seed):
    chance = random.Random(seed)
    words = []
    for _ in range(60):
        path = folder / chance.choice(["arrays.npz", "manifest.json", "manifest.json", "picture-0.png"])
        whole = path.read_bytes()
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            loaded = cw.Heatmap.load(folder)
        except CnnWidgetsError as error:
            words.append(str(error))
        else:
            assert same(loaded, one)
            assert loaded.title == one.title
            repr(loaded), loaded.plot(), loaded.placement.words
        path.write_bytes(whole)
    assert len(words) > 50
    assert all(str(folder) in text for text in words)
    assert same(cw.Heatmap.load(folder), one)


@pytest.mark.parametrize("name", ["arrays.npz", "manifest.json", "picture-0.png"])
def test_any_cut_is_refused(folder, name):
    whole = (folder / name).read_bytes()
    for end in [*range(0, len(whole) - 1, max(1, len(whole) // 40)), len(whole) - 2]:
        (folder / name).write_bytes(whole[:end])
        with pytest.raises(ArchiveError, match=re.escape(name)):
            cw.Heatmap.load(folder)
    (folder / name).unlink()
    with pytest.raises(ArchiveError, match=re.escape(name)):
        cw.Heatmap.load(folder)


# Folders of earlier versions, and of strangers, who can write checksums as well or leave them out.


def without_checksums(folder, change=lambda manifest: None):
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for key in ("checksums", "files", "kind"):
        manifest.pop(key)
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def with_arrays(folder, compressed=False, **changed):
    with np.load(folder / "arrays.npz") as arrays:
        stored = {**arrays, **changed}
    stored = {name: value for name, value in stored.items() if value is not None}
    (np.savez_compressed if compressed else np.savez)(folder / "arrays.npz", **stored)


def test_a_folder_of_an_earlier_version_is_read_and_replaced(one, other, folder):
    without_checksums(folder)
    assert same(cw.Heatmap.load(folder), one)
    first = {"y_first": None, "y_last": None, "x_first": None, "x_last": None, "y_path": None, "x_path": None}
    with_arrays(folder, y_places=None, x_places=None, **first)  # as the first version wrote it
    without = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({k: v for k, v in without.items() if k != "placement"}))
    assert np.array_equal(cw.Heatmap.load(folder).values, one.values)
    other.save(folder)
    assert same(cw.Heatmap.load(folder), other)


LIES = {
    "no title": lambda m: m.pop("title"),
    "title": lambda m: m.update(title=5),
    "title that cannot be written": lambda m: m.update(title="\ud800"),
    "units": lambda m: m.update(units=None),
    "layer": lambda m: m.update(layer=[1]),
    "method": lambda m: m.update(method={}),
    "target": lambda m: m.update(target="cat"),
    "target number": lambda m: m.update(target=[3]),
    "targets": lambda m: m.update(target=["a", "b"]),
    "params": lambda m: m.update(params=[1]),
    "params inside": lambda m: m.update(params={"a": [1]}),
    "grid": lambda m: m.update(grid=None),
    "dims": lambda m: m["grid"].update(dims=[2]),
    "dims text": lambda m: m["grid"].update(dims=["2", "3"]),
    "sees_all": lambda m: m["grid"].update(sees_all="yes"),
    "measured": lambda m: m["grid"].update(measured=2),
    "no frames": lambda m: m.update(frames=[]),
    "frames": lambda m: m.update(frames=[1]),
    "more frames": lambda m: m.update(frames=m["frames"] * 2),
    "box": lambda m: m["frames"][0].update(box=[0, 0, 0, 0]),
    "box NaN": lambda m: m["frames"][0].update(box=[0, float("nan"), 10, 12]),
    "box infinite": lambda m: m["frames"][0].update(box=[0, 0, float("inf"), 12]),
    "box short": lambda m: m["frames"][0].update(box=[0, 0, 1]),
    "input_size": lambda m: m["frames"][0].update(input_size=[0, 10]),
    "input_size negative": lambda m: m["frames"][0].update(input_size=[-3, 10]),
    "input_size float": lambda m: m["frames"][0].update(input_size=[12.5, 10]),
    "input_size giant": lambda m: m["frames"][0].update(input_size=[30000, 30000]),
    "input_size endless": lambda m: m["frames"][0].update(input_size=[10**30, 1]),
    "picture_size": lambda m: m["frames"][0].update(picture_size=[True, True]),
    "picture_size giant": lambda m: m["frames"][0].update(picture_size=[10**9, 10**9]),
    "exact": lambda m: m["frames"][0].update(exact=None),
    "hashes": lambda m: m.update(image_sha256=[1]),
    "too many hashes": lambda m: m.update(image_sha256=["a", "b", "c"]),
    "placement": lambda m: m.update(placement="theory"),
    "shift": lambda m: m["placement"].update(shift=[0, float("nan")]),
    "shift text": lambda m: m["placement"].update(shift="ab"),
    "error": lambda m: m["placement"].update(error=[1]),
    "agreement": lambda m: m["placement"].update(agreement="much"),
    "reason": lambda m: m["placement"].update(reason=None),
    "format": lambda m: m.update(format="1"),
    "format true": lambda m: m.update(format=True),
    "format 0": lambda m: m.update(format=0),
    "versions": lambda m: m.update(versions=[]),
    "files": lambda m: m.update(files=[1]),
    "files of others": lambda m: m.update(files={"arrays.npz": {"bytes": 1, "sha256": "0"}}),
    "checksums": lambda m: m.update(checksums=[]),
    "kind": lambda m: m.update(kind="recipe"),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_manifest_that_lies_is_refused(folder, lie):
    without_checksums(folder, lie)
    with pytest.raises(ArchiveError, match=r"map' is broken: (manifest\.json|arrays\.npz): .*Save it anew, or get"):
        cw.Heatmap.load(folder)


ARRAYS = {
    "a missing array": {"values": None},
    "missing scores": {"scores": None},
    "missing strides": {"strides": None},
    "a missing axis": {"y_low": None},
    "float64": {"values": np.zeros((1, 3, 3))},
    "objects": {"values": np.zeros((1, 3, 3), np.int8)},
    "flat": {"values": np.zeros((1, 9), np.float32)},
    "empty": {"values": np.zeros((1, 0, 3), np.float32)},
    "another count": {"values": np.zeros((2, 3, 3), np.float32)},
    "another size": {"values": np.zeros((1, 5, 5), np.float32)},
    "infinite": {"values": "infinite"},
    "scores that are none": {"scores": np.array([np.nan], np.float32)},
    "two scores": {"scores": np.zeros(2, np.float32)},
    "strides": {"strides": np.array([np.nan, 1.0])},
    "one stride": {"strides": np.array([1.0])},
    "an axis NaN": {"y_low": "nan"},
    "an axis too far": {"x_high": "far"},
    "half a sight": {"y_first": None, "y_last": "there"},
    "an array of others": {"../thesis": np.zeros(1)},
}


@pytest.mark.parametrize("changed", ARRAYS.values(), ids=ARRAYS)
def test_arrays_that_lie_are_refused(one, folder, changed):
    without_checksums(folder)
    odd = {
        "infinite": np.full_like(one.values, np.inf), "nan": np.full(one.values.shape[1], np.nan),
        "far": np.full(one.values.shape[2], 1e300), "there": np.zeros(one.values.shape[1]),
    }  # fmt: skip
    with_arrays(folder, **{name: odd[a] if isinstance(a, str) else a for name, a in changed.items()})
    with pytest.raises(ArchiveError, match=r"broken: arrays\.npz: "):
        cw.Heatmap.load(folder)


def test_archives_that_swell_are_refused_before_memory_is_taken(one, folder):
    without_checksums(folder)
    with_arrays(folder, compressed=True)
    with pytest.raises(ArchiveError, match=r"'values' is compressed"):
        cw.Heatmap.load(folder)
    bomb = folder / "arrays.npz"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive_:
        archive_.writestr("values.npy", bytes(50 * 2**20))
    assert bomb.stat().st_size < 10**5
    with pytest.raises(ArchiveError, match="compressed"):
        cw.Heatmap.load(folder)
    header = b"\x93NUMPY\x01\x00"
    for shape in ("(1, 100000, 100000)", "(1, 32768, 32768)", f"(1, {10**12}, 1)", "(1, -1, -1)", "(1, 3, 3)"):
        text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
        with zipfile.ZipFile(bomb, "w") as archive_:
            archive_.writestr("values.npy", header + struct.pack("<H", 118) + text.encode())
        with pytest.raises(ArchiveError, match="values"):
            cw.Heatmap.load(folder)


def test_pictures_that_swell_are_refused(folder):
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    without_checksums(folder)
    ending = chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 20_000, 8, 2, 0, 0, 0)) + ending
    texts = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**27)))
    whole = (folder / "picture-0.png").read_bytes()
    for data in (bomb, whole[:33] + texts + whole[33:], b"%!PS-Adobe-3.0 EPSF-3.0\n", b"GIF89a"):
        (folder / "picture-0.png").write_bytes(data)
        with pytest.raises(ArchiveError, match=r"picture-0\.png"):
            cw.Heatmap.load(folder)


@pytest.mark.parametrize("text", [b"[" * 10**6, b'{"a":' * 10**5, b"9" * 10**5, b"\xff\xfe", b"null", b'{"format": 1}'])
def test_manifests_that_are_none(folder, text):
    (folder / "manifest.json").write_bytes(text)
    with pytest.raises(ArchiveError, match=r"broken: manifest\.json"):
        cw.Heatmap.load(folder)


def test_what_would_not_be_read_is_not_written(one, tmp_path):

    odd = dataclasses.replace(one, values=np.full_like(one.values, np.inf))
    with pytest.raises(ArchiveError, match="infinite"):
        odd.save(tmp_path / "map")
    assert not list(tmp_path.iterdir())


def test_what_a_killed_save_has_left_goes_in_time(one, folder):
    for name, age in ((".0123456789ab.part", 7200), (".ba9876543210.part", 0)):
        (folder / name).mkdir()
        (folder / name / "arrays.npz").write_bytes(b"half")
        (folder / name / archive._MARKER).write_bytes(archive._MARK)
        old = (folder / name).stat().st_mtime - age
        os.utime(folder / name, (old, old))
    (folder / ".mine.part").mkdir()
    foreign = folder / ".00112233aabb.part"  # a name like that of a save alone says nothing
    foreign.mkdir()
    (foreign / "precious").write_text("mine")
    os.utime(foreign, (1, 1))
    one.save(folder)
    left = sorted(path.name for path in folder.iterdir() if path.is_dir())
    assert left == [".00112233aabb.part", ".ba9876543210.part", ".mine.part"]
    assert (foreign / "precious").read_text() == "mine"
    assert not (folder / archive.NEXT).exists()


def test_what_is_being_written_is_marked_and_the_mark_goes(one, folder, monkeypatch):
    marked = []
    finish = archive._take_place

    def looked_at(where, part):
        marked.append(archive._is_marked(part))
        finish(where, part)

    monkeypatch.setattr(archive, "_take_place", looked_at)
    one.save(folder)
    assert marked == [True]
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_saves_of_several_threads_to_one_folder(one, tmp_path):
    with ThreadPoolExecutor(3) as pool:  # `result` raises what a save has raised
        for saved in [pool.submit(one.save, tmp_path / "map") for _ in range(12)]:
            saved.result()
    assert np.array_equal(cw.Heatmap.load(tmp_path / "map").values, one.values)


SAVER = """
import sys
import cnnwidgets as cw
heatmap = cw.Heatmap.load(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(4):
    heatmap.save(sys.argv[2])
"""


def test_saves_of_several_processes_to_one_folder(one, folder, tmp_path):
    if os.name == "nt":
        pytest.skip("there, the second process is refused in words")
    command = [sys.executable, "-c", SAVER, str(folder), str(tmp_path / "shared")]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("\n")
        process.stdin.flush()
        for _ in range(4):
            one.save(tmp_path / "shared")
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    cw.Heatmap.load(tmp_path / "shared")


@pytest.mark.parametrize("name", ["overlay-0.png", "arrays.npz", ".cnnwidgets-next/foo", ".cnnwidgets-next"])
def test_what_is_in_the_way_is_named_before_anything_is_written(one, other, folder, name):
    path = folder / name
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    if name == archive.NEXT:
        path.write_text("mine")
    else:
        path.mkdir()
    before = sorted(str(path) for path in folder.rglob("*"))
    manifest = (folder / "manifest.json").read_bytes()
    with pytest.raises(ArchiveError, match=rf"{re.escape(str(path))}' is .*Move it away"):
        other.save(folder)
    assert sorted(str(path) for path in folder.rglob("*")) == before
    assert (folder / "manifest.json").read_bytes() == manifest
    (path.unlink if path.is_file() else path.rmdir)()
    other.save(folder)
    assert cw.Heatmap.load(folder).values.shape == other.values.shape


def test_an_empty_path_is_said_to_be_empty(one):
    for call in (cw.Heatmap.load, one.save):
        with pytest.raises(CnnWidgetsError, match="The path is empty"):
            call("")


def test_pictures_are_as_they_were(folder, one):
    with Image.open(folder / "overlay-0.png") as overlay:
        assert overlay.tobytes() == one.overlay().tobytes()


def test_names_that_are_no_text_are_written_as_text(one, tmp_path):
    odd = dataclasses.replace(one, target=("caf\udce9\n$x$ \u202e",), params={"a": "\ud800", "long": "x" * 10**5})
    loaded = cw.Heatmap.load(odd.save(tmp_path / "map"))
    assert loaded.target == ("caf?\n$x$ \u202e",)
    assert loaded.params == {"a": "?", "long": "x" * 10**5}
