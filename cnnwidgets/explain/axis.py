"""One axis of a map: which pixels of the network's input its rows, or its columns, look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Padding = Literal["constant", "reflect", "replicate"]


@dataclass(frozen=True, eq=False)
class Axis:
    """The receptive fields of the cells of a map along one axis.

    Attributes:
        low: first pixel that each cell sees, (cells,), not clipped to the input: padding counts as pixels.
        high: last pixel that each cell sees, (cells,), inclusive.
        stride: distance of neighbouring cells in pixels; needed beyond the ends and for maps of one cell.
        sight: `first` and `last`, what each cell truly sees without padding; None if it is `low` and `high`.
        path: centre of the narrowest path to each cell, (cells,); None if it is the middle of `low` and `high`, as it
            is where no paths of different centres meet.
        shift: how far the places of the cells, as measured, lie from those by theory, in pixels.

    """

    low: Floats
    high: Floats
    stride: float
    sight: tuple[Floats, Floats] | None = None
    path: Floats | None = None
    shift: float = 0.0

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

    @property
    def places_by_theory(self) -> Floats:
        """Where theory expects the content of each cell, in pixels, (cells,): at the centre of its receptive field.

        Where paths with different centres meet, as in a residual block with an average-pooled shortcut or behind a
        gate of its own stride, it is the centre of the narrowest path. That one carries most of what a cell answers
        to, while the middle of all paths together is moved by the widest.
        """
        return self.centres if self.path is None else self.path

    @property
    def places(self) -> Floats:
        """Where the content of each cell lies, in pixels, (cells,): by theory, and moved by the measured shift."""
        return self.places_by_theory + self.shift

    @property
    def width(self) -> float:
        """Pixels from the first to the last that a cell sees, the mean over the cells."""
        return float((self.high - self.low).mean()) if len(self) else 0.0

    @property
    def first(self) -> Floats:
        """First pixel of the input that each cell truly sees, (cells,); NaN for a cell that sees padding only."""
        return self.low if self.sight is None else self.sight[0]

    @property
    def last(self) -> Floats:
        """Last pixel of the input that each cell truly sees, inclusive, (cells,); NaN for one that sees none."""
        return self.high if self.sight is None else self.sight[1]

    def within(self, pixel: float, margin: float) -> range:
        """Return the cells that see a pixel, or one at most `margin` before its first or behind its last."""
        cells = np.flatnonzero((self.first - margin <= pixel) & (pixel < self.last + margin))
        return range(int(cells[0]), int(cells[-1]) + 1) if len(cells) else range(0)

    def _at(self, edge: Floats, cells: npt.NDArray[np.integer]) -> Floats:
        inside = np.clip(cells, 0, len(self) - 1)
        return np.asarray(edge[inside] + (cells - inside) * self.stride, dtype=np.float64)

    def _sight(self, taps: Ints, valid: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Return what cells see that look at the cells `taps` of this axis, (cells, k), where `valid`."""
        inside = np.clip(taps, 0, len(self) - 1)
        valid &= inside == taps
        first = np.where(valid, self.first[inside], np.nan)
        last = np.where(valid, self.last[inside], np.nan)
        return np.fmin.reduce(first, axis=1), np.fmax.reduce(last, axis=1)

    def windows(self, start: npt.ArrayLike, stop: npt.ArrayLike, stride: float, *, step: int = 1) -> Axis:
        """Return the axis of a map whose cells see every `step`-th of the cells `start` to `stop` of this one."""
        starts, stops = np.asarray(start, dtype=np.int64), np.asarray(stop, dtype=np.int64)
        taps = starts[:, None] + step * np.arange((stops - starts).max(initial=0) // step + 1)
        sight = self._sight(taps, taps <= stops[:, None])
        return Axis(self._at(self.low, starts), self._at(self.high, stops), stride, sight, self._path(starts, stops))

    def _path(self, start: npt.NDArray[np.integer], stop: npt.NDArray[np.integer]) -> Floats | None:
        """Return the centres of the narrowest paths of cells that look at the cells `start` to `stop` of this axis."""
        if self.path is None:
            return None
        return np.asarray((self._at(self.path, start) + self._at(self.path, stop)) / 2, dtype=np.float64)

    def convolved(self, cells: int, kernel: int, stride: int, padding: int, dilation: int) -> Axis:
        """Return the axis behind a convolution or pooling that gives `cells` cells."""
        start = np.arange(cells) * stride - padding
        return self.windows(start, start + (kernel - 1) * dilation, self.stride * stride, step=dilation)

    def transposed(self, cells: int, kernel: int, stride: int, padding: int, dilation: int) -> Axis:
        """Return the axis behind a transposed convolution: a cell sees those that spread onto it.

        Where the stride is above the kernel, some cells see none; they are placed between their neighbours.
        """
        position = np.arange(cells)[:, None] + padding
        nearest = position // stride
        taps = nearest + np.arange(-((kernel - 1) * dilation // stride) - 1, 1)
        reach = position - taps * stride
        valid = (reach % dilation == 0) & (reach <= (kernel - 1) * dilation)
        start = np.where(valid, taps, nearest + 1).min(1)
        stop = np.where(valid, taps, taps.min()).max(1)
        empty = ~valid.any(1)
        start[empty], stop[empty] = nearest[empty, 0], -(-position[empty, 0] // stride)
        low, high = self._at(self.low, start), self._at(self.high, stop)
        return Axis(low, high, self.stride / stride, self._sight(taps, valid), self._path(start, stop))

    def padded(self, before: int, after: int, mode: Padding = "constant") -> Axis:
        """Return the axis with cells added (or, negative, cut) at both ends; they continue its stride.

        Args:
            before: number of cells in front.
            after: number of cells behind.
            mode: what is in them: a constant, or the cells mirrored at the outermost one, or the outermost one itself.

        """
        cells = np.arange(-before, len(self) + after)
        last = len(self) - 1
        taps = cells
        if mode == "reflect":
            taps = last - abs(last - abs(cells))
        elif mode == "replicate":
            taps = np.clip(cells, 0, last)
        sight = self._sight(taps[:, None], np.ones((len(taps), 1), dtype=np.bool_))
        path = self._path(cells, cells)
        return Axis(self._at(self.low, cells), self._at(self.high, cells), self.stride, sight, path)

    def adaptive(self, cells: int) -> Axis:
        """Return the axis behind adaptive pooling to `cells` cells, whose windows may differ in size."""
        index, old = np.arange(cells), len(self)
        start, stop = index * old // cells, -((-(index + 1) * old) // cells) - 1
        return self.windows(start, stop, self.stride * old / cells)

    def resampled(self, cells: int, *, align_corners: bool, linear: bool) -> Axis:
        """Return the axis behind interpolation to `cells` cells."""
        old, index = len(self), np.arange(cells, dtype=np.float64)
        position = index * ((old - 1) / max(cells - 1, 1)) if align_corners else (index + 0.5) * old / cells - 0.5
        position = np.clip(position, 0, old - 1)
        if linear:
            start, stop = np.floor(position), np.ceil(position)
        else:
            start = stop = np.floor((index * old) / cells)
        return self.windows(start, stop, self.stride * old / cells)

    def picked(self, start: int, step: int, cells: int) -> Axis:
        """Return the axis of every `step`-th cell from `start` on."""
        index = start + step * np.arange(cells)
        return self.windows(index, index, self.stride * step)

    def joined(self, other: Axis) -> Axis:
        """Return the axis of cells that see what the cells of either see."""
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        if self.width == other.width:
            path = np.asarray((self.places_by_theory + other.places_by_theory) / 2, dtype=np.float64)
        else:
            path = min(self, other, key=lambda axis: axis.width).places_by_theory
        return Axis(
            low,
            high,
            max(self.stride, other.stride),
            (np.fmin(self.first, other.first), np.fmax(self.last, other.last)),
            None if np.array_equal(path, (low + high) / 2) else path,
        )
