"""The typeface of still pictures."""

from __future__ import annotations

import functools
from pathlib import Path

from PIL import ImageFont

from cnnwidgets.text import displayable


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans at a height in pixels.

    matplotlib ships it. It has the minus sign and Greek letters; Pillow's own font has not.
    """
    import matplotlib as mpl

    return ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)


def shortened(text: str, face: ImageFont.FreeTypeFont, room: float) -> str:
    """Return a text in one line that fits into `room` pixels, cut off with an ellipsis where it is too long."""
    text = displayable(text)
    while text and face.getlength(text) > room:
        text = text.removesuffix("…")[:-1] + "…" if len(text) > 1 else ""
    return text
