"""The legend shows the colours of the map, its ends, and what the threshold hides."""

from __future__ import annotations

import numpy as np
import pytest

from cnnwidgets.errors import OptionError
from cnnwidgets.images import colormaps, legend

WHITE = (255, 255, 255)


def bar(strip):
    return [strip.getpixel((x, 12)) for x in range(8, strip.width - 8)]


@pytest.mark.parametrize("sign", ["positive", "negative", "absolute", "both"])
def test_bar(sign):
    colours = bar(legend(400, vmax=2, sign=sign))
    table = colormaps.lookup(colormaps.resolve("auto", sign))
    assert colours[0] == tuple(table[0])
    assert colours[-1] == tuple(table[-1])
    assert np.array_equal(colours[192], table[128])


def test_what_the_threshold_hides_is_left_out():
    one = [colour == WHITE for colour in bar(legend(300, vmax=2, threshold=0.25))]
    assert sum(one) == pytest.approx(0.25 * len(one), abs=1)
    assert all(one[: sum(one)])
    both = bar(legend(300, vmax=2, sign="both", threshold=0.5))
    assert [both[place] == WHITE for place in (0, 40, 142, 240, -1)] == [False, False, True, False, False]


def test_labels_differ_by_value_unit_and_sign():
    strips = [
        legend(300, vmax=2),
        legend(300, vmax=3),
        legend(300, vmax=2, units="logit"),
        legend(300, vmax=2, sign="negative"),
        legend(300, vmax=2, sign="both", colormap="inferno"),
    ]
    below = [strip.crop((0, 22, strip.width, strip.height)).tobytes() for strip in strips]
    assert len(set(below)) == len(below)
    assert all(set(text) != {255} for text in below)


def test_width():
    assert legend(500, vmax=1).width == 500
    assert legend(3, vmax=1).width == 160


def test_unknown_names():
    with pytest.raises(OptionError, match="sign"):
        legend(300, vmax=1, sign="up")
    with pytest.raises(OptionError, match="colour map"):
        legend(300, vmax=1, colormap="up")
