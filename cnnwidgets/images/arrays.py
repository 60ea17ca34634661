"""Arrays of numbers as RGB pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from cnnwidgets.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_16_BIT = 65535

_GREY, _RGB, _RGBA = 1, 3, 4
#: Floats may leave 0..1 by this much: the rounding of a float16 computation that ends at 1.
_SLACK = 1e-3


def to_rgb(array: NDArray[np.generic], name: str = "The array") -> Image.Image:
    """Return `array` (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) as a new RGB picture.

    uint8 is 0..255, uint16 is 0..65535 (divided by 257), bool is black and white, float is 0..1. A fourth
    channel is opacity, laid over white.

    Raises `ImageError` for any other shape, type or range; `name` is what it calls the array.
    """
    _check_shape(array.shape, name)
    array = _plain(array, name)
    levels = _levels(array, name)
    if levels.ndim == 2:
        levels = levels[:, :, None]
    channels = levels.shape[2]
    if channels == _RGBA:
        levels = _over_white(levels)
    elif channels == _GREY:
        levels = levels.repeat(_RGB, axis=2)
    # frombytes copies; fromarray and frombuffer may keep looking at the array.
    return Image.frombytes("RGB", (levels.shape[1], levels.shape[0]), levels.tobytes())


def _plain(array: NDArray[np.generic], name: str) -> NDArray[np.generic]:
    """Return an array of any subclass as it is in memory: matrices have rules of their own, masks hide values."""
    if isinstance(array, np.ma.MaskedArray):
        hidden = int(np.ma.getmaskarray(array).sum())
        if hidden:
            raise ImageError(
                f"{name} is a masked array that hides {hidden} of its {array.size} values, which have no colour. Say "
                "which they shall have: array.filled(0)."
            )
        array = array.data
    return np.asarray(array)


def check_size(height: int, width: int, name: str) -> None:
    """Raise `ImageError` for a picture of more pixels than Pillow decodes: `PIL.Image.MAX_IMAGE_PIXELS`.

    An array that repeats one value (`numpy.broadcast_to`) takes no memory before it becomes a picture.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and height * width > 2 * limit:
        raise ImageError(
            f"{name} has {width} x {height} pixels, more than the {2 * limit} that Pillow decodes. Make it smaller, "
            "or, if it is meant so, raise PIL.Image.MAX_IMAGE_PIXELS."
        )


def _over_white(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    size = (levels.shape[1], levels.shape[0])
    layer = Image.frombytes("RGBA", size, levels.tobytes())
    return np.array(Image.alpha_composite(Image.new("RGBA", size, "white"), layer).convert("RGB"))


def _check_shape(shape: tuple[int, ...], name: str) -> None:
    planes = (_GREY, _RGB, _RGBA)
    expected = "(H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
    if (len(shape) == 2 or (len(shape) == 3 and shape[2] in planes)) and 0 not in shape:
        check_size(shape[0], shape[1], name)
        return
    problem = f"{name} has the shape {shape}; a picture has {expected}."
    if 0 in shape:
        remedy = "It is empty: pass one with at least one pixel."
    elif len(shape) == 3 and shape[0] in planes and shape[0] < shape[1]:
        remedy = "Its channels come first, as in PyTorch: pass array.transpose(1, 2, 0)."
    elif len(shape) == 4:
        remedy = "It is a batch: pass one of its pictures, array[0]."
    elif len(shape) == 3 and shape[2] == 2:
        remedy = "For grey with opacity pass the grey alone, array[:, :, 0]."
    elif len(shape) == 3 and shape[0] in planes:
        remedy = (
            f"If it has {shape[2]} channels, choose one or three of them, array[:, :, :3]; if its channels come first, "
            "as in PyTorch, pass array.transpose(1, 2, 0)."
        )
    else:
        remedy = "Choose one or three channels of it."
    raise ImageError(f"{problem} {remedy}")


def _levels(array: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
    """Return the values of `array` as 0..255."""
    dtype = array.dtype
    if dtype == np.uint8:
        return array.astype(np.uint8, copy=False)
    if dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if dtype.kind == "u" and dtype.itemsize == 2:  # either byte order
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if dtype.kind == "f":
        return _from_unit(array, name)
    remedy = (
        "if its values are 0..255, pass array.astype('uint8'); if they are 0..65535, array.astype('uint16')"
        if dtype.kind in "iu"
        else "pass uint8 (0..255), uint16 (0..65535), bool, or float (0..1)"
    )
    raise ImageError(f"{name} has the type {dtype}, whose range is not that of a picture: {remedy}.")


def _from_unit(values: NDArray[Any], name: str) -> NDArray[np.uint8]:
    dtype = values.dtype
    finite = np.isfinite(values)
    if not finite.all():
        raise ImageError(
            f"{name} of type {dtype} holds {int((~finite).sum())} of {values.size} values that are NaN or "
            "infinite. Replace them first, for example with numpy.nan_to_num."
        )
    low, high = float(values.min()), float(values.max())
    if low < -_SLACK or high > 1 + _SLACK:
        if low >= 0 and high <= 255:
            remedy = "For values of 0..255 pass array.astype('uint8')"
        else:
            remedy = "Scale them first, for example (array - array.min()) / (array.max() - array.min())"
        raise ImageError(
            f"{name} of type {dtype} holds values from {low:.4g} to {high:.4g}; 0..1 is expected. {remedy}."
        )
    return (values.clip(0, 1).astype(np.float32) * 255 + 0.5).astype(np.uint8)
