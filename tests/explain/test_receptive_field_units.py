"""The receptive field of one cell: exact against the truth found by trying every pixel, effective against loops."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

import cnnwidgets as cw
from cnnwidgets import explain
from cnnwidgets.errors import LayerError, ModelError, OptionError
from cnnwidgets.explain.effective import holding
from tests.explain.followed import conv, same
from tests.explain.nets import Gap, Residual, noise, seeded
from tests.explain.sight import Both, Chain, positive
from tests.explain.state import same as unchanged
from tests.explain.state import state_of, surroundings

HEIGHT, WIDTH = 19, 16


def box_of(seen):
    """Return the box around the pixels that are true, None if none is."""
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    return (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) if len(rows) else None


@torch.no_grad()
def lit(net):
    """Light every pixel by itself and return which cells answer, (h, w, H, W) bool."""
    x = torch.eye(HEIGHT * WIDTH).view(-1, 1, HEIGHT, WIDTH).expand(-1, 2, -1, -1)
    return (net(x).abs().amax(1) > 0).permute(1, 2, 0).unflatten(2, (HEIGHT, WIDTH)).numpy()


NETS = {
    "strides": lambda: [conv(3, 2, 1), conv(3, 2, 1)],
    "dilation": lambda: [conv(3, 1, 1), conv((3, 2), (1, 2), 2, (2, 1))],
    "ceil mode": lambda: [nn.MaxPool2d(3, 2, ceil_mode=True), nn.AvgPool2d(2, 2, ceil_mode=True), conv(2)],
    "asymmetric": lambda: [lambda x: F.pad(x, (0, 2, 1, 0)), conv(3, 2), lambda x: F.pad(x, (1, 0, 0, 3)), conv(2)],
    "tensorflow": lambda: [same, conv(3, 2), same, conv(3, 2)],
    "branches": lambda: [Both(conv(3, 2, 1), nn.Sequential(conv(5, 1, 2), nn.MaxPool2d(1, 2)), torch.add), conv(2)],
    "cat": lambda: [Both(conv(1), conv(3, 1, 1), lambda a, b: torch.cat([a, b], 1)), conv(3, 2, 1, channels=4)],
    "depthwise": lambda: [conv(3, 2, 1, g=2), conv(1), conv(3, 1, 1, g=2)],
    "up again": lambda: [conv(3, 2), nn.ConvTranspose2d(2, 2, 3, 2, 1), conv(2)],
    "one cell": lambda: [conv(3, 2), conv((9, 7))],
    "padding alone": lambda: [conv(3, 3, 4)],
}


@pytest.mark.parametrize("name", NETS)
def test_every_cells_box_is_that_of_the_pixels_that_move_it(name):
    net = positive(Chain(*NETS[name]()))
    truth, x = lit(net), noise(1, 2, HEIGHT, WIDTH)
    wrapped = nn.Sequential(net, nn.Flatten())
    if truth.shape[:2] == (1, 1):  # no map: its only cell cannot be asked about
        with pytest.raises(LayerError, match=r"one cell"):
            explain.receptive_field(wrapped, x, 0, (0, 0))
        return
    rows, columns = truth.shape[:2]
    for row in range(rows):
        for column in range(columns):
            found = explain.receptive_field(wrapped, x, 0, (row - rows, column))
            assert found.box == box_of(truth[row, column])
            assert found.picture_boxes == (found.box,)
            assert found.unit == (row, column)
            assert found.exact


@pytest.mark.parametrize("name", ["strides", "dilation", "branches", "up again"])
def test_the_cells_that_see_a_pixel(name):
    net = positive(Chain(*NETS[name]()))
    truth = lit(net)
    grid = explain.layers(nn.Sequential(net, nn.Flatten()), noise(1, 2, HEIGHT, WIDTH))[-1].grid
    cells = [[box_of(each) for each in row] for row in truth]
    for y in range(HEIGHT):
        for x in range(WIDTH):
            rows, columns = grid.cells_seeing(y, x)
            for row, line in enumerate(cells):
                for column, box in enumerate(line):
                    inside = box is not None and box[0] <= x < box[2] and box[1] <= y < box[3]
                    assert (row in rows and column in columns) == inside, (y, x, row, column)


def test_size_stride_and_centre_are_not_clipped():
    net = nn.Sequential(conv((3, 5), (2, 1), (1, 2)), nn.ReLU(), conv(3, 2, 1), nn.Flatten())
    found = explain.receptive_field(net, noise(1, 2, HEIGHT, WIDTH), 2, (0, -1))
    assert found.size == (7, 7)
    assert found.stride == (4, 2)
    assert found.centre == (0, 14)
    assert found.box == (11, 0, 16, 4)
    layer = explain.layers(net, noise(1, 2, HEIGHT, WIDTH))[-1]
    assert (layer.receptive_field, layer.stride) == (found.size, found.stride)
    assert layer.grid.field(0, -1) == (11, -3, 18, 4)
    assert repr(found) == "<ReceptiveField of cell (0, 7) in '2': a field of 7 px, sees rows 0 to 3, columns 11 to 15>"


def test_a_field_lies_in_the_picture_where_the_preprocessing_says():
    clf = cw.Classifier(seeded(Gap()), cw.Preprocess(resize=24, crop=16, mean=0.5, std=0.5))
    found = explain.receptive_field(clf, Image.new("RGB", (96, 48)), "features", (2, 3))
    assert found.box == (3, 1, 10, 8)
    (seen,) = found.picture_boxes  # the crop's 16 pixels are the 32 in the middle: a pixel is two
    assert found.picture_box == seen == (38, 10, 52, 24)


def effective_by_loops(net, x, row, column, channels):
    """The squared gradient of each channel by itself, a share of each image's sum, in double precision."""
    shares = []
    net = copy.deepcopy(net).double()
    for image in x.double():
        leaf = image[None].requires_grad_(True)
        value = net(leaf)
        squared = sum(
            torch.autograd.grad(value[0, channel, row, column], leaf, retain_graph=True)[0][0].square().sum(0)
            for channel in channels
        )
        if squared.sum() > 0:  # an image on which the cell is dead says nothing about its field
            shares.append(squared / squared.sum())
    return torch.stack(shares).mean(0).numpy()


@pytest.mark.parametrize("channel", [None, 2])
def test_the_effective_field_is_the_share_of_the_squared_gradient(channel):
    net, x = seeded(Gap(classes=3)), noise(5, 3, 12, 14)
    found = explain.receptive_field(net, x, "features", (2, -3), channel=channel, effective=True)
    expected = effective_by_loops(seeded(Gap(classes=3)).features, x, 2, -3, range(6) if channel is None else [channel])
    np.testing.assert_allclose(found.effective, expected, rtol=1e-4, atol=1e-7)
    assert found.effective.dtype == np.float32
    assert found.effective.sum() == pytest.approx(1)
    assert not found.effective.flags.writeable
    left, top, right, bottom = map(int, found.box)
    assert found.effective[top:bottom, left:right].sum() == pytest.approx(1)  # none of it outside of the exact box


def test_random_signs_stand_for_many_channels():
    net = seeded(nn.Sequential(nn.Conv2d(3, 40, 5), nn.Tanh(), nn.Flatten()))
    x = noise(2, 3, 9, 9)
    exact = explain.receptive_field(net, x, 1, (2, 2), effective=True, probes=40).effective
    near = explain.receptive_field(net, x, 1, (2, 2), effective=True, probes=39, seed=3).effective
    np.testing.assert_allclose(exact, effective_by_loops(net[:2], x, 2, 2, range(40)), rtol=1e-4, atol=1e-7)
    assert 0.01 < abs(near - exact).max() / exact.max() < 0.6
    many = np.mean(
        [explain.receptive_field(net, x, 1, (2, 2), effective=True, seed=seed).effective for seed in range(100)], axis=0
    )
    np.testing.assert_allclose(many, exact, atol=0.1 * exact.max())
    again = explain.receptive_field(net, x, 1, (2, 2), effective=True, probes=39, seed=3).effective
    np.testing.assert_array_equal(near, again)


class Excited(nn.Module):
    """A gate that the whole picture opens."""

    def __init__(self):
        super().__init__()
        self.conv, self.gate, self.fc = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 1), nn.Linear(4, 3)

    def forward(self, x):
        x = self.conv(x)
        x = x * self.gate(F.adaptive_avg_pool2d(x, 1)).sigmoid()
        return self.fc(x.mean((2, 3)))


def test_behind_a_global_operation_the_effective_field_tells_what_counts():
    x = noise(1, 3, 20, 20)
    found = explain.receptive_field(seeded(Excited()), x, "mul()", (5, 5))
    assert found.sees_all
    assert not found.exact
    assert found.box == (9, 9, 12, 12)  # the local path
    assert (found.effective > 0).all()
    left, top, right, bottom = map(int, found.effective_box(0.5))
    assert 9 <= left < right <= 12
    assert 9 <= top < bottom <= 12
    before = explain.receptive_field(seeded(Excited()), x, "conv", (5, 5))
    assert before.exact
    assert before.effective is None
    with pytest.raises(OptionError, match=r"not measured; ask with explain.receptive_field\(effective=True\)"):
        before.effective_box()


class Flipped(nn.Module):
    """What flip does to places is not followed."""

    def __init__(self):
        super().__init__()
        self.conv, self.late = conv(3, 1, 1), conv(3, 2, 1)

    def forward(self, x):
        return self.late(self.conv(x).flip(3)).mean((2, 3))


def test_what_cannot_be_followed_is_measured():
    found = explain.receptive_field(seeded(Flipped()), noise(2, 2, 24, 24), "late", (3, 2))
    assert found.measured
    assert not found.exact
    assert found.size is None
    assert found.stride is None
    assert found.box == found.effective_box(0.95)
    left, top, right, bottom = found.box  # five pixels in all, around row 6 and, mirrored, column 23 - 4
    assert (top >= 4, bottom <= 9, left >= 17, right <= 22) == (True,) * 4


def test_a_dead_cell_has_an_empty_effective_field():
    net = nn.Sequential(conv(3), nn.ReLU(), nn.Flatten())
    with torch.no_grad():
        net[0].bias.fill_(-100.0)
    found = explain.receptive_field(net, noise(1, 2, 9, 9), 1, (3, 3), effective=True)
    assert not found.effective.any()
    assert found.effective_box() is None
    assert found.box == (3, 3, 6, 6)
    assert found.overlay().size == (243, 243)


def test_a_box_that_holds_a_share():
    shares = np.zeros((6, 8), np.float32)
    shares[2, 3], shares[2, 4], shares[5, 4], shares[0, 0] = 0.5, 0.25, 0.1875, 0.0625
    assert holding(shares, 0.5) == (3, 2, 4, 3)
    assert holding(shares, 0.75) == (3, 2, 5, 3)
    assert holding(shares, 0.9375) == (3, 2, 5, 6)
    assert holding(shares, 1.0) == (0, 0, 5, 6)
    assert holding(shares * 0, 0.5) is None


@pytest.mark.parametrize(
    ("unit", "options", "said"),
    [
        ((6, 0), {}, r"row=6 is out of range: the layer 'features' has 6 row"),
        ((0, -8), {}, r"column=-8 is out of range: the layer 'features' has 7 column"),
        ((1.5, 0), {}, r"row=1.5 is no whole number"),
        (3, {}, r"unit=3 is no cell; give \(row, column\)"),
        ((0, 0, 0), {}, r"unit=\(0, 0, 0\) is no cell"),
        ((0, 0), {"channel": 6}, r"channel=6 is out of range: the layer 'features' has 6 channels"),
        ((0, 0), {"probes": 0}, r"probes=0: give a whole number, 1 or more"),
        ((0, 0), {"probes": 2.5}, r"probes=2.5: give a whole number"),
        ((0, 0), {"seed": None}, r"seed=None: give a whole number, 0 or more"),
        ((0, 0), {"efective": True}, r"no option 'efective'. Did you mean 'effective'"),
    ],
)
def test_a_unit_that_is_not_there(unit, options, said):
    with pytest.raises(OptionError, match=said):
        explain.receptive_field(seeded(Gap()), noise(1, 3, 12, 14), "features", unit, **options)


class Rounded(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = conv(3)

    def forward(self, x):
        return self.conv(x.round().detach()).relu().mean((2, 3))


def test_no_gradient_no_effective_field():
    with pytest.raises(ModelError, match=r"No gradient leads from the layer 'conv' back to the input"):
        explain.receptive_field(Rounded(), noise(1, 2, 9, 9), "conv", (0, 0), effective=True)


def test_it_draws_itself_and_cannot_be_changed():
    found = explain.receptive_field(seeded(Residual()), noise(2, 3, 12, 12), "relu#1", (4, 5), effective=True)
    drawn = np.asarray(found.overlay(1))
    factor = 20  # up to at least 240 pixels
    left, top, right, bottom = (int(edge * factor) for edge in found.box)
    assert drawn.shape == (240, 240, 3)
    np.testing.assert_array_equal(drawn[top : top + 1, left:right], 0)
    np.testing.assert_array_equal(drawn[bottom - 1 : bottom, left:right], 0)
    assert found._repr_png_().startswith(b"\x89PNG")
    assert len(found.plot().axes) == 2
    assert found.heatmap.values.shape == (2, 12, 12)
    np.testing.assert_array_equal(found.heatmap.on_picture(1), found.effective)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.layer = "other"
    with pytest.raises(OptionError, match=r"index=2 is out of range: there are 2 picture"):
        found.overlay(2)
    with pytest.raises(OptionError, match=r"share=0 is out of range"):
        found.effective_box(0)


def test_the_model_is_left_as_found():
    net, x = seeded(Residual()).train(), noise(2, 3, 12, 12)
    before, around, picture = state_of(net), surroundings(), x.clone()
    explain.receptive_field(net, x, "relu", (4, 5), effective=True)
    with pytest.raises(OptionError):
        explain.receptive_field(net, x, "relu", (99, 5), effective=True)
    unchanged(before, state_of(net))
    unchanged(around, surroundings())
    assert torch.equal(x, picture)
    assert not x.requires_grad
