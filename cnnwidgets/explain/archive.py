"""Saving a heat map as files that anybody can read, and reading them back.

A folder holds `manifest.json` (what it is, in words and numbers), `arrays.npz` (values, scores, cell centres; no
pickle), and for each image `picture-N.png` (the original) and `overlay-N.png` (what it looks like).

A save is whole or not at all. The files are written into a folder of their own in the folder, which is then renamed to
`NEXT`: from this moment on the new heat map is the one that is read. What is in it is then moved to its place, the
manifest last; where that is interrupted, the next save goes on with it, and `load` looks into both. Other files in the
folder are left alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import threading
import time
import weakref
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from cnnwidgets.errors import CnnWidgetsError, FileError
from cnnwidgets.explain import npz
from cnnwidgets.explain.axis import Axis
from cnnwidgets.explain.geometry import Grid
from cnnwidgets.explain.manifest import (
    FORMAT,
    TEXTS,
    Part,
    check_unchanged,
    described,
    frames_of,
    is_manifest,
    most_pixels,
    params_of,
    placement_of,
    stated_files,
    texts_of,
)
from cnnwidgets.files import (
    FILE,
    expand,
    home_hint,
    in_words,
    kind_of,
    make_folder,
    open_regular,
    reason_of,
    sync_folder,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from cnnwidgets.explain.result import Heatmap

_MARKER, _MARK = ".cnnwidgets-save", b"a heat map that is being saved\n"  # in a folder of unfinished work: it is ours
MANIFEST, ARRAYS, NEXT = "manifest.json", "arrays.npz", ".cnnwidgets-next"
_EDGES = ("low", "high", "first", "last", "path", "places")
_UNFINISHED = re.compile(r"\.[0-9a-f]{12}\.part")
_STALE = 3600.0  # seconds after which what a killed save has left is taken away
_MOST_MANIFEST = 2**26  # bytes
_AWAY = "Move it away, or choose a new folder."
_REMEDY = "Save it anew, or get the folder again."


class ArchiveError(CnnWidgetsError, ValueError):
    """A folder that is no saved heat map, or a broken one."""


def save(heatmap: Heatmap, folder: Path) -> Path:
    """Write a heat map into `folder`, which is made where it is missing, and return it.

    A heat map that was saved there before stays as it is until the new one is on the disk as a whole.

    Raises:
        ArchiveError: the folder holds other files, which are left alone.
        FileError: the folder cannot be written to, as on a full disk.

    """
    folder = expand(folder)
    if np.isinf(heatmap.values).any() or not np.isfinite(heatmap.scores).all():
        raise ArchiveError("The heat map holds infinite values or scores that are no numbers, and would not be read.")
    names = [ARRAYS, *(name for index in range(len(heatmap.pictures)) for name in _pictures(index)), MANIFEST]
    with in_words(folder, "written to"):
        kind = kind_of(folder)
        if kind not in ("", "a folder"):
            raise ArchiveError(f"{str(folder)!r} is {kind}. Choose a new folder.")
        make_folder(folder)
        with _alone(folder):
            _refuse_foreign(folder, names)
            part = folder / f".{secrets.token_hex(6)}.part"
            try:
                part.mkdir()
                _write(heatmap, part)
                _take_place(folder, part)
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                if not kind:
                    with contextlib.suppress(OSError):
                        folder.rmdir()
                raise
    return folder


_locks: weakref.WeakValueDictionary[str, threading.Lock] = weakref.WeakValueDictionary()
_locks_lock = threading.Lock()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock on a folder for one save at a time, among threads and, where the system has `flock`, processes."""
    with _locks_lock:
        lock = _locks.setdefault(str(folder.resolve()), threading.Lock())
    with lock, contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, OSError):  # Windows, or a disk without locks: an error says so in words
            import fcntl

            handle = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, handle)  # this ends the lock, too
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _pictures(index: int) -> tuple[str, str]:
    return f"picture-{index}.png", f"overlay-{index}.png"


def _write(heatmap: Heatmap, part: Path) -> None:
    """Write all files into a new folder, and have them on the disk."""
    grid = heatmap.grid
    arrays = {
        "values": heatmap.values,
        "scores": heatmap.scores,
        "upsampled": heatmap.upsampled(),
        **{
            f"{name}_{edge}": values
            for name, axis in (("y", grid.y), ("x", grid.x))
            for edge in _EDGES
            if (values := getattr(axis, edge)) is not None
        },
        "strides": np.array([grid.y.stride, grid.x.stride]),
    }
    files: dict[str, Any] = {}
    (part / _MARKER).write_bytes(_MARK)

    def put(name: str, fill: Callable[[IO[bytes]], object]) -> None:
        with (part / name).open("x+b") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            files[name] = {"bytes": os.fstat(file.fileno()).st_size, "sha256": _sha256(file)}

    put(ARRAYS, lambda file: np.savez(file, allow_pickle=False, **arrays))
    for index, picture in enumerate(heatmap.pictures):
        drawn, overlay = picture.convert("RGB"), heatmap.overlay(index)
        for name, one in zip(_pictures(index), (drawn, overlay), strict=True):
            put(name, lambda file, one=one: one.save(file, "PNG"))  # type: ignore[misc]
    text = json.dumps(described(heatmap, files), indent=2, ensure_ascii=False) + "\n"
    put(MANIFEST, lambda file: file.write(text.encode()))
    sync_folder(part)


def _sha256(file: IO[bytes]) -> str:
    checksum = hashlib.sha256()
    while block := file.read(2**20):
        checksum.update(block)
    return checksum.hexdigest()


def _take_place(folder: Path, part: Path) -> None:
    """Have what was written take the place of what is there."""
    _finish(folder)  # of a save that was interrupted
    part.rename(folder / NEXT)
    sync_folder(folder)
    _finish(folder)
    for path in folder.iterdir():
        if _UNFINISHED.fullmatch(path.name) and time.time() - path.lstat().st_mtime > _STALE and _is_marked(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_marked(part: Path) -> bool:
    """Whether a folder says that a save has made it: its name alone may be anybody's."""
    with contextlib.suppress(OSError):
        if kind_of(part, links=False) == "a folder":
            with open_regular(part / _MARKER, links=False) as file:
                return file.read(len(_MARK) + 1) == _MARK
    return False


def _finish(folder: Path) -> None:
    """Move the files of a whole save to their places, the manifest last, and take away those that it replaces."""
    waiting = folder / NEXT
    if kind_of(waiting, links=False) != "a folder":
        return
    if kind_of(waiting / MANIFEST, links=False):
        new = _names_of(_parsed(waiting / MANIFEST))
        old = _names_of(_manifest_or_none(folder / MANIFEST))
        for name in sorted(new - {MANIFEST}):
            if kind_of(waiting / name, links=False):
                (waiting / name).replace(folder / name)
        for name in old - new:
            (folder / name).unlink(missing_ok=True)
        (waiting / MANIFEST).replace(folder / MANIFEST)
    with contextlib.suppress(OSError):  # a stranger has put something there: it stays
        (waiting / _MARKER).unlink(missing_ok=True)
        waiting.rmdir()
    sync_folder(folder)


def _names_of(manifest: Any) -> set[str]:
    """Return the names of the files that belong to a manifest; none where it is not one."""
    if not is_manifest(manifest) or not isinstance(manifest["frames"], list):
        return set()
    return {MANIFEST, ARRAYS, *(name for index in range(len(manifest["frames"])) for name in _pictures(index))}


def _refuse_foreign(folder: Path, names: Iterable[str]) -> None:
    """Raise `ArchiveError` unless a folder is empty, or a heat map was saved in it and its entries are as they were."""
    there = {path.name for path in folder.iterdir()}
    there -= {name for name in there if _UNFINISHED.fullmatch(name)}
    if not there:
        return
    own = _names_of(_manifest_or_none(folder / MANIFEST)) | _names_of(_manifest_or_none(folder / NEXT / MANIFEST))
    if not own:
        holds = "its manifest.json is not that of a heat map" if MANIFEST in there else "it holds no saved heat map"
        raise ArchiveError(f"{str(folder)!r} is not empty, and {holds}. Choose a new folder.")
    if foreign := sorted(there.intersection(names) - own):
        raise ArchiveError(
            f"{str(folder)!r} holds {foreign[0]!r}, which is no part of the heat map saved there and would be written "
            "over. Choose a new folder."
        )
    for path in [folder / name for name in sorted(there & own)]:
        if (kind := kind_of(path, links=False)) not in (FILE, "a link"):
            raise ArchiveError(f"{str(path)!r} is {kind}; in a saved heat map it is a file. {_AWAY}")
    if NEXT in there:
        _refuse_foreign_next(folder / NEXT)


def _refuse_foreign_next(waiting: Path) -> None:
    """Raise `ArchiveError` unless the folder of a save that was interrupted holds what such a save leaves."""
    if (kind := kind_of(waiting, links=False)) != "a folder":
        raise ArchiveError(f"{str(waiting)!r} is {kind}; a folder of that name is needed for the save. {_AWAY}")
    own = _names_of(_manifest_or_none(waiting / MANIFEST)) | {_MARKER}
    for path in sorted(waiting.iterdir()):
        if path.name not in own:
            raise ArchiveError(f"{str(path)!r} is no part of a heat map, and in the way of the save. {_AWAY}")
        if (kind := kind_of(path, links=False)) not in (FILE, "a link"):
            raise ArchiveError(f"{str(path)!r} is {kind}; in a saved heat map it is a file. {_AWAY}")


def _manifest_or_none(path: Path) -> Any:
    try:
        return _parsed(path)
    except (OSError, ValueError, RecursionError):
        return None


def _parsed(path: Path) -> Any:
    with _opened(path) as file:
        text = file.read(_MOST_MANIFEST + 1)
    if len(text) > _MOST_MANIFEST:
        raise ValueError(f"it has more than {_MOST_MANIFEST} bytes")
    return json.loads(text.decode())


def _opened(path: Path) -> IO[bytes]:
    """Open a file of the folder for reading; symbolic links must not lead out of the folder."""
    if kind_of(path, links=False) == "a link" and not path.resolve().is_relative_to(path.parent.resolve()):
        raise FileError(f"{path.name!r} is a link that leads out of the folder.")
    return open_regular(path)


class _Folder:
    """The files of a saved heat map, where they are: in their place, or still in `NEXT`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        waiting = folder / NEXT
        whole = kind_of(waiting, links=False) == "a folder" and kind_of(waiting / MANIFEST, links=False)
        self._waiting = waiting if whole else None

    def path(self, name: str) -> Path:
        """Return where a file is."""
        if self._waiting is not None and kind_of(self._waiting / name, links=False):
            return self._waiting / name
        return self.folder / name


def load(folder: Path) -> Heatmap:
    """Read a saved heat map; every part is checked before it is believed.

    Raises:
        ArchiveError: it is none, it is broken, or a later version wrote it.

    """
    folder = expand(folder)
    name = MANIFEST
    try:
        kind = kind_of(folder)
        if not kind:
            raise ArchiveError(f"There is no folder {str(folder)!r}.{home_hint(folder)}")
        if kind != "a folder":
            raise ArchiveError(f"{str(folder)!r} is {kind} and no folder of a saved heat map. Give the folder.")
        files = _Folder(folder)
        if not kind_of(files.path(MANIFEST)):
            raise ArchiveError(f"{str(folder)!r} holds no saved heat map: there is no manifest.json in it.")
        manifest = _checked_manifest(folder, files)
        sums = {each: (size, sha256) for each, size, sha256 in stated_files(Part("it", manifest))}
        arrays, pictures = {}, []
        name = ARRAYS
        frames = frames_of(Part("it", manifest))
        with _opened(files.path(name)) as file:
            _compare(file, sums.get(name))
            arrays = npz.read(file, len(frames), most_pixels())
        left = 6 * most_pixels()
        for index in range(len(frames)):
            name = _pictures(index)[0]
            with _opened(files.path(name)) as file:
                _compare(file, sums.get(name))
                pictures.append(_picture(file, left))
            left -= pictures[-1].width * pictures[-1].height
        name = MANIFEST
        return _heatmap(Part("it", manifest), arrays, frames, pictures)
    except (
        KeyError, TypeError, ValueError, OSError, EOFError, RecursionError, npz.BROKEN, Image.DecompressionBombError,
        Image.DecompressionBombWarning, SyntaxError, NotImplementedError, OverflowError, IndexError,
    ) as error:  # fmt: skip
        if isinstance(error, ArchiveError):
            raise
        said = reason_of(error) if isinstance(error, OSError) and error.errno else str(error) or type(error).__name__
        raise ArchiveError(
            f"The heat map in {str(folder)!r} is broken: {name}: {said.rstrip('.')}. {_REMEDY}"
        ) from error


def _checked_manifest(folder: Path, files: _Folder) -> dict[str, Any]:
    """Return the manifest, once it is one of a version that is known and is what was written."""
    manifest = _parsed(files.path(MANIFEST))
    if not is_manifest(manifest):
        raise ValueError("it is not the manifest of a heat map")
    if type(manifest["format"]) is not int or manifest["format"] < 1:
        Part("format", manifest["format"]).fail(str(FORMAT))
    if manifest["format"] > FORMAT:
        raise ArchiveError(
            f"{str(folder)!r} was written by a later version of cnnwidgets ({manifest['versions']['cnnwidgets']}). "
            "Upgrade: pip install --upgrade cnnwidgets"
        )
    check_unchanged(manifest)
    return dict(manifest)


def _compare(file: IO[bytes], stated: tuple[int, str] | None) -> None:
    """Raise `ValueError` where a file is not the one that the manifest means."""
    if stated is None:  # an earlier version wrote no checksums
        return
    size = os.fstat(file.fileno()).st_size
    if size != stated[0]:
        raise ValueError(f"it has {size:,} bytes; when it was saved it had {stated[0]:,}")
    if _sha256(file) != stated[1]:
        raise ValueError("it is not what was saved: its checksum differs")
    file.seek(0)


def _picture(file: IO[bytes], most: int) -> Image.Image:
    """Return a PNG as an RGB picture of not more than `most` pixels."""
    with Image.open(file, formats=["PNG"]) as picture:
        if picture.width * picture.height > min(most, most_pixels()):
            raise ValueError(
                f"it has {picture.width} x {picture.height} pixels, more than is read: PIL.Image.MAX_IMAGE_PIXELS"
            )
        return picture.convert("RGB")


def _heatmap(manifest: Part, arrays: dict[str, Any], frames: tuple[Any, ...], pictures: list[Image.Image]) -> Heatmap:
    from cnnwidgets.explain.result import Heatmap

    count = len(frames)
    layer, grid = manifest.item("layer"), manifest.item("grid")
    rows, columns = (each.whole(-8, 7) for each in grid.item("dims").items(2))
    down, across = (float(stride) for stride in arrays["strides"])
    placed = Grid(
        _axis(arrays, "y", down),
        _axis(arrays, "x", across),
        (rows, columns),
        sees_all=grid.item("sees_all").flag(),
        measured=grid.item("measured").flag(),
    )
    texts: dict[str, Any] = {name: manifest.item(name).text() for name in TEXTS}
    return Heatmap(
        values=arrays["values"],
        **texts,
        layer=None if layer.value is None else layer.text(),
        target=texts_of(manifest.item("target"), (count,)),
        scores=arrays["scores"],
        params=params_of(manifest),
        grid=placed.with_placement(placement_of(manifest)),
        frames=frames,
        pictures=tuple(pictures),
        image_hashes=texts_of(manifest.item("image_sha256"), (count, 0)),
    )


def _axis(stored: dict[str, Any], name: str, stride: float) -> Axis:
    sight = None
    if f"{name}_first" in stored:  # earlier versions did not save it
        sight = stored[f"{name}_first"], stored[f"{name}_last"]
    return Axis(stored[f"{name}_low"], stored[f"{name}_high"], stride, sight, stored.get(f"{name}_path"))
