"""What `explain.layers` lists, and what it says of each layer."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision import models

from cnnwidgets import explain
from cnnwidgets.errors import LayerError
from cnnwidgets.explain.layers import find_layer
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.subject import subject_of
from tests.explain.nets import Gap, Residual, noise, seeded
from tests.explain.sight import Chain
from tests.explain.state import same, state_of

X = noise(1, 3, 12, 12)


def listed(net, x=X):
    return {layer.name: layer for layer in explain.layers(net, x)}


def test_every_module_is_listed_inner_ones_first():
    found = explain.layers(seeded(Gap()), noise(1, 3, 12, 10))
    assert [layer.name for layer in found] == [*(f"features.{i}" for i in range(6)), "features"]
    assert [layer.kind for layer in found] == ["Conv2d", "BatchNorm2d", "ReLU"] * 2 + ["Sequential"]
    assert {layer.shape for layer in found} == {(4, 6, 5), (6, 6, 5)}
    assert found[5].call == found[6].call
    assert [layer.call for layer in found] == sorted(layer.call for layer in found)


def test_parameters_count_children_and_shared_ones_once():
    found = listed(seeded(Gap()))
    weights = [3 * 4 * 9, 2 * 4, 0, 4 * 6 * 9 + 6, 2 * 6, 0]
    assert [layer.parameters for layer in found.values()] == [*weights, sum(weights)]
    conv = nn.Conv2d(3, 3, 3, padding=1)
    assert listed(nn.Sequential(nn.Sequential(conv, nn.ReLU(), conv), nn.Flatten()))["0"].parameters == 84


def test_stride_and_receptive_field_by_hand():
    found = listed(seeded(nn.Sequential(
        nn.Conv2d(3, 4, (3, 5), stride=(2, 1)), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, dilation=2),
        nn.Upsample(scale_factor=2), nn.Flatten(),
    )), noise(1, 3, 40, 30))  # fmt: skip
    assert [(layer.stride, layer.receptive_field) for layer in found.values()] == [
        ((2, 1), (3, 5)), ((4, 2), (5, 6)), ((4, 2), (21, 14)), ((2, 1), (21, 14)),
    ]  # fmt: skip
    assert all(isinstance(size, int) for layer in found.values() for size in (*layer.stride, *layer.receptive_field))


@pytest.mark.parametrize(
    ("make", "layer", "size"),
    [
        (models.alexnet, "features.12", 195),
        (lambda: models.vgg16(init_weights=False), "features.30", 212),
        (models.mobilenet_v2, "features.17", 491),
    ],
)
def test_the_receptive_fields_that_araujo_et_al_give(make, layer, size):
    """Their table of networks; torchvision's layers are the same but for ResNets, whose strides it moved."""
    found = listed(make(), torch.zeros(1, 3, 224, 224))[layer]
    assert found.receptive_field == (size, size)
    assert found.stride == (32, 32)


def test_functions_are_layers_where_no_module_returns_their_value():
    net = seeded(Residual())
    found = listed(net)
    assert (found["add()"].kind, found["add()"].parameters) == ("add", 0)
    assert [name for name in found if name.startswith("relu")] == ["relu#0", "relu#1", "relu#2"]
    assert found["relu#2"].kind == "ReLU"
    inner = listed(nn.Sequential(Chain(nn.Conv2d(3, 4, 3), F.relu, lambda x: x + 1), nn.Flatten()))
    assert [(name, layer.kind) for name, layer in inner.items()] == [
        ("0.parts.0", "Conv2d"), ("0.relu()", "relu"), ("0", "Chain"),
    ]  # fmt: skip


def test_every_listed_name_finds_its_layer_and_a_bare_one_the_last_call():
    network = Network(subject_of(seeded(Residual()), X))
    for layer in explain.layers(network.model, X):
        assert find_layer(network, layer.name) == layer
    assert find_layer(network, "relu").name == "relu#2"
    assert find_layer(network, network.model.relu).name == "relu#2"


class Textbook(nn.Sequential):
    """As in a course: picked by index."""

    def __init__(self):
        blocks, channels = [], 3
        for width in (4, 4, "M", 8, 8, "M", 8, 8):
            if width == "M":
                blocks.append(nn.MaxPool2d(2))
            else:
                blocks += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                blocks += [nn.Dropout(0.3)]
                channels = width
        super().__init__(
            *blocks,
            nn.Flatten(),
            nn.Dropout(),
            nn.Linear(8 * 8 * 8, 10),
            nn.ReLU(True),
            nn.Linear(10, 5),
            nn.LogSoftmax(1),
        )


@pytest.mark.parametrize("index", [0, 21, -7])
def test_the_textbook_case_by_index(index):
    net = seeded(Textbook()).train()
    before = state_of(net)
    network = Network(subject_of(net, noise(1, 3, 32, 32)))
    found = find_layer(network, index)
    assert found.name == str(index % len(net))
    assert found == listed(net, noise(1, 3, 32, 32))[found.name]
    same(before, state_of(net))


class Excited(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.gate = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = self.conv(x)
        return (x * self.gate(F.adaptive_avg_pool2d(x, 1)).sigmoid()).mean((2, 3))


def test_a_global_operation_is_told_and_a_single_cell_is_no_map():
    found = listed(seeded(Excited()))
    assert list(found) == ["conv", "mul()"]
    assert [layer.sees_all for layer in found.values()] == [False, True]
    assert [layer.receptive_field for layer in found.values()] == [(3, 3), (3, 3)]
    with pytest.raises(LayerError, match=r"'gate' has no map: its output has shape \(1, 4, 1, 1\), one cell"):
        explain.grad_cam(seeded(Excited()), X, 1, layer="gate")


def test_what_cannot_be_followed_has_no_stride():
    net = Chain(nn.Conv2d(3, 4, 3, stride=2), lambda x: x.flip(3), nn.Conv2d(4, 4, 3), nn.Flatten())
    found = listed(seeded(net))
    assert found["parts.1"].stride is None
    assert found["parts.1"].receptive_field is None
    assert not found["parts.1"].sees_all
    assert repr(found["parts.1"]) == "<Layer 'parts.1': Conv2d, 4 x 3 x 3, 148 parameters>"


def test_channels_last_values_are_no_maps():
    class Window(nn.Module):
        """Mixes places as Swin does: N,h,w,C, rolled and put back."""

        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.mix = nn.Conv2d(3, 8, 2, 2), nn.LayerNorm(8), nn.Linear(8, 8)

        def forward(self, x):
            x = self.norm(self.conv(x).permute(0, 2, 3, 1))
            return self.mix(torch.roll(x, (1, 1), (1, 2))).mean((1, 2))

    assert list(listed(seeded(Window()))) == ["conv"]


def test_a_parametrised_layer_keeps_its_class():
    found = listed(nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)), nn.Flatten()))
    assert found["0"].kind == "Conv2d"
    assert found["0"].parameters == 3 * 4 * 9 + 4 + 4


def test_a_layer_and_a_list_can_be_read():
    found = explain.layers(seeded(Gap()), noise(1, 3, 12, 10))
    assert repr(found[0]) == "<Layer 'features.0': Conv2d, 4 x 6 x 5, 108 parameters, stride 2, sees 3 px>"
    lines = repr(found).splitlines()
    assert re.split(r"\s{2,}", lines[0]) == ["layer", "kind", "C x h x w", "parameters", "stride", "receptive field"]
    assert re.split(r"\s{2,}", lines[4]) == ["features.3", "Conv2d", "6 x 6 x 5", "222", "2", "7 px"]
    assert len({line.rindex("px") for line in lines[1:]}) == 1
    html = found._repr_html_()
    assert html.count("<tr>") == 8
    assert re.findall(r">([^<]*)</td>", html)[18:24] == ["features.3", "Conv2d", "6 x 6 x 5", "222", "2", "7 px"]
    odd = explain.layers(seeded(Odd()), X)
    assert "a&lt;b" in odd._repr_html_()


class Odd(nn.Module):
    """Python lets a module have any name."""

    def __init__(self):
        super().__init__()
        self.add_module("a<b", nn.Conv2d(3, 4, 3))

    def forward(self, x):
        return getattr(self, "a<b")(x).mean((2, 3))
