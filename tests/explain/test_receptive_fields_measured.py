"""Where a layer looks, measured from gradients, beside what is followed exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnwidgets import explain
from cnnwidgets.explain.layers import default_layer, find_layer
from cnnwidgets.explain.measured import grid_of, measured_grid
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.subject import subject_of
from tests.explain.followed import conv, same
from tests.explain.nets import noise, seeded
from tests.explain.sight import Chain


def measured(net, x, layer=None):
    network = Network(subject_of(net, x))
    return measured_grid(network, find_layer(network, layer)), find_layer(network, layer).grid


@pytest.mark.parametrize(
    ("steps", "within"),
    [
        (lambda: [conv(3, 2, 1), nn.ReLU(), conv(3, 2, 1), nn.ReLU()], 1.5),
        (lambda: [conv(3, 2), nn.ReLU(), nn.MaxPool2d(2), conv(3), nn.ReLU()], 2),
        (lambda: [same, conv(3, 2), nn.ReLU(), same, conv(3, 2), nn.ReLU()], 1.5),
        (lambda: [lambda x: F.pad(x, (6, 0, 0, 6)), conv(3, 2), nn.ReLU(), conv(5, 1, 2)], 1.5),
    ],
)
def test_the_measured_centres_are_near_the_true_ones(steps, within):
    net = seeded(Chain(*steps()))
    guess, truth = measured(net, noise(1, 2, 64, 48), "parts." + str(len(net.parts) - 1))
    assert guess.measured
    assert not truth.measured
    assert guess.shape == truth.shape
    middle = slice(3, -3)
    for one, other in zip(guess.centres, truth.centres, strict=True):
        np.testing.assert_allclose(one[middle], other[middle], atol=within)


def test_a_network_that_cannot_be_followed_is_measured():
    """Columns are rotated by half: a matrix product over places, which nobody can follow."""

    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.late, self.fc = conv(3, 1, 1), conv(3, 2, 1), nn.Linear(2, 3)

        def forward(self, x):
            n, c, h, w = x.shape
            x = (self.conv(x).flatten(2) @ torch.eye(h * w)).view(n, c, h, w)
            return self.fc(self.late(x).relu().mean((2, 3)))

    heatmap = explain.grad_cam(seeded(Turned()), noise(1, 2, 32, 32), 1)
    assert heatmap.grid.measured
    np.testing.assert_allclose(heatmap.grid.centres[0][3:-3], 2 * np.arange(16)[3:-3], atol=1.5)
    followed = explain.grad_cam(seeded(Turned()), noise(1, 2, 32, 32), 1, layer="conv")
    assert not followed.grid.measured


def test_measuring_is_repeatable_and_needs_no_gradients_of_the_users():
    net, x = seeded(Chain(conv(3, 2), nn.ReLU())).requires_grad_(False), noise(1, 2, 24, 24)
    first, second = (measured(net, x, "parts.1")[0] for _ in range(2))
    np.testing.assert_array_equal(first.centres[0], second.centres[0])
    network = Network(subject_of(net, x))
    assert grid_of(network, default_layer(network.trace)).measured is False
