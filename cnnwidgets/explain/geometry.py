"""From cells to pixels: what a cell of a feature map can see of the network's input, and where its content lies.

All coordinates are pixel indices of the network's input: pixel *i* has its centre at *i*, and a cell that sees the
pixels 3 to 5 has its centre at 4.

Two notions, never mixed. The *receptive field* of a cell is exact: what it *can* see, followed operation by operation.
The *place* of a cell is where the content that it answers to lies in the trained network: training shifts features
against asymmetric padding. It is the centre of the receptive field plus a shift that `placement` measures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnwidgets.explain.axis import Axis, Floats
from cnnwidgets.explain.counting import counted
from cnnwidgets.explain.frame import Box


@dataclass(frozen=True)
class Placement:
    """How the cells of a map are placed on the input, with the figure and its spread.

    Attributes:
        method: "input" (the cells are pixels, or windows of pixels), "theory" (the centres of the receptive fields),
            "mirror test" (centres moved by the measured shift), "gradient" (measured where nothing can be followed),
            "resize" (an even share of the input each, where nothing else tells).
        shift: (down, across), from `origin`, in pixels of the input.
        error: (down, across), standard error of the shift in pixels; None where nothing was measured.
        agreement: of the mirror test: correlation of the channels' maps of a picture and of its mirror image, at the
            shift where they agree best; None without one.
        reason: why it is so placed, for a reader.
        origin: what the shift is counted from: "theory", or "an even share of the input" for a layer that cannot be
            followed.

    """

    method: str = "input"
    shift: tuple[float, float] = (0.0, 0.0)
    error: tuple[float | None, float | None] | None = None
    agreement: float | None = None
    reason: str = ""
    origin: str = "theory"

    @property
    def words(self) -> str:
        """How the cells are placed, for a reader."""
        if self.method == "input":
            return "pixels, or windows of pixels, of the input"
        if self.method != "mirror test" or self.error is None:
            return f"placed by {self.method}" + (f": {self.reason}" if self.reason else "")
        figures: dict[str, list[str]] = {}
        for shift, error, sides in zip(self.shift, self.error, (("down", "up"), ("right", "left")), strict=True):
            if shift and error is not None:
                figures.setdefault(f"{abs(shift):.1f} ± {error:.1f} px", []).append(sides[shift < 0])
        moved = " and ".join(f"{figure} {' and '.join(sides)}" for figure, sides in figures.items())
        return f"placed by the mirror test, {moved} of {self.origin}" if moved else f"placed at {self.origin}"


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
        placement: how the cells are placed.

    """

    y: Axis
    x: Axis
    dims: tuple[int, int] = (2, 3)
    sees_all: bool = False
    measured: bool = False
    placement: Placement = Placement()

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
        """Centres of the receptive fields of rows and columns in pixels of the input, (h,) and (w,)."""
        return self.y.centres, self.x.centres

    @property
    def places(self) -> tuple[Floats, Floats]:
        """Where the content of rows and columns lies, in pixels of the input, (h,) and (w,)."""
        return self.y.places, self.x.places

    def with_placement(self, placement: Placement) -> Grid:
        """Return the same grid with its cells placed otherwise; the receptive fields stay."""
        down, across = placement.shift
        return replace(self, y=replace(self.y, shift=down), x=replace(self.x, shift=across), placement=placement)

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
        """Return the rows and the columns of the cells that can see a pixel of the input; empty ranges where none can.

        A cell counts as seeing all pixels of its box, also those that a dilated kernel steps over. Of a measured grid,
        whose boxes are not known, it is the cells nearest to the pixel, of which it may be a stride away.
        """
        if self.measured:
            return self.y.within(row, self.y.stride / 2), self.x.within(column, self.x.stride / 2)
        return self.y.within(row, 0.5), self.x.within(column, 0.5)

    def cell_at(self, row: float, column: float) -> tuple[int, int]:
        """Return the (row, column) of the cell whose place is nearest to a pixel of the input."""
        rows, columns = self.places
        return int(np.abs(rows - row).argmin()), int(np.abs(columns - column).argmin())

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
    """Return the matrix (positions, cells) that interpolates linearly between the places of cells.

    A position beyond the outermost places takes the value of the outermost cell. Rows sum to one.
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
