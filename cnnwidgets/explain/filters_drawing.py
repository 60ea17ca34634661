"""Drawing filters: one picture each, as a figure, as a PNG."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.drawing import PLAIN, shown_figure
from cnnwidgets.images import colormaps
from cnnwidgets.images.tiles import contact_sheet
from cnnwidgets.text import displayable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cnnwidgets.explain.filters import Filters

_MAPS = {"planes": "RdBu_r", "strength": "inferno"}
_NOT_A_NUMBER = (255, 0, 255)
_TILE, _SHEET = (48, 192), 480  # pixels: of a tile's longer side, least and most; of a sheet's, where few tiles fill it
_RIM = (200, 200, 200)  # a plane is white where its weights are 0, as is the paper


def pictures(filters: Filters, size: int | None = None) -> list[Image.Image]:
    """Return the tiles as RGB pictures; see `Filters.pictures`."""
    if size is not None and size < 1:
        raise OptionError(f"size={size} is no size of a picture; give 1 pixel or more.")
    tiles = filters.tiles.astype(np.float64)
    shares = tiles / filters.tile_scale if filters.tile_scale > 0 else np.zeros_like(tiles)
    if filters.view != "strength":
        shares = (shares + 1) / 2
    levels = (np.nan_to_num(shares).clip(0, 1) * 255 + 0.5).astype(np.uint8)
    if filters.view != "rgb":
        levels = colormaps.lookup(_MAPS[filters.view])[levels]
    levels[np.isnan(tiles if tiles.ndim == 3 else tiles.sum(3))] = _NOT_A_NUMBER
    drawn = [Image.fromarray(np.ascontiguousarray(tile)) for tile in levels]
    return drawn if size is None else [_enlarged(picture, size) for picture in drawn]


def _enlarged(picture: Image.Image, size: int) -> Image.Image:
    longer = max(picture.size)
    shape = max(1, round(picture.width * size / longer)), max(1, round(picture.height * size / longer))
    return picture.resize(shape, Image.Resampling.NEAREST)


def plot(filters: Filters, top: int = 64) -> Figure:
    """Return a figure of the strongest tiles; see `Filters.plot`."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    if top < 1:
        raise OptionError(f"top={top} shows nothing; give 1 or more.")
    count = len(filters.tiles)
    strengths = np.nan_to_num(np.square(filters.tiles.astype(np.float64)).reshape(count, -1).sum(1), nan=np.inf)
    chosen = np.sort(np.argsort(-strengths, kind="stable")[:top])
    size = min(max(_SHEET // math.ceil(math.sqrt(len(chosen))), _TILE[0]), _TILE[1])
    drawn, labels = pictures(filters, size), filters.labels
    rimmed = [ImageOps.expand(drawn[number], 1, _RIM) for number in chosen]
    sheet = contact_sheet(rimmed, [labels[number] for number in chosen])
    figure = shown_figure(figsize=(max(3.2, sheet.width / 90) + 1.2, max(2.0, sheet.height / 90) + 0.6))
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    axes.imshow(sheet, interpolation="none")
    axes.set_axis_off()
    axes.set_title(_title(filters, len(chosen)), fontsize=10, **PLAIN)
    low, name = (0.0, "inferno") if filters.view == "strength" else (-1.0, _MAPS.get(filters.view, "gray"))
    scale = Normalize(low * filters.tile_scale, filters.tile_scale)
    said = {"rgb": " of red, green, blue", "planes": "", "strength": ", root of the sum of squares over the inputs"}
    figure.colorbar(ScalarMappable(scale, name), ax=axes, shrink=0.8).set_label(filters.units + said[filters.view])
    return figure


def _title(filters: Filters, shown: int) -> str:
    planes, rows, columns = filters.weights.shape[-3:]
    which = f"{displayable(filters.layer, 100)}, {filters.kind}"
    if filters.channel is not None:
        which += f", channel {filters.channel}"
    count = len(filters.tiles)
    part = f", the {shown} strongest of {count}" if shown < count else ""
    return f"{which}: {planes} x {rows} x {columns}{part}"


def png(filters: Filters) -> bytes:
    """Return the figure as the bytes of a PNG file."""
    file = io.BytesIO()
    plot(filters).savefig(file, format="png")
    return file.getvalue()
