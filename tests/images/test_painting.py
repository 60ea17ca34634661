"""Strokes on a picture: smooth, exact, and the same however they came."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnwidgets.images.painting import Painting
from cnnwidgets.images.strokes import Stroke

WHITE = np.full(3, 255, np.uint8)
POINT = st.tuples(st.floats(-10, 70), st.floats(-10, 50))
STROKE = st.builds(
    Stroke, st.sampled_from(["draw", "erase"]), st.floats(0.5, 20), st.lists(POINT, min_size=1, max_size=6).map(tuple)
)


def make_painting(height=40, width=60, seed=0, scale=1.0):
    ground = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Painting(ground, {"draw": WHITE, "erase": ground}, scale=scale), ground


def black(side=64):
    ground = np.zeros((side, side, 3), np.uint8)
    return Painting(ground, {"draw": WHITE})


@settings(max_examples=60, deadline=None)
@given(st.lists(STROKE, min_size=1, max_size=4), st.data())
def test_what_is_painted_depends_on_the_strokes_alone(strokes, data):
    """Point by point, with undone strokes between, or at once: the same pixels, and the box says where."""
    slowly, ground = make_painting()
    screen = ground.copy()

    def show(shown):
        box = slowly.show(shown)
        if box is not None:
            left, top, right, bottom = box
            screen[top:bottom, left:right] = slowly.pixels[top:bottom, left:right]
        np.testing.assert_array_equal(screen, slowly.pixels)

    for number, stroke in enumerate(strokes):
        for count in range(1, len(stroke.points) + 1):
            show([*strokes[:number], Stroke(stroke.tool, stroke.width, stroke.points[:count], is_open=True)])
        if data.draw(st.booleans()):
            show(strokes[: data.draw(st.integers(0, number))])
        show(strokes[: number + 1])
    at_once, _ = make_painting()
    at_once.show(strokes)
    np.testing.assert_array_equal(slowly.pixels, at_once.pixels)


def test_a_line_is_as_wide_as_the_brush():
    painting = black()
    assert painting.show([Stroke("draw", 10, ((16, 32), (48, 32)))]) is not None
    ink = painting.pixels[..., 0] / 255
    np.testing.assert_allclose(ink[:, 20:44].sum(0), 10, atol=0.01)
    assert ink.sum() == pytest.approx(32 * 10 + math.pi * 25, rel=0.01)
    assert ink[26, 32] == 0
    assert ink[27, 32] == 1


def test_a_click_is_a_disc_and_its_edge_is_soft():
    painting = black()
    painting.show([Stroke("draw", 20, ((32.3, 31.6),))])
    ink = painting.pixels[..., 0] / 255
    assert ink.sum() == pytest.approx(math.pi * 100, rel=0.01)
    assert len(np.unique(painting.pixels)) > 10


def test_a_stroke_is_smooth():
    """A circle of 12 points: its ink lies between the circles of the bent chain, without the corners of a polygon."""
    points = tuple((32 + 20 * math.cos(math.tau * k / 12), 32 + 20 * math.sin(math.tau * k / 12)) for k in range(13))
    painting = black()
    painting.show([Stroke("draw", 2, points)])
    y, x = np.nonzero(painting.pixels[2:62, 2:62, 0] > 128)
    radii = np.hypot(x + 2.5 - 32, y + 2.5 - 32)[np.abs(np.arctan2(y + 2.5 - 32, x + 2.5 - 32)) > 0.5]
    assert radii.max() - radii.min() < 2.2  # the width, and a share of the pixels at its edges; a polygon's is 2.5


def test_crossing_itself_adds_nothing_and_erasing_restores():
    painting, ground = make_painting()
    once = Stroke("draw", 7.5, ((10, 20), (50, 20)))
    painting.show([once])
    one = painting.pixels.copy()
    painting.show([Stroke("draw", 7.5, ((10, 20), (50, 20), (10, 20), (50, 20)))])
    np.testing.assert_array_equal(painting.pixels, one)
    painting.show([once, Stroke("erase", 30, ((0, 20), (60, 20)))])
    np.testing.assert_array_equal(painting.pixels, ground)


def test_outside_nothing_happens():
    painting, ground = make_painting()
    assert painting.show([Stroke("draw", 4, ((-30, -30), (-20, 90)))]) is None
    np.testing.assert_array_equal(painting.pixels, ground)
    assert painting.show([]) is not None  # as far as anybody knows


def test_a_larger_painting_of_the_same_strokes():
    small, large = black(32), Painting(np.zeros((128, 128, 3), np.uint8), {"draw": WHITE}, scale=4)
    strokes = [Stroke("draw", 6, ((5, 5), (20, 9), (25, 27)))]
    small.show(strokes)
    large.show(strokes)
    reduced = large.pixels[..., 0].reshape(32, 4, 32, 4).mean((1, 3))
    assert np.abs(reduced - small.pixels[..., 0]).max() < 40
    assert np.abs(reduced - small.pixels[..., 0]).mean() < 1


def test_a_brush_may_bring_a_picture():
    ground, other = (np.full((20, 30, 3), value, np.uint8) for value in (10, 200))
    other[:, 15:] = 90
    painting = Painting(ground, {"blur": other})
    painting.show([Stroke("blur", 8, ((5, 10), (25, 10)))])
    assert painting.pixels[10, 5].tolist() == [200] * 3
    assert painting.pixels[10, 25].tolist() == [90] * 3
    assert painting.pixels[0, 5].tolist() == [10] * 3
