"""Closed widgets leave nothing, and re-run cells keep the memory flat."""

from __future__ import annotations

import gc

import ipywidgets
import numpy as np
import pytest
import torch
from ipywidgets.widgets import widget as module
from torch import nn

import cnnwidgets as cw
from cnnwidgets.widgets._memory import RESIDENTS
from tests.widgets.conftest import Browser, make_classifier, make_picture
from tests.widgets.galleries import gallery_of

KINDS = {
    "HeatmapView": lambda: cw.HeatmapView(make_classifier(), make_picture()),
    "OcclusionCanvas": lambda: cw.OcclusionCanvas(make_classifier(), make_picture()),
    "ActivationGrid": lambda: cw.ActivationGrid(make_classifier(), make_picture()),
    "NeuronGallery": gallery_of,
    "SketchPad": lambda: cw.SketchPad(make_classifier(), make_picture()),
    "black SketchPad": lambda: cw.SketchPad(make_classifier(channels=1)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_widget_leaves_no_living_model(kind):
    before = set(module._instances)
    widget = KINDS[kind]()
    widget.wait(30)
    assert len(set(module._instances) - before) >= 2
    widget.close()
    widget.close()
    assert set(module._instances) == before


def test_a_layout_that_the_user_gave_stays():
    layout = ipywidgets.Layout(width="300px")
    view, other = (cw.HeatmapView(make_classifier(), make_picture(), layout=layout) for _ in range(2))
    view.close()
    assert layout.comm is not None
    assert other.layout is layout
    other.close()
    layout.close()


class Large(nn.Module):
    """Activations of megabytes for a small picture."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 64, 3, padding=1), nn.Conv2d(64, 64, 3, padding=1)
        self.head = nn.Linear(64, 3)

    def forward(self, x):
        return self.head(torch.relu(self.second(torch.relu(self.first(x)))).mean((2, 3)))


SIDE = 64
ACTIVATIONS = 4 * 64 * SIDE * SIDE  # bytes of one layer: 1 MB


def _bytes():
    """Bytes of living tensors and arrays, and of what the living widgets hold for their pages."""
    RESIDENTS.wait(20)
    gc.collect()
    seen, found = set(), 0
    for each in gc.get_objects():
        if type(each) in (torch.Tensor, nn.Parameter):
            try:
                storage = each.untyped_storage()
            except NotImplementedError:  # a kind of PyTorch's own without numbers
                continue
            key, size = storage.data_ptr(), storage.nbytes()
        elif type(each) is np.ndarray:
            key, size = id(each), each.nbytes
        else:
            continue
        if key not in seen:
            seen.add(key)
            found += size
    for widget in list(module._instances.values()):
        found += sum(map(_packed, widget._trait_values.values()))
    return found


def _packed(value):
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_packed, value.values()))
    return sum(map(_packed, value)) if isinstance(value, list | tuple) else 0


@pytest.fixture
def clf():
    return cw.Classifier(Large().eval(), cw.Preprocess(resize=(SIDE, SIDE)), ("a", "b", "c"))


def _grid(clf, picture):
    grid = cw.ActivationGrid(clf, picture)
    assert grid.wait(30) is not None
    return grid


def _canvas(clf, picture):
    canvas = cw.OcclusionCanvas(clf, picture)
    assert canvas.wait(30) is not None
    canvas._scorer.engines.wait(30)
    return canvas


def _view(clf, picture):
    view = cw.HeatmapView(clf, picture)
    for method in ("saliency", "grad_cam"):
        view.method = method
        assert view.wait(30) is not None
    return view


@pytest.mark.parametrize("make", [_grid, _canvas, _view])
def test_fifty_runs_of_a_cell_keep_the_memory_flat(clf, make):
    """Nobody closes the widget of the run before, and ipywidgets keeps it."""
    picture, made = make_picture(48, 48), []
    for run in range(50):
        made.append(make(clf, picture))
        if run == 9:
            before = _bytes()
    grown = _bytes() - before
    assert grown < 40 * 0.2 * ACTIVATIONS, f"{grown / 40:.0f} bytes a run"
    for widget in made:
        widget.close()


def test_a_widget_at_rest_goes_on_working(clf):
    picture = make_picture(48, 48)
    grid = _grid(clf, picture)
    browser = Browser(grid)
    values, sheet = grid.activations.values.copy(), dict(grid._sheet)
    grid.rest()
    assert browser.updates == []  # the page keeps what it shows
    assert np.array_equal(grid.activations.values, values)  # results in Python stay
    grid.rest()
    state = grid.get_state()  # of a page that opens
    assert state["_sheet"] == sheet
    grid.rest()
    browser.ask(layer="first")
    assert grid.wait(30).name == "first"
    assert grid._sheet["layer"] == "first"
    assert grid.snapshot().size[0] > 100
    grid.close()


def test_a_canvas_at_rest_goes_on_working(clf):
    canvas = _canvas(clf, make_picture(48, 48))
    score = canvas.wait(30)
    canvas.rest()
    assert canvas._scorer.engines._known == {}
    canvas.boxes = [list(box) for box in score.boxes]
    canvas._ask_anew()
    assert canvas.wait(30).score == pytest.approx(score.score, abs=1e-6)
    canvas.close()


def test_a_gallery_at_rest_goes_on_working():
    gallery = gallery_of()
    wall = dict(gallery._wall)
    gallery.rest()
    assert gallery._wall == {}
    assert gallery.get_state()["_wall"]["patches"] == wall["patches"]
    gallery.rest()
    assert gallery.snapshot().size[0] > 100
    gallery.close()


def test_a_page_that_shows_no_view_any_more_puts_a_widget_to_rest(clf):
    grid = _grid(clf, make_picture(48, 48))
    browser = Browser(grid)
    browser.set(_views=1)
    RESIDENTS.wait(20)
    assert grid.is_shown
    assert not grid._at_rest
    browser.set(_views=0)
    RESIDENTS.wait(20)
    assert grid._at_rest
    browser.set(_views=1)
    browser.ask(sort="mean")
    assert grid.wait(30) is not None
    assert not grid._at_rest
    grid.close()


def test_shown_widgets_are_not_put_to_rest_by_hidden_ones(clf):
    picture = make_picture(48, 48)
    shown = _grid(clf, picture)
    Browser(shown).set(_views=1)
    hidden = [_grid(clf, picture) for _ in range(5)]
    RESIDENTS.wait(20)
    assert not shown._at_rest
    assert [grid._at_rest for grid in hidden] == [True, True, True, False, False]
    for grid in (shown, *hidden):
        grid.close()
