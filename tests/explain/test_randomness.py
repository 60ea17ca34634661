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
    "occlusion": lambda *a, **k: explain.occlusion(*a, window=6, baseline="noise", **k),
    "predict": lambda net, x, *_: Classifier(net).predict(x),
    "layers": lambda net, x, *_: explain.layers(net, x),
    "receptive_field": lambda net, x, *_: explain.receptive_field(net, x, "features", (1, 1), effective=True, probes=2),
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


@pytest.mark.parametrize("name", ["saliency", "smoothgrad", "cam", "grad_cam", "occlusion"])
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


DRAWS = {
    "dropout": lambda x: F.dropout(x, 0.4, training=True),
    "dropout2d": lambda x: F.dropout2d(x, 0.4, training=True),
    "alpha_dropout": lambda x: F.alpha_dropout(x, 0.4, training=True),
    "native_dropout": lambda x: torch.native_dropout(x, 0.4, train=True)[0],
    "bernoulli": lambda x: x * torch.bernoulli(torch.full_like(x, 0.4)),
    "randn": lambda x: x + torch.randn(x.shape),
    "rand": lambda x: x + torch.rand(x.shape),
    "randint": lambda x: x + torch.randint(0, 5, x.shape),
    "randint from 0": lambda x: x + torch.randint(5, x.shape),
    "randperm": lambda x: x[:, torch.randperm(x.shape[1])] + torch.randperm(x.shape[-1]),
    "randn_like": lambda x: x + torch.randn_like(x),
    "rand_like": lambda x: x + torch.rand_like(x),
    "randint_like": lambda x: x + torch.randint_like(x, 5) + torch.randint_like(x, 3, 9),
    "normal": lambda x: x + torch.normal(torch.zeros_like(x), 1.0),
    "normal_": lambda x: x + torch.empty_like(x).normal_(),
    "uniform_": lambda x: x + torch.empty_like(x).uniform_(-1, 1),
    "exponential_": lambda x: x + torch.empty_like(x).exponential_(),
    "multinomial": lambda x: x + torch.multinomial(torch.ones(9), 6)[: x.shape[1], None, None],
    "poisson": lambda x: x + torch.poisson(torch.full_like(x, 3.0)),
    "rrelu": lambda x: F.rrelu(x - 1, training=True),
    "fractional_max_pool": lambda x: F.fractional_max_pool2d(x, 2, output_size=4),
    "gumbel": lambda x: F.gumbel_softmax(x.flatten(2), dim=2).unflatten(2, x.shape[2:]),
    "distribution": lambda x: x + torch.distributions.Gamma(1.0, 2.0).sample(x.shape),
}


@pytest.mark.parametrize("name", DRAWS)
def test_every_way_to_draw(name):
    """It draws (another seed would give another map), always the same, and nobody else notices."""

    class Net(Gap):
        def forward(self, x):
            return self.fc(DRAWS[name](self.features(x)).square().mean((2, 3)))

    net = seeded(Net())
    assert not torch.equal(net(X), net(X))
    before = global_states()
    first = explain.saliency(net, X, 1).values
    torch.manual_seed(123)
    np.testing.assert_array_equal(explain.saliency(net, X, 1).values, first)
    torch.set_rng_state(before[0])
    explain.grad_cam(net, X, 1, layer="features.5")
    assert torch.equal(torch.get_rng_state(), before[0])


def test_draws_have_the_distribution_that_was_asked_for():
    from cnnwidgets.explain.randomness import PrivateRandomness

    x = torch.full((200, 200), 2.0)
    with PrivateRandomness():
        assert torch.randn_like(x).std().item() == pytest.approx(1, abs=0.02)
        assert torch.rand_like(x).mean().item() == pytest.approx(0.5, abs=0.01)
        low, high = torch.randint_like(x, 3, 9).aminmax()
        assert (low, high) == (3, 8)
        low, high = torch.randint_like(x, 5).aminmax()
        assert (low, high) == (0, 4)
        dropped, mask = torch.native_dropout(x, 0.25, train=True)
        assert mask.float().mean().item() == pytest.approx(0.75, abs=0.01)
        assert torch.equal(dropped, torch.where(mask, x / 0.75, 0))
        assert torch.equal(torch.native_dropout(x, 0.25, train=False)[0], x)
        assert not torch.equal(torch.randn(3), torch.randn(3)), "the stream goes on"
