"""What an OcclusionCanvas shows, as a still picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from cnnwidgets.explain.drawing import overlay, stacked
from cnnwidgets.images.compose import blend, largest
from cnnwidgets.images.legend import legend
from cnnwidgets.widgets._score import Score, in_numbers
from cnnwidgets.widgets._still import PANEL, sized, title, zoomed

if TYPE_CHECKING:
    from cnnwidgets.explain.result import Heatmap
    from cnnwidgets.widgets._scene import Scene

_ROW = 22  # pixels of a bar with its text
_NARROWEST = 360  # for bars with names and numbers
_NAMES = 0.42  # share of the width


def occluded(canvas: Any, scene: Scene, score: Score | None, swept: Heatmap | None) -> Image.Image:
    """Return the picture with its occluders, the map that is shown, the score in words, and the bars.

    Args:
        canvas: has the traits of `Overlay`, `show` and `visited`.
        scene: the placing that is shown.
        score: the last answer, or None.
        swept: the map of the sweep as far as it has come, if it is shown.

    """
    picture, top, units = _mapped(canvas, scene, swept)
    parts = [sized(zoomed(_hidden(picture, scene), canvas), PANEL)]
    if units:
        style = {"sign": canvas.sign, "colormap": canvas.colormap, "threshold": canvas.threshold}
        parts.append(legend(parts[0].width, vmax=top, units=f"drop in {units}", **style))
    if swept is not None and swept.unfinished:
        parts.append(title(f"{swept.unfinished}; hatched: not computed", parts[0].width))
    if score is not None:
        width = max(parts[0].width, _NARROWEST)
        parts = [title(in_numbers(score), width), *parts, _bars(score, width)]
    return stacked(*parts)


def _mapped(canvas: Any, scene: Scene, swept: Heatmap | None) -> tuple[Image.Image, float, str]:
    """Return the picture with its map, the end of the map's scale, and its units; "" if there is no map."""
    picture = scene.looked.picture.convert("RGB")
    style = {name: getattr(canvas, name) for name in ("opacity", "threshold", "sign", "colormap")}
    if swept is not None:
        drawn = overlay(swept, **style).resize(picture.size, Image.Resampling.BICUBIC)
        return drawn, largest(swept.values[0], canvas.sign), swept.units
    visited = canvas.visited
    if canvas.show == "visited" and len(visited):
        field = visited.map()
        return blend(picture, field, **style), largest(field, canvas.sign), visited.units
    return picture, 0.0, ""


def _hidden(picture: Image.Image, scene: Scene) -> Image.Image:
    """Return the picture with what the network gets where something is hidden, and an outline around each occluder."""
    drawn = picture.copy()
    frame = scene.looked.frame
    left, top, right, bottom = (round(edge) for edge in frame.box)
    size = (max(1, right - left), max(1, bottom - top))
    mask = Image.fromarray(scene.mask().cpu().numpy().astype(np.uint8) * 255)
    got = scene.picture().resize(size, Image.Resampling.BILINEAR)
    drawn.paste(got, (left, top), mask.resize(size, Image.Resampling.NEAREST))
    pen = ImageDraw.Draw(drawn)
    outline = pen.ellipse if scene.question.shape == "ellipse" else pen.rectangle
    for number, box in enumerate(scene.hidden):
        if box.right - box.left >= 2 and box.bottom - box.top >= 2:
            corners = (box.left, box.top, box.right - 1, box.bottom - 1)
            outline(
                corners, outline="white" if number == scene.active else "#a0a0a0", width=max(1, picture.width // 300)
            )
    return drawn


def _bars(score: Score, width: int) -> Image.Image:
    """Return the likeliest classes as bars, with a tick where each stood on the whole picture."""
    strip = Image.new("RGB", (width, _ROW * len(score.predictions) + 8), "white")
    left = round(width * _NAMES)
    scale = width - left - 64
    for row, (one, before) in enumerate(zip(score.predictions, score.before, strict=True)):
        y = 4 + row * _ROW
        strip.paste(title(one.name, left), (0, y - 2))
        pen = ImageDraw.Draw(strip)
        fill = "#1f77b4" if one.index == score.target else "#9bb8cf"
        pen.rectangle((left, y + 3, left + round(scale * one.probability), y + _ROW - 7), fill=fill)
        tick = left + round(scale * before)
        pen.line((tick, y, tick, y + _ROW - 4), fill="black", width=2)
        strip.paste(title(f"{100 * one.probability:.1f} %", 60), (width - 60, y - 2))
    return strip
