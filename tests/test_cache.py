"""The cache folder: the one that is asked for, the user's own, or a temporary one; old things make room."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from cnnwidgets.cache import cache_folder, make_room, touch


def test_the_users_own_cache_is_out_of_reach_of_the_tests():
    own = platformdirs.user_cache_dir("cnnwidgets", appauthor=False)
    code = "from cnnwidgets.cache import cache_folder; print(cache_folder().folder)"
    root = Path(__file__).parents[1]
    other = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=root)
    assert cache_folder().folder == Path(other.stdout.strip()) != Path(own)


def test_the_variable_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNWIDGETS_CACHE", str(tmp_path / "a" / "b"))
    folder, words = cache_folder()
    assert (folder, words) == (tmp_path / "a" / "b", "")
    assert list(folder.iterdir()) == []


def test_the_users_own(tmp_path, monkeypatch):
    monkeypatch.delenv("CNNWIDGETS_CACHE", raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name, appauthor: str(tmp_path / name))
    assert cache_folder() == (tmp_path / "cnnwidgets", "")


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CNNWIDGETS_CACHE", str(tmp_path / "file" / "below"))
    folder, words = cache_folder()
    assert folder.is_dir()
    assert "below cannot be written to" in words
    assert "CNNWIDGETS_CACHE" in words
    assert cache_folder().folder == folder  # one for the process


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights(tmp_path, monkeypatch):
    tmp_path.chmod(0o500)
    monkeypatch.setenv("CNNWIDGETS_CACHE", str(tmp_path))
    assert cache_folder().folder != tmp_path
    tmp_path.chmod(0o700)


def test_what_was_used_longest_ago_makes_room(tmp_path):
    for number in range(5):
        path = tmp_path / f"{number}.patches"
        path.write_text("")
        os.utime(path, (number, number))
    other = tmp_path / "1.patches.partial"
    other.mkdir()
    (other / "state").write_text("")
    os.utime(other, (2.5, 2.5))
    (tmp_path / "note.txt").write_text("")
    touch(tmp_path / "0.patches")
    touch(tmp_path / "none.patches")
    make_room(tmp_path, "*.patches*", 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.patches", "3.patches", "4.patches", "note.txt"]


def test_what_cannot_be_deleted_stays(tmp_path, monkeypatch):
    (tmp_path / "1.patches").write_text("")

    def refuse(_path, missing_ok=False):
        raise PermissionError("in use")

    monkeypatch.setattr(Path, "unlink", refuse)
    make_room(tmp_path, "*.patches", 0)
    assert (tmp_path / "1.patches").exists()
