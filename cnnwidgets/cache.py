"""Where what took long to compute is kept for the next time: the user's cache folder."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from cnnwidgets.errors import FileError
from cnnwidgets.files import expand

VARIABLE = "CNNWIDGETS_CACHE"


class Cache(NamedTuple):
    """A folder to keep things in.

    Attributes:
        folder: it exists and can be written to.
        words: why it is only a temporary one that goes with this process, or "".

    """

    folder: Path
    words: str


def cache_folder() -> Cache:
    """Return the folder that the environment variable CNNWIDGETS_CACHE names, else the user's own on this system.

    Where that cannot be written to, it is a temporary one.
    """
    set_to = os.environ.get(VARIABLE, "")
    try:
        wanted = expand(set_to) if set_to else _users_own()
    except FileError as error:
        return Cache(_temporary(), f"{error} It is what {VARIABLE} says; this is kept only while Python runs.")
    try:
        if wanted.parts and wanted.parts[0].startswith("~"):
            raise FileNotFoundError(0, "there is no such user")
        wanted.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=wanted):
            pass
    except OSError as error:
        return Cache(
            _temporary(),
            f"The cache folder {wanted} cannot be written to ({error.strerror or error}), so this is kept only while "
            f"Python runs. The environment variable {VARIABLE} names another folder.",
        )
    return Cache(wanted, "")


def make_room(folder: Path, pattern: str, most: int) -> None:
    """Delete what was used longest ago until `most` files or folders of a pattern are left.

    What is in use elsewhere and cannot be deleted stays.
    """
    for path in sorted(folder.glob(pattern), key=_used, reverse=True)[most:]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            try:
                path.unlink(missing_ok=True)
            except OSError:
                continue  # Windows keeps a file that is open


def touch(path: Path) -> None:
    """Note that a file is used now; on a disk that cannot be written to nothing happens."""
    try:
        os.utime(path)
    except OSError:
        return


def _used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process was faster
        return 0.0


def _users_own() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("cnnwidgets", appauthor=False))


@functools.cache
def _temporary() -> Path:
    folder = tempfile.mkdtemp(prefix="cnnwidgets-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
