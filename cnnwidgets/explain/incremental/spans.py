"""Which cells a change can reach: integer arithmetic along one axis of a map."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple


class Span(NamedTuple):
    """Where the changed cells lie along one axis, for each image of a batch: `size` cells from each start."""

    starts: tuple[int, ...]
    size: int

    def stops(self) -> tuple[int, ...]:
        """Return the first cell behind each."""
        return tuple(start + self.size for start in self.starts)


class Overlap(NamedTuple):
    """The cells that a changed part and a window share: one triple for all images, or one for each."""

    length: tuple[int, ...]
    in_window: tuple[int, ...]
    in_part: tuple[int, ...]

    @property
    def same(self) -> bool:
        """Whether it is the same for all images."""
        return len(set(self.length)) == len(set(self.in_window)) == len(set(self.in_part)) == 1


class Reach(NamedTuple):
    """What a sliding operation has to do along one axis.

    Attributes:
        out: the cells of the result that can change.
        window: what has to be read for them, in cells of the padded input.
        overlap: where the changed cells of the input lie in that window.

    """

    out: Span
    window: Span
    overlap: Overlap


def overlap(window: Span, part: Span) -> Overlap:
    """Return what a window and a changed part share, image by image."""
    lengths, in_window, in_part = [], [], []
    for seen, changed in zip(window.starts, part.starts, strict=True):
        low = max(seen, changed)
        length = min(seen + window.size, changed + part.size) - low
        lengths.append(max(length, 0))
        in_window.append(low - seen if length > 0 else 0)
        in_part.append(low - changed if length > 0 else 0)
    return Overlap(tuple(lengths), tuple(in_window), tuple(in_part))


def within(starts: list[int], stops: list[int], cells: int) -> Span:
    """Return spans of one size that hold the given ones, pushed inside the map where they stick out.

    A larger span is never wrong: what is recomputed without need comes out as it was.
    """
    clipped = [(min(max(a, 0), cells - 1), min(max(b, 1), cells)) for a, b in zip(starts, stops, strict=True)]
    size = max(1, *(b - a for a, b in clipped))
    return Span(tuple(min(a, cells - size) for a, _ in clipped), size)


@lru_cache(maxsize=4096)
def union(spans: tuple[Span, ...], cells: int) -> Span:
    """Return spans that hold all the given ones, image by image."""
    starts = [min(group) for group in zip(*(span.starts for span in spans), strict=True)]
    stops = [max(group) for group in zip(*(span.stops() for span in spans), strict=True)]
    return within(starts, stops, cells)


@lru_cache(maxsize=4096)
def placed(part: Span, window: Span) -> Overlap:
    """Return where a changed part lies in a window, as `overlap`, remembered."""
    return overlap(window, part)


@dataclass(frozen=True)
class Sliding:
    """A convolution or pooling along one axis.

    Attributes:
        kernel: taps.
        stride: cells from one window to the next.
        before: cells of padding before the first (negative: cells cut off).
        dilation: cells from one tap to the next.
        cells: length of the input.
        results: length of the output.

    """

    kernel: int
    stride: int
    before: int
    dilation: int
    cells: int
    results: int

    @property
    def reach(self) -> int:
        """Cells from the first tap to the last."""
        return self.dilation * (self.kernel - 1)

    @property
    def after(self) -> int:
        """Cells of padding behind the last that the windows need (negative: cells that none of them sees)."""
        return (self.results - 1) * self.stride + self.reach + 1 - self.cells - self.before

    @property
    def is_pointwise(self) -> bool:
        """Whether every cell of the result comes from the same cell of the input alone."""
        return self.kernel == 1 and self.stride == 1 and self.before == 0 and self.cells == self.results

    def reached(self, part: Span) -> Reach:
        """Return what has to be done where the cells `part` of the input have changed."""
        return _reached(self, part)


@lru_cache(maxsize=8192)
def _reached(axis: Sliding, part: Span) -> Reach:
    first = [-(-(start + axis.before - axis.reach) // axis.stride) for start in part.starts]
    last = [(start + part.size - 1 + axis.before) // axis.stride for start in part.starts]
    out = within(first, [cell + 1 for cell in last], axis.results)
    # Rows of the padded input; where cells are cut off there is no padding, and the rows are those behind the cut.
    shift = max(axis.before, 0) - axis.before
    window = Span(
        tuple(start * axis.stride + shift for start in out.starts), (out.size - 1) * axis.stride + axis.reach + 1
    )
    moved = Span(tuple(start + max(axis.before, 0) for start in part.starts), part.size)
    return Reach(out, window, overlap(window, moved))
