"""Drawing activations: a layer's channels as tiles beside the picture, several layers as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.drawing import PLAIN, shown_figure
from cnnwidgets.images import colormaps
from cnnwidgets.images.colormaps import AUTO, Sign
from cnnwidgets.images.compose import blend, largest
from cnnwidgets.text import displayable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cnnwidgets.explain.activation_set import Activations
    from cnnwidgets.explain.layer_activations import LayerActivations

Scale = Literal["tile", "shared"]
_TILE = 56  # pixels of a tile's longer side
_ROWS = 16  # layers in a figure of several


def tile(values: npt.NDArray[np.floating[Any]], vmax: float, sign: Sign, colormap: str) -> Image.Image:
    """Return a map (h,w) as a picture, a square of colour per cell; the colours are those of an overlay."""
    black = Image.fromarray(np.zeros((*values.shape, 3), dtype=np.uint8))
    table = colormaps.lookup(colormaps.resolve(colormap, sign))
    black.paste(tuple(int(level) for level in table[128 if sign == "both" else 0]), (0, 0, *black.size))
    drawn = blend(black, values, opacity=1.0, sign=sign, colormap=colormap, vmax=vmax)
    enlarged = max(1, _TILE // max(values.shape))
    return drawn.resize((drawn.width * enlarged, drawn.height * enlarged), Image.Resampling.NEAREST)


def plot(
    one: LayerActivations,
    *,
    top: int = 36,
    by: str = "maximum",
    image: int = 0,
    scale: Scale = "tile",
    sign: Sign = "positive",
    colormap: str = AUTO,
    **asked: Any,
) -> Figure:
    """Return a figure of the first channels of a ranking; see `LayerActivations.plot`."""
    _check(top, scale)
    ranking = one.rank(by, image=image, **asked)
    maps = one.values[image]
    chosen = ranking.order[:top]
    shared = largest(maps, sign)
    figure = shown_figure(figsize=(11, 5.4), layout="constrained")
    halves: Any = figure.subfigures(1, 2, width_ratios=(1, 2))
    left, right = halves
    axes = left.add_subplot()
    axes.imshow(one.pictures[image])
    axes.set_axis_off()
    columns = int(np.ceil(np.sqrt(len(chosen) * 1.4)))
    grid = np.atleast_1d(right.subplots(-(-len(chosen) // columns), columns)).reshape(-1)
    for axes in grid:
        axes.set_axis_off()
    for axes, channel in zip(grid, chosen, strict=False):
        vmax = shared if scale == "shared" else largest(maps[channel], sign)
        _draw(axes, tile(maps[channel], vmax, sign, colormap), f"{channel}: {ranking.score_words(channel)}")
    channels, height, width = one.layer.shape
    dead = int(one.statistics.dead.sum())
    figure.suptitle(
        f"{displayable(one.name, 100)}: {channels} channels of {height}x{width}, {dead} dead; "
        f"{'all' if len(chosen) == channels else f'the first {len(chosen)}'} by {ranking.words}"
        f"{'' if ranking.units in ranking.words else f' ({ranking.units})'}; "
        + (f"one scale, up to {shared:.3g}" if scale == "shared" else "every tile on its own scale"),
        fontsize=10,
        **PLAIN,
    )
    return figure


def plot_layers(
    acts: Activations, *, top: int = 8, by: str = "maximum", image: int = 0, sign: Sign = "positive", **asked: Any
) -> Figure:
    """Return a figure with a row of channels for each layer; see `Activations.plot`."""
    _check(top, "tile")
    places = np.unique(np.linspace(0, len(acts) - 1, min(len(acts), _ROWS)).round().astype(int))
    shown = [acts[acts.layers[place]] for place in places]
    figure = shown_figure(figsize=(1.1 * top + 2.6, 1.25 * len(shown) + 0.5), layout="constrained")
    grid = figure.subplots(len(shown), top, squeeze=False)
    for row, one in zip(grid, shown, strict=True):
        ranking, maps = one.rank(by, image=image, **asked), one.values[image]
        for axes in row:
            axes.set_axis_off()
        for axes, channel in zip(row, ranking.order, strict=False):
            vmax = largest(maps[channel], sign)
            _draw(axes, tile(maps[channel], vmax, sign, AUTO), f"{channel}: {ranking.score_words(channel)}")
        shape = "x".join(map(str, one.layer.shape))
        words, place = f"{displayable(one.name, 60)}\n{shape}", {"ha": "right", "va": "center"}
        row[0].text(-0.15, 0.5, words, transform=row[0].transAxes, fontsize=8, **place, **PLAIN)
    some = "" if len(shown) == len(acts) else f"{len(shown)} of {len(acts)} layers; "
    figure.suptitle(
        f"{some}the first {top} channels of each by {ranking.words}; every tile on its own scale", fontsize=10, **PLAIN
    )
    return figure


def _draw(axes: Axes, picture: Image.Image, title: str) -> None:
    axes.imshow(picture)
    axes.set_title(displayable(title, 60), fontsize=7, pad=2, **PLAIN)


def _check(top: int, scale: str) -> None:
    if isinstance(top, bool) or not isinstance(top, int) or top < 1:
        raise OptionError(f"top={top!r} shows nothing; give the number of channels, 1 or more.")
    if scale not in ("tile", "shared"):
        raise OptionError(f"scale={scale!r} is not known. Known are 'tile' and 'shared'.")
