"""The window that hides a part of the input: its pixels, and how it is given."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from cnnwidgets.errors import OptionError, nearest

Shape = Literal["rectangle", "ellipse"]


class Spot(NamedTuple):
    """A box of whole pixels inside the input, and which of its pixels are under the window.

    Attributes:
        top: first row.
        left: first column.
        mask: (h,w) bool, True under the window.

    """

    top: int
    left: int
    mask: Tensor

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns, to index an image (C,H,W) as `image[:, *spot.box]`."""
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels of the input, or the ellipse inscribed in it.

    A pixel is under an ellipse if its centre lies in it or on it, so an ellipse hides about pi / 4 of its rectangle.

    Attributes:
        height: in pixels of the input.
        width: in pixels of the input.
        shape: "rectangle" or "ellipse".

    """

    height: int
    width: int
    shape: Shape = "rectangle"

    @cached_property
    def mask(self) -> Tensor:
        """(height, width) bool: the pixels under the window."""
        if self.shape == "rectangle":
            return torch.ones(self.height, self.width, dtype=torch.bool)
        down, across = (
            ((torch.arange(size, dtype=torch.float64) + 0.5) * 2 / size - 1) ** 2 for size in (self.height, self.width)
        )
        return down[:, None] + across[None, :] <= 1

    @property
    def margins(self) -> tuple[int, int]:
        """Rows above (and below) and columns left (and right) of the core.

        The core is a rectangle that the window covers completely: all of a rectangle, the inscribed one of an ellipse.
        Windows whose cores leave no gap leave none themselves.
        """
        if self.shape == "rectangle":
            return 0, 0
        share = (1 - math.sqrt(0.5)) / 2
        down, across = (max(0, math.ceil(size * share - 0.5)) for size in (self.height, self.width))
        return down, across

    @property
    def core(self) -> tuple[int, int]:
        """(height, width) of the core."""
        down, across = self.margins
        return self.height - 2 * down, self.width - 2 * across

    def at(self, top: int, left: int, height: int, width: int) -> Spot:
        """Return what the window covers of an input of `height` by `width` pixels.

        Args:
            top: the window's first row; the window may reach beyond the input.
            left: its first column.
            height: of the input, at least that of the window.
            width: of the input, at least that of the window.

        """
        inside_top = min(max(top, 0), height - self.height)
        inside_left = min(max(left, 0), width - self.width)
        down, across = inside_top - top, inside_left - left
        if not (down or across):
            return Spot(top, left, self.mask)
        mask = torch.zeros_like(self.mask)
        rows, columns = _overlap(down, self.height), _overlap(across, self.width)
        mask[rows[0], columns[0]] = self.mask[rows[1], columns[1]]
        return Spot(inside_top, inside_left, mask)


def _overlap(shift: int, size: int) -> tuple[slice, slice]:
    """Return the part of a row of `size` cells that is left after moving it back by `shift`, and where it came from."""
    count = max(0, size - abs(shift))
    to, source = max(0, -shift), max(0, shift)
    return slice(to, to + count), slice(source, source + count)


def window_of(size: Any, shape: Any, height: int, width: int) -> Window:
    """Return the window that the options mean, checked against an input of `height` by `width` pixels.

    Args:
        size: pixels of the input, a number for a square, or (height, width).
        shape: "rectangle" or "ellipse".
        height: of the input.
        width: of the input.

    Raises:
        OptionError: a size or shape that means nothing, or a window larger than the input.

    """
    window = Window(*whole_pair("window", size), checked_shape(shape))
    if window.height > height or window.width > width:
        raise OptionError(
            f"window={size!r} is larger than the input of {height} x {width} pixels (height x width). Give at most "
            f"({height}, {width}); a seventh of the shorter side is a good start."
        )
    return window


def checked_shape(shape: Any) -> Shape:
    """Return `shape` if it is one of "rectangle" and "ellipse".

    Raises:
        OptionError: it is not.

    """
    for known in get_args(Shape):
        if shape == known:
            return known  # type: ignore[no-any-return]
    raise OptionError(
        f"shape={shape!r} is not known.{nearest(shape, get_args(Shape))} Known are 'rectangle' and 'ellipse'."
    )


def whole_pair(name: str, value: Any) -> tuple[int, int]:
    """Return (down, across) from a whole number or a pair of them, each 1 or more.

    Raises:
        OptionError: anything else.

    """
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2 or any(isinstance(n, bool) or not isinstance(n, Integral) or int(n) < 1 for n in pair):
        raise OptionError(f"{name}={value!r}: give a whole number of pixels, 1 or more, or a pair (down, across).")
    return int(pair[0]), int(pair[1])
