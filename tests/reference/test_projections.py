"""The references of guided backpropagation and the deconvnet, against what can be done by hand."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from tests.reference import projections


def test_the_three_rules_by_hand():
    """A convolution of one number, a ReLU, and another convolution: z = (1, -2), weights behind it 3 and -5."""
    image = np.array([[[1.0, -2.0]]])
    first = ("conv", np.ones((1, 1, 1, 1)), np.zeros(1), 1, 0)
    for weights, expected in (
        ((3.0, -5.0), {"gradient": [3.0, 0.0], "guided": [3.0, 0.0], "deconvnet": [3.0, 0.0]}),
        ((-3.0, 5.0), {"gradient": [-3.0, 0.0], "guided": [0.0, 0.0], "deconvnet": [0.0, 5.0]}),
    ):
        last = ("conv", np.array([[[weights]]]), np.zeros(1), 1, 0)
        for rule, values in expected.items():
            found = projections.projected([first, ("relu",), last], image, (0, 0, 0), rule)
            assert found.tolist() == [[values]], (weights, rule)


def test_a_pooling_hands_back_to_the_place_of_its_maximum():
    image = np.array([[[1.0, 7.0, 2.0], [3.0, 4.0, 9.0], [0.0, 0.0, 0.0]]])
    found = projections.projected([("pool", 2, 1)], image, (0, 0, 1), "deconvnet")
    assert found.tolist() == [[[0, 0, 0], [0, 0, 1], [0, 0, 0]]]


def test_an_addition_hands_back_to_both():
    double = ("conv", np.full((1, 1, 1, 1), 2.0), np.zeros(1), 1, 0)
    found = projections.projected([double, double, ("add", 0)], np.ones((1, 1, 1)), (0, 0, 0), "guided")
    assert projections.forward([double, double, ("add", 0)], np.ones((1, 1, 1)))[-1].item() == 6
    assert found.item() == 6


def test_the_gradient_is_that_of_automatic_differentiation():
    random = np.random.default_rng(0)
    weight, bias = random.normal(size=(3, 2, 3, 3)), random.normal(size=3)
    norm = (random.normal(size=3), random.uniform(0.5, 2, 3), random.normal(size=3), random.normal(size=3), 1e-5)
    image = random.normal(size=(2, 7, 6))
    steps = [("conv", weight, bias, 2, 1), ("bn", *norm), ("relu",), ("pool", 2, 1)]
    leaf = torch.tensor(image)[None].requires_grad_()
    mean, variance, gain, shift = (torch.tensor(each) for each in norm[:4])
    value = F.batch_norm(F.conv2d(leaf, torch.tensor(weight), torch.tensor(bias), 2, 1), mean, variance, gain, shift)
    value = F.max_pool2d(value.relu(), 2, 1)
    (slope,) = torch.autograd.grad(value[0, 1, 2, 1], leaf)
    assert slope.abs().max() > 0.1
    np.testing.assert_allclose(projections.forward(steps, image)[-1], value[0].detach(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(projections.projected(steps, image, (1, 2, 1), "gradient"), slope[0], atol=1e-12)
