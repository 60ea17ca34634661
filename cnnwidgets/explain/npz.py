"""Arrays of a saved heat map, read from an .npz file whose every size is checked before memory is taken for it."""

from __future__ import annotations

import math
import zipfile
from functools import partial
from typing import IO, Any

import numpy as np
import numpy.typing as npt

#: What a damaged zip file raises besides `ValueError` and the like.
BROKEN = zipfile.BadZipFile
_FARTHEST = 2.0**40  # of pixels
_AXES = ("low", "high", "first", "last", "path")
_OPTIONAL = ("first", "last", "path")
_LONGEST_HEADER = 10_000
_LONGEST_NAME = 80
_SIDE = 2**15  # cells


def read(file: IO[bytes], count: int, most: int) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a heat map of `count` images.

    Args:
        file: the .npz file; what `numpy.savez` has written, not compressed, so that nothing in it can swell.
        count: number of images.
        most: pixels of one map.

    Raises:
        ValueError, BadZipFile: an array is missing, or not what it should be.

    """
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        names = [member.filename.removesuffix(".npy") for member in members]
        if foreign := [name for name in names if not name.isidentifier() or len(name) > _LONGEST_NAME]:
            raise ValueError(f"it holds {foreign[0][:80]!r}, which is no array of a heat map")
        if len(set(names)) != len(names):
            raise ValueError("it holds an array twice")
        entries = dict(zip(names, members, strict=True))
        read_one = partial(_array, archive, entries, most=most)
        values = read_one("values", "<f4", (count, None, None))
        if np.isinf(values).any():
            raise ValueError("values holds infinite numbers")
        found = {"values": values, "scores": read_one("scores", "<f4", (count,))}
        found["strides"] = read_one("strides", "<f8", (2,))
        for axis, cells in zip("yx", values.shape[1:], strict=True):
            for edge in _AXES:
                name = f"{axis}_{edge}"
                if name in entries or edge not in _OPTIONAL:
                    found[name] = read_one(name, "<f8", (cells,))
    _check(found)
    return found


def _array(
    archive: zipfile.ZipFile,
    entries: dict[str, zipfile.ZipInfo],
    name: str,
    form: str,
    shape: tuple[int | None, ...],
    *,
    most: int,
) -> npt.NDArray[Any]:
    """Return one array, once its header has the type and shape that it should have, and its bytes are there."""
    if name not in entries:
        raise ValueError(f"the array {name!r} is missing")
    entry = entries[name]
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size or entry.flag_bits & 1:
        raise ValueError(f"the array {name!r} is compressed or encrypted; arrays of a heat map are stored as they are")
    with archive.open(entry) as member:
        version = np.lib.format.read_magic(member)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"the array {name!r} has a header of version {version}")
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        found, backwards, dtype = header(member, max_header_size=_LONGEST_HEADER)
        fits = len(found) == len(shape) and all(w in (None, size) for w, size in zip(shape, found, strict=True))
        if dtype.str != form or not fits or (backwards and len(found) > 1):
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise ValueError(f"the array {name!r} is {dtype} {found}, not {form} ({wanted})")
        if math.prod(found[1:]) > most or any(not 1 <= size <= _SIDE for size in found[1:]):
            raise ValueError(f"the array {name!r} says that it is {found}, more than is read")
        size = math.prod(found) * dtype.itemsize
        if member.tell() + size != entry.file_size:
            raise ValueError(f"the array {name!r} has another size than its shape {found}")
        return np.frombuffer(member.read(), dtype).reshape(found)


def _check(found: dict[str, npt.NDArray[Any]]) -> None:
    """Raise `ValueError` where numbers are out of range."""
    if not np.isfinite(found["scores"]).all():
        raise ValueError("scores holds what is no number")
    if not (np.abs(found["strides"]) < _FARTHEST).all():
        raise ValueError(f"strides is {found['strides'].tolist()}, not two sizes in pixels")
    for name, array in found.items():
        if name[:2] not in ("y_", "x_"):
            continue
        there = array[~np.isnan(array)] if name[2:] in ("first", "last") else array  # NaN: sees padding only
        if not (np.abs(there) < _FARTHEST).all():
            raise ValueError(f"{name} holds what is no place in a picture")
    for axis in "yx":
        if (found[f"{axis}_low"] > found[f"{axis}_high"]).any():
            raise ValueError(f"{axis}_low lies behind {axis}_high")
        if (f"{axis}_first" in found) != (f"{axis}_last" in found):
            raise ValueError(f"{axis}_first and {axis}_last are not both there")
