"""A map of values laid over a picture: what the browser paints, as a still picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from PIL import Image

from cnnwidgets.errors import ImageError, OptionError, nearest
from cnnwidgets.images import colormaps
from cnnwidgets.images.colormaps import AUTO, Sign
from cnnwidgets.images.convert import to_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cnnwidgets.images.convert import PictureSource

_VEIL = 128, 0.35  # grey level and its share
_STRIPES = 0.3  # share of white and of black in the stripes of a hatched part


def blend(
    picture: PictureSource,
    field: NDArray[np.floating[Any]],
    *,
    opacity: float = 0.6,
    threshold: float = 0.0,
    sign: Sign = "positive",
    colormap: str = AUTO,
    vmax: float | None = None,
) -> Image.Image:
    """Return `picture` with `field` painted over it, as a new RGB picture of the same size.

    Args:
        picture: anything that `to_picture` takes.
        field: (H, W) raw values, one for each pixel of the picture; NaN where there is no value.
        opacity: 0 (the picture alone) to 1 (the colours alone).
        threshold: 0..1; where a value's share of `vmax` is below it, the picture shows.
        sign: "positive" paints values above zero, "negative" those below, "absolute" magnitudes, and "both"
            values from -vmax to vmax.
        colormap: a name from `colormaps.COLORMAPS`, or "auto".
        vmax: the magnitude that gets the last colour, in the field's own units; by default the largest that
            `sign` lets through. Where that is zero nothing is painted.

    Raises `ImageError` if the sizes differ, `OptionError` for an option out of its range.
    """
    _check_share("opacity", opacity)
    _check_share("threshold", threshold)
    check_sign(sign)
    table = colormaps.lookup(colormaps.resolve(colormap, sign))
    base = to_picture(picture)
    values = np.asarray(field)
    if values.shape != (base.height, base.width):
        raise ImageError(
            f"The field has the shape {values.shape}, the picture ({base.height}, {base.width}). "
            "Bring the field to the picture's size first, for a Heatmap with .upsampled()."
        )
    top = largest(values, sign) if vmax is None else _check_top(vmax)
    if top == 0:
        return base
    with np.errstate(over="ignore"):  # a share beyond all numbers is clipped below like any above 1
        shares = _signed(values.astype(np.float64), sign) / top
    seen = np.abs(shares) if sign == "both" else shares.clip(min=0)
    place = (shares + 1) / 2 if sign == "both" else shares
    # NaN compares as false, so it stays transparent; for the table it becomes any entry.
    painted = seen >= threshold
    entries = (np.nan_to_num(place, nan=0.0).clip(0, 1) * (colormaps.SIZE - 1) + 0.5).astype(np.intp)
    colours = Image.fromarray(table[entries])
    mask = Image.fromarray(np.where(painted, round(opacity * 255), 0).astype(np.uint8))
    return Image.composite(colours, base, mask)


def hatch(picture: Image.Image, where: NDArray[np.bool_]) -> Image.Image:
    """Return an RGB picture with a part (H, W) hatched: light and dark stripes on grey, through which it shows.

    It says "nothing is known here", as the browser does, and is like no colour of a map.
    """
    if not where.any():
        return picture
    rows, columns = np.indices(where.shape)
    spacing = max(8, round(max(where.shape) / 60))
    along = (rows + columns) % spacing
    width = max(1, spacing // 8)
    pixels = np.asarray(picture.convert("RGB")).astype(np.float32)
    veiled = pixels + (_VEIL[0] - pixels) * _VEIL[1]
    light, dark = along < width, (along >= width) & (along < 2 * width)
    veiled[light] += (255 - veiled[light]) * _STRIPES
    veiled[dark] -= veiled[dark] * _STRIPES
    return Image.fromarray(np.where(where[..., None], veiled, pixels).round().astype(np.uint8))


def largest(field: NDArray[np.floating[Any]], sign: Sign) -> float:
    """Return the largest magnitude in `field` that `sign` lets through; 0.0 if there is none."""
    finite = np.asarray(field)[np.isfinite(field)].astype(np.float64)
    return float(np.max(_signed(finite, "absolute" if sign == "both" else sign), initial=0.0))


def check_sign(sign: str) -> None:
    """Raise `OptionError` if `sign` is none of those that a map can be shown by."""
    signs = get_args(Sign)
    if sign not in signs:
        raise OptionError(f"There is no sign {sign!r}.{nearest(sign, signs)} Known are: {', '.join(signs)}.")


def _signed(values: NDArray[np.float64], sign: Sign) -> NDArray[np.float64]:
    if sign == "negative":
        return -values
    return np.abs(values) if sign == "absolute" else values


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise OptionError(f"{name} is {value!r}; a share from 0 to 1 is needed.")


def _check_top(vmax: float) -> float:
    if not 0 <= vmax < np.inf:
        raise OptionError(f"vmax is {vmax!r}; a magnitude is needed: zero or more, and finite.")
    return float(vmax)
