"""Many small pictures on one sheet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from cnnwidgets.images.font import font, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

_TEXT = 11
_LABEL = _TEXT + 5
_GAP = 6


def contact_sheet(
    pictures: Sequence[Image.Image], labels: Sequence[str] = (), *, columns: int | None = None
) -> Image.Image:
    """Return pictures in rows from left to right, each with its label below, on white.

    Args:
        pictures: one at least; each stands in the middle of a cell as large as the largest.
        labels: one per picture, or none; what is too long is cut off with an ellipsis.
        columns: pictures per row; by default about as many as there are rows.

    """
    count = len(pictures)
    columns = min(count, columns or math.ceil(math.sqrt(count)))
    rows = -(-count // columns)
    wide, high = max(p.width for p in pictures), max(p.height for p in pictures)
    below = _LABEL if labels else 0
    sheet = Image.new("RGB", (columns * (wide + _GAP) + _GAP, rows * (high + below + _GAP) + _GAP), "white")
    pen = ImageDraw.Draw(sheet)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        left, top = _GAP + column * (wide + _GAP), _GAP + row * (high + below + _GAP)
        sheet.paste(picture, (left + (wide - picture.width) // 2, top + (high - picture.height) // 2))
        if labels:
            text = shortened(labels[index], font(_TEXT), wide + _GAP)
            pen.text((left + wide / 2, top + high + 2), text, fill="black", font=font(_TEXT), anchor="ma")
    return sheet
