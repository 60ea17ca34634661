"""A pass calls no module but those of the private copy and those that it makes itself, however a model holds others."""

from __future__ import annotations

import contextvars
import copy
import enum
import functools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnwidgets as cw
from cnnwidgets import explain
from cnnwidgets.errors import ModelError
from tests.explain.nets import noise

X = noise(2, 3, 8, 8)


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 3)

    def norm(self, x):
        raise NotImplementedError

    def forward(self, x):
        return self.fc(self.norm(self.conv(x)).relu().mean((2, 3)))


def static_method(norm):
    return type("Net", (Base,), {"norm": staticmethod(lambda x: norm(x))})()  # noqa: PLW0108


def static_module(norm):
    return type("Net", (Base,), {"norm": staticmethod(norm)})()


def class_method(norm):
    return type("Net", (Base,), {"norm": classmethod(lambda _, x: norm(x))})()


def property_of_the_class(norm):
    return type("Net", (Base,), {"norm": property(lambda _: norm)})()


def partial_method(norm):
    return type("Net", (Base,), {"norm": functools.partialmethod(lambda _, n, x: n(x), norm)})()


def attribute_of_a_helpers_class(norm):
    helper = type("Helper", (), {"norm": norm, "__init__": lambda self: setattr(self, "other", 1)})
    net = type("Net", (Base,), {"norm": lambda self, x: self.helper.norm(x)})()
    net.helper = helper()
    return net


def closure_of_a_helper(norm):
    helper = type("Helper", (), {"__call__": lambda _, x: norm(x), "__init__": lambda self: setattr(self, "other", 1)})
    net = type("Net", (Base,), {"norm": lambda self, x: self.helper(x)})()
    net.helper = helper()
    return net


def object_that_is_collected(norm):
    helper = type("Helper", (), {"__init__": lambda self: setattr(self, "norm", norm), "__del__": lambda _: None})
    net = type("Net", (Base,), {"norm": lambda self, x: self.helper.norm(x)})()
    net.helper = helper()
    return net


def member_of_an_enumeration(norm):
    kinds = enum.Enum("Kinds", {"one": (norm,)})
    net = type("Net", (Base,), {"norm": lambda self, x: self.kind.value[0](x)})()
    net.kind = kinds.one
    return net


def argument_of_an_exception(norm):
    net = type("Net", (Base,), {"norm": lambda self, x: self.error.args[0](x)})()
    net.error = ValueError(norm)
    return net


def context_variable(norm):
    net = type("Net", (Base,), {"norm": lambda self, x: self.variable.get()(x)})()
    net.variable = contextvars.ContextVar("norm", default=norm)
    return net


MADE = {}


@functools.lru_cache
def made(number):
    return MADE.pop(number)


def cache_of_a_function(norm):
    MADE[id(norm)] = norm
    made(id(norm))
    net = type("Net", (Base,), {"norm": lambda self, x: made(self.number)(x)})()
    net.number = id(norm)
    return net


def cached_function_as_attribute(norm):
    net = cache_of_a_function(norm)
    net.made = made
    type(net).norm = lambda self, x: self.made(self.number)(x)
    return net


def hook_that_is_an_object(norm):
    hook = type("Hook", (), {"__call__": lambda _, module, args, out: norm(out)})
    net = type("Net", (Base,), {"norm": lambda _, x: x})()
    net.conv.register_forward_hook(hook())
    return net


WAYS = (
    static_method, static_module, class_method, property_of_the_class, partial_method, attribute_of_a_helpers_class,
    closure_of_a_helper, object_that_is_collected, member_of_an_enumeration, argument_of_an_exception,
    context_variable, cache_of_a_function, cached_function_as_attribute, hook_that_is_an_object,
)  # fmt: skip
FUNCTIONS = {
    "saliency": lambda net: explain.saliency(net, X, 0),
    "predict": lambda net: cw.Classifier(net).predict(X),
    "occlusion": lambda net: explain.occlusion(net, X, 0, window=4),
    "layers": lambda net: explain.layers(net, X),
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_module_of_the_users_is_rebound_or_refused_by_name(way, name):
    norm = nn.BatchNorm2d(4)
    net = way(norm).train()
    norm.train()
    before = copy.deepcopy(norm.state_dict())
    right = None
    try:
        found = FUNCTIONS[name](net)
    except ModelError as error:
        assert "a BatchNorm2d of yours" in str(error)  # noqa: PT017 - right numbers are right as well
        assert "self.part = part" in str(error)  # noqa: PT017
    else:
        net.eval(), norm.eval()
        right = net(X)
        if name == "predict":
            scores = [[p.score for p in sorted(row, key=lambda p: p.index)] for row in found]
            np.testing.assert_allclose(scores, right.detach(), atol=1e-5)
    for key, value in before.items():
        assert torch.equal(value, norm.state_dict()[key]), key


class Making(nn.Module):
    """A forward pass that makes modules, by their classes and as copies."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x):
        x = nn.Sequential(nn.ReLU(), nn.AvgPool2d(2))(self.conv(x))
        return self.fc(copy.deepcopy(self.fc_input())(x))

    def fc_input(self):
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


def test_modules_that_a_pass_makes_are_its_own():
    net = Making().eval()
    found = cw.Classifier(net).predict(X)
    scores = [[p.score for p in sorted(row, key=lambda p: p.index)] for row in found]
    np.testing.assert_allclose(scores, net(X).detach(), atol=1e-6)
    assert np.isfinite(explain.grad_cam(net, X, 0).values).all()


class Rows(nn.Module):
    """An embedding whose rows are brought to a norm when they are looked up, for batches alone."""

    def __init__(self):
        super().__init__()
        self.conv, self.rows = nn.Conv2d(3, 4, 3), nn.Embedding(5, 4, max_norm=0.1)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        x = self.conv(x).mean((2, 3))
        if len(x) > 1:
            x = x + self.rows(torch.zeros(len(x), dtype=torch.long))
        return self.fc(x)


def test_rows_whose_norm_is_bounded_at_a_later_pass_are_not_the_users():
    net = Rows().eval()
    before = net.rows.weight.detach().clone()
    explain.saliency(net, X, 0)
    explain.occlusion(net, X, 0, window=4)
    assert torch.equal(before, net.rows.weight)


class Later(nn.Module):
    """Clamps a weight where no function of Python shows it, for batches alone."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        if len(x) > 1:
            torch._foreach_mul_([self.conv.weight.data], 0.5)
        return self.fc(self.conv(x).relu().mean((2, 3)))


def test_a_weight_that_a_later_pass_writes_to_is_not_the_users():
    net = Later().eval()
    before = net.conv.weight.detach().clone()
    for function in FUNCTIONS.values():
        function(net)
    assert torch.equal(before, net.conv.weight)


class Halving(nn.Module):
    """Gives a weight other values at every pass."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        self.fc.weight.data = self.fc.weight.data * 0.5
        return self.fc(self.conv(x).relu().mean((2, 3)))


def test_a_weight_that_is_assigned_anew_does_not_shrink_from_pass_to_pass():
    net = Halving().eval()
    before = net.fc.weight.detach().clone()
    plain = copy.deepcopy(net)
    with torch.no_grad():
        values = plain.conv(X).relu().mean((2, 3))
        right = F.linear(values, plain.fc.weight * 0.5, plain.fc.bias)
    for _ in range(3):
        np.testing.assert_allclose(explain.saliency(net, X, 0).scores, right[:, 0], atol=1e-6)
        np.testing.assert_allclose(explain.occlusion(net, X, 1, window=4).scores, right[:, 1], atol=1e-6)
    assert torch.equal(before, net.fc.weight)


def test_values_with_names_are_copied():
    """A `torch.return_types` holds tensors that a forward pass may write to."""

    class Held(Base):
        def __init__(self):
            super().__init__()
            self.held = torch.zeros(3, 4).max(1)

        def norm(self, x):
            self.held.values.add_(1)
            return x + self.held.values[0]

    net = Held().eval()
    first = explain.saliency(net, X, 0).scores
    np.testing.assert_array_equal(first, explain.saliency(net, X, 0).scores)
    assert not net.held.values.any()
