"""Values over a picture: every option against a slow literal version, and the awkward fields."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image

from cnnwidgets.errors import ImageError, OptionError
from cnnwidgets.images import blend, colormaps
from cnnwidgets.images.compose import hatch, largest

SIGNS = ("positive", "negative", "absolute", "both")


def slowly(picture, field, *, opacity, threshold, sign, colormap, vmax):
    """Paint one pixel after the other, as the definition reads."""
    table = colormaps.lookup(colormaps.resolve(colormap, sign))
    out = np.asarray(picture).astype(float)
    for row, column in itertools.product(range(field.shape[0]), range(field.shape[1])):
        value = float(field[row, column])
        if np.isnan(value):
            continue
        if sign == "both":
            share = abs(value) / vmax
            place = (min(max(value / vmax, -1), 1) + 1) / 2
        else:
            relevant = {"positive": value, "negative": -value, "absolute": abs(value)}[sign]
            share = place = min(max(relevant / vmax, 0), 1)
        if share < threshold:
            continue
        colour = table[int(np.floor(place * 255 + 0.5))]
        out[row, column] += opacity * (colour - out[row, column])
    return out


@pytest.fixture
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8))


@pytest.fixture
def field():
    values = np.random.default_rng(1).normal(size=(7, 9)).astype(np.float32)
    values[0, :3] = np.nan
    values[1, :3] = 0
    return values


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("shares", [{"opacity": 0.6, "threshold": 0}, {"opacity": 1, "threshold": 0.3}])
@pytest.mark.parametrize("scale", [("auto", None), ("viridis", 0.5), ("PuOr_r", 4)])
def test_against_the_definition(picture, field, sign, shares, scale):
    options = {"sign": sign, "colormap": scale[0], "vmax": scale[1], **shares}
    before = (picture.tobytes(), field.tobytes())
    painted = blend(picture, field, **options)
    top = largest(field, sign) if options["vmax"] is None else options["vmax"]
    expected = slowly(picture, field, **(options | {"vmax": top}))
    assert (painted.mode, painted.size) == ("RGB", picture.size)
    assert np.abs(np.asarray(painted) - expected).max() < 1.5
    assert before == (picture.tobytes(), field.tobytes())


def test_largest(field):
    assert largest(field, "positive") == np.nanmax(field)
    assert largest(field, "negative") == -np.nanmin(field)
    assert largest(field, "absolute") == largest(field, "both") == np.nanmax(np.abs(field))
    assert largest(np.array([[np.inf, -2.0]]), "both") == 2
    assert largest(np.full((2, 2), np.nan), "both") == 0


@pytest.mark.parametrize(
    ("value", "signs"),
    [(0, SIGNS), (np.nan, SIGNS), (-1, ("positive",)), (1, ("negative",))],
)
def test_fields_with_nothing_to_show(picture, value, signs):
    empty = np.full((7, 9), value, np.float32)
    for sign in signs:
        painted = blend(picture, empty, sign=sign)
        assert painted.tobytes() == picture.tobytes()
        assert painted is not picture
        assert blend(picture, np.ones((7, 9)), sign="both", vmax=0).tobytes() == picture.tobytes()


def test_infinite_and_tiny_values(picture):
    values = np.zeros((7, 9))
    values[0, 0], values[0, 1], values[0, 2] = np.inf, -np.inf, 1e-310
    painted = np.asarray(blend(picture, values, sign="both", opacity=1, threshold=0.5))
    table = colormaps.lookup("RdBu_r")
    assert np.array_equal(painted[0, :3], table[[255, 0, 255]])
    assert np.array_equal(painted[1:], np.asarray(picture)[1:])
    huge = np.full((7, 9), 3e38, np.float32)
    assert (np.asarray(blend(picture, huge, opacity=1, vmax=1e-300)) == colormaps.lookup("inferno")[255]).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"opacity": 1.5}, "opacity is 1.5; a share from 0 to 1"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"sign": "absolut"}, "no sign 'absolut'.*Did you mean 'absolute'"),
        ({"colormap": "jet"}, "no colour map 'jet'.*Known are: inferno"),
        ({"vmax": -1}, "vmax is -1"),
        ({"vmax": float("inf")}, "vmax is inf"),
    ],
)
def test_options_out_of_range(picture, field, options, words):
    with pytest.raises(OptionError, match=words):
        blend(picture, field, **options)


def test_sizes_must_agree(picture, field):
    with pytest.raises(ImageError, match=r"shape \(9, 7\), the picture \(7, 9\).*upsampled"):
        blend(picture, field.T)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_hatching_shows_on_every_grey_and_touches_only_its_part(level):
    picture = Image.new("RGB", (60, 40), (level, level, level))
    where = np.zeros((40, 60), dtype=bool)
    where[10:30, 20:] = True
    hatched = np.asarray(hatch(picture, where), int)
    assert (hatched[~where] == level).all()
    assert len(np.unique(hatched[where])) == 3, "the veil, and stripes of two kinds"
    assert np.ptp(hatched[where]) > 60
    assert hatch(picture, np.zeros((40, 60), dtype=bool)).tobytes() == picture.tobytes()
