"""A region painted on the picture: strokes of a round brush, and which points lie in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cnnwidgets.errors import OptionError
from cnnwidgets.widgets._numbers import is_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STROKES, _POINTS = 256, 20_000  # at most, of a region
_FORM = "Give a list of strokes such as [{'width': 12, 'points': [[40, 30], [60, 35]]}], in pixels of the picture."


def checked_region(value: Any) -> list[dict[str, Any]]:
    """Return painted strokes as plain lists and floats.

    Args:
        value: a list of dicts: "width", the brush's diameter, and "points", [x, y] each, in pixels of the picture
            (edge coordinates: pixel k spans k to k+1).

    Raises:
        OptionError: no such list, or too long a one.

    """
    if not isinstance(value, list | tuple):
        raise OptionError(f"region={value!r} is no list. {_FORM}")
    if len(value) > _STROKES:
        raise OptionError(
            f"region has {len(value)} strokes; at most {_STROKES} are taken. Paint it with a wider brush."
        )
    strokes = [_stroke(stroke, f"region[{number}]") for number, stroke in enumerate(value)]
    count = sum(len(stroke["points"]) for stroke in strokes)
    if count > _POINTS:
        raise OptionError(f"region has {count} points; at most {_POINTS} are taken. Leave out every second one.")
    return strokes


def _stroke(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != {"width", "points"}:
        raise OptionError(f"{where}={value!r} is no stroke. {_FORM}")
    width, points = value["width"], value["points"]
    if not is_finite(width) or width <= 0:
        raise OptionError(f"{where}: width={width!r} is no width; give a number of pixels of the picture above 0.")
    if isinstance(points, np.ndarray):
        points = points.tolist()
    if not isinstance(points, list | tuple) or not points:
        raise OptionError(f"{where}: points={points!r} has no points. {_FORM}")
    for point in points:
        if not isinstance(point, list | tuple) or len(point) != 2 or not all(map(is_finite, point)):
            raise OptionError(f"{where}: {point!r} is no point [x, y]. {_FORM}")
    return {"width": float(width), "points": [[float(x), float(y)] for x, y in points]}


class Inside:
    """Tells which points of the picture a region holds: those within half a stroke's width of its way.

    Args:
        region: strokes as `checked_region` returns them.

    """

    def __init__(self, region: list[dict[str, Any]]) -> None:
        self._strokes = [(stroke["width"] / 2, np.array(stroke["points"], np.float64)) for stroke in region]

    def __call__(self, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return for points (...), given by their coordinates, whether they lie inside."""
        xs, ys = np.broadcast_arrays(np.asarray(xs, np.float64), np.asarray(ys, np.float64))
        found = np.zeros(xs.shape, bool)
        for radius, points in self._strokes:
            left, top = points.min(0) - radius
            right, bottom = points.max(0) + radius
            near = (xs >= left) & (xs <= right) & (ys >= top) & (ys <= bottom) & ~found
            if near.any():
                found[near] = _within(xs[near], ys[near], points, radius)
        return found


def _within(
    xs: NDArray[np.float64], ys: NDArray[np.float64], points: NDArray[np.float64], radius: float
) -> NDArray[np.bool_]:
    """Return which points lie within a distance of a chain of segments."""
    found = np.zeros(len(xs), bool)
    starts = points[:-1] if len(points) > 1 else points
    stops = points[1:] if len(points) > 1 else points
    for (x, y), (dx, dy) in zip(starts, stops - starts, strict=True):
        square = dx * dx + dy * dy
        along = np.clip(((xs - x) * dx + (ys - y) * dy) / square, 0, 1) if square > 0 else 0.0
        found |= (xs - x - along * dx) ** 2 + (ys - y - along * dy) ** 2 <= radius * radius
    return found
