"""The rows and columns of maps that go to the browser: in order of their places, and merged where there are many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cnnwidgets.explain.axis import Axis

    Floats = NDArray[np.floating[Any]]
    Ints = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Lines:
    """The rows or the columns of a sheet: which of the layer's they stand for, and what they see.

    Attributes:
        order: the layer's lines from top to bottom, or from left to right, (lines,).
        starts: where in `order` each line of the sheet begins, (n,).
        territory: which of the territories begins with each line of the sheet, (n,).
        places: in pixels of the input, (n,), ascending.
        low: first pixel that is seen, (n,); NaN where nothing but padding is.
        high: last pixel that is seen, (n,).

    """

    order: Ints
    starts: Ints
    territory: Ints
    places: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, axis: Axis) -> Lines:
        """Return an axis with the lines that lie at the same place as one."""
        order = np.argsort(axis.places, kind="stable")
        places, starts = np.unique(axis.places[order], return_index=True)
        low, high = (np.asarray(edge)[order] for edge in (axis.first, axis.last))
        return cls(
            order,
            starts,
            np.arange(len(starts)),
            places,
            np.fmin.reduceat(low, starts),
            np.fmax.reduceat(high, starts),
        )

    @property
    def first(self) -> Ints:
        """The layer's number of each line, the first one where a line stands for several."""
        return self.order[self.starts]

    def averaged(self, values: Floats, dimension: int) -> Floats:
        """Return values with the lines that lie at the same place averaged, in the order of their places."""
        if len(self.starts) < len(self.order):
            counts = np.diff(self.starts, append=len(self.order))
            shape = [1] * values.ndim
            shape[dimension] = -1
            sums = np.add.reduceat(values.take(self.order, dimension), self.starts, dimension)
            return np.asarray(sums / counts.reshape(shape), values.dtype)
        if (np.diff(self.order) < 0).any():
            return np.asarray(values.take(self.order, dimension))
        return values

    def every(self, side: int) -> Lines:
        """Return the lines with `side` of them as one."""
        starts = np.arange(0, len(self.starts), side)
        count = np.diff(starts, append=len(self.starts))
        return Lines(
            self.order,
            self.starts[starts],
            self.territory[starts],
            np.add.reduceat(self.places, starts) / count,
            np.fmin.reduceat(self.low, starts),
            np.fmax.reduceat(self.high, starts),
        )


def largest_in_squares(values: Floats, side: int) -> Floats:
    """Return the value of the largest magnitude in each square of `side` cells; NaN only where all are.

    Args:
        values: (N,C,h,w).
        side: in cells.

    """
    found = values
    for dimension in (2, 3):
        starts = np.arange(0, values.shape[dimension], side)
        high = np.fmax.reduceat(found, starts, dimension)
        low = np.fmin.reduceat(found, starts, dimension)
        found = np.where(high >= -low, high, low)
    return found
