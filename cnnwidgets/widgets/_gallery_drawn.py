"""What the network has to make of the patches of a channel: its maps on their pictures, and the pixels that matter."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnwidgets.classifier import joined
from cnnwidgets.errors import ImageError, MissingDataError
from cnnwidgets.explain.activations import activations
from cnnwidgets.explain.deconvnet import deconvnet
from cnnwidgets.explain.frame import Box
from cnnwidgets.explain.guided import guided_backprop
from cnnwidgets.patches.cut import cut
from cnnwidgets.widgets._gallery_tiles import pack_tiles, reduced
from cnnwidgets.widgets._gallery_traits import QUANTILE
from cnnwidgets.widgets._gallery_wall import PART, SHOW_EVERY, Hung
from cnnwidgets.widgets._lines import Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from PIL import Image

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.explain.control import Cancel
    from cnnwidgets.explain.frame import Frame
    from cnnwidgets.explain.projection import Projection
    from cnnwidgets.explain.subject import Prepared
    from cnnwidgets.patches.index import PatchIndex

    Floats = NDArray[np.float32]

_METHODS: dict[str, Callable[..., Projection]] = {"guided_backprop": guided_backprop, "deconvnet": deconvnet}
_AT_ONCE = 4  # pictures in a pass: between two passes other work gets its turn
_CELLS = 64  # rows and columns of a map at most
_BELOW = 0.1  # of the highest value: a cut stands so far below it at least
_LEVELS = [*(1 - 10 ** (-3 * i / 63) for i in range(64)), 1.0]  # dense where thresholds lie


def drawn(
    clf: Classifier, index: PatchIndex, layer: str, of: tuple[int, str], cancel: Cancel
) -> Iterator[dict[str, Any] | None]:
    """Make the pictures of a mode in steps; give them, as the trait `_drawn` holds them, complete at last.

    Args:
        clf: the classifier that the index was made with.
        index: the patches.
        layer: name of the layer.
        of: number of the channel, and the mode: "highlight", "guided_backprop" or "deconvnet".
        cancel: stops a pass.

    Raises:
        Cancelled: `cancel` is set.
        CnnWidgetsError: the method cannot be applied; other exceptions are those of the model.

    """
    channel, mode = of
    made = _highlight if mode == "highlight" else _projected
    hung = Hung.of(index, layer, channel)
    named = {"layer": layer, "channel": channel, "mode": mode}
    for packed in made(clf, index, hung, named, cancel):
        yield None if packed is None else {**named, **packed}


def _highlight(
    clf: Classifier, index: PatchIndex, hung: Hung, named: dict[str, Any], cancel: Cancel
) -> Iterator[dict[str, Any] | None]:
    layer, channel = named["layer"], named["channel"]
    grid = index.layer(layer).grid
    if grid is None:
        raise AssertionError("layers of an index have grids")
    parts: list[tuple[list[int], Floats]] = []
    for numbers, prepared in _passes(clf, index, hung.images):
        found = activations(clf, prepared, layer, memory=math.inf, cancel=cancel)[layer]
        grid = found.grid  # the index holds what cells can see; where they lie is measured in the network
        parts.append((numbers, found.values[:, channel, None]))
        yield None
    rows, columns = Lines.of(grid.y), Lines.of(grid.x)
    side = -(-max(len(rows.starts), len(columns.starts)) // _CELLS)
    down, across = rows.every(side), columns.every(side)
    maps = np.full((len(hung.images), len(down.starts), len(across.starts)), np.nan, np.float32)
    for numbers, values in parts:
        maps[numbers] = _largest(columns.averaged(rows.averaged(values, 2), 3), side)[:, 0]
    finite = np.isfinite(maps)
    scale = float(np.abs(maps).max(where=finite, initial=0.0)) or 1.0
    frames = [index.frame(image) for image in hung.images]
    histogram = index.histogram(layer, channel)
    highest = float(index.entries(layer).values[channel, 0])
    # A ReLU6 stands at its cap so often that nothing exceeds its quantile; and between cells the map is interpolated,
    # so that a cell alone reaches the cap in one point.
    most = highest - _BELOW * abs(highest)
    caption = "Where the channel exceeds its quantile over the data set; Bau et al. 2017, arXiv:1704.05796"
    if histogram.quantile(QUANTILE) > most:
        caption += f". So many cells reach its highest value that {1 - _BELOW:.0%} of that is cut at instead"
    yield {
        "data": (np.where(finite, maps, np.nan) / scale).astype("<f2").tobytes(),
        "shape": list(maps.shape),
        "scale": scale,
        "xs": [frame.columns_to_picture(across.places).tolist() for frame in frames],
        "ys": [frame.rows_to_picture(down.places).tolist() for frame in frames],
        "cuts": {"levels": _LEVELS, "values": [min(histogram.quantile(level), most) for level in _LEVELS]},
        "caption": caption,
    }


def _projected(
    clf: Classifier, index: PatchIndex, hung: Hung, named: dict[str, Any], cancel: Cancel
) -> Iterator[dict[str, Any] | None]:
    method = _METHODS[named["mode"]]
    parts: list[Image.Image | None] = [None] * len(hung.patches)
    caption, grey = "", 0
    shown = time.monotonic()
    for numbers, prepared in _passes(clf, index, [patch.image for patch in hung.patches]):
        patches = [hung.patches[number] for number in numbers]
        cells = [(patch.row, patch.column) for patch in patches]
        found = method(clf, prepared, named["layer"], named["channel"], cells, cancel=cancel)
        for place, (number, patch) in enumerate(zip(numbers, patches, strict=True)):
            box = _in_the_input(patch.box, prepared.frames[place])
            parts[number] = reduced(cut(found.picture(place), box), PART)
        grey += int((~found.values.any((1, 2, 3))).sum())
        caption = f"{found.title}, {found.paper}"
        if time.monotonic() - shown > SHOW_EVERY:
            yield {"sheet": pack_tiles(parts), "caption": caption}
            shown = time.monotonic()
        else:
            yield None
    if grey:
        caption += f". {grey} of {len(parts)} are all grey: no pixel moves the unit there, as at the cap of a ReLU6"
    yield {"sheet": pack_tiles(parts), "caption": caption}


def _passes(clf: Classifier, index: PatchIndex, images: Sequence[int]) -> Iterator[tuple[list[int], Prepared]]:
    """Give the images as the network takes them, a few at a time, with their places in the list; missing ones not."""
    numbers: list[int] = []
    parts: list[Prepared] = []
    for number, image in enumerate(images):
        try:
            parts.append(index.prepared(image, clf))
            numbers.append(number)
        except (ImageError, MissingDataError):  # the wall says of which pictures this holds, and why
            continue
        if len(parts) == _AT_ONCE:
            yield numbers, joined(parts)
            numbers, parts = [], []
    if parts:
        yield numbers, joined(parts)


def _largest(values: Floats, side: int) -> Floats:
    """Return the largest value in each square of `side` cells: what exceeds a threshold is not lost."""
    found = values
    for dimension in (2, 3):
        starts = np.arange(0, values.shape[dimension], side)
        found = np.fmax.reduceat(found, starts, dimension)
    return found


def _in_the_input(box: Box, frame: Frame) -> Box:
    """Turn a box in pixels of the picture into one in pixels of the network's input."""
    down, across = frame.scale
    left, top = (box.left - frame.box.left) / across, (box.top - frame.box.top) / down
    right, bottom = (box.right - frame.box.left) / across, (box.bottom - frame.box.top) / down
    return Box(left, top, right, bottom)
