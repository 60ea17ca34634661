"""Many pictures in one file, each at a known place: what the browser cuts its tiles from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from cnnwidgets.images.encode import Encoded, encode, to_png

if TYPE_CHECKING:
    from collections.abc import Sequence

_STEP = 16  # JPEG's blocks have 8 or 16 pixels: what lies in blocks of its own takes no colour of its neighbours
_EXACT = 48  # pixels a side: smaller pictures are shown enlarged, where the traces of JPEG would be seen


class Place(NamedTuple):
    """Where a picture lies in an atlas, in its pixels."""

    left: int
    top: int
    width: int
    height: int


class Atlas(NamedTuple):
    """Pictures in one file.

    Attributes:
        encoded: the file.
        places: where each picture lies; None of one that there is not.

    """

    encoded: Encoded
    places: tuple[Place | None, ...]

    @classmethod
    def of(cls, pictures: Sequence[Image.Image | None]) -> Atlas | None:
        """Return pictures in one file: exact if they are small, else as `encode` thinks best; None if there are none.

        Args:
            pictures: RGB, a few hundred of a few hundred pixels at most.

        """
        sizes = [None if picture is None else picture.size for picture in pictures]
        places, size = _laid_out(sizes)
        if not size[0]:
            return None
        sheet = Image.new("RGB", size)
        area = count = 0
        for picture, place in zip(pictures, places, strict=True):
            if picture is not None and place is not None:
                sheet.paste(_filling(picture), (place.left, place.top))
                area, count = area + picture.width * picture.height, count + 1
        small = area <= count * _EXACT**2
        return cls(Encoded(to_png(sheet), "image/png", *size) if small else encode(sheet, max(size)), places)


def _filling(picture: Image.Image) -> Image.Image:
    """Return a picture with its last row and column repeated to the end of its blocks: JPEG looks at whole blocks."""
    more = ((0, _up(picture.height) - picture.height), (0, _up(picture.width) - picture.width), (0, 0))
    return Image.fromarray(np.pad(np.asarray(picture.convert("RGB")), more, mode="edge"))


def _up(side: int) -> int:
    return -(-side // _STEP) * _STEP


def _laid_out(sizes: Sequence[tuple[int, int] | None]) -> tuple[tuple[Place | None, ...], tuple[int, int]]:
    """Return the pictures' places in rows from left to right, and (width, height) of a sheet about as wide as high."""
    blocks = [(_up(size[0]), _up(size[1])) for size in sizes if size is not None]
    if not blocks:
        return (None,) * len(sizes), (0, 0)
    width = max(_up(math.isqrt(sum(wide * high for wide, high in blocks))), *(wide for wide, _ in blocks), _STEP)
    places: list[Place | None] = []
    left = top = below = right = 0
    for size in sizes:
        if size is None:
            places.append(None)
            continue
        wide, high = _up(size[0]), _up(size[1])
        if left + wide > width:
            left, top = 0, below
        places.append(Place(left, top, *size))
        left, below = left + wide, max(below, top + high)
        right = max(right, left)
    return tuple(places), (right, below)
