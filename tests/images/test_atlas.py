"""Many pictures in one file: each is found again where it is said to be."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from cnnwidgets.images.atlas import Atlas


def noise(width, height, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8))


def opened(atlas):
    return Image.open(io.BytesIO(atlas.encoded.data)).convert("RGB")


def cut(whole, place):
    return whole.crop((place.left, place.top, place.left + place.width, place.top + place.height))


@pytest.mark.parametrize("count", [1, 7, 40])
def test_small_pictures_are_exact(count):
    pictures = [noise(5 + number, 40 - number, number) for number in range(count)]
    atlas = Atlas.of(pictures)
    assert atlas.encoded.mime == "image/png"
    whole = opened(atlas)
    assert whole.size == (atlas.encoded.width, atlas.encoded.height)
    for picture, place in zip(pictures, atlas.places, strict=True):
        assert cut(whole, place).tobytes() == picture.tobytes()


def test_places_do_not_overlap_and_the_sheet_is_about_square():
    atlas = Atlas.of([noise(100 + 3 * n, 60 + 5 * n, n) for n in range(30)])
    taken = np.zeros((atlas.encoded.height, atlas.encoded.width), int)
    for left, top, width, height in atlas.places:
        assert left % 16 == top % 16 == 0
        taken[top : top + height, left : left + width] += 1
    assert taken.max() == 1
    assert taken.mean() > 0.5
    assert 0.5 < atlas.encoded.width / atlas.encoded.height < 2


def test_neighbours_do_not_bleed_into_each_other():
    flat = [Image.new("RGB", (70, 75), colour) for colour in ("red", "lime", "blue", "white", "black")]
    photos = [noise(70, 75, seed) for seed in range(4)]  # so that it is no drawing
    atlas = Atlas.of([*flat, *photos])
    assert atlas.encoded.mime == "image/jpeg"
    whole = opened(atlas)
    for picture, place in zip(flat, atlas.places, strict=False):
        difference = np.abs(np.asarray(cut(whole, place), int) - np.asarray(picture, int))
        assert difference.max() <= 3


def test_what_is_not_there_has_no_place():
    atlas = Atlas.of([None, noise(20, 20), None])
    assert atlas.places[0] is atlas.places[2] is None
    assert cut(opened(atlas), atlas.places[1]).tobytes() == noise(20, 20).tobytes()
    assert Atlas.of([None, None]) is None
    assert Atlas.of([]) is None


def test_a_wide_picture_among_small_ones():
    atlas = Atlas.of([noise(900, 3), *(noise(10, 10, seed) for seed in range(5))])
    assert atlas.encoded.width >= 900
    assert len(atlas.places) == 6
