"""A picture with strokes painted on it: exact, and at the price of what is new."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cnnwidgets.images.strokes import Stroke

_POINT = 1e-9  # square pixels: a shorter segment is a point

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels."""


class Painting:
    """Pixels that follow a list of strokes.

    A stroke covers a pixel by the share of a disc's edge that passes it, the most over its whole way; so crossing
    itself changes nothing, and what is painted depends on the points alone, not on when they came.

    Args:
        ground: uint8 (H,W,3), the picture below.
        fills: for each tool the colour (3,) or picture (H,W,3) that its brush brings, uint8.
        scale: pixels of this painting per pixel of the picture that the strokes' coordinates are of.

    Attributes:
        pixels: uint8 (H,W,3), the picture with the strokes that were last shown.

    """

    def __init__(
        self, ground: NDArray[np.uint8], fills: Mapping[str, NDArray[np.uint8]], *, scale: float = 1.0
    ) -> None:
        self.pixels = ground.copy()
        self._ground, self._fills, self._scale = ground, fills, scale
        self._strokes: tuple[Stroke, ...] = ()
        self._begin()

    def _begin(self) -> None:
        self._below = self.pixels.copy()
        self._covered: NDArray[np.float32] = np.zeros(self.pixels.shape[:2], np.float32)
        self._curves = 0  # of the last stroke, painted already

    def show(self, strokes: Sequence[Stroke]) -> Box | None:
        """Paint what differs from the strokes that were shown last; return the box of what may have changed."""
        strokes = tuple(strokes)
        if strokes == self._strokes:
            return None
        known = len(self._strokes)
        box: Box | None = None
        if strokes[:known] == self._strokes:
            going_on = False
        elif known and len(strokes) >= known and strokes[: known - 1] == self._strokes[:-1]:
            going_on = strokes[known - 1].continues(self._strokes[-1])
        else:
            going_on = False
        if going_on:
            known -= 1
        elif strokes[:known] != self._strokes:
            self.pixels = self._ground.copy()
            known, box = 0, (0, 0, self.pixels.shape[1], self.pixels.shape[0])
        self._strokes = strokes
        for stroke in strokes[known:]:
            if not going_on:
                self._begin()
            going_on = False
            box = _around(box, self._paint(stroke))
        return box

    def _paint(self, stroke: Stroke) -> Box | None:
        """Paint the curves of the last stroke that are new."""
        box: Box | None = None
        curves = stroke.curves(self._curves)
        self._curves += len(curves)
        for curve in curves:
            box = _around(box, self._cover(curve * self._scale, stroke.width * self._scale / 2))
        if box is not None:
            left, top, right, bottom = box
            part = (slice(top, bottom), slice(left, right))
            fill = self._fills[stroke.tool]
            below, share = self._below[part].astype(np.float32), self._covered[part][..., None]
            mixed = below + (fill[part] if fill.ndim == 3 else fill).astype(np.float32) * share - below * share
            self.pixels[part] = np.rint(mixed).clip(0, 255)
        return box

    def _cover(self, curve: NDArray[np.float64], radius: float) -> Box | None:
        """Note how far a brush that follows a curve covers each pixel; return the box that it can reach."""
        height, width = self._covered.shape
        reach = radius + 1
        low, high = np.floor(curve.min(0) - reach), np.ceil(curve.max(0) + reach)
        left, top = max(0, int(low[0])), max(0, int(low[1]))
        right, bottom = min(width, int(high[0])), min(height, int(high[1]))
        if left >= right or top >= bottom:
            return None
        x = np.arange(left, right, dtype=np.float32) + np.float32(0.5)
        y = (np.arange(top, bottom, dtype=np.float32) + np.float32(0.5))[:, None]
        nearest = np.full((bottom - top, right - left), np.inf, np.float32)
        for start, end in zip(curve[: max(1, len(curve) - 1)], curve[-max(1, len(curve) - 1) :], strict=True):
            np.minimum(nearest, _distance(x, y, start, end), out=nearest)
        part = self._covered[top:bottom, left:right]
        np.maximum(part, (np.float32(radius + 0.5) - np.sqrt(nearest)).clip(0, 1), out=part)
        return left, top, right, bottom


def _distance(
    x: NDArray[np.float32], y: NDArray[np.float32], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the squared distances of points to a segment."""
    ax, ay = start.tolist()
    dx, dy = (end - start).tolist()
    square = dx * dx + dy * dy
    along = np.clip(((x - ax) * dx + (y - ay) * dy) / square, 0, 1) if square > _POINT else np.float32(0)
    found: NDArray[np.float32] = ((x - ax - along * dx) ** 2 + (y - ay - along * dy) ** 2).astype(np.float32)
    return found


def _around(one: Box | None, other: Box | None) -> Box | None:
    """Return the smallest box around two."""
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])
