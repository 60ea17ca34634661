"""What a hand has drawn, with a way back."""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from cnnwidgets.errors import OptionError, nearest
from cnnwidgets.images.strokes import Stroke

Point = tuple[float, float]

_STEPS_BACK = 200
_FORM = (
    "Give a list of strokes, each a list of points (x, y) in pixels of the picture: [[(10, 10), (90, 10), (40, 95)]]."
)


class Drawing:
    """Strokes, the one that is being drawn, and the steps that can be undone. Every thread may ask and change it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._strokes: tuple[Stroke, ...] = ()
        self._past: list[tuple[Stroke, ...]] = []
        self._future: list[tuple[Stroke, ...]] = []
        self._brush: tuple[str, float] | None = None  # while it is down: its tool and width
        self._points: list[Point] = []

    @property
    def strokes(self) -> tuple[Stroke, ...]:
        """All strokes, the one that is being drawn last."""
        with self._lock:
            return self._all()

    @property
    def is_down(self) -> bool:
        """Whether a stroke is being drawn."""
        return self._brush is not None

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether there is an undone step."""
        return bool(self._future)

    def _all(self, *, is_open: bool = True) -> tuple[Stroke, ...]:
        if self._brush is None:
            return self._strokes
        return (*self._strokes, Stroke(*self._brush, tuple(self._points), is_open))

    def begin(self, tool: str, width: float, point: Point) -> None:
        """Put the brush down; a stroke that was never ended is ended where it was."""
        with self._lock:
            self._end()
            self._brush, self._points = (tool, width), [point]

    def extend(self, point: Point) -> bool:
        """Go on to a point; return whether that draws anything."""
        with self._lock:
            if self._brush is None or point == self._points[-1]:
                return False
            self._points.append(point)
            return True

    def end(self) -> bool:
        """Lift the brush; return whether it was down."""
        with self._lock:
            return self._end()

    def _end(self) -> bool:
        if self._brush is None:
            return False
        strokes = self._all(is_open=False)
        self._brush = None
        self._step(strokes)
        return True

    def replace(self, strokes: tuple[Stroke, ...]) -> None:
        """Have other strokes, as a step that can be undone."""
        with self._lock:
            self._end()
            if strokes != self._strokes:
                self._step(strokes)

    def _step(self, strokes: tuple[Stroke, ...]) -> None:
        self._past = [*self._past, self._strokes][-_STEPS_BACK:]
        self._future.clear()
        self._strokes = strokes

    def undo(self) -> bool:
        """Go one step back; return whether there was one."""
        with self._lock:
            self._end()
            if not self._past:
                return False
            self._future.append(self._strokes)
            self._strokes = self._past.pop()
            return True

    def redo(self) -> bool:
        """Take one step back again; return whether there was one."""
        with self._lock:
            if self._brush is not None or not self._future:
                return False
            self._past.append(self._strokes)
            self._strokes = self._future.pop()
            return True

    def forget(self) -> None:
        """Have no strokes and no way back."""
        with self._lock:
            self._strokes, self._brush = (), None
            self._past.clear()
            self._future.clear()


def checked_strokes(value: Any, tools: Collection[str], tool: str, width: float) -> tuple[Stroke, ...]:
    """Return strokes that a person gave: `Stroke`s, or lists of points for the tool and width in the hand.

    Raises:
        OptionError: something else, or a tool that there is not.

    """
    if not isinstance(value, Iterable) or isinstance(value, str | Stroke):
        raise OptionError(f"strokes={value!r} is no list of strokes. {_FORM}")
    return tuple(_checked(each, number, tools, tool, width) for number, each in enumerate(value))


def _checked(value: Any, number: int, tools: Collection[str], tool: str, width: float) -> Stroke:
    stroke = value if isinstance(value, Stroke) else Stroke(tool, width, value)
    if stroke.tool not in tools:
        raise OptionError(
            f"strokes[{number}] is of the tool {stroke.tool!r}.{nearest(stroke.tool, tools)} "
            f"This pad has: {', '.join(tools)}."
        )
    try:
        points = np.asarray(stroke.points, float)
        width = float(stroke.width)
    except (TypeError, ValueError):
        raise OptionError(f"strokes[{number}]={value!r} is no stroke. {_FORM}") from None
    if points.ndim != 2 or points.shape[1] != 2 or not len(points) or not np.isfinite(points).all():
        raise OptionError(f"strokes[{number}]={value!r} is no stroke. {_FORM}")
    if not 0 < width < math.inf:
        raise OptionError(f"strokes[{number}] has the width {stroke.width!r}: give pixels of the picture, above 0.")
    return Stroke(stroke.tool, width, tuple((x, y) for x, y in points.tolist()))
