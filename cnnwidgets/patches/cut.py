"""Cutting a patch out of a picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PIL import Image

from cnnwidgets.errors import OptionError

if TYPE_CHECKING:
    from cnnwidgets.explain.frame import Box


def cut(picture: Image.Image, box: Box, size: int | None = None) -> Image.Image:
    """Return the part of a picture in a box.

    Args:
        picture: the picture.
        box: in its pixels; the result holds every pixel that the box touches, one at least.
        size: longer side of the result; None keeps the picture's own pixels. Shrinking averages, enlarging repeats
            pixels, so that they can be seen.

    """
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
        raise OptionError(f"size={size!r}: give the longer side in pixels, 1 or more, or None.")
    # A box that ends a rounding error behind a pixel's edge does not touch the next one.
    left, top = min(math.floor(box.left + 1e-6), picture.width - 1), min(math.floor(box.top + 1e-6), picture.height - 1)
    right, bottom = max(math.ceil(box.right - 1e-6), left + 1), max(math.ceil(box.bottom - 1e-6), top + 1)
    part = picture.crop((left, top, min(right, picture.width), min(bottom, picture.height)))
    if size is None or max(part.size) == size:
        return part
    scale = size / max(part.size)
    way = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST
    return part.resize((max(1, round(part.width * scale)), max(1, round(part.height * scale))), way)
