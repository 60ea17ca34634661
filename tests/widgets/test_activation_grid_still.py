"""The picture that an ActivationGrid leaves in a notebook without a kernel."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

import cnnwidgets as cw
from tests.widgets.conftest import kept, make_picture
from tests.widgets.grids import Wide, grid_of


@pytest.fixture
def grid(clf):
    yield from kept(cw.ActivationGrid(clf, make_picture(), layer="first"))


def pixels(grid):
    return np.asarray(grid.snapshot().convert("RGB"), int)


def differs(before, after):
    return before.shape != after.shape or np.abs(before - after).mean() > 0.3


CHANGES = [
    {"channel": 2},
    {"channel": 2, "opacity": 0.1},
    {"channel": 2, "sign": "both"},
    {"channel": 2, "threshold": 0.8},
    {"cell": [3, 3]},
    {"sort": "channel"},
    {"scale": "shared"},
    {"colormap": "viridis"},
    {"layer": "second"},
    {"tab": "filters"},
    {"zoom": 3.0, "pan": [10, 10]},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_snapshot_shows_what_is_set(grid, change):
    *first, last = change.items()
    for name, value in first:
        setattr(grid, name, value)
    before = pixels(grid)
    setattr(grid, *last)
    grid.wait(20)
    assert differs(before, pixels(grid))


def test_hidden_dead_channels_have_no_tile():
    net = Wide(6)
    net.conv.weight.data[2:] = 0
    grid = grid_of(net)
    every = grid.snapshot()
    grid.hide_dead = True
    assert grid.snapshot().width < every.width  # two tiles instead of four in a row


def test_two_pictures_stand_side_by_side(clf):
    one = cw.ActivationGrid(clf, make_picture(), layer="first")
    two = cw.ActivationGrid(clf, make_picture(), make_picture(50, 50), layer="first")
    one.wait(20)
    two.wait(20)
    assert differs(pixels(one), pixels(two))
    assert max(two.snapshot().size) < 900


def test_what_is_stored_in_the_notebook(grid):
    grid.pin(1, 2, 2)
    data, metadata = grid._repr_mimebundle_()
    assert {"application/vnd.jupyter.widget-view+json", "image/png", "text/html", "text/plain"} <= set(data)
    still = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert metadata["image/png"] == {"width": still.width, "height": still.height}
    assert len(np.unique(np.asarray(still.convert("RGB")).reshape(-1, 3), axis=0)) > 50
    assert data["text/plain"] == "ActivationGrid: first, 4 x 16 x 16, by maximum activation; channel 1."
    assert '<img src="data:image/jpeg;base64,' in data["text/html"]


def test_displaying_waits_for_the_first_sheet(clf):
    assert "not computed" not in cw.ActivationGrid(clf, make_picture())._repr_mimebundle_()[0]["text/plain"]


def test_a_picture_of_what_is_not_computed_yet(clf, gate):
    grid = cw.ActivationGrid(clf, make_picture())
    grid.wait(20)
    gate.clear()
    grid.other = make_picture(30, 30)
    assert min(grid.snapshot().size) > 0
    assert "not computed yet" in grid._described()
    gate.set()
    grid.wait(20)


def test_nothing_is_shown_of_weights_that_are_gone(grid, clf):
    with torch.no_grad():
        clf.model.first.weight.mul_(2)
    assert "not computed yet" in grid._described()
    assert grid.snapshot().width < 320  # the photograph alone
    grid.sort = "mean"
    grid.wait(20)
    assert "by mean" in grid._described()


def test_an_export_keeps_code_and_sheet_even_where_it_drops_defaults(grid):
    from ipywidgets.embed import embed_data

    exported = embed_data(views=[grid], drop_defaults=True)["manager_state"]["state"]
    state = exported[grid.model_id]["state"]
    assert "render" in state["_esm"]
    assert {"_photo", "_sheet", "_layers", "_colormaps", "layer"} <= set(state)
