"""Pictures as bytes for the browser and for exports."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from cnnwidgets.errors import OptionError
from cnnwidgets.images.convert import to_picture

if TYPE_CHECKING:
    from cnnwidgets.images.convert import PictureSource

# Measured with Pillow 13 on two cores, a photograph of 600 x 400: PNG at level 1 takes 20 ms and 483 kB, at
# Pillow's own level 6 66 ms and 449 kB; JPEG at quality 92 without colour subsampling 1.1 ms and 105 kB, off
# by 2.2 of 255 in the mean; WebP at quality 90 8.5 ms and 67 kB, off by 2.5. The kernel is next door, so time
# counts before size.
_JPEG_QUALITY = 92
_PNG_LEVEL = 1

#: Up to this many pixels a picture goes as exact PNG: 64 x 64 in colour is 9 kB in 0.3 ms.
_SMALL = 64 * 64
#: A picture of no more colours than this may be a drawing, which JPEG smears and PNG makes smaller.
_FEW_COLOURS = 256

#: What PNG holds and a browser shows as it is.
_PNG_MODES = ("1", "L", "LA", "RGB", "RGBA")


@dataclass(frozen=True)
class Encoded:
    """A picture as the bytes of a file."""

    data: bytes
    """The whole file."""
    mime: str
    """Its media type, "image/png" or "image/jpeg"."""
    width: int
    """Width of the encoded picture in pixels, which may be less than that of the original."""
    height: int
    """Height of the encoded picture in pixels."""


def encode(picture: PictureSource, max_side: int = 1600) -> Encoded:
    """Return `picture` as PNG (exact) if it is small or a drawing, else as JPEG of quality 92.

    Its longer side is brought down to `max_side` pixels if it is longer. `picture` is anything that
    `to_picture` takes.

    Raises `OptionError` for a `max_side` below 1, `ImageError` for what is no picture.
    """
    if max_side < 1:
        raise OptionError(f"max_side is {max_side!r}; at least 1 pixel is needed. The default is 1600.")
    rgb = to_picture(picture)
    if max(rgb.size) > max_side:
        rgb.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    if rgb.width * rgb.height <= _SMALL:
        data, mime = _png(rgb), "image/png"
    else:
        data, mime = _jpeg(rgb), "image/jpeg"
        if rgb.getcolors(_FEW_COLOURS) is not None:
            exact = _png(rgb)
            # A grey photograph has no more colours than a drawing; its size tells them apart.
            if len(exact) <= len(data):
                data, mime = exact, "image/png"
    return Encoded(data, mime, rgb.width, rgb.height)


def to_png(picture: PictureSource) -> bytes:
    """Return `picture` as the bytes of a PNG file, pixel for pixel; opacity is kept."""
    if not isinstance(picture, Image.Image) or picture.mode not in _PNG_MODES:
        picture = to_picture(picture)
    return _png(picture)


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=_PNG_LEVEL)
    return file.getvalue()


def _jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return file.getvalue()
