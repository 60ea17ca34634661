"""Every mode of a PIL image as upright, opaque RGB."""

from __future__ import annotations

import numpy as np
from PIL import ExifTags, Image

from cnnwidgets.errors import ImageError
from cnnwidgets.images import arrays, formats

#: EXIF's orientation tag -> what turns the stored pixels upright (EXIF 2.32, section 4.6.4).
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def to_rgb(image: Image.Image, name: str, *, turn: bool = True) -> Image.Image:
    """Return `image` as a new RGB picture without metadata; `name` ("The image") is what errors call it.

    `turn=False` leaves it as it is stored, as programs see it that know nothing of EXIF.

    Pillow's own `convert("RGB")` cuts 16-bit values off at 255, paints what is transparent in whatever colour
    lies beneath, and leaves a photograph on its side, so each of these is done here.
    """
    if 0 in image.size:
        raise ImageError(f"{name} is empty: {image.width} x {image.height} pixels. Pass one with at least one pixel.")
    formats.refuse_other(image, name)
    try:
        image.load()
        opaque = _opaque_rgb(image, name)
        method = _UPRIGHT.get(_orientation(image)) if turn else None
        upright = opaque if method is None else opaque.transpose(method)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # decoders raise nearly any type
        raise ImageError(
            f"{name} ({image.format or 'no format'}, mode {image.mode}, {image.width} x {image.height}) "
            f"cannot be decoded: {error or type(error).__name__}. It may be cut short or damaged: get the "
            "file again, or save it anew as PNG."
        ) from error
    # Left in, an EXIF rotation would be carried out a second time when the result is converted again.
    upright.info = {}
    return upright


def is_rgb(image: Image.Image) -> bool:
    """Whether an image is as `to_rgb` returns them, so that only a copy would come of it."""
    return type(image) is Image.Image and image.mode == "RGB" and not image.info and _orientation(image) == 1


def _opaque_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _from_wide(image, name)
    if image.mode == "La":  # Pillow converts this mode to LA and to nothing else
        image = image.convert("LA")
    if not image.has_transparency_data:
        # An RGB image converts to RGB as a copy, so the result never shares pixels with `image`.
        return image.convert("RGB")
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")


def _from_wide(image: Image.Image, name: str) -> Image.Image:
    """Read a grey image of more than 8 bits: integers as 0..65535, floats as 0..1 or 0..255."""
    values = np.array(image)
    if image.mode == "F":
        # An image of mode F made by Pillow's convert("F") holds 0..255, one made from an array mostly 0..1.
        as_pillow = values.min() >= 0 and 1 < values.max() <= 255
        return arrays.to_rgb(values / 255 if as_pillow else values, name)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > arrays.MAX_16_BIT:
        raise ImageError(
            f"{name} of mode {image.mode} holds values from {low} to {high}; 0..65535 is expected. "
            "Scale it to 0..255 and pass a uint8 array."
        )
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        values[values == clear] = arrays.MAX_16_BIT
    return arrays.to_rgb(values.astype(np.uint16), name)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - damaged metadata is no reason to refuse a good picture
        return 1
