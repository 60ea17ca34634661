"""Which convolution made a map."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnwidgets.explain.filters_behind import filters_behind
from cnnwidgets.explain.layers import all_layers
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.subject import subject_of
from tests.explain.nets import Gap, Residual, Vgg, noise, seeded
from tests.explain.state import same, state_of


def behind(net, size=12):
    network = Network(subject_of(net, noise(1, 3, size, size)))
    return {layer.name: filters_behind(network, layer) for layer in all_layers(network.trace)}


def test_the_way_back_leads_through_normalisation_and_activation_but_not_through_pooling():
    assert behind(seeded(Gap())) == {
        **{f"features.{index}": "features.0" for index in range(3)},
        **{f"features.{index}": "features.3" for index in range(3, 6)},
        "features": "features.3",
    }
    assert behind(seeded(Vgg()))["features.3"] == "features.2"
    assert behind(seeded(Vgg()))["features.4"] is None
    assert behind(seeded(Vgg()))["features"] is None


def test_an_addition_of_two_maps_has_no_filters():
    found = behind(seeded(Residual()))
    assert found == {
        "conv1": "conv1", "bn1": "conv1", "relu#0": "conv1", "conv2": "conv2", "relu#1": "conv2", "conv3": "conv3",
        "add()": None, "relu#2": None,
    }  # fmt: skip


class Ways(nn.Module):
    """A convolution, and one operation on its result."""

    def __init__(self, then):
        super().__init__()
        self.conv, self.gate, self.then = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 1), then
        self.scale = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x):
        return self.then(self, self.conv(x), x).mean((2, 3))


KEPT = {
    "a gate": lambda net, y, _: y * net.gate(y.mean((2, 3), keepdim=True)).sigmoid(),
    "a scale": lambda net, y, _: y * net.scale + 1,
    "itself": lambda _net, y, _: y * torch.sigmoid(y),
    "in place": lambda _net, y, _: y.mul_(2).relu_(),
    "a norm": lambda _net, y, _: F.group_norm(y, 2),
    "dropout": lambda _net, y, _: F.dropout2d(F.leaky_relu(y), training=False),
    "a view of all": lambda _net, y, _: y.contiguous().clone().to(torch.float32),
}  # fmt: skip
LOST = {
    "pooling": lambda _net, y, _: F.max_pool2d(y, 3, 1, 1),
    "cat": lambda _net, y, _: torch.cat([y, y], 1),
    "another order": lambda _net, y, _: F.channel_shuffle(y, 2),
    "half of it": lambda _net, y, _: y[:, :2],
    "mirrored": lambda _net, y, _: y.flip(1),
    "softmax": lambda _net, y, _: y.softmax(1),
    "one more map": lambda _net, y, x: y + F.pad(x, (0, 0, 0, 0, 0, 1)),
    "the input": lambda _net, _y, x: x.relu(),
    "two convolutions": lambda net, y, _: y * net.gate(y).sigmoid(),
    "weights of no module": lambda _net, y, _: F.conv2d(y, torch.ones(2, 4, 3, 3)),
}  # fmt: skip


@pytest.mark.parametrize("way", KEPT)
def test_what_is_done_to_each_channel_by_itself_keeps_it(way):
    found = list(behind(seeded(Ways(KEPT[way]))).values())
    assert len(found) > 1
    assert set(found) == {"conv"}


@pytest.mark.parametrize("way", LOST)
def test_what_mixes_or_moves_channels_loses_it(way):
    found = behind(seeded(Ways(LOST[way])))
    assert found["conv"] == "conv"
    assert found.popitem()[1] is None


@pytest.mark.parametrize("kind", [nn.ConvTranspose2d, nn.Conv2d])
def test_any_2d_convolution_counts_also_one_whose_weight_is_computed(kind):
    net = nn.Sequential(nn.utils.parametrizations.spectral_norm(kind(3, 4, 3)), nn.ReLU(), nn.Flatten()).train()
    before = state_of(net)
    assert behind(net) == {"0": "0", "1": "0"}
    same(before, state_of(net))
