"""A slim colour bar with its values, to stand beneath a still picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from cnnwidgets.images import colormaps
from cnnwidgets.images.colormaps import AUTO, Sign
from cnnwidgets.images.compose import check_sign
from cnnwidgets.images.font import font, shortened

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BAR = 10
_MARGIN = 8
_TEXT = 12
_HEIGHT = _MARGIN + _BAR + 4 + _TEXT + 8
#: The narrowest legend whose three values do not run into each other.
_NARROWEST = 160


def legend(
    width: int,
    *,
    vmax: float,
    units: str = "",
    sign: Sign = "positive",
    colormap: str = AUTO,
    threshold: float = 0.0,
) -> Image.Image:
    """Return a colour bar with the values at its ends, `width` pixels wide (160 at least), black on white.

    `vmax`, `sign`, `colormap` and `threshold` are those of `blend`; what the threshold hides is left out of
    the bar. `units` ("logit") stands after the last value.

    Raises `OptionError` for an unknown sign or colour map.
    """
    check_sign(sign)
    table = colormaps.lookup(colormaps.resolve(colormap, sign))
    width = max(width, _NARROWEST)
    strip = Image.new("RGB", (width, _HEIGHT), "white")
    inner = width - 2 * _MARGIN
    strip.paste(_bar(table, inner, sign, threshold), (_MARGIN, _MARGIN))
    pen = ImageDraw.Draw(strip)
    pen.rectangle((_MARGIN - 1, _MARGIN - 1, _MARGIN + inner, _MARGIN + _BAR), outline="#888888")
    low, high = _ends(vmax, sign)
    last = shortened(f"{_number(high)} {units}".rstrip(), font(_TEXT), width - 2 * _MARGIN)
    below = _MARGIN + _BAR + 4
    pen.text((_MARGIN, below), _number(low), fill="black", font=font(_TEXT), anchor="la")
    pen.text((width - _MARGIN, below), last, fill="black", font=font(_TEXT), anchor="ra")
    if sign == "both":
        pen.text((width / 2, below), "0", fill="black", font=font(_TEXT), anchor="ma")
    return strip


def _bar(table: NDArray[np.uint8], width: int, sign: Sign, threshold: float) -> Image.Image:
    share = np.linspace(0, 1, width)
    colours = table[(share * (colormaps.SIZE - 1) + 0.5).astype(np.intp)]
    seen = np.abs(2 * share - 1) if sign == "both" else share
    colours = np.where((seen >= threshold)[:, None], colours, np.uint8(255))
    return Image.fromarray(np.repeat(colours[None], _BAR, axis=0))


def _ends(vmax: float, sign: Sign) -> tuple[float, float]:
    if sign == "both":
        return -vmax, vmax
    return 0.0, -vmax if sign == "negative" else vmax


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")
