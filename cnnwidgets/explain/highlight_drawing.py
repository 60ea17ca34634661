"""Drawing a highlight: on its picture, as a figure, as a PNG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.drawing import MOST_PIXELS, PLAIN, shown_figure
from cnnwidgets.images.encode import to_png
from cnnwidgets.images.tiles import contact_sheet
from cnnwidgets.text import displayable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cnnwidgets.explain.highlight import Highlight

_OUTLINE = (255, 214, 0)
_PANEL = 320  # pixels of the longer side of a picture in a cell's output


def overlay(highlight: Highlight, index: int, *, dim: float = 0.65, longest: int = MOST_PIXELS) -> Image.Image:
    """Return a picture, darkened but for the highlighted part, which has a yellow outline.

    Args:
        highlight: the result.
        index: which picture.
        dim: 0 (as it was) to 1 (black): how dark the rest becomes.
        longest: pixels of the longer side at most.

    """
    if not 0 <= dim <= 1:
        raise OptionError(f"dim={dim!r}: give a share from 0 to 1.")
    picture = highlight.heatmap.pictures[index].convert("RGB")
    factor = max(1, _PANEL // max(picture.size))
    picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    picture.thumbnail((longest, longest))
    lying = highlight.heatmap.on_picture(index, (picture.height, picture.width))
    mask = Image.fromarray((lying > np.float32(highlight.threshold)).astype(np.uint8) * 255)
    drawn = Image.composite(picture, Image.blend(picture, Image.new("RGB", picture.size), dim), mask)
    width = 2 * max(1, round(max(picture.size) / 400)) + 1
    rim = np.asarray(mask.filter(ImageFilter.MaxFilter(width))) > np.asarray(mask)
    drawn.paste(_OUTLINE, mask=Image.fromarray(rim))
    return drawn


def plot(highlight: Highlight) -> Figure:
    """Return a figure with every picture, what is highlighted in it, and how much that is."""
    count = len(highlight)
    figure = shown_figure(figsize=(max(4.2 * count, 6.0), 4.4), layout="constrained")
    for index, share in enumerate(highlight.shares):
        axes = figure.add_subplot(1, count, index + 1)
        height, width = highlight.heatmap.frames[index].picture_size
        axes.imshow(overlay(highlight, index), extent=(0, width, height, 0))
        axes.set_title(f"{share:.1%} highlighted", fontsize=9)
        axes.set_xlabel("pixel")
    figure.suptitle(displayable(highlight.words, 300), fontsize=10, wrap=True, **PLAIN)
    return figure


def png(highlight: Highlight) -> bytes:
    """Return up to four pictures with their shares, side by side, as the bytes of a PNG file."""
    shares = highlight.shares[:4]
    pictures = [overlay(highlight, index, longest=_PANEL) for index in range(len(shares))]
    return to_png(contact_sheet(pictures, [f"{share:.1%} highlighted" for share in shares], columns=len(shares)))
