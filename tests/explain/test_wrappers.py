"""Models in wrappers, with parametrised weights, or with modules and tensors that are not registered."""

from __future__ import annotations

import copy
import functools
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from cnnwidgets import explain
from cnnwidgets.errors import ModelError
from tests.explain.explained import ALL, X, assert_explained_as, papers_way
from tests.explain.nets import Gap, seeded


def test_compiled():
    """What torch.compile wraps is looked at, so nothing is compiled and the layers keep their names."""
    net = seeded(Gap())
    assert_explained_as(torch.compile(net), net)
    assert explain.grad_cam(torch.compile(net), X, 1).layer == "features"


def test_data_parallel():
    net = seeded(Gap())
    assert_explained_as(nn.DataParallel(net), net)
    assert_explained_as(torch.compile(nn.DataParallel(net)), net)


def scripted(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch.jit, which is what is tested
        return make()


@pytest.mark.parametrize("make", [torch.jit.script, lambda net: torch.jit.trace(net, X)])
def test_scripted(make):
    net = seeded(Gap())
    model = scripted(lambda: make(net))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    np.testing.assert_allclose(
        explain.saliency(model, X, 1).values, explain.saliency(net, X, 1).values, rtol=1e-4, atol=1e-6
    )
    smooth = explain.smoothgrad(model, X, 1, samples=2).values
    np.testing.assert_allclose(smooth, explain.smoothgrad(net, X, 1, samples=2).values, rtol=1e-4, atol=1e-6)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_lazy():
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(3))
    for method in ALL:
        with pytest.raises(ModelError, match=r"'0.weight' has no shape yet.*Run the model once"):
            method(net, X, 1)
    net(X)
    assert_explained_as(net, copy.deepcopy(net))


def test_weight_norm_and_spectral_norm():
    net = seeded(Gap())
    parametrizations.weight_norm(net.features[0])
    parametrizations.spectral_norm(net.features[3])
    net.eval()
    plain = seeded(Gap())
    with torch.no_grad():
        plain.features[0].weight.copy_(net.features[0].weight)
        plain.features[3].weight.copy_(net.features[3].weight)
    assert_explained_as(net, plain, share=1e-5)
    in_training = copy.deepcopy(net).train()  # spectral_norm iterates in training mode: the twin must not
    before = copy.deepcopy(in_training.state_dict())
    assert_explained_as(in_training, plain, share=1e-5)
    for name, tensor in in_training.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_the_old_weight_norm_by_hooks():
    net = seeded(Gap())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        nn.utils.weight_norm(net.features[0])
    plain = seeded(Gap())
    assert_explained_as(net, plain, share=1e-5)
    with torch.no_grad():
        net.features[0].weight_g.mul_(2)
        plain.features[0].weight.mul_(2)
    assert_explained_as(net, plain, share=1e-5)


class Listed(nn.Module):
    """Holds modules in a plain list and a dict, which registers none of them."""

    def __init__(self):
        super().__init__()
        gap = seeded(Gap())
        self.steps = list(gap.features)
        self.ends = {"fc": gap.fc, "pool": (nn.AdaptiveAvgPool2d(1), nn.Flatten())}

    def forward(self, x):
        for step in self.steps:
            x = step(x)
        for step in self.ends["pool"]:
            x = step(x)
        return self.ends["fc"](x)


def test_modules_that_are_not_registered():
    net = Listed()
    for step in net.steps:
        step.train()
    before = copy.deepcopy(net.steps[1].state_dict())
    plain = nn.Sequential(seeded(Gap()).features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), seeded(Gap()).fc)
    assert_explained_as(net, plain)
    assert net.steps[1].training
    for name, tensor in net.steps[1].state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(p.requires_grad for step in net.steps for p in step.parameters())


class Slotted(nn.Module):
    """Python state of other kinds: slots, properties, class attributes, non-persistent buffers, tied weights."""

    scale = 2.0

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.tied = nn.Conv2d(3, 3, 3, padding=1)
        self.tied.weight = self.conv.weight
        self.register_buffer("shift", torch.ones(3, 1, 1), persistent=False)
        self.register_buffer("nothing", None)
        self.register_parameter("none", None)
        self.plain = torch.full((3, 1, 1), 0.5)
        self.fc = nn.Linear(3, 4)

    @property
    def double(self):
        return self.scale * self.plain

    def forward(self, x):
        x = self.tied(self.conv(x) + self.shift).relu() * self.double
        return self.fc(x.mean((2, 3)))


def test_tied_weights_and_tensors_outside_the_registry():
    net = seeded(Slotted())
    assert_explained_as(net, seeded(Slotted()))
    np.testing.assert_allclose(explain.saliency(net, X, 1).values, papers_way(net), rtol=1e-4, atol=1e-6)


def test_a_scripted_part():
    net, model = seeded(Gap()), seeded(Gap())
    model.features = scripted(lambda: torch.jit.script(net.features))
    for method in (explain.saliency, functools.partial(explain.occlusion, window=4)):
        expected = method(net, X, 1).values
        np.testing.assert_allclose(method(model, X, 1).values, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
