"""The result of guided backpropagation and the deconvnet: boxes, pictures around grey, heat map, drawings."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

import cnnwidgets as cw
from cnnwidgets import explain
from cnnwidgets.errors import OptionError
from tests.explain.nets import Gap, noise, seeded

X = noise(2, 3, 20, 16)


@pytest.fixture
def found():
    return explain.guided_backprop(seeded(Gap()), X, "features.4", 2, [(4, 1), (0, -1)])


def test_what_it_holds(found):
    assert found.values.shape == X.shape
    assert (found.values.dtype, found.activations.shape) == (np.float32, (2,))
    assert (found.method, found.layer, found.channel) == ("guided_backprop", "features.4", 2)
    assert found.cells == ((4, 1), (0, 7))
    assert found.target == ("channel 2 at cell (4, 1)", "channel 2 at cell (0, 7)")
    assert found.units == "activation per unit of input"
    assert len(found.image_hashes) == len(found) == 2
    assert (found.sees_all, found.measured) == (False, False)
    assert repr(found).startswith("<Projection guided_backprop of channel 2 in 'features.4': 2 image(s), -")
    for array in (found.values, found.activations, found.heatmap.values):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(TypeError):
        found.params["channel"] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.channel = 1


def test_the_box_is_the_units_receptive_field(found):
    """A kernel of 3 at stride 2, and one of 3: a field of 7 pixels at distances of 2, less at the border."""
    assert found.boxes == ((0, 5, 6, 12), (11, 0, 16, 4))
    assert found.boxes[0] == explain.receptive_field(seeded(Gap()), X, "features.4", (4, 1)).box
    assert found.picture_boxes == found.boxes
    for values, box in zip(found.values, found.boxes, strict=True):
        left, top, right, bottom = map(int, box)
        outside = values.copy()
        outside[:, top:bottom, left:right] = 0
        assert values.any()
        assert not outside.any()


def test_the_box_in_the_original_picture():
    clf = cw.Classifier(seeded(Gap()), cw.Preprocess(resize=24, crop=16, mean=0.5, std=0.5))
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 96, 3), dtype=np.uint8))
    found = explain.deconvnet(clf, picture, "features", 1, (2, 3))
    assert found.box() == (3, 1, 10, 8)
    assert found.picture_boxes == ((38, 10, 52, 24),)  # the crop's 16 pixels are the 32 in the middle
    assert found.pictures[0].size == (96, 48)
    assert found.crop().size == (7, 7)


def test_a_box_that_could_only_be_measured_is_that_of_what_came_back():
    class Rolled(Gap):
        def forward(self, x):
            return super().forward(torch.fft.ifft2(torch.fft.fft2(x)).real.roll(1, 3))

    found = explain.deconvnet(seeded(Rolled()), X, "features", 1, (3, 2))
    assert found.measured
    left, top, right, bottom = map(int, found.box())
    inside = found.values[0][:, top:bottom, left:right]
    assert np.count_nonzero(inside) == np.count_nonzero(found.values[0]) > 0
    for edge in (inside[:, 0], inside[:, -1], inside[:, :, 0], inside[:, :, -1]):
        assert edge.any()


def test_the_heat_map_adds_up_magnitudes(found):
    heatmap = found.heatmap
    np.testing.assert_allclose(heatmap.values, np.abs(found.values).sum(1), rtol=1e-6)
    np.testing.assert_array_equal(heatmap.scores, found.activations)
    assert (heatmap.units, heatmap.score_units) == (found.units, "activation")
    assert heatmap.target == found.target
    assert heatmap.upsampled().shape == (2, 20, 16)
    assert found.overlay(1).size == (16, 20)


def test_saved_and_loaded_as_a_heat_map(found, tmp_path):
    loaded = cw.Heatmap.load(found.heatmap.save(tmp_path / "guided"))
    np.testing.assert_array_equal(loaded.values, found.heatmap.values)
    assert loaded.target == found.target
    assert dict(loaded.params) == dict(found.params)


def planted(values):
    """A projection with wanted values, of a convolution as large as the picture but for a border of one cell."""
    values = torch.as_tensor(values, dtype=torch.float32)
    channels, height, width = values.shape
    net = nn.Sequential(nn.Conv2d(channels, 1, (height, width), padding=1, bias=False), nn.Flatten())
    with torch.no_grad():
        net[0].weight[0] = values
    return explain.guided_backprop(net, torch.zeros(1, channels, height, width), 0, 0, (1, 1))


def test_a_picture_is_grey_at_zero_and_shows_signs_by_colour():
    values = np.zeros((3, 4, 5))
    values[0, 0, 0], values[1, 1, 1], values[2, 2, 2], values[:, 3, 3] = 2.0, -2.0, 1.0, -4.0
    found = planted(values)
    np.testing.assert_array_equal(found.values[0], values)
    pixels = np.asarray(found.picture(clip=0))
    assert pixels.shape == (4, 5, 3)
    assert pixels[0, 1].tolist() == [128, 128, 128]
    assert pixels[0, 0].tolist() == [191, 128, 128]
    assert pixels[1, 1].tolist() == [128, 64, 128]
    assert pixels[2, 2].tolist() == [128, 128, 159]
    assert pixels[3, 3].tolist() == [0, 0, 0]
    clipped = np.asarray(found.picture(clip=0.5))  # half of the six values that are not 0 are above 3
    assert clipped[0, 0, 0] in (212, 213)  # two thirds of the way from grey to the end
    assert clipped[3, 3].tolist() == [0, 0, 0]


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_other_numbers_of_channels_are_drawn_as_their_sum(channels):
    values = np.zeros((channels, 3, 3))
    values[:, 0, 0], values[0, 1, 1] = 1.0, -channels
    pixels = np.asarray(planted(values).picture(clip=0))
    assert pixels[0, 0].tolist() == [255] * 3
    assert pixels[1, 1].tolist() == [0] * 3
    assert pixels[2, 2].tolist() == [128] * 3


def test_nothing_excites_it():
    found = planted(np.zeros((3, 4, 4)))
    assert np.unique(np.asarray(found.picture())).tolist() == [128]
    assert found._repr_png_()


def test_a_crop_is_cut_out_of_the_picture(found):
    whole, part = np.asarray(found.picture(0)), np.asarray(found.crop(0))
    np.testing.assert_array_equal(part, whole[5:12, 0:6])
    assert found.crop(0, size=70).size == (60, 70)
    assert found.picture(-1, size=10).size == (8, 10)
    assert np.asarray(found.crop(0, size=14))[::2, ::2].tolist() == part.tolist()


def test_a_unit_that_sees_padding_only():
    net = nn.Sequential(nn.Conv2d(3, 4, 1, padding=2), nn.ReLU(), nn.Flatten())
    found = explain.deconvnet(seeded(net), X, 0, 0, (0, 0))
    assert found.boxes == found.picture_boxes == (None, None)
    assert not found.values.any()
    with pytest.raises(OptionError, match=r"cell \(0, 0\) of the layer '0' sees no pixel: it lies in the padding"):
        found.crop()
    assert found._repr_png_()
    assert isinstance(found.plot(), Figure)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"index": 2}, r"index=2 is out of range: there are 2 image\(s\)"),
        ({"size": 0}, "size=0 is no size"),
        ({"size": 2.5}, "size=2.5 is no size"),
        ({"clip": 1}, "clip=1 is out of range"),
        ({"clip": "a"}, "clip='a' is out of range"),
    ],
)
def test_bad_arguments_of_pictures(found, how, said):
    for draw in (found.picture, found.crop):
        with pytest.raises(OptionError, match=said):
            draw(**how)


def test_drawings(found):
    with Image.open(io.BytesIO(found._repr_png_())) as drawn:
        assert drawn.width > 2 * 160
        assert len(np.unique(np.asarray(drawn).reshape(-1, 3), axis=0)) > 20
    figure = found.plot()
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[0] == f"channel 2 at cell (4, 1)\nactivation {found.activations[0]:.3g}"
    assert "activation per unit of input" in figure.get_suptitle()
    figure.savefig(io.BytesIO())
