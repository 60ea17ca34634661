"""Windows and their places: shapes, borders, order, half-finished maps, boxes of the original picture."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.places import Places
from cnnwidgets.explain.windows import Window, window_of
from tests.reference import papers


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 3), (4, 6), (7, 2), (32, 32)])
def test_an_ellipse_is_the_one_inscribed_in_its_window(size):
    mask = Window(*size, "ellipse").mask
    expected = [[papers.in_ellipse(i, j, *size) for j in range(size[1])] for i in range(size[0])]
    assert mask.tolist() == expected


def test_the_area_is_the_number_of_hidden_pixels():
    assert Window(5, 7).mask.sum() == 35
    assert int(Window(32, 32, "ellipse").mask.sum()) == pytest.approx(math.pi / 4 * 32 * 32, rel=0.01)


@pytest.mark.parametrize("size", range(1, 40))
def test_an_ellipse_covers_its_core(size):
    window = Window(size, 2 * size, "ellipse")
    (down, across), (height, width) = window.margins, window.core
    assert height >= 1
    assert width >= 1
    assert bool(window.mask[down : down + height, across : across + width].all())


def test_a_window_inside_the_input():
    spot = Window(3, 2).at(4, 5, 10, 12)
    assert (spot.top, spot.left, spot.box) == (4, 5, (slice(4, 7), slice(5, 7)))
    assert bool(spot.mask.all())


@pytest.mark.parametrize("top", range(-4, 12))
@pytest.mark.parametrize("left", [-3, 2, 9])
def test_a_window_that_overhangs_keeps_its_size_and_hides_what_is_inside(top, left):
    window = Window(4, 5, "ellipse")
    spot = window.at(top, left, 10, 11)
    assert spot.mask.shape == (4, 5)
    hidden = torch.zeros(10, 11, dtype=torch.bool)
    hidden[spot.box] = spot.mask
    for i in range(10):
        for j in range(11):
            inside = 0 <= i - top < 4 and 0 <= j - left < 5
            assert bool(hidden[i, j]) == (inside and papers.in_ellipse(i - top, j - left, 4, 5))


def covered(places):
    seen = torch.zeros(places.size, dtype=torch.int64)
    for place in range(len(places)):
        spot = places.spot(place)
        seen[spot.box] += spot.mask
    return seen


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_every_pixel_is_covered(data):
    size = data.draw(st.tuples(st.integers(1, 30), st.integers(1, 30)))
    window = Window(
        data.draw(st.integers(1, size[0])),
        data.draw(st.integers(1, size[1])),
        data.draw(st.sampled_from(["rectangle", "ellipse"])),
    )
    stride = tuple(data.draw(st.integers(1, core)) for core in window.core)
    places = Places.over(window, data.draw(st.sampled_from([None, stride])), size)
    assert int(covered(places).min()) >= 1


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_areas_are_the_least_and_the_most_that_is_covered(data):
    size = data.draw(st.tuples(st.integers(4, 30), st.integers(4, 30)))
    window = Window(*(data.draw(st.integers(1, n)) for n in size), data.draw(st.sampled_from(["rectangle", "ellipse"])))
    places = Places.over(window, data.draw(st.integers(1, min(window.core))), size)
    counted = [int(places.spot(place).mask.sum()) for place in range(len(places))]
    assert places.areas == (min(counted), max(counted))


@pytest.mark.parametrize(("length", "window", "stride"), [(10, 4, 3), (11, 4, 3), (4, 4, 2), (5, 4, 4), (224, 32, 15)])
def test_rectangles_begin_and_end_at_the_border(length, window, stride):
    places = Places.over(Window(window, 1), (stride, 1), (length, 3))
    assert list(places.tops) == papers.window_starts(length, window, stride)
    assert places.tops[0] == 0
    assert places.tops[-1] == length - window


def test_the_grid_holds_the_windows_with_their_true_centres():
    grid = Places.over(Window(4, 3), (3, 2), (11, 8)).grid
    assert grid.centres[0].tolist() == [1.5, 4.5, 7.5, 8.5]
    assert grid.centres[1].tolist() == [1, 3, 5, 6]
    assert (grid.y.low[1], grid.y.high[1]) == (3, 6)
    assert not grid.measured
    assert not grid.sees_all


def test_elliptic_windows_lie_evenly_about_the_picture():
    places = Places.over(Window(10, 10, "ellipse"), 4, (40, 40))
    rows, columns = places.grid.centres
    assert rows[0] == -(rows[-1] - 39)
    assert list(rows) == list(columns)
    assert places.tops[0] == -1


def test_the_order_is_every_fourth_place_then_every_second_then_all():
    places = Places.over(Window(2, 2), 1, (10, 8))
    assert places.shape == (9, 7)
    assert sorted(places.order) == list(range(63))
    rows, columns = np.divmod(places.order, 7)
    fourth, second = 3 * 2, 5 * 4
    assert ((rows % 4 == 0) & (columns % 4 == 0)).tolist() == [True] * fourth + [False] * (63 - fourth)
    assert ((rows % 2 == 0) & (columns % 2 == 0)).tolist() == [True] * second + [False] * (63 - second)
    for part in (places.order[:fourth], places.order[fourth:second], places.order[second:]):
        assert list(part) == sorted(part)


@pytest.fixture
def ramp():
    """Places that are not evenly spaced, and a map that is linear in their centres."""
    places = Places.over(Window(4, 4), 3, (42, 30))
    rows, columns = places.grid.centres
    return places, 2 * rows[:, None] - columns[None, :] + 5


@pytest.mark.parametrize("done", range(1, 141))
def test_a_half_finished_map_holds_what_was_computed_and_nothing_else(ramp, done):
    places, whole = ramp
    assert places.shape == (14, 10)
    begun = places.to_map(whole.ravel()[places.order[:done]])
    computed = np.zeros(140, dtype=bool)
    computed[places.order[:done]] = True
    np.testing.assert_array_equal(np.isnan(begun), ~computed.reshape(places.shape))
    np.testing.assert_array_equal(begun.ravel()[computed], whole.ravel()[computed])


def test_what_is_still_to_come_is_not_interpolated_once_the_coarse_places_are_through(ramp):
    places, whole = ramp
    begun = places.to_map(whole.ravel()[places.order[: 4 * 3]])
    np.testing.assert_array_equal(begun[::4, ::4], whole[::4, ::4])
    assert np.isfinite(begun).sum() == 4 * 3


def test_before_the_first_level_is_through_no_place_is_as_the_one_above(ramp):
    places, _ = ramp
    begun = places.to_map(np.array([1.0, 2, 3, 4]))  # the first row, and one of the second
    assert begun[0, [0, 4, 8]].tolist() == [1, 2, 3]
    assert begun[4, 0] == 4
    assert np.isnan(begun[4, 4:]).all()
    assert np.isnan(begun[5:]).all()


def test_a_finished_map_is_itself(ramp):
    places, whole = ramp
    np.testing.assert_array_equal(places.to_map(whole.ravel()[places.order]), whole)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "window=0: give a whole number of pixels"),
        (-3, "window=-3"),
        (2.5, r"window=2\.5"),
        (True, "window=True"),
        ("32", "window='32'"),
        ((4,), r"window=\(4,\)"),
        ((4, 0), r"window=\(4, 0\)"),
        (13, r"window=13 is larger than the input of 12 x 20 pixels.*at most \(12, 20\)"),
        ((5, 21), r"window=\(5, 21\) is larger than the input of 12 x 20"),
    ],
)
def test_windows_that_mean_nothing(size, said):
    with pytest.raises(OptionError, match=said):
        window_of(size, "rectangle", 12, 20)


def test_numbers_of_any_kind():
    assert window_of(np.int64(3), "rectangle", 12, 12) == Window(3, 3)
    assert window_of([3, np.int32(4)], "ellipse", 12, 12) == Window(3, 4, "ellipse")


def test_an_unknown_shape_is_refused_with_the_nearest():
    with pytest.raises(OptionError, match=r"shape='elipse' is not known\. Did you mean 'ellipse'\?"):
        window_of(3, "elipse", 12, 12)


@pytest.mark.parametrize(
    ("shape", "stride", "said"),
    [
        ("rectangle", 5, r"stride=5 leaves pixels .* 4 x 4 .* at most 4 down and 4 across"),
        ("rectangle", (1, 6), r"stride=\(1, 6\) leaves pixels"),
        ("ellipse", 4, "at most 2 down and 2 across.* every elliptic window"),
        ("rectangle", 0, "stride=0: give a whole number"),
        ("rectangle", 1.5, r"stride=1\.5"),
    ],
)
def test_strides_that_mean_nothing_or_leave_gaps(shape, stride, said):
    with pytest.raises(OptionError, match=said):
        Places.over(Window(4, 4, shape), stride, (12, 12))
