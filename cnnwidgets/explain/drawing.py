"""Drawing a heat map: on its picture, as a figure, as a PNG."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from cnnwidgets.images import colormaps
from cnnwidgets.images.colormaps import AUTO, Sign
from cnnwidgets.images.compose import blend, hatch, largest
from cnnwidgets.images.encode import to_png
from cnnwidgets.images.legend import legend
from cnnwidgets.text import displayable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cnnwidgets.explain.frame import Box, Frame
    from cnnwidgets.explain.result import Heatmap

MOST_PIXELS = 1600  # of a drawn picture's longer side
PLAIN: dict[str, Any] = {"parse_math": False, "usetex": False}
"""For Matplotlib's texts with names in them: dollar signs and underscores are what they are."""


def overlay(
    heatmap: Heatmap,
    index: int = 0,
    *,
    opacity: float = 0.6,
    threshold: float = 0.0,
    sign: Sign = "positive",
    colormap: str = AUTO,
    vmax: float | None = None,
    box: bool = False,
) -> Image.Image:
    """Return the picture with the map on it, where the network looked, and what was not computed hatched.

    Args:
        heatmap: the result.
        index: which image.
        opacity: 0 (the picture alone) to 1 (the colours alone).
        threshold: share of the scale below which nothing is drawn.
        sign: "positive", "negative", "absolute" or "both".
        colormap: "inferno", "magma", "viridis", "cividis", "RdBu_r", "PuOr_r" or "auto".
        vmax: value at the end of the scale, in the map's units; None is the largest one.
        box: outline the box around the largest component above 20 % of the maximum.

    """
    picture = heatmap.pictures[index].convert("RGB")
    picture.thumbnail((MOST_PIXELS, MOST_PIXELS))
    lying = heatmap.on_picture(index, (picture.height, picture.width))
    if vmax is None:
        vmax = largest(heatmap.values[index], sign)
    drawn = blend(picture, lying, opacity=opacity, threshold=threshold, sign=sign, colormap=colormap, vmax=vmax)
    if opacity > 0:
        drawn = hatch(drawn, np.isnan(lying) & _looked_at(heatmap.frames[index], lying.shape))
    found = heatmap.boxes()[index] if box else None
    if found is not None:
        outline(drawn, found, heatmap.frames[index])
    return drawn


def _looked_at(frame: Frame, size: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Return which pixels of the picture, drawn at a size (height, width), the network looked at."""
    height, width = size
    ys, xs = np.arange(height) + 0.5, np.arange(width) + 0.5
    left, right = (edge * width / frame.picture_size[1] for edge in (frame.box.left, frame.box.right))
    top, bottom = (edge * height / frame.picture_size[0] for edge in (frame.box.top, frame.box.bottom))
    return np.asarray(((ys >= top) & (ys <= bottom))[:, None] & ((xs >= left) & (xs <= right)))


def outline(drawn: Image.Image, box: Box, frame: Frame, colour: str = "white") -> None:
    """Outline a box in pixels of a picture in a drawing of that picture, of whatever size."""
    across, down = drawn.width / frame.picture_size[1], drawn.height / frame.picture_size[0]
    left, top = min(box.left * across, drawn.width - 2), min(box.top * down, drawn.height - 2)
    corners = (left, top, max(box.right * across - 1, left + 1), max(box.bottom * down - 1, top + 1))
    pen = ImageDraw.Draw(drawn)
    pen.rectangle(corners, outline="black", width=4)
    inner = (corners[0] + 1, corners[1] + 1, max(corners[2] - 1, corners[0] + 1), max(corners[3] - 1, corners[1] + 1))
    pen.rectangle(inner, outline=colour, width=2)


def plot(heatmap: Heatmap, *, sign: Sign = "positive", colormap: str = AUTO, opacity: float = 0.6) -> Figure:
    """Return a figure with every picture, its map and a colour bar in units.

    The figure belongs to the caller: Matplotlib's global state is not touched. A notebook shows it as it is.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    count = len(heatmap)
    figure = shown_figure(figsize=(4.6 * count, 4.2), layout="constrained")
    for index in range(count):
        axes = figure.add_subplot(1, count, index + 1)
        top = largest(heatmap.values[index], sign)
        height, width = heatmap.frames[index].picture_size
        axes.imshow(
            overlay(heatmap, index, sign=sign, colormap=colormap, opacity=opacity),
            extent=(0, width, height, 0),
        )
        where = f" at {heatmap.layer}" if heatmap.layer else ""
        far = heatmap.unfinished and f", {heatmap.unfinished}"
        name, layer_and_all = displayable(heatmap.target[index], 80), displayable(f"{heatmap.title}{where}{far}", 120)
        axes.set_title(f"{layer_and_all}\n{name}", fontsize=10, **PLAIN)
        axes.set_xlabel("pixel")
        bounds = {"positive": (0, top), "negative": (-top, 0), "absolute": (0, top), "both": (-top, top)}[sign]
        name = colormaps.resolve(colormap, sign)
        scale = ScalarMappable(Normalize(*bounds), name + "_r" if sign == "negative" else name)
        figure.colorbar(scale, ax=axes, shrink=0.8).set_label(heatmap.units, **PLAIN)
    return figure


def shown_figure(**options: Any) -> Figure:
    """Return a figure that a notebook shows even where pyplot, which would teach it to, was never imported."""
    from matplotlib.figure import Figure as MplFigure

    class ShownFigure(MplFigure):
        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            self.savefig(file, format="png")
            return file.getvalue()

    return ShownFigure(**options)


def png(heatmap: Heatmap) -> bytes:
    """Return up to four overlays with their legends, side by side, as the bytes of a PNG file."""
    panels = []
    for index in range(min(len(heatmap), 4)):
        drawn = overlay(heatmap, index)
        drawn.thumbnail((480, 480))
        drawn = enlarged(drawn, 160)
        top = largest(heatmap.values[index], "positive")
        panels.append(stacked(drawn, legend(drawn.width, vmax=top, units=heatmap.units)))
    return to_png(beside(panels))


def enlarged(picture: Image.Image, least: int) -> Image.Image:
    """Return a picture whose longer side has at least so many pixels, each of a small one's repeated."""
    factor = -(-least // max(picture.size))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def stacked(*pictures: Image.Image) -> Image.Image:
    """Return pictures one below the other on white."""
    sheet = Image.new("RGB", (max(p.width for p in pictures), sum(p.height for p in pictures)), "white")
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height
    return sheet


def beside(pictures: list[Image.Image], gap: int = 8) -> Image.Image:
    """Return pictures side by side on white."""
    width = sum(p.width for p in pictures) + gap * (len(pictures) - 1)
    sheet = Image.new("RGB", (width, max(p.height for p in pictures)), "white")
    left = 0
    for picture in pictures:
        sheet.paste(picture, (left, 0))
        left += picture.width + gap
    return sheet
