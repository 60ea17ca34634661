"""Errors that say nothing by themselves are told in words; what can be explained all the same, is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cnnwidgets import Classifier, explain
from cnnwidgets.errors import LayerError, ModelError
from tests.explain.nets import Gap, noise, seeded

X = noise(2, 3, 12, 12)
FUNCTIONS = {
    "saliency": lambda net: explain.saliency(net, X, 1),
    "grad_cam": lambda net: explain.grad_cam(net, X, 1),
    "occlusion": lambda net: explain.occlusion(net, X, 1, window=6, stride=6, incremental=False),
    "activations": lambda net: explain.activations(net, X),
    "layers": lambda net: explain.layers(net, X),
    "predict": lambda net: Classifier(net).predict(X),
}


class Raising(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, x):
        raise self.error


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("error", [StopIteration(), KeyError("a table"), IndexError("list index out of range")])
def test_a_bare_error_of_the_models_is_told_in_words(name, error):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), Raising(error))
    with pytest.raises(ModelError, match=rf"{type(error).__name__}.*module '1', a Raising.*test_bare_errors") as told:
        FUNCTIONS[name](net)
    assert type(told.value.__cause__) is type(error)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_modules_too_deep_inside_one_another(name):
    net = seeded(Gap())
    for _ in range(300):
        net = nn.Sequential(net)
    with pytest.raises(ModelError, match=r"lie 30\d deep .*sys\.setrecursionlimit\(15\d\d\d\)"):
        FUNCTIONS[name](net)


class Sparse(Gap):
    def __init__(self):
        super().__init__()
        self.mixing = nn.Parameter(torch.eye(self.fc.in_features).to_sparse(), requires_grad=False)

    def forward(self, x):
        return self.fc(torch.sparse.mm(self.mixing, self.features(x).mean((2, 3)).T).T)


class PartlyMeta(Gap):
    def __init__(self):
        super().__init__()
        self.unused = nn.Linear(3, 3, device="meta")


@pytest.mark.parametrize("kind", [Sparse, PartlyMeta])
def test_weights_without_values_of_their_own_do_not_disturb(kind):
    torch.manual_seed(0)
    net, plain = kind(), Gap()
    plain.load_state_dict({key: net.state_dict()[key] for key in plain.state_dict()})
    for name in ("saliency", "grad_cam", "occlusion"):
        np.testing.assert_allclose(FUNCTIONS[name](net).values, FUNCTIONS[name](plain).values, rtol=1e-4, atol=1e-6)
    assert [layer.name for layer in explain.layers(net, X)] == [layer.name for layer in explain.layers(plain, X)]
    explain.activations(net, X)


class Mapped(Gap):
    def forward(self, x):
        return torch.vmap(lambda one: self.fc(self.features(one[None]).relu().mean((2, 3)))[0])(x)


class Subclassed(Gap):
    class Own(torch.Tensor):
        pass

    def forward(self, x):
        return self.fc(self.features(x).as_subclass(self.Own).relu().mean((2, 3)))


def test_maps_inside_vmap_are_refused_in_words():
    with pytest.raises(LayerError, match=r"torch\.vmap"):
        explain.activations(seeded(Mapped()), X)


@pytest.mark.parametrize("kind", [Mapped, Subclassed])
def test_grad_cam_speaks_of_no_layer_that_it_chose_itself(kind):
    try:
        explain.grad_cam(seeded(kind()), X, 1)
    except LayerError as error:
        assert "has no layer" not in str(error)  # noqa: PT017 - a map is right as well
        assert "torch.vmap" in str(error)  # noqa: PT017
