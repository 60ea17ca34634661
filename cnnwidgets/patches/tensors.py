"""Arrays in a file, in the safetensors format: a JSON header and raw numbers, nothing that could run.

Written as a stream and read by memory mapping, so that neither needs the arrays in memory; the library of that name
does one of the two only. Each array has a checksum (SHA-256), which is compared when it is first read, and the header
has one, compared when the file is opened. Files of earlier versions have none and are read as they are.
"""

from __future__ import annotations

import hashlib
import json
import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnwidgets.errors import CnnWidgetsError, IndexFileError
from cnnwidgets.files import expand, home_hint, new_file, open_regular, reason_of
from cnnwidgets.patches.seal import SEALED, is_sealed, seal_of

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
_CHECKSUMS = "checksums"  # key of the metadata
_HEADER = "__header__"  # among the checksums


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


def write(
    path: Path, columns: Mapping[str, Column | npt.NDArray[Any]], facts: Mapping[str, Any], *, sealed: bool = True
) -> None:
    """Write arrays and facts to a file, which is there whole or, should this be interrupted, as it was.

    Args:
        path: the file.
        columns: arrays by name.
        facts: what JSON can hold.
        sealed: whether the file says that it was made here, for `Tensors.sealed`; False where a part of it may come
            from elsewhere.

    Raises:
        FileError: it cannot be written, as on a full disk.

    """
    made = {name: Column.of(c) if isinstance(c, np.ndarray) else c for name, c in columns.items()}
    # Widest numbers first: then each array begins at a multiple of its numbers' size.
    order = sorted(made, key=lambda name: (-made[name].dtype.itemsize, name))
    entries: dict[str, Any] = {}
    end = 0
    for name in order:
        column = made[name]
        start, end = end, end + math.prod(column.shape) * column.dtype.itemsize
        entries[name] = {"dtype": _CODES[column.dtype], "shape": list(column.shape), "data_offsets": [start, end]}
    words = json.dumps(facts, sort_keys=True)
    checksums = {_HEADER: _header_checksum(words, entries), **dict.fromkeys(order, "0" * 64)}
    text = _header(words, entries, checksums, sealed=sealed)
    with new_file(path) as file:
        file.write(text)
        for name in order:
            checksum = hashlib.sha256()
            for block in made[name].blocks:
                raw = np.ascontiguousarray(block, dtype=made[name].dtype).data.cast("B") if block.size else b""
                checksum.update(raw)
                file.write(raw)
            checksums[name] = checksum.hexdigest()
        if file.tell() != len(text) + end:
            raise AssertionError(f"{path.name} came out with another size than its header says")
        file.seek(0)
        file.write(_header(words, entries, checksums, sealed=sealed))  # of the same length: now with the checksums


def _header(facts: str, entries: Mapping[str, Any], checksums: Mapping[str, str], *, sealed: bool) -> bytes:
    """Return the beginning of a file: the length of the header, and the header."""
    sums = json.dumps(checksums, sort_keys=True)
    metadata = {"cnnwidgets": facts, _CHECKSUMS: sums, SEALED: seal_of(sums) if sealed else ""}
    text = json.dumps({"__metadata__": metadata, **entries}, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _header_checksum(facts: str, entries: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([facts, entries], sort_keys=True).encode()).hexdigest()


class Tensors:
    """The arrays of a file, mapped into memory: what is not looked at is not read.

    Args:
        path: the file.

    Attributes:
        facts: the facts that were written with them.
        checksums: SHA-256 of each array by name; {} in a file of an earlier version.
        sealed: whether the file was made here, by this user, and is as it was made.

    Raises:
        IndexFileError: it is no such file, or a damaged one.

    """

    def __init__(self, path: Path) -> None:
        self.path = path = expand(path)
        try:
            with open_regular(path) as file:
                data = np.memmap(file, dtype=np.uint8, mode="r")
        except FileNotFoundError as error:
            raise IndexFileError(
                f"There is no file {str(path)!r}. PatchIndex.build(..., path=...) makes one.{home_hint(path)}"
            ) from error
        except (OSError, ValueError) as error:  # empty files cannot be mapped
            known = isinstance(error, CnnWidgetsError | ValueError)
            raise self.damaged(str(error).rstrip(".") if known else f"it cannot be read: {reason_of(error)}") from error
        self._data = data
        header, self._start = self._header()
        metadata = header.pop("__metadata__", None)
        self.facts = self._facts(metadata)
        self._entries = self._described(header)
        self.checksums = self._sums(metadata, header)
        self._checked: set[str] = set()
        self.sealed = bool(self.checksums) and is_sealed(metadata.get(_CHECKSUMS), metadata.get(SEALED))

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

    def _sums(self, metadata: Mapping[str, Any], header: Mapping[str, Any]) -> dict[str, str]:
        """Return the checksums, once that of the header is right; {} where an earlier version wrote none."""
        if _CHECKSUMS not in metadata:
            return {}
        try:
            sums = json.loads(metadata[_CHECKSUMS])
        except (TypeError, ValueError, RecursionError) as error:
            raise self.damaged("its checksums are no JSON") from error
        if not isinstance(sums, dict) or set(sums) != {_HEADER, *header}:
            raise self.damaged("its checksums are not those of its arrays")
        if sums.pop(_HEADER) != _header_checksum(metadata["cnnwidgets"], header):
            raise self.damaged("its header is not what was written: the checksum differs")
        return sums

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

    def expect(self, name: str, dtype: npt.DTypeLike, *shape: int | None) -> tuple[int, ...]:
        """Return the shape of an array, which is not read, once it has the dtype and shape that it should have.

        Args:
            name: its name.
            dtype: of its numbers.
            shape: sizes; None for any.

        Raises:
            IndexFileError: it has not.

        """
        if name not in self._entries:
            raise self.damaged(f"the array {name!r} is missing")
        found, sizes, _, _ = self._entries[name]
        fits = len(sizes) == len(shape) and all(w is None or w == s for w, s in zip(shape, sizes, strict=True))
        if found != np.dtype(dtype).newbyteorder("<") or not fits:
            raise self.damaged(f"the array {name!r} is {found} {sizes}, not {np.dtype(dtype)} {shape}")
        return sizes

    def get(self, name: str, dtype: npt.DTypeLike, *shape: int | None) -> npt.NDArray[Any]:
        """Return an array, not to be written to; see `expect`.

        Raises:
            IndexFileError: it has another dtype or shape, or another checksum than when it was written.

        """
        sizes = self.expect(name, dtype, *shape)
        found, _, start, end = self._entries[name]
        raw = self._data[self._start + start : self._start + end]
        if name in self.checksums and name not in self._checked:
            if hashlib.sha256(raw.data).hexdigest() != self.checksums[name]:
                raise self.damaged(f"the array {name!r} is not what was written: its checksum differs")
            self._checked.add(name)
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
