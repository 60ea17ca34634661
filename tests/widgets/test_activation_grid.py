"""ActivationGrid from Python: layers, values, rankings, highlight; what it does to models of many kinds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import cnnwidgets as cw
from cnnwidgets.widgets import _grid_known
from tests.explain.state import same, state_of
from tests.widgets.conftest import Net, make_picture
from tests.widgets.grids import (
    Enlarged,
    Lame,
    Shuffled,
    Squeezed,
    Wide,
    classifier,
    contributions,
    decoded,
    grid_of,
    vgg,
)


@pytest.fixture
def grid(clf):
    made = cw.ActivationGrid(clf, make_picture())
    made.wait(20)
    yield made
    made.close()


def test_it_shows_the_last_feature_map(grid, clf):
    wanted = cw.explain.activations(clf, make_picture(), None)
    assert grid.layer == wanted.layer.name
    np.testing.assert_array_equal(grid.activations.values, wanted.values)
    assert grid.wait() is grid.activations
    assert [layer.name for layer in grid.layers] == [
        layer.name for layer in cw.explain.layers(clf, clf.prepare(make_picture()).x)
    ]


def test_one_pass_serves_every_layer(clf):
    grid = cw.ActivationGrid(clf, make_picture())
    grid.wait(20)
    Net.passes = 0
    for layer in grid.layers:
        grid.layer = layer.name
        np.testing.assert_array_equal(
            grid.wait(20).values, cw.explain.activations(clf, make_picture(), layer.name).values
        )
        assert grid.activations.name == layer.name
    assert Net.passes == len(grid.layers)  # those of the comparison


@pytest.mark.parametrize(("layer", "name"), [(0, "0"), (4, "4"), (-5, "12"), ("13", "13")])
def test_a_sequential_is_walked_by_index(layer, name):
    grid = grid_of(vgg())
    before = {number: cw.explain.activations(grid.clf, make_picture(), number).values for number in (0, 4)}
    grid.layer = layer
    assert grid.layer == name
    found = grid.wait(20)
    if int(name) in before:  # a convolution that an in-place ReLU overwrites two layers on
        assert found.values.min() < 0
        np.testing.assert_array_equal(found.values, before[int(name)])


def test_a_module_is_a_layer(grid, clf):
    grid.layer = clf.model.first
    assert grid.layer == "first"
    grid.layer = None
    assert grid.layer == grid.layers[-1].name


@pytest.mark.parametrize("sort", ["channel", "maximum", "mean", "active"])
def test_rankings_are_those_of_explain(grid, sort):
    grid.sort = sort
    wanted = cw.explain.activations(grid.clf, make_picture(), grid.layer).rank(sort)
    np.testing.assert_array_equal(grid.ranking.order, wanted.order)
    assert (grid.ranking.by, grid.ranking.units) == (wanted.by, wanted.units)


def test_ranking_by_contribution_follows_the_target(grid):
    grid.sort = "contribution"
    assert grid.wait(20) is not None
    for target in (0, 3):
        grid.target = target
        grid.wait(20)
        acts = cw.explain.activations(grid.clf, make_picture(), grid.layer)
        wanted = acts.contributions(target)[grid.layer]
        np.testing.assert_allclose(contributions(grid), wanted, rtol=1e-5)
        np.testing.assert_allclose(grid.ranking.scores, wanted[0], rtol=1e-5)
        assert grid._contributions["target"] == target
        assert (grid.ranking.by, grid.ranking.units) == ("contribution", "logit")
    grid.sort = "maximum"
    assert grid._contributions == {}


def test_ranking_by_likeness(grid):
    grid.sort = "likeness"
    assert grid.ranking.by == "maximum"  # like what?
    grid.channel = 3
    assert grid.ranking.by == "likeness"
    varied = ~grid.activations.statistics.dead
    if varied[3]:
        assert grid.ranking.scores[3] == pytest.approx(1)


def test_ranking_by_region_prefers_what_answers_there(clf):
    grid = cw.ActivationGrid(clf, make_picture(32, 32), layer="first", sort="region")
    values = grid.wait(20).values[0]
    assert grid.ranking.by == "maximum"  # nothing is painted
    grid.region = [{"width": 8, "points": [[4, 4], [28, 4]]}]
    assert grid.ranking.by == "region"
    mask = np.zeros((32, 32), bool)
    mask[:8, 2:30] = True
    wanted = cw.explain.activations(clf, make_picture(32, 32), "first").rank("region", region=mask)
    np.testing.assert_allclose(grid.ranking.scores, wanted.scores, atol=0.1)
    assert np.ptp(values.mean((1, 2))) > 0
    grid.region = [{"width": 1, "points": [[900, 900]]}]  # beside the picture
    assert grid.ranking.by == "maximum"


def test_highlight(grid):
    assert grid.highlight is None
    grid.threshold = 0.75
    assert grid.highlight is None  # of which channel?
    grid.layer = "first"
    grid.wait(20)
    grid.channel = 2
    found = grid.highlight
    values = grid.activations.values[0, 2]
    assert found.threshold == pytest.approx(np.quantile(values, 0.75))
    assert found.masks[0].shape == (40, 60)
    assert 0 < found.masks[0].mean() < 1
    grid.threshold = 0
    assert grid.highlight is None


@pytest.mark.parametrize("make", [vgg, Enlarged, Shuffled, Squeezed, lambda: Wide(5)])
def test_every_layer_of_every_kind_of_network(make):
    grid = grid_of(make())
    for layer in grid.layers:
        grid.layer = layer.name
        found = grid.wait(20)
        wanted = cw.explain.activations(grid.clf, make_picture(), layer.name)
        np.testing.assert_array_equal(found.values, wanted.values)
        assert grid._status["state"] == "idle"
        assert min(grid.snapshot().size) > 0


def test_a_layer_with_nan_says_so_and_spoils_no_other():
    grid = grid_of(Lame())
    assert grid._status["state"] == "idle"
    grid.layer = "lame"
    with pytest.raises(cw.CnnWidgetsError, match=r"'lame'.*NaN"):
        grid.wait(20)
    assert grid._status["state"] == "error"
    assert "NaN" in grid._status["message"]
    assert grid._sheet == {}
    assert grid.activations is None
    assert min(grid.snapshot().size) > 0
    grid.layer = "conv"
    assert grid.wait(20).name == "conv"
    grid.layer, grid.sort = "whole", "contribution"
    assert grid.wait(20).name == "whole"
    assert grid._status["state"] == "idle"
    assert grid.ranking.by == "contribution"


def test_memory_is_bounded(clf, monkeypatch):
    monkeypatch.setattr(_grid_known, "_MEMORY", 4 * 16 * 16 * 4)  # bytes of one of the larger layers
    monkeypatch.setattr(_grid_known, "_PACKED", 3000)
    grid = cw.ActivationGrid(clf, make_picture())
    for layer in (*grid.layers, *reversed(grid.layers)):
        grid.layer = layer.name
        found = grid.wait(20)
        np.testing.assert_array_equal(found.values, cw.explain.activations(clf, make_picture(), layer.name).values)
        np.testing.assert_allclose(decoded(grid._sheet), found.values, atol=grid._sheet["scale"] * 2**-11)
        packed = grid._known._packed._kept.values()
        assert len(packed) == 1 or sum(len(item["data"]) for item in packed) <= 3000
        kept = found.kept._kept.values()
        assert sum(value.nbytes for value in kept) <= 4 * 16 * 16 * 4


def test_a_network_without_a_map_is_refused():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4))
    with pytest.raises(cw.CnnWidgetsError, match=r"no layer with more than one cell.*convolutional network"):
        cw.ActivationGrid(classifier(net), make_picture())


def test_maps_of_one_row():
    grid = grid_of(nn.Sequential(nn.Conv2d(3, 2, (32, 16), stride=16), nn.ReLU(), nn.Flatten(), nn.Linear(4, 3)))
    assert grid.wait(20).values.shape == (1, 2, 1, 2)
    grid.pin(1, 0, 1)
    assert min(grid.snapshot().size) > 0


def test_digits_have_one_input_channel():
    data = cw.demo.digits_data()
    grid = cw.ActivationGrid(cw.demo.digits(), data.images[data.test[0]], tab="filters", layer="features.0.0")
    grid.wait(20)
    assert (grid._filters["view"], grid._filters["shape"]) == ("planes", [16, 3, 3])
    assert grid.activations.values.shape == (1, 16, 32, 32)


def test_the_model_is_left_as_found(clf):
    clf.model.train()
    before = state_of(clf.model)
    grid = cw.ActivationGrid(clf, make_picture(), make_picture(30, 50), sort="contribution", tab="filters", channel=1)
    grid.wait(20)
    grid.layer = "first"
    grid.wait(20)
    grid.snapshot()
    grid.close()
    same(before, state_of(clf.model))


def test_gradients_are_taken_where_the_cell_takes_none(clf):
    with torch.no_grad():
        grid = cw.ActivationGrid(clf, make_picture(), sort="contribution")
        grid.wait(20)
    assert grid.ranking.by == "contribution"
