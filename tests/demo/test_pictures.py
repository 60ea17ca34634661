"""The data sets for a gallery's first use."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cnnwidgets import demo
from cnnwidgets.demo.pictures import Crops, Digits, gallery_pictures
from tests.widgets.conftest import make_classifier


@pytest.fixture(scope="module")
def crops():
    return demo.crops()


def test_crops_cover_every_photograph_at_every_scale(crops):
    assert crops.classes == demo.photos()
    for number, name in enumerate(demo.photos()):
        whole = demo.photo(name)
        found = [crop for crop in crops.crops if crop.photograph == number]
        sides = sorted({crop.side for crop in found})
        assert sides == sorted(round(share * min(whole.size)) for share in (1, 0.7, 0.5, 0.35, 0.25))
        for side in sides:
            covered = np.zeros((whole.height, whole.width), bool)
            for _, left, top, _ in (crop for crop in found if crop.side == side):
                assert 0 <= left <= whole.width - side
                assert 0 <= top <= whole.height - side
                covered[top : top + side, left : left + side] = True
            assert covered.all()


def test_a_crop_is_the_part_that_it_says(crops):
    number = next(n for n, crop in enumerate(crops.crops) if crop.side == 256)  # at its own size
    at, left, top, side = crops.crops[number]
    picture, label = crops[number]
    assert label == crops.targets[number] == at
    part = demo.photo(crops.classes[at]).crop((left, top, left + side, top + side))
    assert np.array_equal(np.asarray(picture), np.asarray(part))
    assert crops.names[number] == f"{crops.classes[at]}, 256 px at {left}, {top}"


@pytest.mark.parametrize("pictures", [Crops(), Digits()])
def test_they_are_map_style_data_sets(pictures):
    assert len(pictures) == len(pictures.names) == len(pictures.targets)
    assert len(set(pictures.names)) == len(pictures)
    assert set(pictures.targets) == set(range(len(pictures.classes)))
    picture, label = pictures[-1]
    assert isinstance(picture, Image.Image)
    assert label == pictures.targets[-1]
    with pytest.raises(IndexError):
        pictures[len(pictures)]
    assert pictures.source.startswith(pictures.package + " ")


def test_digits_are_scikit_learns():
    digits, data = Digits(), demo.digits_data()
    assert len(digits) == 1797
    for number in (0, 1000, 1796):
        picture, label = digits[number]
        assert np.array_equal(np.asarray(picture), data.images[number])
        assert label == data.labels[number]


def test_each_classifier_gets_what_suits_it():
    assert isinstance(gallery_pictures(make_classifier(channels=1)), Digits)
    assert isinstance(gallery_pictures(make_classifier()), Crops)
