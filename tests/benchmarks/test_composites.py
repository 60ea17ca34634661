"""Pictures with objects at known places: the masks are right, and the seed decides everything."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image

from benchmarks.composites import SIDE, alone, composite, composites, cutouts


@pytest.mark.parametrize("name", ["cup", "motorcycle"])
def test_every_object_pixel_is_masked_and_no_other(name):
    """The same draws with the object painted plain green: what is green is the object."""
    cutout = cutouts()[name]
    green = Image.new("RGB", cutout.picture.size, (0, 255, 0))
    photograph = cutout.picture.copy()
    try:
        cutout.picture.paste(green)
        made = composite([name], random.Random(3))
    finally:
        cutout.picture.paste(photograph)
    pixels = np.asarray(made.picture).astype(int)
    distance = abs(pixels - (0, 255, 0)).sum(2)
    (found, mask), *others = made.objects
    assert found == name
    assert not others
    assert 0.01 < mask.mean() < 0.4
    assert (distance[mask] < 400).all()  # the mask's rim is half transparent
    assert np.median(distance[mask]) == 0
    assert (distance[~mask] > 0).all()


def test_the_motorcycle_is_cut_out_whole():
    """Disparity leaves floor and shelves away, but takes both wheels, the handlebar and the stand."""
    motorcycle = cutouts()["motorcycle"]
    width, height = motorcycle.picture.size
    assert (width, height) == pytest.approx((594, 356), abs=6)
    mask = np.asarray(motorcycle.mask) > 127
    assert mask.mean() == pytest.approx(0.536, abs=0.03)
    assert mask[240, 100]  # rear wheel
    assert mask[270, 500]  # front wheel
    assert not mask[340, 60]  # floor
    assert not mask[40, 60]  # bench


def test_two_objects_do_not_overlap():
    for seed in range(5):
        (_, one), (_, other) = composite(["cat", "cup"], random.Random(seed)).objects
        assert one.any()
        assert other.any()
        assert not (one & other).any()


def test_the_seed_decides():
    one, same, other = (composites(6, seed) for seed in (0, 0, 1))
    assert [made.picture.tobytes() for made in one] == [made.picture.tobytes() for made in same]
    assert one[0].picture.tobytes() != other[0].picture.tobytes()
    assert [len(made.objects) for made in one] == [1, 1, 2, 2]


def test_masks_follow_the_size_of_the_input():
    made = composite(["pagoda"], random.Random(0))
    full, half = made.objects[0][1], made.masks(SIDE // 2)["pagoda"]
    assert half.shape == (SIDE // 2, SIDE // 2)
    assert half.mean() == pytest.approx(full.mean(), rel=0.02)


def test_alone_on_neutral_ground():
    views = alone(cutouts()["cat"])
    assert {view.size for view in views} == {(SIDE, SIDE)}
    assert all(view.getpixel((0, 0)) == (128, 128, 128) for view in views)
    one, mirrored = (np.asarray(view)[:, (np.asarray(view) != 128).any((0, 2))] for view in views[:2])
    assert one.shape[1] == pytest.approx(0.4 * SIDE, abs=2)
    assert np.array_equal(one[:, ::-1], mirrored)
