"""Drawing projections: around grey, cut at the receptive field, as a figure, as a PNG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.drawing import MOST_PIXELS, PLAIN, beside, enlarged, outline, shown_figure, stacked
from cnnwidgets.images.encode import to_png
from cnnwidgets.text import displayable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cnnwidgets.explain.projection import Projection

_SHOWN, _SIDE = 4, 240  # of a PNG: images at most, pixels of a crop's longer side


def picture(projection: Projection, index: int, *, size: int | None, clip: float) -> Image.Image:
    """Return one image's values around grey; see `Projection.picture`."""
    return _sized(_drawn(projection, index, clip), size)


def crop(projection: Projection, index: int, *, size: int | None, clip: float) -> Image.Image:
    """Return the part that the unit sees; see `Projection.crop`."""
    left, top, right, bottom = map(int, projection.box(index))
    return _sized(_drawn(projection, index, clip).crop((left, top, right, bottom)), size)


def _drawn(projection: Projection, index: int, clip: float) -> Image.Image:
    if isinstance(clip, bool) or not isinstance(clip, int | float) or not 0 <= clip < 1:
        raise OptionError(f"clip={clip!r} is out of range; give a share from 0 up to, but not, 1.")
    values = projection.values[index].astype(np.float64)
    planes = values if len(values) == 3 else np.repeat(values.sum(0, keepdims=True), 3, axis=0)
    end = _end(planes, clip)
    shares = planes / end if end > 0 else planes
    levels = (127.5 * (1 + shares.clip(-1, 1)) + 0.5).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(levels.transpose(1, 2, 0)))


def _end(planes: npt.NDArray[np.float64], clip: float) -> float:
    magnitudes = np.abs(planes[planes != 0])
    return float(np.quantile(magnitudes, 1 - clip)) if magnitudes.size else 0.0


def _sized(drawn: Image.Image, size: int | None) -> Image.Image:
    if size is None:
        return drawn
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise OptionError(f"size={size!r} is no size of a picture; give 1 pixel or more.")
    longer = max(drawn.size)
    shape = max(1, round(drawn.width * size / longer)), max(1, round(drawn.height * size / longer))
    return drawn.resize(shape, Image.Resampling.NEAREST if size > longer else Image.Resampling.BOX)


def _outlined(projection: Projection, index: int) -> Image.Image:
    """Return the original picture with the box of what the unit sees."""
    drawn = projection.pictures[index].convert("RGB")
    drawn.thumbnail((MOST_PIXELS, MOST_PIXELS))
    drawn = enlarged(drawn, 160)
    box = projection.picture_boxes[index]
    if box is not None:
        outline(drawn, box, projection.frames[index], "yellow")
    return drawn


def _part(projection: Projection, index: int) -> Image.Image:
    """Return the crop, or the whole where there is no box to cut at."""
    if projection.boxes[index] is None:
        return projection.picture(index, size=_SIDE)
    return projection.crop(index, size=_SIDE)


def plot(projection: Projection) -> Figure:
    """Return a figure of every picture with the box and the crop of its projection; see `Projection.plot`."""
    count = len(projection)
    figure = shown_figure(figsize=(max(3.2 * count, 4.2), 6.4), layout="constrained")
    words = f"{projection.title} at {displayable(projection.layer, 100)}: grey is 0, in {projection.units}"
    figure.suptitle(words, fontsize=10, **PLAIN)
    for index in range(count):
        height, width = projection.frames[index].picture_size
        axes = figure.add_subplot(2, count, index + 1)
        axes.imshow(_outlined(projection, index), extent=(0, width, height, 0))
        name = displayable(projection.target[index], 60)
        axes.set_title(f"{name}\nactivation {projection.activations[index]:.3g}", fontsize=9, **PLAIN)
        axes.set_xlabel("pixel")
        below = figure.add_subplot(2, count, count + index + 1)
        height, width = projection.values.shape[2:]
        left, top, right, bottom = projection.boxes[index] or (0, 0, width, height)
        below.imshow(_part(projection, index), extent=(left, right, bottom, top), interpolation="none")
        below.set_xlabel("pixel of the input")
    return figure


def png(projection: Projection) -> bytes:
    """Return up to four pictures with their crops below, side by side, as the bytes of a PNG file."""
    columns = []
    for index in range(min(len(projection), _SHOWN)):
        drawn = _outlined(projection, index)
        drawn.thumbnail((_SIDE, _SIDE))
        columns.append(stacked(drawn, _part(projection, index)))
    return to_png(beside(columns))
