"""From a picture to the network's input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cnnwidgets.errors import OptionError, nearest
from cnnwidgets.explain.frame import Box, Frame
from cnnwidgets.images.convert import PictureSource, to_picture
from cnnwidgets.images.modes import is_rgb

if TYPE_CHECKING:
    from collections.abc import Sequence

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
}


@dataclass(frozen=True, init=False)
class Preprocess:
    """Resize, crop the centre, scale to 0..1, normalise.

    Args:
        resize: an int is the length of the shorter side (the shape is kept), a pair is (height, width), None keeps
            the picture's own size.
        crop: (height, width) of the centre to cut out, an int for a square, None for none. Where the picture is
            smaller it is padded with black.
        mean: subtracted from each channel, which lies in 0..1; one number, or one per channel.
        std: what each channel is then divided by.
        interpolation: "nearest", "bilinear", "bicubic", "lanczos" or "box".
        channels: 3 for colour, 1 for grey (ITU-R 601 luma).

    Raises:
        OptionError: a setting that means nothing.

    """

    resize: int | tuple[int, int] | None
    crop: tuple[int, int] | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    channels: int

    def __init__(
        self,
        resize: int | Sequence[int] | None = None,
        crop: int | Sequence[int] | None = None,
        mean: float | Sequence[float] = 0.0,
        std: float | Sequence[float] = 1.0,
        *,
        interpolation: str = "bicubic",
        channels: int = 3,
    ) -> None:
        if interpolation not in _FILTERS:
            raise OptionError(
                f"interpolation={interpolation!r} is not known.{nearest(interpolation, _FILTERS)} "
                f"Known are: {', '.join(_FILTERS)}."
            )
        if channels not in (1, 3):
            raise OptionError(f"channels={channels!r}: a picture gives 3 channels (colour) or 1 (grey).")
        settings = {
            "resize": resize if isinstance(resize, int) and _sides("resize", resize) else _sides("resize", resize),
            "crop": _sides("crop", crop),
            "mean": _numbers("mean", mean, channels),
            "std": _numbers("std", std, channels),
            "interpolation": interpolation,
            "channels": channels,
        }
        if any(value <= 0 for value in _numbers("std", std, channels)):
            raise OptionError(f"std={std!r}: every number must be above 0.")
        for name, value in settings.items():
            object.__setattr__(self, name, value)

    def __call__(self, picture: PictureSource) -> Tensor:
        """Return the picture as a float32 tensor (C,H,W)."""
        rgb = picture if isinstance(picture, Image.Image) and is_rgb(picture) else to_picture(picture)
        image = rgb if self.channels == 3 else rgb.convert("L")
        height, width = resized(self.resize, image.height, image.width)
        if (width, height) != image.size:
            image = image.resize((width, height), _FILTERS[self.interpolation])
        if self.crop is not None:
            left, top = _centre(self.crop, height, width)
            image = image.crop((left, top, left + self.crop[1], top + self.crop[0]))
        values = torch.from_numpy(np.array(image, dtype=np.float32) / 255)
        values = values[None] if values.ndim == 2 else values.permute(2, 0, 1).contiguous()
        mean, std = (torch.tensor(numbers, dtype=torch.float32).reshape(-1, 1, 1) for numbers in (self.mean, self.std))
        return (values - mean) / std

    def frame(self, height: int, width: int) -> Frame:
        """Return the part of a picture of this size that the network sees."""
        framing = Framing(height, width).resized(*resized(self.resize, height, width))
        return (framing.cropped(*self.crop) if self.crop else framing).frame()


class Framing:
    """Follows the part of a picture that is seen through resizing and cropping.

    Args:
        height: of the picture.
        width: of the picture.

    """

    def __init__(self, height: int, width: int) -> None:
        self._picture = (height, width)
        self.size = (height, width)
        self._box = Box(0.0, 0.0, float(width), float(height))

    def resized(self, height: int, width: int) -> Framing:
        """Resize what is seen."""
        self.size = (height, width)
        return self

    def cropped(self, height: int, width: int) -> Framing:
        """Crop the centre, or pad around it where it is smaller."""
        left, top = _centre((height, width), *self.size)
        return self.cut(left, top, height, width)

    def cut(self, left: int, top: int, height: int, width: int) -> Framing:
        """Cut out a rectangle, which may reach beyond what there is: padding."""
        down = (self._box.bottom - self._box.top) / self.size[0]
        across = (self._box.right - self._box.left) / self.size[1]
        x, y = self._box.left + left * across, self._box.top + top * down
        self._box = Box(x, y, x + width * across, y + height * down)
        self.size = (height, width)
        return self

    def frame(self) -> Frame:
        """Return the result."""
        return Frame(self._box, self.size, self._picture)


def _sides(name: str, value: int | Sequence[int] | None) -> tuple[int, int] | None:
    """Return (height, width); one number is a square."""
    if value is None:
        return None
    sides = (value, value) if isinstance(value, int) else tuple(value)
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise OptionError(f"{name}={value!r}: give a number of pixels, or (height, width).")
    return sides[0], sides[1]


def _numbers(name: str, value: float | Sequence[float], channels: int) -> tuple[float, ...]:
    """Return one number, or one per channel."""
    numbers = (value,) if isinstance(value, int | float) else tuple(value)
    if len(numbers) not in (1, channels):
        raise OptionError(f"{name}={value!r} has {len(numbers)} numbers for {channels} channel(s).")
    return tuple(float(number) for number in numbers)


def resized(resize: int | tuple[int, int] | None, height: int, width: int) -> tuple[int, int]:
    """Return (height, width) after resizing; the longer side is rounded down, as torchvision does."""
    if resize is None:
        return height, width
    if isinstance(resize, tuple):
        return resize
    if height <= width:
        return resize, max(1, int(resize * width / height))
    return max(1, int(resize * height / width)), resize


def _centre(crop: tuple[int, int], height: int, width: int) -> tuple[int, int]:
    """Return (left, top) of the centre crop, rounded as torchvision does; negative where padding is needed."""
    return _start(width, crop[1]), _start(height, crop[0])


def _start(pixels: int, wanted: int) -> int:
    return -((wanted - pixels) // 2) if wanted > pixels else round((pixels - wanted) / 2.0)
