"""Arrays in a file, in the safetensors format: a JSON header and raw numbers, nothing that could run.

Written as a stream and read by memory mapping, so that neither needs the arrays in memory; the library of that name
does one of the two only.
"""

from __future__ import annotations

import json
import math
import operator
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnwidgets.errors import IndexFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from cnnwidgets.patches.grown import Grown

_CODES: dict[np.dtype[Any], str] = {
    np.dtype("<f8"): "F64",
    np.dtype("<i8"): "I64",
    np.dtype("<u8"): "U64",
    np.dtype("<f4"): "F32",
    np.dtype("<i4"): "I32",
    np.dtype("u1"): "U8",
}
_DTYPES: dict[str, np.dtype[Any]] = {code: dtype for dtype, code in _CODES.items()}
_LONGEST = 100 * 2**20  # bytes of a header, as the format says
_BLOCK = 2**22


class Column:
    """An array to be written that need not be in memory: blocks of it, one after the other.

    Args:
        dtype: of its numbers.
        shape: of the whole array.
        blocks: parts along the first axis, in order.

    """

    def __init__(self, dtype: npt.DTypeLike, shape: tuple[int, ...], blocks: Iterable[npt.NDArray[Any]]) -> None:
        self.dtype, self.shape, self.blocks = np.dtype(dtype).newbyteorder("<"), shape, blocks

    @classmethod
    def of(cls, array: npt.NDArray[Any] | Grown) -> Column:
        """Return an array that is there, in memory or on the disk, as blocks of bounded size."""
        step = max(1, _BLOCK // max(1, array[:1].nbytes))
        return cls(array.dtype, array.shape, (array[first : first + step] for first in range(0, len(array), step)))


def write(path: Path, columns: Mapping[str, Column | npt.NDArray[Any]], facts: Mapping[str, Any]) -> None:
    """Write arrays and facts to a file, which is there whole or, should this be interrupted, as it was.

    Args:
        path: the file.
        columns: arrays by name.
        facts: what JSON can hold.

    """
    made = {name: Column.of(c) if isinstance(c, np.ndarray) else c for name, c in columns.items()}
    # Widest numbers first: then each array begins at a multiple of its numbers' size.
    order = sorted(made, key=lambda name: (-made[name].dtype.itemsize, name))
    header: dict[str, Any] = {"__metadata__": {"cnnwidgets": json.dumps(facts, sort_keys=True)}}
    end = 0
    for name in order:
        column = made[name]
        start, end = end, end + math.prod(column.shape) * column.dtype.itemsize
        header[name] = {"dtype": _CODES[column.dtype], "shape": list(column.shape), "data_offsets": [start, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    part = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with part.open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name in order:
                for block in made[name].blocks:
                    file.write(
                        np.ascontiguousarray(block, dtype=made[name].dtype).data.cast("B") if block.size else b""
                    )
            file.flush()
            os.fsync(file.fileno())
            if file.tell() != 8 + len(text) + end:
                raise AssertionError(f"{path.name} came out with another size than its header says")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class Tensors:
    """The arrays of a file, mapped into memory: what is not looked at is not read.

    Args:
        path: the file.

    Attributes:
        facts: the facts that were written with them.

    Raises:
        IndexFileError: it is no such file, or a damaged one.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            data = np.memmap(path, dtype=np.uint8, mode="r")
        except FileNotFoundError as error:
            raise IndexFileError(
                f"There is no file {str(path)!r}. PatchIndex.build(..., path=...) makes one."
            ) from error
        except (OSError, ValueError) as error:  # empty files cannot be mapped
            raise self.damaged(str(error)) from error
        self._data = data
        header, self._start = self._header()
        self.facts = self._facts(header.pop("__metadata__", None))
        self._entries = self._described(header)

    def damaged(self, why: str) -> IndexFileError:
        """Return the error that says so."""
        return IndexFileError(f"{str(self.path)!r} is no patch index, or a damaged one: {why}. Build it anew.")

    def _header(self) -> tuple[dict[str, Any], int]:
        size = int.from_bytes(self._data[:8].tobytes(), "little")
        if len(self._data) < 8 or not 2 <= size <= min(_LONGEST, len(self._data) - 8):
            raise self.damaged("it has no header")
        try:
            header = json.loads(self._data[8 : 8 + size].tobytes())
        except (ValueError, RecursionError) as error:
            raise self.damaged("its header is no JSON") from error
        if not isinstance(header, dict):
            raise self.damaged("its header is no table")
        return header, 8 + size

    def _facts(self, metadata: Any) -> dict[str, Any]:
        try:
            facts = json.loads(metadata["cnnwidgets"])
        except (TypeError, KeyError, ValueError, RecursionError) as error:
            raise self.damaged("it was not written by cnnwidgets") from error
        if not isinstance(facts, dict):
            raise self.damaged("its facts are no table")
        return facts

    def _described(self, header: Mapping[str, Any]) -> dict[str, tuple[np.dtype[Any], tuple[int, ...], int, int]]:
        """Return dtype, shape, start and end of each array, once they lie one behind the other and fill the file."""
        found = {}
        for name, entry in header.items():
            try:
                dtype = _DTYPES[entry["dtype"]]
                *shape, start, end = (whole(size) for size in (*entry["shape"], *entry["data_offsets"]))
            except (KeyError, TypeError, ValueError) as error:
                raise self.damaged(f"the array {name!r} is not described") from error
            if end - start != math.prod(shape) * dtype.itemsize:
                raise self.damaged(f"the array {name!r} has another size than its shape {tuple(shape)}")
            found[name] = dtype, tuple(shape), start, end
        behind = 0
        for _, _, start, end in sorted(found.values(), key=operator.itemgetter(2, 3)):
            if start != behind:
                raise self.damaged("its arrays do not lie one behind the other")
            behind = end
        if behind != len(self._data) - self._start:
            raise self.damaged(f"it has {len(self._data):,} bytes, and says that it has {self._start + behind:,}")
        return found

    def __contains__(self, name: str) -> bool:
        """Whether there is an array of a name."""
        return name in self._entries

    def get(self, name: str, dtype: npt.DTypeLike, *shape: int | None) -> npt.NDArray[Any]:
        """Return an array, not to be written to, once it has the dtype and shape that it should have.

        Args:
            name: its name.
            dtype: of its numbers.
            shape: sizes; None for any.

        """
        if name not in self._entries:
            raise self.damaged(f"the array {name!r} is missing")
        found, sizes, start, end = self._entries[name]
        fits = len(sizes) == len(shape) and all(w is None or w == s for w, s in zip(shape, sizes, strict=True))
        if found != np.dtype(dtype).newbyteorder("<") or not fits:
            raise self.damaged(f"the array {name!r} is {found} {sizes}, not {np.dtype(dtype)} {shape}")
        raw = self._data[self._start + start : self._start + end]
        array: npt.NDArray[Any] = raw.view(found).reshape(sizes)
        return array


def whole(number: Any, least: int = 0) -> int:
    """Return a whole number out of JSON.

    Raises:
        ValueError: it is none, or out of range.

    """
    if type(number) is not int or not least <= number < 2**63:
        raise ValueError(f"{number!r} is no whole number from {least} on")
    return number
