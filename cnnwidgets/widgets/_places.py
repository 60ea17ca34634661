"""Where occluders lie: from the picture that the hand moves over to whole pixels of the network's input and back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cnnwidgets.errors import OptionError, brief
from cnnwidgets.explain.frame import Box
from cnnwidgets.explain.windows import Shape, Spot, Window
from cnnwidgets.widgets._numbers import is_finite

if TYPE_CHECKING:
    from cnnwidgets.explain.frame import Frame

_MOST = 32  # occluders at once
_FORM = "Give a list of boxes [left, top, right, bottom] in pixels of the picture, such as [[10, 20, 60, 70]]."


class Place(NamedTuple):
    """An occluder on whole pixels of the network's input; it may reach beyond the input.

    Its size is rounded before its position, so that an occluder keeps its size while it is moved.

    Attributes:
        top: first row.
        left: first column.
        height: 1 or more.
        width: 1 or more.

    """

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def of(cls, box: Box, frame: Frame) -> Place:
        """Return the place of a box of the picture."""
        down, across = frame.scale
        height, width = frame.input_size
        top, bottom = ((y - frame.box.top) / down for y in (box.top, box.bottom))
        left, right = ((x - frame.box.left) / across for x in (box.left, box.right))
        (row, rows), (column, columns) = _pixels(top, bottom, height), _pixels(left, right, width)
        return cls(row, column, rows, columns)

    def spot(self, shape: Shape, frame: Frame) -> Spot | None:
        """Return what it covers of the input; None if that is nothing."""
        height, width = frame.input_size
        if not (-self.height < self.top < height and -self.width < self.left < width):
            return None
        spot = Window(self.height, self.width, shape).at(self.top, self.left, height, width)
        return spot if bool(spot.mask.any()) else None

    def on_picture(self, frame: Frame) -> Box:
        """Return the part of it that lies on the input as a box of the picture; without area if there is none."""
        height, width = frame.input_size
        rows, columns = ((first, first + size) for first, size in ((self.top, self.height), (self.left, self.width)))
        (top, bottom), (left, right) = np.clip(rows, 0, height), np.clip(columns, 0, width)
        return frame.box_to_picture(Box(float(left), float(top), float(right), float(bottom)))


def _pixels(low: float, high: float, limit: int) -> tuple[int, int]:
    """Return the first pixel and the number of pixels; what is larger than the input is cut to it."""
    if high - low > limit:
        low, high = max(low, 0.0), min(high, float(limit))
    size = max(1, math.floor(high - low + 0.5))
    return math.floor((low + high - size) / 2 + 0.5), size


def checked_boxes(value: Any, width: int, height: int) -> list[Box]:
    """Return the boxes that a person or a page means, checked against the picture's size.

    Raises:
        OptionError: no list of boxes, none or too many of them, one without area or outside the picture.

    """
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise OptionError(f"boxes={brief(value)} is no list. {_FORM}")
    if not 1 <= len(value) <= _MOST:
        raise OptionError(f"boxes has {len(value)} entries; 1 to {_MOST} occluders are possible. {_FORM}")
    return [_checked(box, number, width, height) for number, box in enumerate(value)]


def _checked(value: Any, number: int, width: int, height: int) -> Box:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    edges = list(value) if isinstance(value, list | tuple) else []
    if len(edges) != 4 or not all(map(is_finite, edges)):
        raise OptionError(f"boxes[{number}]={value!r} is no box. {_FORM}")
    box = Box(*map(float, edges))
    if box.right <= box.left or box.bottom <= box.top:
        raise OptionError(
            f"boxes[{number}]={edges} has no area: right must be more than left, bottom more than top. {_FORM}"
        )
    if box.right <= 0 or box.bottom <= 0 or box.left >= width or box.top >= height:
        raise OptionError(
            f"boxes[{number}]={edges} lies outside the picture, which is {width} pixels wide and {height} high. {_FORM}"
        )
    return box


def checked_active(value: Any, count: int) -> int:
    """Return the index of a box, checked.

    Raises:
        OptionError: no index of one of `count` boxes.

    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < count:
        raise OptionError(f"active={brief(value)}: give the index of one of the {count} boxes, 0 to {count - 1}.")
    return value


def first_box(seen: list[float]) -> Box:
    """Return a square in the middle of what the network sees, a quarter of its shorter side."""
    left, top, right, bottom = seen
    half = min(right - left, bottom - top) / 8
    x, y = (left + right) / 2, (top + bottom) / 2
    return Box(x - half, y - half, x + half, y + half)
