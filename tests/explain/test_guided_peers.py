"""Captum as second witness on real networks, and where it is silently wrong: functional ReLUs and ReLU6."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import NeuronDeconvolution, NeuronGradient, NeuronGuidedBackprop
from torch import nn
from torchvision import models

from cnnwidgets import explain
from tests.explain.nets import noise, seeded

X = noise(1, 3, 64, 64, dtype=torch.float64)
CAPTUM = {explain.guided_backprop: NeuronGuidedBackprop, explain.deconvnet: NeuronDeconvolution}
AGREES = {"resnet18": "layer3", "vgg11": "features.11", "densenet121": "features.denseblock2", "alexnet": "features.8"}
WRONG = {"googlenet": "inception4a", "mobilenet_v2": "features.5"}


def made(name):
    plain = {"init_weights": False} if name in ("vgg11", "googlenet") else {}
    plain |= {"aux_logits": False} if name == "googlenet" else {}
    net = models.get_model(name, weights=None, num_classes=5, **plain)
    if name in ("vgg11", "alexnet"):
        net.classifier, net.avgpool = nn.Linear(512 if name == "vgg11" else 256, 5), nn.AdaptiveAvgPool2d(1)
    return seeded(net, seed=3, dtype=torch.float64)


def both(method, name, layer):
    net = made(name)
    ours = method(net, X, layer, 4)
    place = (4, *ours.cells[0])
    with pytest.warns(UserWarning, match="Setting backward hooks"):
        theirs = CAPTUM[method](net, net.get_submodule(layer)).attribute(X.clone().requires_grad_(), place)
    plain = NeuronGradient(net, net.get_submodule(layer)).attribute(X.clone().requires_grad_(), place)
    assert np.abs(ours.values).max() > 0
    return ours, theirs.detach().numpy(), plain.detach().numpy()


def off(one, other):
    return np.abs(one - other).max() / np.abs(one).max()


@pytest.mark.parametrize("name", AGREES)
@pytest.mark.parametrize("method", CAPTUM)
def test_a_network_of_relu_modules_and_captum(method, name):
    ours, theirs, plain = both(method, name, AGREES[name])
    assert off(ours.values, theirs) < 1e-5
    assert off(ours.values, plain) > 0.1


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("method", CAPTUM)
def test_captum_gives_the_plain_gradient_where_relus_are_no_relu_modules(method, name):
    """GoogLeNet calls F.relu, MobileNetV2 has ReLU6: captum finds nothing to change, and says nothing."""
    ours, theirs, plain = both(method, name, WRONG[name])
    assert off(plain, theirs) < 1e-9
    assert off(ours.values, theirs) > 0.1
    assert ours.params["rectified"] >= 8
