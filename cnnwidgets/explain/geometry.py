"""From cells to pixels: where in the network's input a cell of a feature map looks.

All coordinates are pixel indices of the network's input: pixel *i* has its centre at *i*, and a cell that sees the
pixels 3 to 5 has its centre at 4. A cell's receptive field is followed exactly, operation by operation; its centre
is *not* the centre of a resized cell. In a ResNet, cell *i* of `layer4` is centred at pixel 32 i, while resizing the
map to the picture's size draws it at 32 i + 15.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.frame import Box

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Axis:
    """The receptive fields of the cells of a map along one axis.

    Attributes:
        low: first pixel that each cell sees, (cells,), not clipped to the input: padding counts as pixels.
        high: last pixel that each cell sees, (cells,), inclusive.
        stride: distance of neighbouring cells in pixels; needed beyond the ends and for maps of one cell.

    """

    low: Floats
    high: Floats
    stride: float

    @classmethod
    def of_input(cls, pixels: int) -> Axis:
        """Return the axis of the input itself, in which every cell sees its own pixel."""
        index = np.arange(pixels, dtype=np.float64)
        return cls(index, index.copy(), 1.0)

    def __len__(self) -> int:
        return len(self.low)

    @property
    def centres(self) -> Floats:
        """Centres of the receptive fields in pixels, (cells,)."""
        return (self.low + self.high) / 2

    def _at(self, edge: Floats, cells: npt.NDArray[np.integer]) -> Floats:
        inside = np.clip(cells, 0, len(self) - 1)
        return np.asarray(edge[inside] + (cells - inside) * self.stride, dtype=np.float64)

    def windows(self, first: npt.ArrayLike, last: npt.ArrayLike, stride: float) -> Axis:
        """Return the axis of a map whose cells see the cells `first` to `last` (inclusive) of this one."""
        start, stop = np.asarray(first, dtype=np.int64), np.asarray(last, dtype=np.int64)
        return Axis(self._at(self.low, start), self._at(self.high, stop), stride)

    def convolved(self, cells: int, kernel: int, stride: int, padding: int, dilation: int) -> Axis:
        """Return the axis behind a convolution or pooling that gives `cells` cells."""
        first = np.arange(cells) * stride - padding
        return self.windows(first, first + (kernel - 1) * dilation, self.stride * stride)

    def transposed(self, cells: int, kernel: int, stride: int, padding: int, dilation: int) -> Axis:
        """Return the axis behind a transposed convolution: a cell sees those that spread onto it."""
        position = np.arange(cells) + padding
        first = np.ceil((position - (kernel - 1) * dilation) / stride)
        last = np.floor(position / stride)
        first, last = np.minimum(first, last), np.maximum(first, last)
        return self.windows(first, last, self.stride / stride)

    def padded(self, before: int, after: int) -> Axis:
        """Return the axis with cells added (or, negative, cut) at both ends; they continue its stride."""
        cells = np.arange(-before, len(self) + after)
        return self.windows(cells, cells, self.stride)

    def adaptive(self, cells: int) -> Axis:
        """Return the axis behind adaptive pooling to `cells` cells, whose windows may differ in size."""
        index, old = np.arange(cells), len(self)
        first, last = index * old // cells, -((-(index + 1) * old) // cells) - 1
        return self.windows(first, last, self.stride * old / cells)

    def resampled(self, cells: int, *, align_corners: bool, linear: bool) -> Axis:
        """Return the axis behind interpolation to `cells` cells."""
        old, index = len(self), np.arange(cells, dtype=np.float64)
        position = index * ((old - 1) / max(cells - 1, 1)) if align_corners else (index + 0.5) * old / cells - 0.5
        position = np.clip(position, 0, old - 1)
        if linear:
            first, last = np.floor(position), np.ceil(position)
        else:
            first = last = np.floor((index * old) / cells)
        return self.windows(first, last, self.stride * old / cells)

    def picked(self, start: int, step: int, cells: int) -> Axis:
        """Return the axis of every `step`-th cell from `start` on."""
        index = start + step * np.arange(cells)
        return self.windows(index, index, self.stride * step)

    def seeing(self, pixel: float) -> range:
        """Return the cells that see a pixel."""
        cells = np.flatnonzero((self.low - 0.5 <= pixel) & (pixel < self.high + 0.5))
        return range(int(cells[0]), int(cells[-1]) + 1) if len(cells) else range(0)

    def joined(self, other: Axis) -> Axis:
        """Return the axis of cells that see what the cells of either see."""
        return Axis(
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            max(self.stride, other.stride),
        )


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

    def field(self, row: int, column: int) -> Box:
        """Return what a cell sees: the smallest box around it, in pixels of the input, right and bottom exclusive.

        It is not clipped to the input: padding counts as pixels. Of a measured grid it is the one pixel at the centre.

        Args:
            row: 0 is the first; negative numbers count from the end.
            column: likewise.

        Raises:
            OptionError: no such cell.

        """
        y, x = _index(row, len(self.y), "row"), _index(column, len(self.x), "column")
        low, high = (self.y.low[y], self.x.low[x]), (self.y.high[y], self.x.high[x])
        return Box(float(low[1]), float(low[0]), float(high[1]) + 1, float(high[0]) + 1)

    def cells_seeing(self, row: float, column: float) -> tuple[range, range]:
        """Return the rows and the columns of the cells that see a pixel of the input; empty ranges where none does.

        A cell sees a pixel of its box even if a dilated kernel steps over it.
        """
        return self.y.seeing(row), self.x.seeing(column)

    @classmethod
    def at(cls, rows: npt.ArrayLike, columns: npt.ArrayLike, *, measured: bool = True) -> Grid:
        """Return a grid with the given centres."""
        axes = []
        for centres in (rows, columns):
            array = np.asarray(centres, dtype=np.float64)
            stride = float(np.diff(array).mean()) if len(array) > 1 else 1.0
            axes.append(Axis(array, array.copy(), stride))
        return cls(axes[0], axes[1], measured=measured)


def _index(cell: int, cells: int, what: str) -> int:
    if not -cells <= cell < cells:
        raise OptionError(f"{what}={cell} is out of range: the map has {cells} {what}{'s' * (cells > 1)}.")
    return cell % cells


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
