"""The places of a sweep: where the window goes, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.axis import Axis
from cnnwidgets.explain.geometry import Grid
from cnnwidgets.explain.windows import whole_pair

if TYPE_CHECKING:
    from cnnwidgets.explain.windows import Spot, Window

Whole = npt.NDArray[np.int64]
_STEPS = (4, 2, 1)  # every 4th place in both directions, then every 2nd, then all


@dataclass(frozen=True, eq=False)
class Places:
    """A grid of places that together cover every pixel.

    Attributes:
        window: what is moved.
        tops: first row of the window, one per row of places. An ellipse begins above the picture, so that the picture's
            border, too, is covered by its wide part.
        lefts: first column of the window, one per column of places.
        stride: (down, across) in pixels. The last row and column may be nearer to those before them.
        size: (height, width) of the input.

    """

    window: Window
    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    stride: tuple[int, int]
    size: tuple[int, int]

    @classmethod
    def over(cls, window: Window, stride: Any, size: tuple[int, int]) -> Places:
        """Return the places of a sweep.

        The first window begins and the last one ends at the border of the picture, for which the last one is moved
        inwards: all windows have one size. (Of an ellipse this holds for its core, see `Window.margins`.)

        Args:
            window: what is moved.
            stride: whole number of pixels, (down, across), or None for half the window.
            size: (height, width) of the input.

        Raises:
            OptionError: a stride that means nothing, or that leaves gaps between the windows.

        """
        if stride is None:
            down, across = max(1, window.height // 2), max(1, window.width // 2)
        else:
            down, across = whole_pair("stride", stride)
        core, margins = window.core, window.margins
        if down > core[0] or across > core[1]:
            wide = "" if window.shape == "rectangle" else " that every elliptic window covers completely"
            raise OptionError(
                f"stride={stride!r} leaves pixels that no window of {window.height} x {window.width} would hide. Give "
                f"at most {core[0]} down and {core[1]} across, the size of the rectangle{wide or ' itself'}."
            )
        tops = _starts(size[0], core[0], down) - margins[0]
        lefts = _starts(size[1], core[1], across) - margins[1]
        return cls(window, tuple(tops.tolist()), tuple(lefts.tolist()), (down, across), size)

    def __len__(self) -> int:
        """Return the number of places."""
        return len(self.tops) * len(self.lefts)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns of places."""
        return len(self.tops), len(self.lefts)

    def spot(self, place: int) -> Spot:
        """Return what the window covers at a place, counted in reading order."""
        row, column = divmod(place, len(self.lefts))
        return self.window.at(self.tops[row], self.lefts[column], *self.size)

    @property
    def areas(self) -> tuple[int, int]:
        """The least and the most pixels that the window covers at a place: an ellipse is cut at the border."""
        mask, (height, width) = self.window.mask, self.size
        rows, columns = _left(self.tops, mask.shape[0], height), _left(self.lefts, mask.shape[1], width)
        found = [int(mask[top:bottom, left:right].sum()) for top, bottom in rows for left, right in columns]
        return min(found), max(found)

    @cached_property
    def grid(self) -> Grid:
        """Where the places look: their windows, with true centres, in pixels of the input."""
        axes = [
            Axis(np.array(starts, dtype=np.float64), np.array(starts, dtype=np.float64) + size - 1, float(stride))
            for starts, size, stride in (
                (self.tops, self.window.height, self.stride[0]),
                (self.lefts, self.window.width, self.stride[1]),
            )
        ]
        return Grid(axes[0], axes[1])

    @cached_property
    def order(self) -> Whole:
        """The places from coarse to fine: every 4th in both directions, then every 2nd, then all; (places,)."""
        levels = np.zeros(self.shape, dtype=np.int64)
        for level, step in reversed(list(enumerate(_STEPS))):
            levels[::step, ::step] = level
        return np.argsort(levels, axis=None, kind="stable")

    def to_map(self, values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
        """Return the map (rows, columns) of the values at the first places of `order`, NaN at those still to come."""
        table = np.full(len(self), np.nan)
        table[self.order[: len(values)]] = values
        return table.reshape(self.shape)


def _left(starts: tuple[int, ...], window: int, length: int) -> set[tuple[int, int]]:
    """Return the parts of a window that lie inside `length` pixels where it begins at each of `starts`, from and to."""
    return {(max(0, -start), min(window, length - start)) for start in starts}


def _starts(length: int, window: int, stride: int) -> Whole:
    """Return the first pixels of windows that cover `length` pixels from end to end."""
    starts = np.arange(0, length - window + 1, stride, dtype=np.int64)
    return starts if starts[-1] == length - window else np.append(starts, length - window)
