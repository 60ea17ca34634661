"""The folder of begun work is believed only once it is checked: nothing outside of it is touched, nothing made up."""

from __future__ import annotations

import os
import random
import re
import shutil
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from cnnwidgets import PatchIndex
from cnnwidgets.errors import CnnWidgetsError, IndexFileError, IndexMismatchError
from cnnwidgets.patches import tensors
from cnnwidgets.patches.partial import Partial
from tests.explain.nets import Gap, seeded

NET = seeded(Gap())
X = torch.rand(130, 3, 12, 12, generator=torch.Generator().manual_seed(0))  # three passes
GROWING = ("images", "names", "features", "skipped")


def begin(path, net=NET, steps=2):
    building = PatchIndex.building(net, X, k=3, path=path, chunk=1)
    for _ in range(steps):
        next(building)
    building.close()
    return path.with_name(path.name + ".partial")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "i.patches"
    PatchIndex.build(NET, X, k=3, path=path, progress=False)
    return path.read_bytes()


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    return begin(tmp_path_factory.mktemp("begun") / "i.patches")


@pytest.fixture
def work(begun, path):
    """A copy of begun work at `path`."""
    return shutil.copytree(begun, path.with_name(path.name + ".partial"))


@pytest.fixture
def thesis(path):
    found = path.parent / "thesis.txt"
    found.write_text("three years of work\n")
    return found


def rewritten(state, change):
    """A state with changed facts and right checksums, as a stranger can write it."""
    file = tensors.Tensors(state)
    facts = file.facts
    change(facts)
    columns = {name: np.array(file.get(name, d, *shape)) for name, (d, shape, _, _) in file._entries.items()}
    tensors.write(state, columns, facts)


def build(path):
    return PatchIndex.build(NET, X, k=3, path=path, progress=False)


def test_it_names_itself(work):
    text = (work / "cnnwidgets.json").read_text()
    assert "work in progress on a patch index" in text


@pytest.mark.parametrize("name", ["../thesis.txt", "/thesis", "lock", "images/../../thesis.txt", "state"])
@pytest.mark.parametrize("other", [False, True], ids=["own", "another model"])
def test_names_in_the_state_never_become_paths(work, thesis, whole, name, other):
    path = work.with_suffix("")
    if other:
        shutil.rmtree(work)
        begin(path, nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU()))
    name = str(thesis) if name == "/thesis" else name
    rewritten(work / "state", lambda facts: facts["files"].update({name: 0}))
    if other:
        with pytest.raises(IndexMismatchError, match="another model"):
            build(path)
    else:
        with pytest.warns(UserWarning, match=r"is damaged: .*the build begins anew"):
            build(path)
        assert path.read_bytes() == whole
    assert thesis.read_text() == "three years of work\n"


@pytest.mark.parametrize("name", [*GROWING, "state", "lock", "finished", "cnnwidgets.json", ".state.0123456789ab.tmp"])
@pytest.mark.parametrize("restart", [False, True])
def test_links_in_the_folder_are_refused(path, work, thesis, name, restart):
    (work / name).unlink(missing_ok=True)
    (work / name).symlink_to(thesis)
    with pytest.raises(IndexMismatchError, match=rf"'{re.escape(name)}' in the folder .* is a link.*another path="):
        PatchIndex.build(NET, X, k=3, path=path, progress=False, restart=restart)
    assert thesis.read_text() == "three years of work\n"


@pytest.mark.parametrize("name", [*GROWING, "lock"])
def test_second_names_of_other_files_are_refused(path, work, thesis, name):
    before = (work / name).read_bytes()
    thesis.write_bytes(before + b"three years of work\n")
    (work / name).unlink()
    os.link(thesis, work / name)
    with pytest.raises(CnnWidgetsError, match="hard link"):
        build(path)
    assert thesis.read_bytes() == before + b"three years of work\n"


@pytest.mark.parametrize("name", ["images", "lock", "state"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_pipes_and_folders_in_it_are_refused(path, work, name, make):
    (work / name).unlink()
    make(work / name)
    with pytest.raises(IndexMismatchError, match=rf"'{name}' in the folder .* is a (pipe|folder)"):
        build(path)


def test_the_folder_itself_is_no_link_and_no_file(path, work, tmp_path):
    work.rename(tmp_path / "elsewhere")
    work.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IndexMismatchError, match="is a link and no folder of begun work"):
        build(path)
    work.unlink()
    work.write_text("a file")
    with pytest.raises(IndexMismatchError, match="is a file and no folder of begun work"):
        build(path)
    assert work.read_text() == "a file"


@pytest.mark.parametrize("restart", [False, True])
def test_a_folder_with_other_files_is_left_alone(path, work, restart):
    (work / "notes.txt").write_text("mine")
    before = {one.name: one.read_bytes() for one in work.iterdir()}
    with pytest.raises(IndexMismatchError, match=r"holds 'notes\.txt', which is no part of the work on an index"):
        PatchIndex.build(NET, X, k=3, path=path, progress=False, restart=restart)
    assert {one.name: one.read_bytes() for one in work.iterdir()} == before
    (work / "notes.txt").unlink()
    (work / "cnnwidgets.json").write_text('{"kind": "something else"}')
    with pytest.raises(IndexMismatchError, match=r"'cnnwidgets\.json' .* does not name it"):
        build(path)


def test_a_file_that_comes_meanwhile_stays(path):
    building = PatchIndex.building(NET, X, k=3, path=path)
    next(building)
    folder = path.with_name(path.name + ".partial")
    (folder / "notes.txt").write_text("mine")
    for _ in building:
        pass
    assert [one.name for one in folder.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("built", [False, True], ids=["no index yet", "the index is there"])
@pytest.mark.parametrize("state", [None, b"a state of mine"], ids=["no state", "another state"])
def test_names_alone_do_not_make_a_folder_ours(path, built, state):
    folder = path.with_name(path.name + ".partial")
    if built:
        build(path)
    folder.mkdir()
    for name, data in {"names": b"my thesis", "images": b"precious", "state": state}.items():
        if data is not None:
            (folder / name).write_bytes(data)
    before = {one.name: one.read_bytes() for one in folder.iterdir()}
    if built:
        build(path)
    for restart in (True,) if built else (False, True):
        with pytest.raises(IndexMismatchError, match=r"holds 'images', and nothing in it says"):
            PatchIndex.build(NET, X, k=3, path=path, progress=False, restart=restart)
    assert {one.name: one.read_bytes() for one in folder.iterdir()} == before


def test_work_without_a_marker_is_told_by_its_save(path, work, whole):
    (work / "cnnwidgets.json").unlink()  # as earlier versions left it
    build(path)
    assert path.read_bytes() == whole
    assert not work.exists()


def test_an_empty_folder_is_used_and_stays(path):
    folder = path.with_name(path.name + ".partial")
    folder.mkdir()
    begin(path)
    assert (folder / "state").exists()
    build(path)
    assert list(folder.iterdir()) == []
    build(path)
    assert list(folder.iterdir()) == []


def test_work_on_another_index_stays_where_the_index_is_there(path, work, whole):
    path.write_bytes(whole)
    shutil.rmtree(work)
    begin(path.with_name("other.patches"), nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU())).rename(work)
    build(path)
    assert (work / "state").exists()


def test_work_on_something_else_is_not_touched(path, work):
    before = {one.name: (one.read_bytes(), one.stat().st_mtime_ns) for one in work.iterdir()}
    other = seeded(Gap())
    with torch.no_grad():
        next(other.parameters()).add_(1)
    for changes in ({"model": other}, {"images": X + 1}, {"k": 4}, {"layers": None}, {"seed": 3}):
        asked = {"model": NET, "images": X, "k": 3, "path": path, "progress": False} | changes
        with pytest.raises(IndexMismatchError, match=r"belongs to another|belongs to other"):
            PatchIndex.build(**asked)
        assert {one.name: (one.read_bytes(), one.stat().st_mtime_ns) for one in work.iterdir()} == before


@pytest.mark.parametrize("name", ["images", "names", "features"])
def test_shortened_work_is_begun_anew_with_a_warning(path, work, whole, name):
    size = (work / name).stat().st_size
    for length in (size - 1, size // 2, 0, None):
        shutil.rmtree(work, ignore_errors=True)
        begin(path)
        if length is None:
            (work / name).unlink()
        else:
            os.truncate(work / name, length)
        with pytest.warns(UserWarning, match=rf"the file '{name}' has [\d,]+ bytes; at the last save.*begins anew"):
            build(path)
        assert path.read_bytes() == whole
        assert not work.exists()
        path.unlink()


@pytest.mark.parametrize("seed", range(3))
def test_changed_work_is_begun_anew_or_does_no_harm(begun, path, whole, seed):
    chance, warned = random.Random(seed), 0
    folder = path.with_name(path.name + ".partial")
    for _ in range(8):
        shutil.copytree(begun, folder)
        file = folder / chance.choice(["state", "state", "images", "names", "features"])
        data = bytearray(file.read_bytes())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        file.write_bytes(data)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", UserWarning)
            index = build(path)
        warned += any("begins anew" in str(one.message) for one in said)
        assert index.has_checksums
        assert _numbers(path) == _numbers_of(whole)
        path.unlink()
    assert warned >= 6


def _numbers(path):
    return _numbers_of(path.read_bytes())


def _numbers_of(data):
    return data[8 + int.from_bytes(data[:8], "little") :]


LIES = {
    "images": lambda f: f.update(images=10**9),
    "negative": lambda f: f.update(images=-1),
    "text": lambda f: f.update(images="3"),
    "seen": lambda f: f.update(seen=None),
    "files": lambda f: f.update(files=[1]),
    "no files": lambda f: f.update(files={}),
    "a length": lambda f: f["files"].update(images=10**15),
    "a length below 0": lambda f: f["files"].update(names=-1),
    "arrays": lambda f: f.update(arrays={}),
    "shape": lambda f: f["arrays"].update(top_values=["<f4", [1, 1]]),
    "dtype": lambda f: f["arrays"].update(top_values=["O", [6, 3]]),
    "done": lambda f: f["progress"].update(done="x"),
    "done before": lambda f: f["progress"].update(done=0),
    "names_end": lambda f: f["progress"].update(names_end=10**12),
    "input": lambda f: f["progress"]["identity"].update(input=[3, 10**6, 10**6]),
    "input text": lambda f: f["progress"]["identity"].update(input="abc"),
    "classes": lambda f: f["progress"].update(classes=[[1]]),
    "checksums": lambda f: f.update(checksums={"images": "0"}),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_state_that_lies_is_begun_anew(path, work, whole, lie):
    rewritten(work / "state", lie)
    with pytest.warns(UserWarning, match=r"is damaged: .*the build begins anew"):
        build(path)
    assert _numbers(path) == _numbers_of(whole)


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"{}"])
def test_a_state_that_is_none_is_begun_anew(path, work, whole, data):
    (work / "state").write_bytes(data)
    with pytest.warns(UserWarning, match=r"is damaged: .*the build begins anew"):
        build(path)
    assert path.read_bytes() == whole


def test_work_of_an_earlier_version_is_gone_on_with(path, work, whole):
    """It has no marker and no checksums."""
    rewritten(work / "state", lambda facts: facts.pop("checksums"))
    (work / "cnnwidgets.json").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        build(path)
    assert path.read_bytes() == whole


def test_an_error_about_damaged_work_says_what_to_do(work):
    partial = Partial(work)
    try:
        (work / "state").write_bytes(b"no state")
        with pytest.raises(IndexFileError, match=r"is damaged: .*restart=True"):
            partial.load(dict)
    finally:
        partial.close()
