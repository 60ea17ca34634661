"""Every result of a function with several results is a value of its own, with its own shape, dtype, grid and gradient.

The witness is plain hooks and autograd in double precision.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

import cnnwidgets as cw
from cnnwidgets import explain
from cnnwidgets.errors import ModelError
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.subject import subject_of
from cnnwidgets.trunk import Trunk
from tests.explain.hooked import hooked
from tests.explain.nets import noise, seeded
from tests.explain.several import DIVISIONS, Divided, Witness, divided

X = noise(2, 3, 6, 6, dtype=torch.float64)
CLOSE = {"rtol": 1e-9, "atol": 1e-12}


def parts_of(name):
    """The network, what hooks saw, and the layers of its parts."""
    model = divided(name)
    witness = Witness(model, X)
    layers = {layer.name: layer for layer in explain.layers(model, X)}
    found = {number: layers[f"part.{number}"] for number in witness.parts if f"part.{number}" in layers}
    assert len(found) >= 2 or name == "into given tensors", list(layers)
    return model, witness, found


@pytest.mark.parametrize("name", DIVISIONS)
def test_activations_are_those_of_each_result(name):
    model, witness, found = parts_of(name)
    trace = Network(subject_of(model, X)).trace
    together = explain.activations(model, X, [layer.name for layer in found.values()])
    for number, layer in found.items():
        value = witness.parts[number]
        assert layer.shape == value.shape[1:]
        assert trace.calls[layer.call].dtype == value.dtype
        alone = explain.activations(model, X, layer)
        for values in (alone.values, together[layer.name].values):
            np.testing.assert_allclose(values, value.detach().numpy(), **CLOSE)
    assert len({layer.call for layer in found.values()}) == len(found)


@pytest.mark.parametrize("name", DIVISIONS)
def test_grad_cam_of_each_result(name):
    model, witness, found = parts_of(name)
    for number, layer in found.items():
        value = witness.parts[number]
        if not value.is_floating_point():
            with pytest.raises(ModelError, match="no floating point"):
                explain.grad_cam(model, X, 1, layer=layer.name)
        elif value.requires_grad:
            expected = witness.grad_cam(number, 1).numpy()
            values = explain.grad_cam(model, X, 1, layer=layer.name).values
            # Its weights, means of slopes that cancel out, are taken in single precision.
            np.testing.assert_allclose(values, expected, atol=5e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", DIVISIONS)
def test_guided_backpropagation_of_each_result(name):
    model, witness, found = parts_of(name)
    for number, layer in found.items():
        value = witness.parts[number]
        if not value.requires_grad:
            continue
        channel, cell = value.shape[1] - 1, (value.shape[2] - 1, value.shape[3] // 2)
        expected = witness.guided(number, channel, cell).numpy()
        values = explain.guided_backprop(model, X, layer.name, channel, cell).values
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("name", DIVISIONS)
def test_contributions_of_all_results_in_one_pass(name):
    model, witness, found = parts_of(name)
    contributions = explain.activations(model, X, [layer.name for layer in found.values()]).contributions(2)
    for number, layer in found.items():
        value = witness.parts[number]
        assert (layer.name in contributions) == value.is_floating_point()
        if value.requires_grad:
            (slope,) = torch.autograd.grad(witness.output[:, 2].sum(), value, retain_graph=True)
            expected = (slope * value).sum((2, 3)).detach().numpy()
            np.testing.assert_allclose(contributions[layer.name], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", DIVISIONS)
def test_no_cell_sees_more_than_its_grid_says(name):
    _, witness, found = parts_of(name)
    followed = 0
    for number, layer in found.items():
        value, grid = witness.parts[number], layer.grid
        if not value.requires_grad or grid is None or grid.sees_all:
            continue
        followed += 1
        for cell in np.ndindex(*layer.shape[1:]):
            box = grid.seen(*cell)
            slope = sum(witness.plain(number, channel, cell).abs() for channel in range(layer.shape[0])).sum((0, 1))
            rows, columns = np.nonzero(slope.numpy())
            assert box.left <= columns.min() <= columns.max() < box.right
            assert box.top <= rows.min() <= rows.max() < box.bottom
    split = any(word in name for word in ("split", "chunk", "max_pool2d", "topk", "sort", "var_mean", "a dict"))
    assert followed >= 1 or not split or "of columns" in name


def test_parts_of_rows_lie_where_they_were_cut_from():
    whole = explain.grad_cam(divided("chunk"), X, 0, layer="second").grid.centres[0]
    for name, cuts in (("chunk, by rows", (0, 3, 6)), ("split_with_sizes", (0, 4, 5, 6))):
        layers = {layer.name: layer for layer in explain.layers(divided(name), X)}
        for number, (start, stop) in enumerate(pairwise(cuts)):
            np.testing.assert_allclose(layers[f"part.{number}"].grid.centres[0], whole[start:stop])


class Sided(nn.Module):
    """Two halves, each a layer; `after` is done to them behind it."""

    def __init__(self, after=lambda a, b: (a, b)):
        super().__init__()
        self.conv, self.left, self.right = nn.Conv2d(3, 8, 3, padding=1), nn.Identity(), nn.Identity()
        self.after, self.fc = after, nn.Linear(8, 5)

    def forward(self, x):
        a, b = self.conv(x).chunk(2, 1)
        a, b = self.after(self.left(a), self.right(b))
        return self.fc(torch.cat([a, b * b], 1).mean((2, 3)))


@pytest.mark.parametrize(
    "after",
    [
        lambda a, b: (a.relu_(), b),
        lambda a, b: (a, b.mul_(2)),
        lambda a, b: (a.relu_(), b.sigmoid_()),
    ],
    ids=["the first", "the second", "both"],
)
def test_a_result_that_is_written_over_later(after):
    """It is taken as it was made, and the other one is left alone."""
    model, x = seeded(Sided(after), dtype=torch.float64), noise(2, 3, 7, 7, dtype=torch.float64)
    seen = hooked(model, x)
    found = explain.activations(model, x, ["left", "right"])
    for name in ("left", "right"):
        np.testing.assert_allclose(found[name].values, seen[name][0], **CLOSE)
    y = torch.from_numpy(np.concatenate([seen["left"][0], seen["right"][0]], 1)).requires_grad_(True)
    given = y.clone()  # two tensors of their own: autograd forbids writing to one of several views
    a, b = after(given[:, :4].clone(), given[:, 4:].clone())
    score = model.fc(torch.cat([a, b * b], 1).mean((2, 3)))[:, 3].sum()
    (slope,) = torch.autograd.grad(score, y)
    expected = (slope.mean((2, 3), keepdim=True) * y).detach().numpy()
    for name, half in (("left", slice(4)), ("right", slice(4, None))):
        values = explain.grad_cam(model, x, 3, layer=name).values
        np.testing.assert_allclose(values, expected[:, half].sum(1), rtol=1e-5, atol=1e-7)
    contributions = found.contributions(3)
    products = (slope * y).sum((2, 3)).detach().numpy()
    np.testing.assert_allclose(contributions["left"], products[:, :4], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(contributions["right"], products[:, 4:], rtol=1e-5, atol=1e-7)


def test_results_are_layers_under_names_of_their_own():
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(4, 5)

        def forward(self, x):
            a, b = self.conv(x).chunk(2, 1)
            c, d = a.chunk(2, 1)
            return self.fc((torch.cat([c, d], 1) - b).mean((2, 3)))

    model, x = seeded(Bare(), dtype=torch.float64), X
    names = [layer.name for layer in explain.layers(model, x)]
    assert names == ["conv", "chunk()#0", "chunk()[1]#0", "chunk()#1", "chunk()[1]#1", "cat()", "sub()"]
    calls = [layer.call for layer in explain.layers(model, x)]
    assert calls == sorted(set(calls))
    maps = model.conv(x).detach().numpy()
    for name, half in {"chunk()#0": (0, 4), "chunk()[1]#0": (4, 8), "chunk()#1": (0, 2), "chunk()[1]": (2, 4)}.items():
        np.testing.assert_allclose(explain.activations(model, x, name).values, maps[:, slice(*half)], **CLOSE)


@pytest.mark.parametrize("apart", [lambda x: torch.stack(x.unbind(0)), lambda x: torch.cat(x.split(1))])
def test_a_batch_that_is_taken_apart_and_put_together(apart):
    """The numbers are those of the trace, which was of one image, however many values a pass makes."""

    class Apart(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Sided()

        def forward(self, x):
            return self.inner(apart(x))

    model, x = seeded(Apart(), dtype=torch.float64), noise(3, 3, 7, 7, dtype=torch.float64)
    seen = hooked(model, x)
    for name in ("inner.left", "inner.right"):
        np.testing.assert_allclose(explain.activations(model, x, name).values, seen[name][0], **CLOSE)
        together = explain.grad_cam(model, x, 1, layer=name).values
        alone = [explain.grad_cam(model, x[i : i + 1], 1, layer=name).values[0] for i in range(3)]
        np.testing.assert_allclose(together, alone, **CLOSE)


def test_an_index_of_patches_holds_each_result():
    model, x = seeded(Sided(), dtype=torch.float64), noise(9, 3, 7, 7, dtype=torch.float64)
    index = cw.PatchIndex.build(model, x, layers=["left", "right"], k=2, progress=False)
    maps = model.conv(x).detach().numpy()
    for name, half in (("left", maps[:, :4]), ("right", maps[:, 4:])):
        for channel in range(4):
            strongest = np.sort(half[:, channel].max((1, 2)))[::-1][:2]
            np.testing.assert_allclose(index.top(name, channel).values, strongest, rtol=1e-6)
        np.testing.assert_allclose(index.mean(name), half.mean((0, 2, 3)), rtol=1e-5, atol=1e-7)


def test_a_network_that_is_cut_at_a_later_result():
    model, x = seeded(Sided()), noise(6, 3, 8, 8)
    network = Network(subject_of(model, x))
    layers = {layer.name: layer for layer in explain.layers(model, x)}
    for name, half in (("left", slice(4)), ("right", slice(4, None))):
        trunk = Trunk(model, network.trace, layers[name].call, name).eval()
        torch.testing.assert_close(trunk(x), model.conv(x)[:, half])


def test_the_network_of_the_test_gives_every_result_another_score():
    """Otherwise nothing above would tell two results apart."""
    model = seeded(Divided(DIVISIONS["chunk"]), dtype=torch.float64)
    witness = Witness(model, X)
    first, second = witness.grad_cam(0, 1), witness.grad_cam(1, 1)
    assert float((first - second).abs().max()) > 0.1 * float(first.abs().max())
