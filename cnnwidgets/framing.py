"""Where a preprocessing of any kind looks in the original picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.frame import Box, Frame
from cnnwidgets.preprocess import Framing, Preprocess, resized

if TYPE_CHECKING:
    from collections.abc import Callable

_NOT_GEOMETRIC = {
    "ToTensor", "MaybeToTensor", "PILToTensor", "MaybePILToTensor", "ToImage", "ToDtype", "ConvertImageDtype",
    "Normalize", "Grayscale", "ToPureTensor", "ToNumpy", "RGB",
}  # fmt: skip


def frame_of(preprocess: Callable[..., Any], height: int, width: int) -> Frame | None:
    """Return what a preprocessing sees of a picture of this size.

    Exact for `Preprocess` and for the transforms of torchvision and timm (their weights' own presets, and any Compose
    of resizing and centre cropping); measured for everything else. None for a preprocessing that does more to the
    geometry than resize, crop and pad, such as a rotation.
    """
    if isinstance(preprocess, Preprocess):
        return preprocess.frame(height, width)
    known = _known(preprocess, Framing(height, width))
    return _measured(preprocess, height, width) if known is None else known.frame()


class Frames:
    """Where one preprocessing looks in pictures of many sizes; each size is asked for once, for measuring is dear.

    Args:
        preprocess: turns a PIL picture into the network's input.

    Attributes:
        preprocess: the same.

    """

    _LIMIT = 4096  # sizes; a data set of photographs has many

    def __init__(self, preprocess: Callable[..., Any]) -> None:
        self.preprocess = preprocess
        self._known: dict[tuple[int, int], Frame | None] = {}

    def __call__(self, height: int, width: int) -> Frame | None:
        """Return what `frame_of` gives for pictures of this size."""
        if (height, width) not in self._known:
            if len(self._known) >= self._LIMIT:
                self._known = {}
            self._known[height, width] = frame_of(self.preprocess, height, width)
        return self._known[height, width]


def _known(transform: Any, framing: Framing) -> Framing | None:  # noqa: PLR0911
    """Follow a transform of torchvision or timm; None for one that is not known."""
    name, module = type(transform).__name__, type(transform).__module__
    if not module.startswith(("torchvision.", "timm.")):
        return None
    if name == "ImageClassification":
        resized = _resize(framing, transform.resize_size, None)
        return None if resized is None else resized.cropped(*_size(transform.crop_size))
    if name == "Compose":
        followed: Framing | None = framing
        for part in transform.transforms:
            if followed is None:
                return None
            followed = _known(part, followed)
        return followed
    if name == "Resize":
        return _resize(framing, transform.size, transform.max_size)
    if name == "CenterCrop":
        return framing.cropped(*_size(transform.size))
    return framing if name in _NOT_GEOMETRIC else None


def _resize(framing: Framing, size: Any, limit: int | None) -> Framing | None:
    sides = [size] if isinstance(size, int) else list(size)
    if len(sides) == 1 and limit is not None:
        return None
    return framing.resized(*resized(sides[0] if len(sides) == 1 else (sides[0], sides[1]), *framing.size))


def _size(size: Any) -> tuple[int, int]:
    sides = [size] if isinstance(size, int) else list(size)
    return (sides[0], sides[0]) if len(sides) == 1 else (sides[0], sides[1])


def _measured(preprocess: Callable[..., Any], height: int, width: int) -> Frame | None:
    """Find what is seen by looking at ramps: a picture whose brightness is its own coordinate.

    Black and white pictures calibrate every input value, so normalisation, grey conversion and padding drop out.
    """
    across = np.linspace(0, 255, width)[None, :].repeat(height, 0)
    down = np.linspace(0, 255, height)[:, None].repeat(width, 1)
    black, white, columns, rows = (
        _value(preprocess, field) for field in (np.zeros_like(across), np.full_like(across, 255), across, down)
    )
    span = white - black
    seen = np.abs(span) > 0.5 * np.abs(span).max()
    if not seen.any():
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        x = _line(np.where(seen, (columns - black) / span, np.nan), axis=0)
        y = _line(np.where(seen, (rows - black) / span, np.nan), axis=1)
    if x is None or y is None:
        return None
    (left, right), (top, bottom) = _edges(x, seen.shape[1], width), _edges(y, seen.shape[0], height)
    return Frame(Box(left, top, right, bottom), (seen.shape[0], seen.shape[1]), (height, width), exact=False)


def _value(preprocess: Callable[..., Any], field: Any) -> Any:
    picture = Image.fromarray(field.round().astype(np.uint8)).convert("RGB")
    values = preprocess(picture)
    again = preprocess(picture)
    if not bool((values == again).all()):
        raise OptionError(
            "The preprocessing gives another result each time for one picture. Leave random augmentations out of it: "
            "what is explained must be what the network saw."
        )
    return values.detach().double().mean(0).cpu().numpy()


def _line(share: Any, axis: int) -> tuple[float, float] | None:
    """Fit share = offset + slope * index along the other axis; None if it is no line."""
    with np.errstate(invalid="ignore"):
        valid = ~np.isnan(share).all(axis)
        profile = np.nanmean(share[:, valid] if axis == 0 else share[valid, :], axis)
        spread = np.nanmax(share, axis)[valid] - np.nanmin(share, axis)[valid]
    index = np.flatnonzero(valid)
    inner = (profile > 0.02) & (profile < 0.98)  # clamped borders and overshoots left out
    if inner.sum() < 2:
        return None
    slope, offset = np.polyfit(index[inner], profile[inner], 1)
    error = np.abs(offset + slope * index[inner] - profile[inner]).max()
    if slope <= 0 or error > 0.02 or np.nanmax(spread) > 0.04:
        return None
    return float(offset), float(slope)


def _edges(line: tuple[float, float], cells: int, pixels: int) -> tuple[float, float]:
    offset, slope = line
    # A share s of the ramp is the pixel centre s * (pixels - 1) + 0.5 in edge coordinates.
    first = (offset - 0.5 * slope) * (pixels - 1) + 0.5
    last = (offset + (cells - 0.5) * slope) * (pixels - 1) + 0.5
    return first, last
