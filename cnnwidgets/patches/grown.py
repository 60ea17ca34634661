"""A growing file as an array: read from the disk in parts, so that its size is not that of the memory it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt


class Grown:
    """Rows in a file; slices of it are arrays. Mapped into memory, all that was read would count as taken.

    Args:
        path: the file.
        dtype: of the numbers.
        row: shape of a row.

    Attributes:
        shape: of the whole.

    """

    def __init__(self, path: Path, dtype: npt.DTypeLike, *row: int) -> None:
        self.path, self.dtype = path, np.dtype(dtype)
        self._numbers = int(np.prod(row, dtype=np.int64))  # in a row
        self.shape = (path.stat().st_size // (self.dtype.itemsize * self._numbers), *row)

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def __getitem__(self, part: slice) -> npt.NDArray[Any]:
        """Return some rows that follow each other."""
        start, stop, _ = part.indices(len(self))
        offset, count = start * self._numbers * self.dtype.itemsize, max(0, stop - start) * self._numbers
        return np.fromfile(self.path, self.dtype, count, offset=offset).reshape(-1, *self.shape[1:])
