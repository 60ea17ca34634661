"""In-place, functional and reused operations: a layer's value is the one that it made, not what became of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnwidgets import explain
from cnnwidgets.errors import ModelError
from tests.explain.nets import Residual, noise, seeded
from tests.reference import papers

X = noise(2, 3, 9, 9, dtype=torch.float64)


class Written(nn.Module):
    """conv1 -> ReLU -> conv2 -> ReLU -> mean -> linear, with the ReLUs written in one of many ways."""

    def __init__(self, relu):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)
        self.fc = nn.Linear(5, 3)
        self.act = relu

    def forward(self, x):
        x = self.act(self.conv1(x))
        x = self.act(self.conv2(x))
        return self.fc(x.mean((2, 3)))


def masked(x):
    x[x < 0] = 0
    return x


def multiplied(x):
    x *= (x > 0).to(x)
    return x


WAYS = {
    "module": nn.ReLU(),
    "in_place_module": nn.ReLU(inplace=True),
    "functional": F.relu,
    "functional_in_place": lambda x: F.relu(x, inplace=True),
    "torch": torch.relu,
    "torch_in_place": torch.relu_,
    "method": lambda x: x.relu(),
    "method_in_place": lambda x: x.relu_(),
    "clamp": lambda x: x.clamp(min=0),
    "clamp_in_place": lambda x: x.clamp_(min=0),
    "masked": masked,
    "multiplied": multiplied,
}


def assert_same(values, reference):
    span = reference.abs().max()
    assert span > 1e-3
    np.testing.assert_allclose(values, reference, rtol=0, atol=2e-6 * float(span))


@pytest.fixture(params=WAYS)
def net(request):
    return seeded(Written(WAYS[request.param]), dtype=torch.float64)


def test_saliency(net):
    plain = seeded(Written(F.relu), dtype=torch.float64)
    reference = papers.saliency(lambda image: plain(image[None])[0, 1], X[0])
    assert_same(explain.saliency(net, X, 1).values[0], reference)
    assert_same(explain.smoothgrad(net, X[:1], 1, noise=0, samples=2).values[0], reference)


@pytest.mark.parametrize("layer", ["conv1", "conv2", None])
def test_grad_cam_before_and_after_what_overwrites(net, layer):
    def front(image):
        a = net.conv1(image[None])
        if layer != "conv1":
            a = net.conv2(a.clamp(min=0))
        return (a.clamp(min=0) if layer is None else a)[0]

    def back(a):
        a = a[None]
        if layer is not None:
            a = F.relu(a)
        if layer == "conv1":
            a = F.relu(net.conv2(a))
        return net.fc(a.mean((2, 3)))[0, 1]

    heatmap = explain.grad_cam(net, X, 1, layer=layer)
    for n in range(2):
        assert_same(heatmap.values[n], papers.grad_cam(front, back, X[n]))


def test_cam(net):
    heatmap = explain.cam(net, X, 1)
    features = net.conv2(net.conv1(X).clamp(min=0)).clamp(min=0)[0].detach()
    assert_same(heatmap.values[0], papers.cam(features, net.fc.weight[1].detach()))


def test_each_call_of_a_reused_module_is_a_layer():
    net = seeded(Residual(), dtype=torch.float64)
    names = [layer.name for layer in explain.layers(net, X)]
    assert [name for name in names if name.startswith("relu")] == ["relu#0", "relu#1", "relu#2"]

    def front(image):
        return net.bn1(net.conv1(image[None])).clamp(min=0)[0]

    def back(h):
        out = net.conv3(net.conv2(h[None]).clamp(min=0)) + h[None]
        return net.fc(out.clamp(min=0).mean((2, 3)))[0, 1]

    assert_same(explain.grad_cam(net, X, 1, layer="relu#0").values[0], papers.grad_cam(front, back, X[0]))
    assert explain.grad_cam(net, X, 1).layer == "relu#2"
    np.testing.assert_array_equal(
        explain.grad_cam(net, X, 1, layer="relu").values, explain.grad_cam(net, X, 1, layer="relu#2").values
    )


def test_a_value_that_a_later_addition_overwrites():
    """`out += x` writes over what conv3 gave; Grad-CAM at conv3 wants what conv3 gave."""
    net = seeded(Residual(), dtype=torch.float64)

    def shared(image):
        return net.bn1(net.conv1(image[None])).clamp(min=0)

    def front(image):
        return net.conv3(net.conv2(shared(image)).clamp(min=0))[0]

    heatmap = explain.grad_cam(net, X, 1, layer="conv3")
    for n in range(2):
        skip = shared(X[n]).detach()

        def back(a, skip=skip):
            return net.fc((a[None] + skip).clamp(min=0).mean((2, 3)))[0, 1]

        assert_same(heatmap.values[n], papers.grad_cam(front, back, X[n]))


class Branched(nn.Module):
    """conv -> kept under another name, then overwritten in place through a view, and both used."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        a = self.conv(x)
        half = a[:, :2]
        half.mul_(2.0)
        return self.fc(torch.relu(a).mean((2, 3)))


def test_a_value_overwritten_through_a_view():
    net = seeded(Branched(), dtype=torch.float64)

    def back(a):
        a = torch.cat([2 * a[:2], a[2:]])
        return net.fc(a.clamp(min=0).mean((1, 2)))[1]

    reference = papers.grad_cam(lambda image: net.conv(image[None])[0], back, X[0])
    assert_same(explain.grad_cam(net, X, 1, layer="conv").values[0], reference)


def test_an_assignment_that_is_overwritten_cannot_be_taken_hold_of():
    net = seeded(Written(lambda x: masked(x).mul_(2)))
    with pytest.raises(ModelError, match="assignment"):
        explain.grad_cam(net, X.float(), 1, layer="setitem()#1")


class Normalised(nn.Module):
    """Writes to its input: x is the user's."""

    def __init__(self):
        super().__init__()
        self.body = Written(nn.ReLU(inplace=True))

    def forward(self, x):
        x -= 0.5
        x.div_(0.25)
        return self.body(x)


@pytest.mark.parametrize("method", [explain.saliency, explain.smoothgrad, explain.cam, explain.grad_cam])
def test_a_net_that_writes_to_its_input_does_not_write_to_the_users(method):
    net, x = seeded(Normalised(), dtype=torch.float64), X.clone()
    once, twice = method(net, x, 1).values, method(net, x, 1).values
    assert torch.equal(x, X)
    np.testing.assert_array_equal(once, twice)


def test_saliency_of_a_net_that_writes_to_its_input():
    net = seeded(Normalised(), dtype=torch.float64)
    reference = papers.saliency(lambda image: net.body((image[None] - 0.5) / 0.25)[0, 1], X[0])
    assert_same(explain.saliency(net, X, 1).values[0], reference)
    assert_same(explain.smoothgrad(net, X[:1], 1, noise=0, samples=3).values[0], reference)
    assert explain.saliency(net, X).target == explain.grad_cam(net, X).target
