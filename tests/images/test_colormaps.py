"""The colour maps are what they promise: right tables, even in lightness, apart for colour-blind eyes."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

from cnnwidgets.errors import OptionError
from cnnwidgets.images import colormaps

SEQUENTIAL = [name for name, kind in colormaps.COLORMAPS.items() if kind == "sequential"]
DIVERGING = [name for name, kind in colormaps.COLORMAPS.items() if kind == "diverging"]

# Viénot, Brettel and Mollon 1999: what linear RGB looks like without red-sensitive (protanopia) or green-sensitive
# cones (deuteranopia), the two common kinds.
PROTANOPIA = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
DEUTERANOPIA = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])


def linear(table):
    share = table / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(light):
    """CIELAB of linear sRGB under D65."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    share = light.clip(0, 1) @ to_xyz.T / to_xyz.sum(axis=1)
    f = np.where(share > (6 / 29) ** 3, np.cbrt(share), share / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


@pytest.mark.parametrize("name", colormaps.COLORMAPS)
def test_tables_are_matplotlibs(name):
    table = colormaps.lookup(name)
    assert (table.shape, table.dtype) == ((256, 3), np.uint8)
    for entry in (0, 100, 255):
        assert np.allclose(table[entry], np.array(mpl.colormaps[name](entry)[:3]) * 255, atol=1)
    with pytest.raises(ValueError, match="read-only"):
        table[0] = 0
    assert colormaps.lookup(name) is table


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_sequential_maps_grow_lighter_evenly(name):
    lightness = lab(linear(colormaps.lookup(name)))[:, 0]
    steps = np.diff(lightness)
    # The tables are rounded to 8 bits, so single steps may stand still, but none goes back by a visible amount.
    assert steps.min() > -0.1
    coarse = np.diff(lightness[::17])
    assert coarse.min() > 0
    assert coarse.max() < 3 * coarse.min()


@pytest.mark.parametrize("name", DIVERGING)
def test_diverging_maps_are_palest_in_the_middle(name):
    lightness = lab(linear(colormaps.lookup(name)))[:, 0]
    assert 120 <= lightness.argmax() <= 135
    assert np.diff(lightness[:120:8]).min() > 0
    assert np.diff(lightness[135::8]).max() < 0
    assert abs(lightness[0] - lightness[-1]) < 25


@pytest.mark.parametrize("vision", [PROTANOPIA, DEUTERANOPIA], ids=["protanopia", "deuteranopia"])
@pytest.mark.parametrize("name", colormaps.COLORMAPS)
def test_colour_blind_eyes_tell_the_colours_apart(name, vision):
    seen = lab(linear(colormaps.lookup(name)) @ vision.T)
    places = seen[np.linspace(0, 255, 9).astype(int)]
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)[np.triu_indices(9, 1)]
    assert apart.min() > 5


def test_auto():
    assert colormaps.resolve("auto", "both") == "RdBu_r"
    assert {colormaps.resolve("auto", sign) for sign in ("positive", "negative", "absolute")} == {"inferno"}
    assert colormaps.resolve("cividis", "both") == "cividis"
    assert (colormaps.kind("magma"), colormaps.kind("PuOr_r")) == ("sequential", "diverging")


@pytest.mark.parametrize("ask", [colormaps.lookup, colormaps.kind, lambda name: colormaps.resolve(name, "both")])
def test_unknown_names(ask):
    with pytest.raises(OptionError, match=r"colour map 'infreno'.*Did you mean 'inferno'.*viridis"):
        ask("infreno")
