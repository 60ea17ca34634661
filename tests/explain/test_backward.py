"""Gradients through normalisations are right in every order of memory, in every method that takes one.

PyTorch's own are not, on a CPU, for one image: see docs/pytorch-batchnorm-gradient.md. The witness of the methods is
central differences in double precision, which take no gradient at all.
"""

from __future__ import annotations

import re
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnwidgets
from cnnwidgets import explain
from cnnwidgets.explain.backward import gradients
from cnnwidgets.explain.effective import effective_field
from cnnwidgets.explain.layers import find_layer
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.subject import subject_of
from tests.explain.nets import noise, seeded

ORDERS = {
    "contiguous": lambda draw, n, c, h, w: draw(n, c, h, w),
    "channels last": lambda draw, n, c, h, w: draw(n, c, h, w).contiguous(memory_format=torch.channels_last),
    "tokens": lambda draw, n, c, h, w: draw(n, h * w, c).mT.unflatten(2, (h, w)),
    "tokens before images": lambda draw, n, c, h, w: draw(h * w, n, c).permute(1, 2, 0).unflatten(2, (h, w)),
    "some of more tokens": lambda draw, n, c, h, w: draw(n, h * w + 1, c)[:, 1:].mT.unflatten(2, (h, w)),
    "some of more channels": lambda draw, n, c, h, w: draw(n, 2 * c, h, w)[:, :c],
    "some of more channels of tokens": lambda draw, n, c, h, w: draw(n, h * w, 2 * c)[..., :c].mT.unflatten(2, (h, w)),
    "channels before images": lambda draw, n, c, h, w: draw(c, n, h, w).transpose(0, 1),
    "columns before rows": lambda draw, n, c, h, w: draw(n, c, w, h).mT,
    "rows before channels": lambda draw, n, c, h, w: draw(n, h, c, w).transpose(1, 2),
}
NORMALISATIONS = {
    "evaluation": lambda x, a, b: F.batch_norm(x, a[0], b[0], a[1], b[1]),
    "training": lambda x, a, b: F.batch_norm(x, None, None, a[1], b[1], training=True),
    "instance": lambda x, a, b: F.instance_norm(x, weight=a[1], bias=b[1]),
    "group": lambda x, a, b: F.group_norm(x, 2, a[1], b[1]),
}


@pytest.mark.parametrize("norm", NORMALISATIONS)
@pytest.mark.parametrize("size", [(1, 6, 4, 5), (2, 6, 4, 5), (1, 2, 7, 1), (1, 2, 1, 7)])
def test_gradient_of_a_normalisation_in_every_order(norm, size):
    a, b = (noise(2, size[1], seed=seed).abs() + 0.5 for seed in (3, 4))
    for given, coming in product(ORDERS, ORDERS):
        x, slope = ORDERS[given](noise, *size), ORDERS[coming](partial(noise, seed=2), *size)
        x.requires_grad_(True)
        (found,) = gradients(NORMALISATIONS[norm](x, a, b), x, slope)
        dense = [one.detach().double().clone(memory_format=torch.contiguous_format) for one in (x, slope)]
        plain = dense[0].requires_grad_(True)
        (expected,) = torch.autograd.grad(NORMALISATIONS[norm](plain, a.double(), b.double()), plain, dense[1])
        worst = float((found - expected).abs().max() / expected.abs().max())
        assert worst < 1e-3, f"the input is {given}, the gradient is {coming}"


class Tokens(nn.Module):
    """Convolutions and normalisations on either side of what treats a map as tokens."""

    def __init__(self, norm=nn.BatchNorm2d):
        super().__init__()
        self.conv, self.first, self.relu = nn.Conv2d(3, 6, 3, padding=1), norm(6), nn.ReLU()
        self.mix, self.layer_norm = nn.Linear(6, 6), nn.LayerNorm(6)
        self.second, self.last = norm(6), nn.Conv2d(6, 6, 3, padding=1)
        self.third, self.fc = norm(6), nn.Linear(6, 4)

    def rectified(self, maps):
        return self.relu(self.first(maps))

    def inside(self, x):
        tokens = self.mix(self.layer_norm(self.second(x.contiguous()).flatten(2).mT))
        return self.last(tokens.mT.unflatten(2, (6, 7)))

    def ending(self, x):
        return self.third(self.inside(x).tanh().contiguous())

    def scores(self, x):
        return self.fc(self.mix(self.layer_norm(x.flatten(2).mT)).sigmoid().mean(1))

    def forward(self, x):
        return self.scores(self.ending(self.rectified(self.conv(x))))


class Scripted(nn.Module):
    """A part of TorchScript in a plain network."""

    def __init__(self, part):
        super().__init__()
        self.part, self.fc = part, nn.Linear(4, 4)

    def forward(self, x):
        return self.fc(self.part(x))


NETS = {
    "batch norm": Tokens,
    "instance norm": lambda: Tokens(lambda channels: nn.InstanceNorm2d(channels, affine=True)),
}
X = noise(1, 3, 6, 7, dtype=torch.float64)


def differences(function, x, step=1e-6):
    """The gradient of a function (B,...) -> (B,) at `x` (1,...), by central differences."""
    moves = torch.eye(x.numel(), dtype=x.dtype).reshape(-1, *x.shape[1:]) * step
    with torch.no_grad():
        return ((function(x + moves) - function(x - moves)) / (2 * step)).reshape(x.shape)


@pytest.fixture(params=[True, False], ids=["channels last", "contiguous"])
def order(request, monkeypatch):
    """In which order the library gives images to a network depends on the number of its weights."""
    monkeypatch.setattr("cnnwidgets.explain.network._FEW_WEIGHTS", 8_000_000 if request.param else 0)
    return request.param


@pytest.fixture(params=NETS)
def net(request, order):
    del order
    return seeded(NETS[request.param](), dtype=torch.float64)


def close(values, expected):
    expected = expected.detach().numpy()
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_saliency(net):
    expected = differences(lambda x: net(x)[:, 1], X)
    close(explain.saliency(net, X, 1, signed=True).values, expected.sum(1))
    close(explain.saliency(net, X, 1).values, expected.abs().amax(1))


@pytest.mark.parametrize("chunk", [1, 3])
def test_smoothgrad(net, chunk):
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(X.shape[1:], generator=generator) for _ in range(3)]
    noisy = [X + 0.1 * (X.amax() - X.amin()) * one for one in drawn]
    expected = sum(differences(lambda x: net(x)[:, 1], one) for one in noisy) / 3
    found = explain.smoothgrad(net, X, 1, signed=True, samples=3, noise=0.1, chunk=chunk)
    close(found.values, expected.sum(1))


def test_grad_cam(net):
    first = net.first(net.conv(X))
    last = net.inside(first.relu())
    for layer, maps, behind in (
        ("first", first, lambda y: net.scores(net.ending(y.relu()))),
        ("last", last, lambda y: net.scores(net.third(y.tanh().contiguous()))),
    ):
        slope = differences(lambda y, behind=behind: behind(y)[:, 1], maps)
        expected = slope.mean((2, 3), keepdim=True) * maps
        close(explain.grad_cam(net, X, 1, layer=layer).values, expected.sum(1))


def test_contributions(net):
    maps = net.first(net.conv(X))
    slope = differences(lambda y: net.scores(net.ending(y.relu()))[:, 1], maps)
    found = explain.activations(net, X, ["first", "third"]).contributions(1)
    close(found["first"], (slope * maps).sum((2, 3)))


@pytest.mark.parametrize("cell", [(0, 0), (3, 4)])
def test_guided_backpropagation_and_the_deconvnet(net, cell):
    maps = net.rectified(net.conv(X))
    slope = differences(lambda y: net.ending(y)[:, 2, cell[0], cell[1]], maps).clamp(min=0)
    for method, signal in ((explain.guided_backprop, slope * (maps > 0)), (explain.deconvnet, slope)):
        expected = differences(lambda x, signal=signal: (net.first(net.conv(x)) * signal).sum((1, 2, 3)), X)
        close(method(net, X, "third", 2, cell).values, expected)


def test_effective_receptive_field(net):
    network = Network(subject_of(net, X))
    layer = find_layer(network, "third")
    squared = differences(lambda x: net.ending(net.rectified(net.conv(x)))[:, 2, 3, 4], X).square().sum(1)[0]
    close(effective_field(network, layer, (3, 4), channel=2, probes=8, seed=0), squared / squared.sum())


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.usefixtures("order")
@pytest.mark.parametrize("name", NETS)
def test_a_part_of_torchscript(name):
    part = seeded(NETS[name](), dtype=torch.float64)
    model = seeded(Scripted(torch.jit.script(part)), dtype=torch.float64)
    expected = differences(lambda x: model(x)[:, 1], X)
    for _ in range(4):  # it is compiled anew once it has seen its inputs
        close(explain.saliency(model, X, 1, signed=True).values, expected.sum(1))


def test_no_backward_pass_goes_unguarded():
    folder = Path(cnnwidgets.__file__).parent / "explain"
    found = {
        path.name for path in folder.rglob("*.py") if re.search(r"autograd\.grad\(|\.backward\(", path.read_text())
    }
    assert found == {"backward.py", "rectifying.py"}  # the latter goes back through a ReLU alone
