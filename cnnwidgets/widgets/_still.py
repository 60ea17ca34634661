"""What a HeatmapView shows, as a still picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from cnnwidgets.explain.drawing import beside, overlay, stacked
from cnnwidgets.images.compose import largest
from cnnwidgets.images.font import font, shortened
from cnnwidgets.images.legend import legend

if TYPE_CHECKING:
    from cnnwidgets.explain.result import Heatmap

PANEL = 640  # pixels of one picture's longer side
_SMALL = 360  # the same where several stand side by side
_PER_ROW = 2
_TITLE = 14


def still(picture: Image.Image, heatmaps: dict[str, Heatmap], view: Any) -> Image.Image:
    """Return the picture with each heat map, two in a row, each with its title and its scale.

    Args:
        picture: the original, shown alone while there is no map.
        heatmaps: what is shown, in order.
        view: has the traits of `Overlay`.

    """
    side = PANEL if len(heatmaps) < 2 else _SMALL
    if not heatmaps:
        return sized(zoomed(picture.convert("RGB"), view), side)
    panels = [_panel(heatmap, view, side, titled=len(heatmaps) > 1) for heatmap in heatmaps.values()]
    rows = [panels[i : i + _PER_ROW] for i in range(0, len(panels), _PER_ROW)]
    return stacked(*(beside(row) for row in rows))


def _panel(heatmap: Heatmap, view: Any, side: int, *, titled: bool) -> Image.Image:
    top = largest(heatmap.values[0], view.sign)
    drawn = overlay(
        heatmap,
        opacity=view.opacity,
        threshold=view.threshold,
        sign=view.sign,
        colormap=view.colormap,
        vmax=top,
        box=view.show_box,
    )
    drawn = sized(zoomed(drawn, view), side)
    scale = legend(
        drawn.width,
        vmax=top,
        units=heatmap.units,
        sign=view.sign,
        colormap=view.colormap,
        threshold=view.threshold,
    )
    text = heatmap.title if titled else f"{heatmap.title}: {heatmap.target[0]}"
    if heatmap.unfinished:
        text = f"{text}, {heatmap.unfinished}"
    return stacked(title(text, drawn.width), drawn, scale)


def title(text: str, width: int) -> Image.Image:
    """Return a line of text, cut to the width."""
    strip = Image.new("RGB", (width, _TITLE + 12), "white")
    face = font(_TITLE)
    ImageDraw.Draw(strip).text((4, 4), shortened(text, face, width - 8), fill="black", font=face)
    return strip


def zoomed(drawn: Image.Image, view: Any) -> Image.Image:
    """Cut out what the zoom shows."""
    if view.zoom <= 1:
        return drawn
    width, height = drawn.width / view.zoom, drawn.height / view.zoom
    scale = drawn.width / (view._photo["width"])  # noqa: SLF001 - the view's own helper
    x, y = view.pan or (drawn.width / scale / 2, drawn.height / scale / 2)
    left = float(np.clip(x * scale - width / 2, 0, drawn.width - width))
    top = float(np.clip(y * scale - height / 2, 0, drawn.height - height))
    box = (left, top, left + width, top + height)
    return drawn.resize(drawn.size, Image.Resampling.BICUBIC, box=box)


def sized(drawn: Image.Image, side: int) -> Image.Image:
    """Bring a picture's longer side to `side` pixels; small ones grow with visible pixels."""
    factor = side / max(drawn.size)
    size = (max(1, round(drawn.width * factor)), max(1, round(drawn.height * factor)))
    return drawn.resize(size, Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.BICUBIC)
