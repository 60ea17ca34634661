"""Paths that the library is given: expanded, checked for what they name, opened without waiting, written in one step.

Every place that takes a path goes through here, so that all of them treat it alike: `~` is a home folder, only regular
files are opened (a pipe would be waited on for ever, a device may do anything), and a file that is written is there
whole or as it was before.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cnnwidgets.errors import CnnWidgetsError, FileError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What a path can name besides a regular file, by the bits of its mode.
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
FILE = "a file"
#: Reasons of the operating system, with what to do about them.
_REASONS = {
    errno.ENOSPC: "the disk is full. Free some room on it, or choose a place on another one",
    errno.EDQUOT: "your share of the disk is used up. Free some room, or choose another place",
    errno.EROFS: "the place is read-only. Choose another one",
    errno.EACCES: "Permission denied. Check your rights to it, or choose another place",
    errno.EPERM: "Operation not permitted. Check your rights to it, or choose another place",
    errno.ENOTDIR: "a part of its path is a file and no folder. Check the path",
    errno.EISDIR: "it is a folder. Give the name of a file",
    errno.ELOOP: "it is a link that must not be followed, or one that leads in a circle. Give the file itself",
    errno.ENAMETOOLONG: "its name is too long. Choose a shorter one",
    errno.ENOENT: "there is no such file or folder. Check the path",
    errno.EMFILE: "this process has too many open files. Close some",
    errno.EEXIST: "there is something else of that name, or another process is writing there. Try again",
    errno.ENOTEMPTY: "another process is writing there. Try again",
    errno.EFBIG: "the file would be larger than this disk can hold. Choose a place on another one",
    errno.EIO: "the disk reports an error. Check it, or choose another place",
}
_CLOSED = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


def expand(path: str | os.PathLike[str]) -> Path:
    """Return a path with `~` and `~user` replaced by the home folder, where there is such a user.

    Raises:
        FileError: what is no path: a number, bytes, or a text with a NUL character.

    """
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(text, str):
        raise FileError(f"The path {text!r} is of type {type(text).__name__}. Give a text or a pathlib.Path.")
    if not text:
        raise FileError("The path is empty. Give the name of a file or folder; the current folder is '.'.")
    if "\0" in text:
        raise FileError(f"The path {text[:100]!r} holds a NUL character, which no file name has. Leave it out.")
    plain = Path(text)
    try:
        return plain.expanduser()
    except RuntimeError:  # no such user: as a shell does, the name is left as it stands
        return plain


def home_hint(path: Path) -> str:
    """Return a sentence, with a leading space, that says why a path that begins with `~` was not expanded; or ""."""
    first = path.parts[0] if path.parts else ""
    if not first.startswith("~"):
        return ""
    return f" There is no user {first[1:]!r} on this machine: your own home folder is '~', a folder here './{first}'."


def kind_of(path: Path, *, links: bool = True) -> str:
    """Return what a path names: "a file", "a folder", "a pipe", "a socket", "a device", "a link"; "" for nothing.

    Args:
        path: the path.
        links: whether links are followed; a link that is not followed is "a link".

    Raises:
        OSError: it cannot be asked.

    """
    try:
        mode = path.stat(follow_symlinks=links).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link to itself leads to nothing
            return ""
        raise
    if stat.S_ISLNK(mode):
        return "a link"
    return FILE if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "no file")


def open_regular(path: Path, *, links: bool = True) -> IO[bytes]:
    """Open a regular file for reading, and nothing else; this never waits for the other end of a pipe.

    Args:
        path: the file.
        links: whether a link is followed.

    Raises:
        FileError: it is something else.
        OSError: it cannot be opened.

    """
    _refuse_other(path, kind_of(path, links=links) or FILE)  # asked first: merely opening a device may do something
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | (_CLOSED if not links else _CLOSED & ~_no_follow())
    handle = os.open(path, flags)
    try:
        # Asked again: something else may have been put in its place meanwhile.
        _refuse_other(path, FILE if stat.S_ISREG(os.fstat(handle).st_mode) else "no file")
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def open_own(path: Path, mode: str) -> IO[bytes]:
    """Open or make a file of a folder of the library's own for writing; links are not followed, nothing is cut off.

    Args:
        path: the file.
        mode: "r+b", or "ab" to write behind its end.

    Raises:
        FileError: there is something else, or the file has another name elsewhere, where writing would change it, too.
        OSError: it cannot be opened.

    """
    _refuse_other(path, kind_of(path, links=False) or FILE)
    way = os.O_WRONLY | os.O_APPEND if mode == "ab" else os.O_RDWR
    handle = os.open(path, way | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | _CLOSED, 0o666)
    try:
        status = os.fstat(handle)
        _refuse_other(path, FILE if stat.S_ISREG(status.st_mode) else "no file")
        _refuse_other(path, FILE if status.st_nlink < 2 else "a file with a second name elsewhere, a hard link")
        return os.fdopen(handle, mode)
    except BaseException:
        os.close(handle)
        raise


def _no_follow() -> int:
    return int(getattr(os, "O_NOFOLLOW", 0))


def _refuse_other(path: Path, kind: str) -> None:
    if kind != FILE:
        raise FileError(f"{str(path)!r} is {kind}. Give the path of a file.")


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file beside its place; it takes the place when all of it is on the disk, and goes if anything fails.

    Args:
        path: the place; a file that is there stays as it is until then.

    Raises:
        FileError: the place is taken by what is no file, or it cannot be written; with the remedy.

    """
    with in_words(path, "written"):
        _refuse_other(path, kind_of(path) or FILE)
        part = path.with_name(f".{path.name[:50]}.{secrets.token_hex(6)}.tmp")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _CLOSED, 0o666)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder written to the disk, where the system can."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, unless it is there.

    Raises:
        FileError: it cannot be made; with the remedy.

    """
    with in_words(path, "made"):
        path.mkdir(parents=True, exist_ok=True)


def reason_of(error: BaseException) -> str:
    """Return why the operating system refused something, and what to do about it, as the end of a sentence."""
    number = getattr(error, "errno", None)
    known = _REASONS.get(number) if isinstance(number, int) else None
    said = getattr(error, "strerror", None) or error or type(error).__name__
    return known or f"{said}. Check its name and your rights"


@contextlib.contextmanager
def in_words(path: Path, done: str) -> Iterator[None]:
    """Raise what the operating system refuses inside as `FileError`, in words.

    Args:
        path: the file or folder.
        done: what is done to it: "written", "made", "read".

    Raises:
        FileError: instead of any other OSError.

    """
    try:
        yield
    except OSError as error:
        if isinstance(error, CnnWidgetsError):
            raise
        said = FileError(f"{str(path)!r} cannot be {done}: {reason_of(error)}.")
        said.errno = error.errno
        raise said from error
