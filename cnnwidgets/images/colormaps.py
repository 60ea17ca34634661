"""Colour maps as look-up tables, from matplotlib: even in lightness and safe for colour-blind eyes."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Literal

import numpy as np

from cnnwidgets.errors import OptionError, nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = Literal["sequential", "diverging"]
Sign = Literal["positive", "negative", "absolute", "both"]

COLORMAPS: dict[str, Kind] = {
    "inferno": "sequential",
    "magma": "sequential",
    "viridis": "sequential",
    "cividis": "sequential",
    "RdBu_r": "diverging",
    "PuOr_r": "diverging",
}
"""Name -> kind. "sequential" grows lighter from 0 to the top; "diverging" is palest in its middle, 0."""

AUTO = "auto"
"""Stands for the map that fits the sign: "inferno" for one sign, "RdBu_r" for both."""

SIZE = 256


def resolve(name: str, sign: Sign) -> str:
    """Return the colour map that `name` means for values of `sign`; `AUTO` becomes the one that fits."""
    if name == AUTO:
        return "RdBu_r" if sign == "both" else "inferno"
    _check(name)
    return name


def kind(name: str) -> Kind:
    """Return "sequential" or "diverging"."""
    _check(name)
    return COLORMAPS[name]


@functools.cache
def lookup(name: str) -> NDArray[np.uint8]:
    """Return the look-up table of colour map `name`: (256, 3) uint8 sRGB, read-only.

    Raises `OptionError` for an unknown name.
    """
    _check(name)
    from matplotlib import colormaps

    table: NDArray[np.uint8] = colormaps[name](np.arange(SIZE), bytes=True)[:, :3].copy()
    table.flags.writeable = False
    return table


def _check(name: str) -> None:
    if name not in COLORMAPS:
        raise OptionError(
            f"There is no colour map {name!r}.{nearest(name, COLORMAPS)} Known are: {', '.join(COLORMAPS)}."
        )
