"""The sweep of an OcclusionCanvas: what explain computes, in the background, while the hand is answered."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch

import cnnwidgets as cw
from cnnwidgets.jobs import Job
from tests.widgets.conftest import make_picture
from tests.widgets.occlusion import STATE, Page, canvas
from tests.widgets.probe import wait_until


@pytest.mark.parametrize("measure", ["probability", "output"])
@pytest.mark.parametrize("keep", [False, True])
def test_a_sweep_is_what_explain_computes(measure, keep):
    made = canvas(measure=measure, keep=keep, fill="mean", window=8, stride=4, shape="ellipse", target="red")
    page = Page(made)
    page.send(kind="sweep")
    made.wait(20)
    target = cw.explain.Probability(2) if measure == "probability" else 2
    wanted = cw.explain.occlusion(
        made.clf, made.image, target, window=8, stride=4, baseline="mean", shape="ellipse", keep=keep
    )
    np.testing.assert_allclose(made.heatmap.values, wanted.values, atol=1e-5)
    assert made.heatmap.units == {"probability": "probability", "output": "logit"}[measure]
    assert made.heatmap.target == ("red",)
    packed = made._sweep
    assert packed["shape"] == list(wanted.values.shape[1:])
    assert (packed["window"], packed["outline"], packed["partial"]) == ([16, 16], "ellipse", False)
    states = [status["state"] for state in page.updates if (status := state.get("_status"))]
    assert states[0] == "busy"
    assert states[-1] == "idle"


def test_another_class_reads_the_sweep_anew_without_a_pass(made):
    made.window, made.stride = 8, 8
    made.sweep()
    made.wait(20)
    red = made.heatmap
    made.target = "dark" if red.target != ("dark",) else "red"
    made.wait(20)
    passes = STATE.passes
    shown = made.heatmap
    assert shown.target != red.target
    assert not np.allclose(shown.values, red.values)
    assert STATE.passes == passes
    made.fill = "blur"
    assert made.heatmap is None
    assert made._sweep == {}


def test_the_hand_is_answered_while_a_sweep_goes_on_which_shows_its_progress(made, page):
    STATE.seconds = 0.01
    made.window, made.stride = 8, 1
    page.send(kind="sweep")
    end = time.monotonic() + 20
    while made._status.get("done", 0) < 20:
        assert time.monotonic() < end
        time.sleep(0.005)
    for number in range(10):
        page.place(number, [number, 10, number + 20, 30])
        assert "score" in page.answer(number, timeout=5)
    status = made._status
    assert status["state"] == "busy"
    assert status["message"] == "places"
    assert status["total"] == 625
    assert status["seconds_left"] > 0
    assert made._sweep["partial"]
    assert made.heatmap is None
    page.send(kind="cancel")
    with pytest.raises(cw.CnnWidgetsError, match=r"[Ss]topped|[Cc]ancel"):
        made.wait(20)
    assert made._status["state"] == "cancelled"
    assert made._sweep["partial"], "what was computed stays"
    STATE.seconds = 0
    page.send(kind="retry")
    made.wait(30)
    assert made.heatmap is not None
    assert not made._sweep["partial"]


@pytest.fixture
def cancelled(made):
    """A canvas whose sweep over 625 places was cancelled half-way."""
    STATE.seconds = 0.002
    made.window, made.stride, made.show = 8, 1, "sweep"
    made.sweep()
    wait_until(lambda: made._status.get("done", 0) > 60)
    made.cancel()
    with pytest.raises(cw.CnnWidgetsError, match=r"[Ss]topped|[Cc]ancel"):
        made.wait(20)
    STATE.seconds = 0
    return made


def test_what_a_cancelled_sweep_has_computed_stays_and_nothing_else(cancelled):
    found, status = cancelled.heatmap, cancelled._status
    whole = cw.explain.occlusion(
        cancelled.clf, cancelled.image, cw.explain.Probability(cancelled.target), window=8, stride=1, baseline="grey"
    )
    computed = np.isfinite(found.values)
    done = int(computed.sum())
    assert 60 < done < 625
    np.testing.assert_allclose(found.values[computed], whole.values[computed], atol=1e-5)
    assert found.unfinished == f"{done} of 625 places"
    assert found.params["done"] == done
    assert (status["state"], status["done"], status["total"]) == ("cancelled", done, 625)
    assert status["message"] == f"Cancelled after {done} of 625 places. Hatched: not computed."
    packed = cancelled._sweep
    sent = np.frombuffer(packed["data"], "<f2").reshape(packed["shape"])
    np.testing.assert_array_equal(np.isnan(sent), ~computed[0])
    assert packed["scale"] == pytest.approx(np.nanmax(np.abs(found.values)))
    assert found.unfinished in packed["caption"]


def test_what_was_computed_since_the_map_was_last_shown_stays_too(made, monkeypatch):
    monkeypatch.setattr("cnnwidgets.widgets._sweep._SHOW_EVERY", 1000.0)
    STATE.seconds = 0.002
    made.window, made.stride = 8, 1
    passes = STATE.passes
    made.sweep()
    wait_until(lambda: STATE.passes > passes + 12)
    shown = made._status["done"]
    made.cancel()
    with pytest.raises(cw.CnnWidgetsError):
        made.wait(20)
    assert made.heatmap.params["done"] > shown > 0
    assert np.isfinite(made.heatmap.values).sum() == made._status["done"] == made.heatmap.params["done"]


def test_a_sweep_that_is_cancelled_after_its_last_place_is_done(made):
    made.window, made.stride = 8, 8

    def late(change):
        if change.new and not change.new["partial"]:
            made.cancel()

    made.observe(late, names=["_sweep"])
    made.sweep()
    made.wait(20)
    assert made._status["state"] == "idle"
    assert np.isfinite(made.heatmap.values).all()


def test_another_class_reads_a_cancelled_sweep_anew(cancelled):
    before, words = cancelled.heatmap, cancelled._status["message"]
    cancelled.target = (cancelled.target + 1) % 3
    cancelled.wait(20)
    assert cancelled.heatmap.target != before.target
    np.testing.assert_array_equal(np.isnan(cancelled.heatmap.values), np.isnan(before.values))
    assert cancelled._status["message"] == words


@pytest.mark.parametrize("change", [{"window": 6}, {"stride": 2}, {"fill": "mean"}, {"keep": True}])
def test_a_cancelled_sweep_goes_with_what_it_was_a_sweep_of(cancelled, change):
    cancelled.set_state(change)
    cancelled.wait(20)
    assert cancelled.heatmap is None
    assert cancelled._sweep == {}
    assert cancelled._status["state"] == "idle"


def test_another_window_stops_a_sweep(made):
    STATE.seconds = 0.01
    made.window, made.stride = 8, 1
    made.sweep()
    made.stride = 4
    assert made._sweeps.wait(20)
    assert made._status["state"] == "idle"
    assert (made._sweep, made.heatmap) == ({}, None)


def test_sweeping_again_begins_anew(cancelled):
    cancelled.sweep()
    cancelled.wait(30)
    assert np.isfinite(cancelled.heatmap.values).all()
    assert cancelled.heatmap.unfinished == ""
    assert cancelled._status["state"] == "idle"


def test_a_sweep_that_is_cancelled_before_its_first_place(made):
    STATE.hold = threading.Event()
    made.window, made.stride = 8, 1
    made.sweep()
    made.cancel()
    STATE.hold.set()
    with pytest.raises(cw.CnnWidgetsError):
        made.wait(20)
    assert made.heatmap is None
    assert made._status["state"] == "cancelled"
    assert made._status["message"] == "Cancelled before the first place."
    assert made._sweep == {}


def test_the_still_picture_hatches_what_was_not_computed(cancelled):
    still = cancelled.snapshot()
    cancelled.opacity = 0.0
    bare = cancelled.snapshot()
    cancelled.opacity = 0.6
    cancelled.sweep()
    cancelled.wait(30)
    whole = cancelled.snapshot()
    assert still.height > whole.height, "a line says how far it came"
    changed = np.abs(np.asarray(still, int)[:600] - np.asarray(bare, int)[:600]).sum(2) > 0
    assert changed[30:600].mean() > 0.8, "all but the occluder is hatched or has a value"


def test_a_sweep_that_cannot_be_says_why(made, page):
    made.window = 40
    page.send(kind="sweep")
    with pytest.raises(cw.CnnWidgetsError, match="larger than the input"):
        made.wait(20)
    assert "larger than the input" in made._status["message"]
    assert made._status["state"] == "error"
    STATE.fails = True
    made.window = 8
    made.sweep()
    with pytest.raises(ValueError, match="third valve"):
        made.wait(20)
    assert "third valve" in made._status["message"]
    STATE.fails = False
    page.send(kind="retry")
    made.wait(20)
    assert made._status["state"] == "idle"


def test_weights_changed_before_a_sweep(made):
    with torch.no_grad():
        made.clf.model.gain.mul_(3)
    made.window, made.stride = 8, 8
    made.sweep()
    made.wait(20)
    assert made.heatmap is not None
    assert made.heatmap.scores[0] == pytest.approx(made.clean_score, abs=1e-6)


def test_another_question_stops_a_sweep(made, page):
    STATE.seconds = 0.01
    made.window, made.stride = 8, 1
    made.sweep()
    made.fill = "mean"
    assert made._sweeps.wait(20)
    assert made._status["state"] == "idle"
    assert made._sweep == {}


def test_an_observer_that_fails_does_not_cost_the_map(made, caplog):
    def bad(_change):
        raise RuntimeError("no room")

    made.observe(bad, names=["heatmap"])
    made.window = made.stride = 8
    made.sweep()
    made.wait(20)
    assert made.heatmap is not None
    assert made._status["state"] == "idle"
    assert "observer of heatmap: RuntimeError: no room" in caplog.text


def test_a_sweep_does_not_wait_for_the_fast_passes(clf):
    made = cw.OcclusionCanvas(clf, make_picture(), window=8, stride=8)
    hold = threading.Event()
    made._scorer.engines._lane.submit(Job(lambda _job: hold.wait(20) and None, lambda _job, _error: None))
    made.sweep()
    made.wait(20)
    first = made.heatmap
    assert first.params["engine"] == "full passes"
    hold.set()
    assert made._scorer.engines.wait(60)
    made.sweep()
    made.wait(60)
    assert made.heatmap.params["engine"] == "incremental"
    np.testing.assert_allclose(made.heatmap.values, first.values, atol=1e-6)


def test_the_error_of_a_sweep_is_raised_once_and_a_later_score_is_given(made, page):
    made.window = 40
    page.send(kind="sweep")
    with pytest.raises(cw.CnnWidgetsError, match="larger than the input"):
        made.wait(20)
    made.boxes = [[1, 1, 9, 9]]
    assert made.wait(20) is made.scores


def test_a_callback_that_leaves_python_does_not_end_the_worker(made):
    def leave(_score):
        raise SystemExit

    made.on_score(leave)
    made.boxes = [[1, 1, 9, 9]]
    made.wait(20)
    made.on_score(leave, remove=True)
    made.boxes = [[2, 2, 9, 9]]
    assert made.wait(20).boxes[0][:2] == (2, 2)
