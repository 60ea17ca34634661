"""Where the maps of well-known networks look, by brute force: the gradient of one cell with all weights positive."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from torch import nn
from torchvision import models

from cnnwidgets.explain.layers import default_layer, layer_list
from cnnwidgets.explain.measured import measured_grid
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.subject import subject_of
from tests.explain.nets import noise, seeded


def linearised(net):
    """Make a network a sum of its inputs: weights 1, no bias, no activation, means instead of maxima.

    Then the gradient of a cell is above zero exactly where the cell looks.
    """
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.MaxPool2d):
                pool = nn.AvgPool2d(child.kernel_size, child.stride, child.padding, ceil_mode=child.ceil_mode)
                setattr(module, name, pool)
            elif isinstance(child, nn.ReLU | nn.ReLU6 | nn.SiLU | nn.Hardswish | nn.GELU):
                setattr(module, name, nn.Identity())
            elif isinstance(child, nn.modules.batchnorm._BatchNorm):
                setattr(module, name, Plain(child))
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.fill_(0.0 if name.endswith("bias") else 1.0 / max(1, parameter[0].numel()))
    return net.eval()


class Plain(nn.Module):
    """Instead of a normalisation; some networks ask it for its number of channels or put an activation into it."""

    def __init__(self, norm):
        super().__init__()
        self.num_features = norm.num_features

    def forward(self, x):
        return x


def truth(net, layer, size, cell):
    """Return the first and last row that a cell sees."""
    kept = []
    handle = net.get_submodule(layer).register_forward_hook(lambda module, args, out: kept.append(out))
    x = torch.ones(1, 3, size, size, requires_grad=True)
    net(x)
    handle.remove()
    (slope,) = torch.autograd.grad(kept[0][0, :, cell, cell].sum(), x)
    rows = np.flatnonzero((slope.abs().sum((0, 1, 3)) > 0).numpy())
    return rows[0], rows[-1]


def followed(net, layer, size):
    trace = Network(subject_of(net, torch.zeros(1, 3, size, size))).trace
    return next(entry.grid for entry in layer_list(trace) if entry.name == layer)


# The size is one at which the middle cell sees no border. The centre of cell i is stride * i + first.
NETWORKS = {
    "resnet18": (models.resnet18, "layer4", 512, 32, 0),
    "resnet18, layer2": (models.resnet18, "layer2", 160, 8, 0),
    "resnet50, layer3": (models.resnet50, "layer3", 384, 16, 0),
    "vgg11": (lambda: models.vgg11(init_weights=False), "features.18", 224, 16, 7.5),
    "mobilenet_v2": (models.mobilenet_v2, "features", 576, 32, 0),
    "googlenet": (lambda: models.googlenet(aux_logits=False, init_weights=False), "inception5b", 960, 32, 22),
    "squeezenet1_1": (models.squeezenet1_1, "features", 320, 16, 15),
    "tf_efficientnet_lite0": (lambda: timm.create_model("tf_efficientnet_lite0"), "bn2", 1088, 32, 31),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_centres_of_well_known_networks(name):
    make, layer, size, stride, first = NETWORKS[name]
    net = linearised(make())
    grid = followed(net, layer, size)
    cell = len(grid.y) // 2
    low, high = truth(net, layer, size, cell)
    assert low > 0, "take a bigger picture"
    assert high < size - 1, "take a bigger picture"
    assert (grid.y.low[cell], grid.y.high[cell]) == (low, high)
    np.testing.assert_array_equal(grid.y.centres, grid.x.centres)
    np.testing.assert_array_equal(grid.y.centres, stride * np.arange(len(grid.y)) + first)


AT_224 = {
    "resnet18": ("layer4", 32, 0),
    "vgg11": ("features.19", 16, 7.5),
    "mobilenet_v2": ("features", 32, 0),
    "efficientnet_b0": ("features", 32, 0),
    "googlenet": ("inception5b", 32, 22),
}


@pytest.mark.parametrize("name", AT_224)
def test_the_same_holds_at_the_usual_size(name):
    layer, stride, first = AT_224[name]
    extra = {"aux_logits": False} if name == "googlenet" else {}
    net = models.get_model(
        name, weights=None, **({"init_weights": False} if name in ("googlenet", "vgg11") else {}), **extra
    )
    grid = followed(net, layer, 224)
    np.testing.assert_array_equal(grid.y.centres, stride * np.arange(len(grid.y)) + first)
    assert grid.sees_all == (name == "efficientnet_b0"), "squeeze and excitation sees the whole picture"


def test_tensorflows_same_padding_looks_to_the_lower_right():
    """At an even size its odd pixel of padding lies at the end, so every halving shifts by half a cell.

    At 32 n + 1 pixels it has none, and the centres are those of symmetric padding.
    """
    net = timm.create_model("tf_efficientnet_lite0")
    np.testing.assert_array_equal(followed(net, "bn2", 224).y.centres, 31 + 32 * np.arange(7))
    np.testing.assert_array_equal(followed(net, "bn2", 225).y.centres, 32 * np.arange(8))
    symmetric = timm.create_model("efficientnet_lite0")
    np.testing.assert_array_equal(followed(symmetric, "bn2", 224).y.centres, 32 * np.arange(7))


@pytest.mark.parametrize(
    "make",
    [
        models.densenet121,
        models.shufflenet_v2_x0_5,
        models.regnet_x_400mf,
        models.mnasnet0_5,
        models.convnext_tiny,
        lambda: models.inception_v3(init_weights=False),
        models.alexnet,
        models.mobilenet_v3_small,
        lambda: timm.create_model("convnext_atto"),
        lambda: timm.create_model("resnet10t"),
        lambda: timm.create_model("tf_mobilenetv3_small_minimal_100"),
    ],
)
def test_the_last_map_of_a_common_network_is_followed_not_measured(make):
    net = seeded(make())
    size = 128
    layer = default_layer(Network(subject_of(net, noise(1, 3, size, size))).trace)
    assert layer.grid is not None
    assert not layer.grid.measured
    assert len(layer.grid.y) == layer.shape[1]
    assert layer.shape[1] > 1


def test_measured_on_a_resnet():
    """The fallback, on a network whose answer is known: within a few pixels of 224."""
    net = seeded(models.resnet18())
    network = Network(subject_of(net, noise(1, 3, 224, 224)))
    layer = default_layer(network.trace)
    assert layer.name == "layer4"
    guess = measured_grid(network, layer)
    np.testing.assert_allclose(guess.centres[0], layer.grid.centres[0], atol=10)
    np.testing.assert_allclose(guess.centres[1], layer.grid.centres[1], atol=10)
