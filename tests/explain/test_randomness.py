"""Models that draw random numbers in evaluation mode, and everybody else's random numbers."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnwidgets import Classifier, explain
from tests.explain.nets import Gap, noise, seeded

X = noise(2, 3, 12, 12)
ALL = {
    "saliency": explain.saliency,
    "smoothgrad": lambda *a, **k: explain.smoothgrad(*a, samples=3, **k),
    "cam": explain.cam,
    "grad_cam": explain.grad_cam,
    "predict": lambda net, x, *_: Classifier(net).predict(x),
    "layers": lambda net, x, *_: explain.layers(net, x),
}


class Drawing(Gap):
    """Dropout that is meant in evaluation mode too (Monte Carlo dropout), and noise on the features."""

    def forward(self, x):
        features = self.features(x)
        features = features + 0.1 * torch.randn_like(features)
        features = F.dropout(features, 0.3, training=True)
        return self.fc(features.mean((2, 3)))


def global_states():
    return torch.get_rng_state().clone(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", [Gap, Drawing])
def test_the_global_random_states_are_left_alone(kind, name):
    net = seeded(kind())
    before = global_states()
    ALL[name](net, X, 1)
    for old, new in zip(before, global_states(), strict=True):
        assert np.array_equal(old, new) if not isinstance(old, tuple) else old == new


@pytest.mark.parametrize("name", ["saliency", "smoothgrad", "cam", "grad_cam"])
def test_what_is_found_does_not_depend_on_the_global_state(name):
    net = seeded(Drawing())
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        found.append(ALL[name](net, X, 1).values)
    np.testing.assert_array_equal(*found)


def test_a_generator_of_the_models_own_is_used():
    class Own(Gap):
        def forward(self, x):
            noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(3))
            return super().forward(x + noise)

    net = seeded(Own())
    expected = explain.saliency(seeded(Gap()), X + torch.randn(X.shape, generator=torch.Generator().manual_seed(3)), 1)
    np.testing.assert_allclose(explain.saliency(net, X, 1).values, expected.values, rtol=1e-5, atol=1e-7)


def test_random_numbers_drawn_by_a_module_after_an_exception():
    class Failing(Drawing):
        def forward(self, x):
            super().forward(x)
            raise ValueError("in the middle")

    net = seeded(Failing())
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match="in the middle"):
        explain.saliency(net, X, 1)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu():
    before = torch.cuda.get_rng_state()
    explain.smoothgrad(seeded(Drawing()).cuda(), X, 1, samples=2)
    assert torch.equal(before, torch.cuda.get_rng_state())


def test_rrelu_and_other_modules_that_only_draw_in_training():
    net = seeded(nn.Sequential(nn.Conv2d(3, 4, 3), nn.RReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)))
    expected = explain.saliency(net, X, 1).values
    np.testing.assert_array_equal(explain.saliency(net.train(), X, 1).values, expected)
