"""Drawing a receptive field: on its picture, as a figure, as a PNG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnwidgets.explain import drawing
from cnnwidgets.images.encode import to_png
from cnnwidgets.text import displayable

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

    from cnnwidgets.explain.receptive_field import ReceptiveField

_LEAST = 240  # pixels of a drawing's longer side
_FAINT = 0.02  # share of the largest value below which the picture shows


def overlay(field: ReceptiveField, index: int) -> Image.Image:
    """Return a picture with the box on it; see `ReceptiveField.overlay`."""
    picture = field.pictures[index].convert("RGB")
    if field.effective is None:
        picture.thumbnail((drawing.MOST_PIXELS, drawing.MOST_PIXELS))
    else:
        picture = drawing.overlay(field.heatmap, index, threshold=_FAINT)
    picture = drawing.enlarged(picture, _LEAST)
    frame, box = field.frames[index], field.picture_boxes[index]
    if box is not None:
        drawing.outline(picture, box, frame)
    effective = None if field.effective is None else field.effective_box()
    if effective is not None:
        drawing.outline(picture, frame.box_to_picture(effective), frame, "gold")
    return picture


def plot(field: ReceptiveField) -> Figure:
    """Return a figure of every picture with the box on it; the title names the cell and what it sees."""
    count = len(field.pictures)
    figure = drawing.shown_figure(figsize=(4.2 * count, 4.0), layout="constrained")
    for index, frame in enumerate(field.frames):
        axes = figure.add_subplot(1, count, index + 1)
        height, width = frame.picture_size
        axes.imshow(overlay(field, index), extent=(0, width, height, 0))
        axes.set_xlabel("pixel")
    figure.suptitle(displayable(field.words, 300), fontsize=9, wrap=True, **drawing.PLAIN)
    return figure


def png(field: ReceptiveField) -> bytes:
    """Return up to four overlays, side by side, as the bytes of a PNG file."""
    return to_png(drawing.beside([overlay(field, index) for index in range(min(len(field.pictures), 4))]))
