"""A ReLU is one however it is written; captum, which only knows modules of the class nn.ReLU, as second witness."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import NeuronDeconvolution, NeuronGuidedBackprop
from torch import nn
from torch.nn import functional as F

from cnnwidgets import explain
from tests.explain.nets import noise, seeded
from tests.explain.projected import METHODS, assert_same
from tests.explain.test_relu import WAYS, Written
from tests.reference import projections

X = noise(2, 3, 9, 9, dtype=torch.float64)
MORE_WAYS = {
    "threshold": nn.Threshold(0, 0),
    "threshold_in_place": nn.Threshold(0.0, 0.0, inplace=True),
    "hardtanh": nn.Hardtanh(0, 1e6),
    "relu6": F.relu6,
    "clip": lambda x: x.clip(0),
    "clamp_min": lambda x: x.clamp_min(0),
    "clamp_by_name": lambda x: torch.clamp(input=x, min=0.0),
    "clamp_by_tensor": lambda x: x.clamp(min=torch.zeros(())),
    "maximum": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "maximum_of_zero": lambda x: torch.max(x.new_zeros(()), x),
    "where": lambda x: torch.where(x > 0, x, 0.0),
    "where_not": lambda x: torch.where(x <= 0, torch.zeros_like(x), x),
    "masked_fill": lambda x: x.masked_fill(x < 0, 0),
    "masked_fill_in_place": lambda x: x.masked_fill_(x.detach() < 0, 0),
    "product": lambda x: x * (x > 0),
    "product_of_floats": lambda x: x * (x >= 0).to(x.dtype),
    "inverted_mask": lambda x: x.masked_fill(~(x > 0), 0),
    "in_place_and_written_over": lambda x: F.relu(x, inplace=True).mul_(1.0),
    "in_place_and_not_returned": lambda x: (F.relu_(x), x)[1],
    "in_place_on_a_view": lambda x: (x.transpose(2, 3).relu_(), x)[1],
    "in_place_on_halves": lambda x: ([half.relu_() for half in (x[:, :2], x[:, 2:])], x)[1],
}
ALL_WAYS = {**WAYS, **MORE_WAYS}


def steps_of(net):
    convolutions = [
        ("conv", each.weight.detach().numpy(), each.bias.detach().numpy(), 1, 0) for each in (net.conv1, net.conv2)
    ]
    return [convolutions[0], ("relu",), convolutions[1]]


@pytest.mark.parametrize("way", ALL_WAYS)
@pytest.mark.parametrize("rule", METHODS)
def test_a_relu_however_it_is_written(rule, way):
    net = seeded(Written(ALL_WAYS[way]), dtype=torch.float64)
    found = METHODS[rule](net, X, "conv2", 1, (2, 3))
    for n, image in enumerate(X.numpy()):
        assert_same(found.values[n], projections.projected(steps_of(net), image, (1, 2, 3), rule))
    assert found.params["rectified"] == (2 if "halves" in way else 1)
    gradient = projections.projected(steps_of(net), X[0].numpy(), (1, 2, 3), "gradient")
    assert np.abs(found.values[0] - gradient).max() > 0.1 * np.abs(gradient).max()


def bounded(way):
    """Return conv1 -> a bounded function -> conv2."""
    return seeded(Written(way), dtype=torch.float64)


@pytest.mark.parametrize("cap", [nn.Hardtanh(0, 0.4), lambda x: x.clamp(0, 0.4), lambda x: x.clamp_(min=0, max=0.4)])
def test_a_cap_stops_guided_backpropagation_but_not_the_deconvnet(cap):
    net = bounded(cap)
    z = net.conv1(X).detach()
    assert ((z > 0) & (z < 0.4)).any()
    assert (z > 0.4).any()
    signal = torch.zeros(2, 5, 5, 5, dtype=torch.float64)
    signal[:, 1, 2, 3] = 1
    signal = F.conv_transpose2d(signal, net.conv2.weight.detach()).clamp(min=0)
    for method, gate in ((explain.guided_backprop, (z > 0) & (z < 0.4)), (explain.deconvnet, torch.ones_like(z))):
        expected = F.conv_transpose2d(signal * gate, net.conv1.weight.detach())
        assert_same(method(net, X, "conv2", 1, (2, 3)).values, expected.numpy())


def above_zero(x):
    """Masks by a comparison, but of another value, or with another number: no ReLU."""
    return x * (x.roll(1, 1) > 0)


@pytest.mark.parametrize(
    "way",
    [
        above_zero,
        lambda x: x * (x > 0.3),
        lambda x: torch.where(x > 0, x, 1.0),
        lambda x: x.clamp(-1, 1),
        lambda x: x.clamp(max=0.5),
        nn.Hardtanh(),
        nn.Threshold(0.1, 0),
        lambda x: torch.maximum(x, torch.full_like(x, 0.1)),
        lambda x: torch.maximum(x, -x),
    ],
)
def test_what_is_no_relu_keeps_its_gradient(way):
    net = bounded(lambda x: 0 * F.relu(x) + way(x))
    found = explain.guided_backprop(net, X, "conv2", 1, (2, 3))
    leaf = X.clone().requires_grad_()
    (slope,) = torch.autograd.grad(net.conv2(way(net.conv1(leaf)))[:, 1, 2, 3].sum(), leaf)
    assert_same(found.values, slope.numpy())
    assert found.params["rectified"] == 1


@pytest.mark.parametrize(
    ("way", "plain"),
    [
        (lambda x: x.relu().clamp(-1, 1), "clamp x 1"),
        (lambda x: (y := x.relu()) * (y > 0.3), "mul x 1"),
        (lambda x: F.silu(F.hardtanh(x.relu())), "hardtanh x 1, silu x 1"),
        (lambda x: torch.maximum(x.relu(), x), ""),
    ],
)
def test_what_is_no_relu_is_said(way, plain):
    found = explain.deconvnet(bounded(way), X, "conv2", 1)
    assert (found.params["rectified"], found.params["plain"]) == (1, plain)


class Two(nn.Module):
    """Two ReLUs before the convolution that is looked at; `kind` says how they are written."""

    def __init__(self, kind):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3), nn.Conv2d(5, 4, 3)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        self.fc, self.kind = nn.Linear(4, 3), kind

    def forward(self, x):
        x = self.relu1(self.conv1(x))
        x = self.conv2(x)
        if self.kind == "module":
            x = self.relu2(x)
        elif self.kind == "reused":
            x = self.relu1(x)
        elif self.kind == "functional":
            x = F.relu(x)
        elif self.kind == "clamp":
            x = x.clamp(min=0)
        else:
            x = F.relu(x, inplace=True)
            x += 0.1
        return self.fc(self.conv3(x).mean((2, 3)))


CAPTUM = {explain.guided_backprop: NeuronGuidedBackprop, explain.deconvnet: NeuronDeconvolution}


def captums(method, net):
    with pytest.warns(UserWarning, match="Setting backward hooks"):
        found = CAPTUM[method](net, net.conv3).attribute(X.clone().requires_grad_(), (2, 1, 1))
    return found.detach().numpy()


@pytest.mark.parametrize("kind", ["module", "reused", "functional", "clamp", "in place, then added to"])
@pytest.mark.parametrize("method", CAPTUM)
def test_every_kind_is_projected_as_the_plain_network(method, kind):
    """Captum agrees where every ReLU is a module, and passes a function's plain gradient without a word."""
    plain = seeded(Two("module"), dtype=torch.float64)
    expected = method(plain, X, "conv3", 2, (1, 1)).values
    assert_same(expected, captums(method, plain))
    net = seeded(Two(kind), dtype=torch.float64)
    found = method(net, X, "conv3", 2, (1, 1))
    assert_same(found.values, expected)
    assert found.params["rectified"] == 2
    if kind in ("functional", "clamp"):
        assert np.abs(captums(method, net) - expected).max() > 0.1 * np.abs(expected).max()
