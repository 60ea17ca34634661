"""Guided backpropagation and the deconvnet: against the slow literal reference, identities, planted cases."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnwidgets import explain
from tests.explain.nets import noise, seeded
from tests.explain.projected import METHODS, Block, assert_same, steps_of
from tests.reference import projections

X = noise(3, 2, 11, 10, dtype=torch.float64)
ENDS = {"conv1": 1, "bn1": 2, "relu#0": 3, "pool": 4, "conv2": 5, "relu#1": 7, "conv3": 8, "relu#2": 10, "conv4": 11}


@pytest.fixture
def net():
    return seeded(Block(), seed=2, dtype=torch.float64)


@pytest.mark.parametrize("layer", ENDS)
@pytest.mark.parametrize("rule", METHODS)
def test_every_layer_against_the_reference(net, rule, layer):
    """Each channel's strongest cell in each image; values overwritten in place by what follows are as they were."""
    steps = steps_of(net)[: ENDS[layer]]
    values = [projections.forward(steps, image)[-1] for image in X.numpy()]
    largest = 0.0
    for channel in range(len(values[0])):
        found = METHODS[rule](net, X, layer, channel)
        for n, image in enumerate(X.numpy()):
            row, column = np.unravel_index(values[n][channel].argmax(), values[n].shape[1:])
            assert found.cells[n] == (row, column)
            assert found.activations[n] == pytest.approx(values[n][channel, row, column], rel=1e-6, abs=1e-9)
            expected = projections.projected(steps, image, (channel, row, column), rule)
            span = max(np.abs(expected).max(), 1e-9)
            np.testing.assert_allclose(found.values[n], expected, rtol=0, atol=2e-6 * span)
            largest = max(largest, span)
    assert largest > 0.01, "channels may be dead, but not all of them"


@pytest.mark.parametrize("rule", METHODS)
def test_the_rules_differ_from_the_gradient_and_from_each_other(net, rule):
    steps = steps_of(net)
    other = {"guided": "deconvnet", "deconvnet": "guided"}[rule]
    found = METHODS[rule](net, X[:1], "conv4", 1, (0, 0)).values[0]
    for wrong in ("gradient", other):
        expected = projections.projected(steps, X[0].numpy(), (1, 0, 0), wrong)
        assert np.abs(found - expected).max() > 0.1 * np.abs(found).max()


@pytest.mark.parametrize("rule", METHODS)
@pytest.mark.parametrize("chunk", [1, 2, 7])
def test_a_cell_for_each_image_in_any_chunks(net, rule, chunk):
    steps, cells = steps_of(net)[:8], [(0, 3), (-1, 0), (2, -2)]
    seen = []
    found = METHODS[rule](net, X, "conv3", -1, cells, chunk=chunk, progress=lambda *step: seen.append(step))
    assert found.cells == ((0, 3), (4, 0), (2, 3))
    assert seen == [(min(done, 3), 3) for done in range(chunk, 3 + chunk, chunk)]
    for n, cell in enumerate(found.cells):
        assert_same(found.values[n], projections.projected(steps, X[n].numpy(), (3, *cell), rule))


def test_one_image_many_times_shows_many_of_its_units(net):
    cells = [(0, 0), (1, 2), (3, 3)]
    found = explain.guided_backprop(net, X[:1].expand(3, -1, -1, -1), "conv3", 2, np.array(cells))
    for n, cell in enumerate(cells):
        alone = explain.guided_backprop(net, X[:1], "conv3", 2, cell)
        assert_same(found.values[n], alone.values[0])
        assert found.activations[n] == pytest.approx(alone.activations[0])


def plain_gradient(front, x, channel, cell):
    leaf = x.clone().requires_grad_()
    return torch.autograd.grad(front(leaf)[:, channel, cell[0], cell[1]].sum(), leaf)[0].numpy()


@pytest.mark.parametrize("method", METHODS.values())
def test_without_a_relu_before_the_unit_it_is_the_gradient(net, method):
    found = method(net, X, "bn1", 2, (4, 5))
    assert_same(found.values, plain_gradient(lambda x: net.bn1(net.conv1(x)), X, 2, (4, 5)))
    assert (found.params["rectified"], found.params["plain"]) == (0, "")


def test_guided_is_the_gradient_where_all_that_comes_back_is_positive():
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.Flatten())
    net = seeded(net, dtype=torch.float64)
    with torch.no_grad():
        for number in (2, 4):
            net[number].weight.abs_()
    found = explain.guided_backprop(net, X, 4, 1, (1, 1))
    assert_same(found.values, plain_gradient(net[:5], X, 1, (1, 1)))
    assert (found.values < 0).any(), "the first convolution, before all ReLUs, may have any sign"
    assert np.abs(explain.deconvnet(net, X, 4, 1, (1, 1)).values - found.values).max() > 0.01


def test_a_deconvnet_without_pooling_gives_every_image_the_same():
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten())
    net = seeded(net, dtype=torch.float64)
    found = explain.deconvnet(net, X, 2, 1, (1, 1)).values
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0]).max() > 0.01
    guided = explain.guided_backprop(net, X, 2, 1, (1, 1)).values
    assert np.abs(guided[0] - guided[1]).max() > 0.01


@pytest.mark.parametrize("method", METHODS.values())
def test_a_deconvnet_of_a_unit_that_is_off_is_not_zero_but_a_guided_one_is(net, method):
    steps = steps_of(net)[:3]
    off = np.argwhere(projections.forward(steps, X[0].numpy())[-1][0] == 0)
    assert len(off) > 3
    for row, column in off:
        found = method(net, X[:1], "relu#0", 0, (row, column))
        assert found.activations[0] == 0
        assert (found.values == 0).all() == (method is explain.guided_backprop)


def test_planted_the_blob_that_a_unit_answers_to_is_what_is_shown():
    """Two bright blobs, a detector of bright and one of dark: only the one below the unit is shown, with its sign."""
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(50, 2))
    with torch.no_grad():
        net[0].weight[0], net[0].weight[1] = 1 / 9, -1 / 9
        net[0].bias.zero_()
    x = torch.zeros(1, 1, 20, 20)
    x[0, 0, 5:8, 13:16] = 1
    x[0, 0, 13:16, 1:4] = 2
    for method in METHODS.values():
        strongest = method(net, x, 2, 0)
        assert strongest.cells == ((3, 0),)
        found = method(net, x, 2, 0, (1, 3))
        assert found.activations[0] == pytest.approx(1)
        expected = np.zeros((20, 20), dtype=bool)
        expected[5:8, 13:16] = True  # the maximum of the cell lies at (6, 14), and sees three by three pixels
        np.testing.assert_array_equal(found.heatmap.values[0] > 0, expected)
        np.testing.assert_allclose(found.values[0, 0][expected], 1 / 9, rtol=1e-6)
        left, top, right, bottom = found.boxes[0]
        assert (left <= 13, right >= 16) == (True, True)
        assert (top <= 5, bottom >= 8) == (True, True)
    assert not explain.guided_backprop(net, x, 2, 1, (1, 3)).values.any(), "nothing dark lies there"


def test_one_pass_that_ends_at_the_layer(net):
    """What lies behind is not computed, and the trace is remembered, so a further call costs one pass forward."""
    calls = []
    net.conv2.register_forward_hook(lambda *_: calls.append("conv2"))
    net.conv4.register_forward_hook(lambda *_: calls.append("conv4"))
    explain.guided_backprop(net, X, "conv3", 0)
    calls.clear()
    explain.guided_backprop(net, X, "conv3", 0)
    assert calls == ["conv2"]


class Gated(nn.Module):
    """A ReLU on the way to a gate by the whole picture, and one beside it that leads elsewhere."""

    def __init__(self):
        super().__init__()
        self.conv, self.gate, self.fc = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 1), nn.Linear(4, 3)

    def forward(self, x):
        x = F.relu(self.conv(x))
        F.relu(x + 1)
        x = x * self.gate(F.adaptive_avg_pool2d(x, 1)).sigmoid()
        return self.fc(x.mean((2, 3)))


def test_other_functions_pass_their_gradient_and_are_listed():
    net = seeded(Gated(), dtype=torch.float64)
    found = explain.guided_backprop(net, X, "mul()", 1)
    assert (found.params["rectified"], found.params["plain"]) == (1, "sigmoid x 1")
    assert found.sees_all
    leaf = net.conv(X).detach().clamp(min=0).requires_grad_()
    value = leaf * net.gate(leaf.mean((2, 3), keepdim=True)).sigmoid()
    units = sum(value[n, 1, row, column] for n, (row, column) in enumerate(found.cells))
    (signal,) = torch.autograd.grad(units, leaf)
    z = net.conv(X).detach()
    expected = F.conv_transpose2d(signal.clamp(min=0) * (z > 0), net.conv.weight.detach(), padding=1)
    assert_same(found.values, expected.numpy())


@pytest.mark.parametrize("method", METHODS.values())
def test_dtypes_memory_and_training_mode_make_no_difference(method):
    expected = method(seeded(Block()), X.float(), "conv4", 3, (0, 0))
    halves = functools.partial(method, layer="conv4", channel=3, cell=(0, 0))
    for model, x in (
        (seeded(Block(), dtype=torch.float64), X),
        (seeded(Block()).train(), X.float()),
        (seeded(Block()).requires_grad_(False), X.float().to(memory_format=torch.channels_last)),
    ):
        with torch.no_grad():
            found = halves(model, x)
        assert found.values.dtype == np.float32
        np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=1e-5 * np.abs(expected.values).max())
    half = halves(seeded(Block(), dtype=torch.bfloat16), X)
    assert half.values.dtype == np.float32
    assert np.isfinite(half.values).all()
