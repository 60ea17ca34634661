"""From cells to pixels: where in the network's input a cell of a feature map looks.

All coordinates are pixel indices of the network's input: pixel *i* has its centre at *i*, and a cell that sees the
pixels 3 to 5 has its centre at 4. A cell's receptive field is followed exactly, operation by operation; its centre
is *not* the centre of a resized cell. In a ResNet, cell *i* of `layer4` is centred at pixel 32 i, while resizing the
map to the picture's size draws it at 32 i + 15.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnwidgets.explain.axis import Axis, Floats
from cnnwidgets.explain.counting import counted
from cnnwidgets.explain.frame import Box


@dataclass(frozen=True, eq=False)
class Grid:
    """The receptive fields of all cells of a map.

    Attributes:
        y: rows.
        x: columns.
        dims: which dimensions of the tensor hold rows and columns: (2, 3) in N,C,h,w.
        sees_all: a global operation (squeeze-and-excitation, attention) lies before it, so that every cell depends
            on the whole input, too; `y` and `x` follow the local path.
        measured: the centres were measured from gradients, not followed exactly; `low` and `high` are the centres.

    """

    y: Axis
    x: Axis
    dims: tuple[int, int] = (2, 3)
    sees_all: bool = False
    measured: bool = False

    @classmethod
    def of_input(cls, height: int, width: int) -> Grid:
        """Return the grid of the network's input, a cell a pixel."""
        return cls(Axis.of_input(height), Axis.of_input(width))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return len(self.y), len(self.x)

    @property
    def centres(self) -> tuple[Floats, Floats]:
        """Row and column centres in pixels of the input, (h,) and (w,)."""
        return self.y.centres, self.x.centres

    def cell(self, row: int, column: int) -> tuple[int, int]:
        """Return a cell counted from 0, where a negative number counts from the end.

        Raises:
            OptionError: no such cell.

        """
        rows, columns = self.shape
        return (
            counted("row", row, rows, f"the map has {rows} row(s)"),
            counted("column", column, columns, f"the map has {columns} column(s)"),
        )

    def field(self, row: int, column: int) -> Box:
        """Return what a cell sees: the smallest box around it, in pixels of the input, right and bottom exclusive.

        It is not clipped to the input: padding counts as pixels, so that all cells of a map see boxes of the same
        size. Of a measured grid it is the one pixel at the centre.
        """
        row, column = self.cell(row, column)
        y, x = self.y, self.x
        return Box(float(x.low[column]), float(y.low[row]), float(x.high[column]) + 1, float(y.high[row]) + 1)

    def seen(self, row: int, column: int) -> Box | None:
        """Return the smallest box around the pixels of the input that a cell truly sees, None if it sees padding only.

        It can be smaller than `field` clipped to the input, as what a convolution in the middle of a network pads is
        no pixel either.
        """
        row, column = self.cell(row, column)
        left, top = float(self.x.first[column]), float(self.y.first[row])
        if np.isnan(left) or np.isnan(top):
            return None
        return Box(left, top, float(self.x.last[column]) + 1, float(self.y.last[row]) + 1)

    def cells_seeing(self, row: float, column: float) -> tuple[range, range]:
        """Return the rows and the columns of the cells that see a pixel of the input; empty ranges where none does.

        A cell counts as seeing all pixels of its box, also those that a dilated kernel steps over. Of a measured grid,
        whose boxes are not known, it is the cells nearest to the pixel, of which it may be a stride away.
        """
        if self.measured:
            return self.y.within(row, self.y.stride / 2), self.x.within(column, self.x.stride / 2)
        return self.y.within(row, 0.5), self.x.within(column, 0.5)

    @classmethod
    def at(cls, rows: npt.ArrayLike, columns: npt.ArrayLike, *, measured: bool = True) -> Grid:
        """Return a grid with the given centres."""
        axes = []
        for centres in (rows, columns):
            array = np.asarray(centres, dtype=np.float64)
            stride = float(np.diff(array).mean()) if len(array) > 1 else 1.0
            axes.append(Axis(array, array.copy(), stride))
        return cls(axes[0], axes[1], measured=measured)


def interpolation(centres: Floats, positions: Floats) -> Floats:
    """Return the matrix (positions, cells) that interpolates linearly between cell centres.

    A position beyond the outermost centres takes the value of the outermost cell. Rows sum to one.
    """
    unique, place, count = np.unique(centres, return_inverse=True, return_counts=True)
    if len(unique) < len(centres):  # cells that look at the same place count equally there
        return interpolation(unique, positions)[:, place] / count[place]
    cells = len(centres)
    if cells == 1:
        return np.ones((len(positions), 1))
    left = np.clip(np.searchsorted(centres, positions, side="right") - 1, 0, cells - 2)
    gap = centres[left + 1] - centres[left]
    share = np.clip((positions - centres[left]) / gap, 0.0, 1.0)
    matrix = np.zeros((len(positions), cells))
    rows = np.arange(len(positions))
    matrix[rows, left] = 1 - share
    matrix[rows, left + 1] += share
    return matrix


def interpolate(down: Floats, values: npt.NDArray[np.floating[Any]], across: Floats) -> Floats:
    """Return maps (...,h,w) at other positions (...,H,W), given the matrices of `interpolation` for rows and columns.

    Cells without a value, NaN, are left out of the sums. A position gets a value where the cell nearest to it has one,
    so that a value reaches half-way to each neighbouring cell, and NaN elsewhere.
    """
    cells = values.astype(np.float64)
    missing = np.isnan(cells)
    if not missing.any():
        return np.asarray(down @ cells @ across.T)
    present = (~missing).astype(np.float64)
    weights = down @ present @ across.T
    near = _nearest(down) @ present @ _nearest(across).T > 0
    sums = down @ np.where(missing, 0.0, cells) @ across.T
    return np.asarray(np.where(near, sums / np.where(near, weights, 1.0), np.nan))


def _nearest(matrix: Floats) -> Floats:
    """Return which cells lie nearest to each position, 1 or 0, given a matrix of `interpolation`."""
    # Cells that look at the same place share its weight: their columns are alike.
    _, alike, count = np.unique(matrix, axis=1, return_inverse=True, return_counts=True)
    return np.asarray(matrix * count[alike] >= 0.5 - 1e-9, dtype=np.float64)
