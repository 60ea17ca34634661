"""Where the network's input lies in the original picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Box(NamedTuple):
    """A rectangle in pixels, with PIL's meaning: right and bottom are the first pixels outside."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Frame:
    """The part of a picture that a network sees, and at what size.

    Edge coordinates: pixel k of the picture spans k to k+1. The network's input of `input_size` pixels covers `box`;
    a box that reaches beyond the picture is padding.

    Attributes:
        box: the part that was seen, in edge coordinates of the original picture.
        input_size: (height, width) of the network's input.
        picture_size: (height, width) of the original picture.
        exact: False if the box was estimated, so that it may be off by a fraction of a pixel.

    """

    box: Box
    input_size: tuple[int, int]
    picture_size: tuple[int, int]
    exact: bool = True

    @classmethod
    def whole(cls, height: int, width: int) -> Frame:
        """Return the frame of a tensor without a picture: input and picture are one."""
        return cls(Box(0.0, 0.0, float(width), float(height)), (height, width), (height, width))

    @property
    def scale(self) -> tuple[float, float]:
        """Picture pixels per input pixel, (down, across)."""
        return (
            (self.box.bottom - self.box.top) / self.input_size[0],
            (self.box.right - self.box.left) / self.input_size[1],
        )

    def rows_to_picture(self, rows: npt.ArrayLike) -> Floats:
        """Turn row indices of the input (pixel centres at whole numbers) into edge coordinates of the picture."""
        return self.box.top + (np.asarray(rows, dtype=np.float64) + 0.5) * self.scale[0]

    def columns_to_picture(self, columns: npt.ArrayLike) -> Floats:
        """Turn column indices of the input into edge coordinates of the picture."""
        return self.box.left + (np.asarray(columns, dtype=np.float64) + 0.5) * self.scale[1]

    def box_to_picture(self, box: Box) -> Box:
        """Turn a box in input pixels into one in picture pixels, clipped to the picture."""
        down, across = self.scale
        height, width = self.picture_size
        return Box(
            float(np.clip(self.box.left + box.left * across, 0, width)),
            float(np.clip(self.box.top + box.top * down, 0, height)),
            float(np.clip(self.box.left + box.right * across, 0, width)),
            float(np.clip(self.box.top + box.bottom * down, 0, height)),
        )
