"""Strokes of a brush: what a hand drew, as smooth curves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEP = 3.0  # pixels between two vertices of a curve


@dataclass(frozen=True)
class Stroke:
    """One stroke of a round brush, from where it was put down to where it was lifted.

    Through the reported points runs a chain of quadratic curves, from the middle between two of them to the next
    middle, with the point as the control point: smooth, and no curve changes when a later point comes.

    Attributes:
        tool: what the brush does, by the name that the pad gives it: "draw", "erase", "grey", "blur".
        width: diameter of the brush in pixels of the picture.
        points: (x, y) in edge coordinates of the picture: pixel k spans k to k+1.
        is_open: whether the brush is still down.

    """

    tool: str
    width: float
    points: tuple[tuple[float, float], ...]
    is_open: bool = field(default=False, repr=False)

    def continues(self, earlier: Stroke) -> bool:
        """Whether this is `earlier`, which was still open, some points later."""
        return (
            earlier.is_open
            and (self.tool, self.width) == (earlier.tool, earlier.width)
            and self.points[: len(earlier.points)] == earlier.points
        )

    def curves(self, start: int = 0) -> list[NDArray[np.float64]]:
        """Return the curves from number `start` on, each as vertices (n, 2); their number only grows with the points.

        The way to the last point is left out while the brush is down: the next point will bend it.
        """
        points = np.asarray(self.points, float)
        count = len(points)
        middles = (points[1:] + points[:-1]) / 2
        stop = count + (not self.is_open and count > 1)
        found = []
        for number in range(start, stop):
            if number == 0:
                found.append(points[:1])
            elif number == 1:
                found.append(np.stack([points[0], middles[0]]))
            elif number < count:
                found.append(_bend(middles[number - 2], points[number - 1], middles[number - 1]))
            else:
                found.append(np.stack([middles[-1], points[-1]]))
        return found


def _bend(start: NDArray[np.float64], control: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return vertices of a quadratic curve."""
    length = np.linalg.norm(control - start) + np.linalg.norm(end - control)
    t = np.linspace(0, 1, 1 + int(np.clip(np.ceil(length / _STEP), 1, 64)))[:, None]
    bent: NDArray[np.float64] = (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end
    return bent
