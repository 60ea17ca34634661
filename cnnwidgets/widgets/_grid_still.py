"""What an ActivationGrid shows, as a still picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw

from cnnwidgets.explain.drawing import beside, overlay, stacked
from cnnwidgets.explain.filters import filters
from cnnwidgets.explain.highlight import Highlight
from cnnwidgets.images.compose import blend, largest
from cnnwidgets.images.legend import legend
from cnnwidgets.images.tiles import contact_sheet
from cnnwidgets.widgets._still import sized, title, zoomed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cnnwidgets.explain.layer_activations import LayerActivations
    from cnnwidgets.explain.ranking import Ranking
    from cnnwidgets.widgets._unit import Unit

_TILES, _PER_ROW = 16, 4
_TILE, _TWIN = 72, 56  # pixels of a map's longer side, and of one of two
_PHOTO, _SMALL = 300, 220  # the same of the photograph, and of one of two
_NO_NUMBER = "#808080"  # where a cell's value is NaN


def plain(grid: Any, picture: Image.Image) -> Image.Image:
    """Return the photograph alone, while nothing is known of it."""
    return sized(zoomed(picture.convert("RGB"), grid), _PHOTO)


def grid_still(grid: Any, activations: LayerActivations, unit: Unit, ranking: Ranking, convolution: str) -> Image.Image:
    """Return the photographs with the pinned channel and the field of the pinned cell, beside the first tiles.

    Args:
        grid: has the traits of `Arranging` and `Overlay`.
        activations: those of the layer shown.
        unit: what is pinned in it.
        ranking: the order of its channels.
        convolution: path of the one whose filters are shown instead of the maps, or "".

    """
    top = largest(activations.values, grid.sign) if grid.scale == "shared" else None
    photos = stacked(*_photos(grid, activations, unit, top))
    words, sheet = _filters(grid, convolution) if convolution else _maps(grid, activations, unit, ranking, top)
    body = beside([photos, sheet])
    return stacked(title(words, body.width), body)


def _maps(
    grid: Any, activations: LayerActivations, unit: Unit, ranking: Ranking, top: float | None
) -> tuple[str, Image.Image]:
    """Return the first channels' maps, with what they are."""
    order = ranking.order
    if grid.hide_dead and not activations.statistics.dead.all():
        order = order[~activations.statistics.dead[order]]
    values, order = activations.values, order[:_TILES]
    tiles = [_tile(grid, values[:, channel], top, pinned=channel == unit.channel) for channel in order]
    channels, rows, columns = activations.layer.shape
    words = f"{activations.name}: {len(order)} of {channels} channels, {rows} x {columns}, by {ranking.words}"
    return words, contact_sheet(tiles, [str(channel) for channel in order], columns=_PER_ROW)


def _filters(grid: Any, convolution: str) -> tuple[str, Image.Image]:
    """Return the first filters of a convolution, with what they are."""
    found = filters(grid.clf, convolution)
    rows, columns = found.weights.shape[-2:]
    words = f"{convolution}: {min(len(found), _TILES)} of {len(found)} filters, {rows} x {columns}"
    return words, contact_sheet(found.pictures(_TILE)[:_TILES], found.labels[:_TILES], columns=_PER_ROW)


def _tile(grid: Any, maps: NDArray[np.floating[Any]], top: float | None, *, pinned: bool) -> Image.Image:
    """Return a channel's maps side by side on one scale, small ones with visible cells."""
    vmax = (largest(maps, grid.sign) if top is None else top) or 1.0
    style = {"sign": grid.sign, "colormap": grid.colormap, "vmax": vmax, "opacity": 1.0}
    height, width = maps.shape[1:]
    empty = Image.new("RGB", (width, height), _NO_NUMBER)
    factor = (_TILE if len(maps) == 1 else _TWIN) / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    how = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BOX
    tile = beside([blend(empty, one, **style).resize(size, how) for one in maps], gap=2)
    if pinned:
        pen = ImageDraw.Draw(tile)
        pen.rectangle((0, 0, tile.width - 1, tile.height - 1), outline="white", width=3)
        pen.rectangle((0, 0, tile.width - 1, tile.height - 1), outline="#1f77b4", width=2)
    return tile


def _photos(grid: Any, activations: LayerActivations, unit: Unit, top: float | None) -> list[Image.Image]:
    """Return each photograph with what lies on it, and the legend."""
    side = _PHOTO if len(activations) == 1 else _SMALL
    heatmap = None if unit.channel is None else activations.heatmap(unit.channel)
    if heatmap is not None and top is None:
        top = largest(heatmap.values, grid.sign)
    highlight = Highlight.of(heatmap, grid.threshold) if heatmap is not None and grid.threshold else None
    photos = []
    for index, picture in enumerate(activations.pictures):
        if highlight is not None:
            drawn = highlight.overlay(index)
        elif heatmap is not None:
            style = {"opacity": grid.opacity, "sign": grid.sign, "colormap": grid.colormap}
            drawn = overlay(heatmap, index, vmax=top, **style)
        else:
            drawn = picture.convert("RGB")
        _outline(drawn, unit, activations, index)
        photos.append(sized(zoomed(drawn, grid) if index == 0 else drawn, side))
    if heatmap is None:
        return photos
    words = heatmap.target[0] if highlight is None else f"{heatmap.target[0]} above {highlight.threshold:.3g}"
    parts = [title(words, photos[0].width), *photos]
    if highlight is None:
        style = {"sign": grid.sign, "colormap": grid.colormap}
        parts.append(legend(photos[0].width, vmax=top or 0.0, units=activations.units, **style))
    return parts


def _outline(drawn: Image.Image, unit: Unit, activations: LayerActivations, index: int) -> None:
    """Draw the box that the pinned cell sees."""
    box = None if unit.cell is None else activations.grid.seen(*unit.cell)
    if box is None:
        return
    frame = activations.frames[index]
    scale = drawn.width / frame.picture_size[1]
    left, top, right, bottom = (edge * scale for edge in frame.box_to_picture(box))
    pen = ImageDraw.Draw(drawn)
    width = max(1, round(max(drawn.size) / 150))
    corners = (left, top, max(left, right - 1), max(top, bottom - 1))
    pen.rectangle(corners, outline="black", width=2 * width)
    pen.rectangle(corners, outline="white", width=width)
