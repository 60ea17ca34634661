"""An ActivationGrid's work: every ask answered, the latest wins, errors in words, changed models noticed."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest
import torch

import cnnwidgets as cw
from tests.widgets.conftest import Browser, Net, kept, make_picture
from tests.widgets.grids import decoded


@pytest.fixture
def grid(clf):
    yield from kept(cw.ActivationGrid(clf, make_picture()))


@pytest.fixture
def browser(grid):
    return Browser(grid)


def test_every_ask_is_answered(grid, browser):
    asks = [
        {"layer": "first", "channel": None, "cell": None},
        {"sort": "contribution"},
        {"target": 1},
        {"tab": "filters"},
        {"channel": 2},
        {"channel": 2},  # nothing to do
        {"layer": "second", "channel": None, "cell": None},
        {},
    ]
    for number, traits in enumerate(asks, start=1):
        browser.ask(**traits)
        grid.wait(20)
        assert (grid._status["state"], grid._status["ask"], grid._status["method"]) == ("idle", number, "activations")
        assert grid._sheet["layer"] == grid.layer
    assert grid._contributions["target"] == 1


def test_the_latest_layer_wins(grid, browser, gate):
    gate.clear()
    grid.other = make_picture(30, 30)
    names = [layer.name for layer in grid.layers]
    for name in (*names, *reversed(names)):
        browser.ask(layer=name, channel=None, cell=None)
    gate.set()
    assert grid.wait(20).name == grid.layer == names[0]
    assert grid._sheet["layer"] == names[0]
    assert browser.states()[-1] == ("idle", grid._ask)


def test_what_the_browser_can_do_starts_no_work(grid, browser):
    Net.passes = 0
    browser.set(
        sort="mean", threshold=0.4, scale="shared", hide_dead=True, tile_size=30, sign="both", opacity=0.1, zoom=3.0,
        region=[{"width": 3, "points": [[1, 2]]}], channel=2, cell=[1, 1],
    )  # fmt: skip
    assert (grid.sort, grid.threshold, grid.tile_size, grid.zoom) == ("mean", 0.4, 30, 3.0)
    assert Net.passes == 0
    assert not {"_sheet", "_photo", "_layers"} & browser.names
    assert "busy" not in [state for state, _ in browser.states()]


def test_a_layer_known_by_now_comes_in_one_message(grid, browser):
    browser.ask(layer="first", channel=None, cell=None)
    grid.wait(20)
    browser.ask(layer="second", channel=None, cell=None)
    grid.wait(20)
    browser.updates.clear()
    browser.ask(layer="first", channel=None, cell=None)
    assert grid.activations.name == "first"  # at once, without the worker
    assert [state["_sheet"]["layer"] for state in browser.updates if "_sheet" in state] == ["first"]
    assert "busy" not in [state for state, _ in browser.states()]


def test_the_old_sheet_stays_until_the_new_one_is_there(grid, browser):
    first = grid._sheet
    seen = []
    grid.observe(lambda change: seen.append(change.new), "_sheet")
    grid.layer = "first"
    grid.wait(20)
    # Once as it is, and once as it was measured where the cells lie.
    assert [sheet.get("layer") for sheet in seen] in (["first"], ["first", "first"])
    assert seen[0] is not first


def test_an_error_of_the_model_is_an_answer(grid, browser):
    Net.fails = True
    browser.ask(sort="contribution")
    with pytest.raises(ValueError, match="third valve"):
        grid.wait(20)
    status = grid._status
    assert (status["state"], status["ask"]) == ("error", 1)
    assert "ValueError: the third valve is stuck" in status["message"]
    assert "outside the widget" in status["remedy"]
    assert grid._sheet["layer"] == grid.layer  # what is known is still shown
    assert grid.ranking.by == "maximum"
    Net.fails = False
    browser.send(kind="retry")
    assert grid.wait(20).name == grid.layer
    assert grid._status["state"] == "idle"
    assert grid.ranking.by == "contribution"


def test_cancel_and_compute_again(grid, browser, gate):
    gate.clear()
    grid.sort = "contribution"  # comes after the activations
    grid.other = make_picture(30, 30)
    browser.send(kind="cancel")
    gate.set()
    with pytest.raises(cw.CnnWidgetsError):
        grid.wait(20)
    assert grid._status["state"] == "cancelled"
    assert grid._contributions == {}
    browser.send(kind="retry")
    assert len(grid.wait(20)) == 2
    assert grid._status["state"] == "idle"


def test_waiting_has_an_end(grid, gate):
    gate.clear()
    grid.other = make_picture(30, 30)
    with pytest.raises(TimeoutError, match=r"grid.cancel\(\)"):
        grid.wait(0.05)
    gate.set()
    assert len(grid.wait(20)) == 2


def test_changed_weights_are_noticed(grid, clf):
    before = grid.activations.values.copy()
    with torch.no_grad():
        clf.model.second.weight.mul_(2)
        clf.model.linear.bias[3] += 100
    grid.layer = "first"
    grid.wait(20)
    grid.layer = grid.layers[-1].name
    after = grid.wait(20).values
    assert not np.allclose(before, after)
    np.testing.assert_array_equal(after, cw.explain.activations(clf, make_picture(), grid.layer).values)
    np.testing.assert_allclose(decoded(grid._sheet), after, atol=grid._sheet["scale"] * 2**-11)


def test_changed_weights_that_give_nan_are_an_error_and_nothing_old_is_shown(grid, clf):
    with torch.no_grad():
        clf.model.linear.weight.fill_(torch.nan)
    grid.layer = "first"
    with pytest.raises(cw.CnnWidgetsError, match="NaN"):
        grid.wait(20)
    assert (grid._status["state"], grid._sheet, grid.activations) == ("error", {}, None)
    with torch.no_grad():
        clf.model.linear.weight.fill_(1)
    grid.refresh()
    assert grid.wait(20).name == "first"


def test_a_layer_that_a_change_of_the_model_took_away(grid, clf):
    grid.layer = "second"
    grid.pin(5, 7, 7)
    clf.model.second = torch.nn.Sequential(torch.nn.Conv2d(4, 6, 7, stride=4))
    clf.model.second.register_forward_hook(lambda *_: None)
    grid.sort = "contribution"
    grid.wait(20)
    assert grid.layer == "second"
    assert (grid.channel, grid.cell) == (5, None)
    assert grid._sheet["shape"] == [1, 6, *grid.activations.layer.shape[1:]]
    grid.layer = "second.0"
    grid.wait(20)
    clf.model.second = torch.nn.Conv2d(4, 6, 3)
    grid.tab = "filters"
    grid.wait(20)
    assert "second.0" not in [layer["name"] for layer in grid._layers]
    assert grid.layer == grid.layers[-1].name
    assert grid.wait(20).name == grid._sheet["layer"] == grid.layer
    assert grid.unit is None


def test_refresh_sees_what_pytorch_does_not_count(grid, clf):
    before = grid.activations.values.copy()
    clf.model.second.bias.data += 1
    grid.refresh()
    assert not np.allclose(grid.wait(20).values, before)


def test_asked_from_many_threads(grid, browser):
    names = [layer.name for layer in grid.layers]
    errors = []

    def ask(name):
        try:
            for number in range(30):
                browser.ask(layer=name, channel=None, cell=None, sort=("maximum", "contribution")[number % 2])
                browser.set(channel=number % 4, cell=[number % 8, 0])
                grid.wait(20)
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=ask, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    found = grid.wait(20)
    assert found.name == grid._sheet["layer"] == grid.layer
    assert grid._status["state"] == "idle"
    assert grid._status["ask"] == grid._ask
    if grid.channel is not None:
        assert grid.unit["layer"] == grid.layer


def test_an_observer_that_fails_does_not_stop_the_work(grid, caplog):
    def fail(_change):
        raise ValueError("a follower of the user's")

    grid.observe(fail, "activations")
    grid.layer = "first"
    assert grid.wait(20).name == "first"
    assert grid._status["state"] == "idle"
    assert "a follower of the user's" in caplog.text


def test_strange_messages_are_answered_in_words(grid, browser):
    for content in ({}, {"kind": "dance"}, {"kind": None}):
        browser.send(**content)
        assert grid._status["state"] == "error"
        assert "Messages are: cancel, retry." in grid._status["message"]
    browser.ask(layer="first")
    assert grid.wait(20).name == "first"
    assert grid._status["state"] == "idle"


def test_closed_while_it_works(clf, gate):
    grid = cw.ActivationGrid(clf, make_picture())
    grid.wait(20)
    gate.clear()
    grid.sort = "contribution"
    grid.other = make_picture(30, 30)
    alive = weakref.ref(grid)
    grid.close()
    gate.set()
    with pytest.raises(cw.CnnWidgetsError):
        grid.wait(20)
    del grid
    gc.collect()
    assert alive() is None
