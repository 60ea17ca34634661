"""Filters as pictures: what each colour means."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cnnwidgets import explain
from cnnwidgets.errors import OptionError
from cnnwidgets.images import colormaps
from tests.explain.nets import seeded


def weighing(weight):
    """A network of one convolution with these weights."""
    out, planes, *kernel = weight.shape
    net = nn.Sequential(nn.Conv2d(planes, out, tuple(kernel)))
    with torch.no_grad():
        net[0].weight.copy_(weight)
    return net


def test_colour_filters_are_grey_where_the_weight_is_zero():
    weight = torch.zeros(2, 3, 2, 2)
    weight[0, :, 0, 0] = torch.tensor([2.0, -2.0, 0.0])
    weight[1, 2, 1, 1] = 1.0
    first, second = (np.asarray(picture) for picture in explain.filters(weighing(weight), 0).pictures())
    assert first[0, 0].tolist() == [255, 0, 128]
    assert second[1, 1].tolist() == [128, 128, 191]
    assert (first.reshape(-1, 3)[1:] == 128).all()


def test_planes_are_red_above_zero_and_blue_below():
    weight = torch.zeros(2, 4, 1, 3)
    weight[1, 2, 0] = torch.tensor([-1.0, 0.0, 0.5])
    weight[0] = 7.0  # another filter, which does not count
    pictures = explain.filters(weighing(weight), 0, channel=1).pictures()
    table = colormaps.lookup("RdBu_r")
    assert len(pictures) == 4
    np.testing.assert_array_equal(np.asarray(pictures[2])[0], table[[0, 128, 191]])
    red, green, blue = table[255].astype(int)
    assert red > max(green, blue)


def test_strength_is_black_at_zero():
    weight = torch.zeros(2, 4, 1, 2)
    weight[0, :2, 0, 1] = torch.tensor([3.0, -4.0])
    first, second = (np.asarray(picture) for picture in explain.filters(weighing(weight), 0).pictures())
    table = colormaps.lookup("inferno")
    np.testing.assert_array_equal(first[0], table[[0, 255]])
    np.testing.assert_array_equal(second[0], table[[0, 0]])


@pytest.mark.parametrize("planes", [1, 3, 4])
def test_weights_that_are_no_numbers_are_magenta_and_do_not_hide_the_others(planes):
    weight = torch.ones(2, planes, 2, 2)
    weight[0, 0, 1, 0] = float("nan")
    found = explain.filters(weighing(weight), 0)
    assert found.scale == 1
    assert found.tile_scale == pytest.approx(2 if planes == 4 else 1)
    pixels = np.asarray(found.pictures()[0])
    np.testing.assert_array_equal((pixels == (255, 0, 255)).all(2), [[False, False], [True, False]])
    assert found._repr_png_().startswith(b"\x89PNG")


def test_filters_that_are_all_zero_can_be_drawn():
    for planes, colour in ((3, [128] * 3), (4, [0, 0, 3])):
        found = explain.filters(weighing(torch.zeros(2, planes, 2, 2)), 0)
        assert np.asarray(found.pictures()[1])[0, 0].tolist() == colour


def test_pictures_are_enlarged_without_smoothing():
    found = explain.filters(seeded(nn.Sequential(nn.Conv2d(3, 2, (2, 4)))), 0)
    (small, _), (large, _) = found.pictures(), found.pictures(16)
    assert (small.size, large.size) == ((4, 2), (16, 8))
    np.testing.assert_array_equal(np.asarray(large), np.asarray(small).repeat(4, 0).repeat(4, 1))
    with pytest.raises(OptionError, match=r"size=0 is no size"):
        found.pictures(0)


def test_the_figure_shows_the_strongest_with_a_bar_in_units():
    net = seeded(nn.Sequential(nn.Conv2d(1, 9, 3)))
    with torch.no_grad():
        net[0].weight[[2, 7]] *= 100
    found = explain.filters(net, 0)
    figure = found.plot(top=2)
    axes, bar = figure.axes
    assert axes.get_title() == "0, Conv2d: 1 x 3 x 3, the 2 strongest of 9"
    assert bar.get_ylabel() == "weight"
    assert bar.get_ylim() == pytest.approx((-found.scale, found.scale))
    sheet = axes.images[0].get_array()
    expected = [np.asarray(found.pictures(192)[number]) for number in (2, 7)]
    np.testing.assert_array_equal(sheet[7:199, 7:199], expected[0])
    np.testing.assert_array_equal(sheet[7:199, 207:399], expected[1])
    assert "strongest" not in found.plot().axes[0].get_title()
    with pytest.raises(OptionError, match=r"top=0 shows nothing"):
        found.plot(top=0)
