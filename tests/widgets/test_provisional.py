"""A map is shown before it has been measured where its cells lie: a slow network would hold it back for long."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import cnnwidgets as cw
from cnnwidgets.explain import placement
from tests.widgets.conftest import make_picture
from tests.widgets.probe import wait_until

WAIT = 20


@pytest.fixture
def measuring(monkeypatch):
    """Measuring that waits for an event, looking whether it is to stop."""
    go, real = threading.Event(), placement._measure

    def measure(network, probes, cancel=None, chunk=None):
        while not go.wait(0.005):
            placement.check_cancelled(cancel, 0, 1)
        return real(network, probes, cancel, chunk)

    monkeypatch.setattr(placement, "_measure", measure)
    yield go
    go.set()


@pytest.fixture
def view(clf, measuring):
    view = cw.HeatmapView(clf, make_picture(), method="grad_cam")
    yield view
    view.close()


@pytest.fixture
def grid(clf, measuring):
    grid = cw.ActivationGrid(clf, make_picture())
    yield grid
    grid.close()


def test_a_view_shows_the_map_first(view, measuring):
    wait_until(lambda: "grad_cam" in view._maps)
    assert "its shift has not been measured yet" in view._maps["grad_cam"]["caption"]
    assert not view._maps["grad_cam"]["partial"]  # every value is there
    wait_until(lambda: view._status["message"])
    assert view._status["state"] == "busy"
    assert "Measuring where the map's cells lie" in view._status["message"]
    values = view._maps["grad_cam"]["data"]
    measuring.set()
    assert view.wait(WAIT).placement.reason != "its shift has not been measured yet"
    assert view._maps["grad_cam"]["data"] == values
    assert "has not been measured" not in view._maps["grad_cam"]["caption"]
    assert view._status["state"] == "idle"


def test_a_still_picture_has_the_map(view):
    data, _ = view._repr_mimebundle_()
    assert "Grad-CAM" in data["text/plain"]


def test_stopping_leaves_the_map_and_asking_again_measures(view, measuring):
    wait_until(lambda: "grad_cam" in view._maps)
    view.cancel()
    wait_until(lambda: view._status["state"] == "cancelled")
    assert view._status["message"] == "Cancelled before it was measured where the map's cells lie."
    wait_until(lambda: view.heatmap is not None)
    assert np.isfinite(view.heatmap.values).all()
    provisional = view.heatmap
    view.method = "saliency"
    assert view.wait(WAIT).method == "saliency"
    view.method = "grad_cam"
    assert view.heatmap is provisional  # at once, while it is measured
    measuring.set()
    assert view.wait(WAIT).placement.reason != "its shift has not been measured yet"


def test_a_grid_shows_its_sheet_first(grid, measuring):
    wait_until(lambda: grid._sheet)
    provisional = grid._sheet
    assert grid._status["state"] == "busy"
    measuring.set()
    grid.wait(WAIT)
    assert grid._sheet["data"] == provisional["data"]
    assert grid._sheet is not provisional
    assert grid._status["state"] == "idle"


def test_a_grid_that_was_stopped_measures_when_asked_again(grid, measuring):
    wait_until(lambda: grid._sheet)
    provisional = grid._sheet
    grid.cancel()
    wait_until(lambda: grid._status["state"] == "cancelled")
    assert grid._sheet is provisional
    measuring.set()
    grid.layer = grid.layers[0].name if grid.layer != grid.layers[0].name else grid.layers[1].name
    grid.wait(WAIT)
    assert grid._status["state"] == "idle"
