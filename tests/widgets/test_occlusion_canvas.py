"""OcclusionCanvas in Python: boxes, questions, places visited, callbacks, another picture, changed weights."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from traitlets import TraitError

import cnnwidgets as cw
from cnnwidgets.explain.frame import Box
from tests.widgets.conftest import Net, make_picture
from tests.widgets.occlusion import NAMES, STATE, canvas, gradient
from tests.widgets.probe import wait_until


def test_boxes_set_in_python_are_scored_and_shown(made, page):
    made.boxes = ((4, 6, 20, 30), np.array([30, 30, 40, 40]))
    score = made.wait(20)
    assert score.boxes == (Box(4, 6, 20, 30), Box(30, 30, 40, 40))
    assert {"boxes": [[4, 6, 20, 30], [30, 30, 40, 40]]} in page.updates
    assert [message["id"] for message in page.messages] == [-1]
    made.active = 1
    assert made.region == (30, 30, 40, 40)
    made.region = (32, 32, 50, 50)
    assert made.boxes == [[4, 6, 20, 30], [32, 32, 50, 50]]
    assert made.wait(20).region == Box(32, 32, 50, 50)
    made.boxes = [[1, 1, 9, 9]]
    assert made.active == 0


def test_boxes_that_the_page_saves_are_not_scored_again(made, page):
    page.place(1, [10, 10, 20, 20])
    page.answer(1)
    passes = STATE.passes
    page.set(boxes=[[10, 10, 20, 20], [12.5, 10, 22.5, 20]], active=1)
    made.wait(20)
    assert STATE.passes == passes
    assert made.region == (12.5, 10, 22.5, 20)
    assert "boxes" not in page.names, "the page is not told what it has said"


def test_boxes_that_an_observer_corrects_are_scored(made, page):
    def snap(change):
        made.boxes = [[8 * round(edge / 8) for edge in box] for box in change.new]

    made.observe(snap, names=["boxes"])
    page.set(boxes=[[9, 9, 25, 25]])
    assert made.wait(20).boxes == (Box(8, 8, 24, 24),)
    assert {"boxes": [[8, 8, 24, 24]]} in page.updates, "the page follows"
    page.set(boxes=[[8, 8, 40, 40]])
    page.place(1, [8, 8, 40, 40])
    page.answer(1)
    assert made.wait(20).boxes == (Box(8, 8, 40, 40),)


def test_scores_answer_the_present_question(made, page):
    got = []
    made.on_score(got.append)
    STATE.hold, passes = threading.Event(), STATE.passes
    page.place(1, [10, 10, 20, 20])
    wait_until(lambda: STATE.passes > passes)
    made.fill = "mean"  # while the network looks at grey
    assert made.scores is made.score is None
    STATE.hold.set()
    score = made.wait(20)
    assert "score" in page.answers(1)[0], "the page asked before"
    assert page.answers(1)[0]["score"] != score.score
    assert got == [score]
    assert made.scores is score


def test_a_snapshot_shows_no_score_of_another_place(made):
    whole = made.snapshot().height
    STATE.hold = threading.Event()
    made.boxes = [[10, 10, 20, 20]]
    assert made.snapshot().height < whole
    STATE.hold.set()
    made.wait(20)
    assert made.snapshot().height == whole


def test_whole_passes_may_be_asked_for_at_any_time(clf):
    made = cw.OcclusionCanvas(clf, make_picture())
    made.wait(20)
    for incremental in (False, True):
        made.incremental = incremental
        made.wait(20)
        assert made._scorer.engines.wait(60)
        passes = Net.passes
        made.boxes = [[1 + incremental, 1, 9, 9]]
        made.wait(20)
        assert (Net.passes > passes) == (not incremental)


@pytest.mark.parametrize(
    ("trait", "value"),
    [("target", "dark"), ("fill", "mean"), ("shape", "ellipse"), ("keep", True), ("measure", "output")],
)
@pytest.mark.parametrize("where", ["python", "page"])
def test_another_question_is_scored_and_forgets_the_places(made, page, trait, value, where):
    page.place(1, [10, 10, 20, 20])
    page.answer(1)
    page.send(kind="rest")
    assert made._history["count"] >= 1
    assert made._answer["id"] == 1
    before = made.scores
    if where == "python":
        setattr(made, trait, value)
    else:
        page.set(**{trait: NAMES.index(value) if trait == "target" else value})
    after = made.wait(20)
    assert page.messages[-1]["id"] == -1
    assert after.boxes == before.boxes == (Box(10, 10, 20, 20),)
    assert len(made.visited) == 1
    histories = [state["_history"] for state in page.updates if "_history" in state]
    assert {} in histories
    if trait in ("target", "measure"):
        assert made._clean["score"] == pytest.approx(made.clean_score)
        assert after.clean == pytest.approx(made.clean_score)
    else:
        assert after.score != before.score


def test_history_is_what_was_really_hidden(made, page):
    for number, left in enumerate((0, 10.4, 21.1)):
        page.place(number, [left, 4, left + 12, 16])
        page.answer(number)
    page.send(kind="rest")
    rows = np.frombuffer(made._history["data"], "<f4").reshape(-1, 6)
    assert made._history["count"] == len(rows) == 4  # and the place that the canvas began with
    hidden = [page.answers(n)[0]["hidden"][0] for n in range(3)]
    np.testing.assert_allclose(rows[1:, :4], hidden)
    np.testing.assert_allclose(rows[1:, 4], [page.answers(n)[0]["score"] for n in range(3)], rtol=1e-6)
    visited = made.visited
    np.testing.assert_allclose(visited.boxes, rows[:, :4])
    field = visited.map()
    assert field.shape == (64, 64)
    assert np.isnan(field[60, 60])
    assert field[6, 2] == pytest.approx(made.clean_score - page.answers(0)[0]["score"], abs=1e-6)
    both = [made.clean_score - page.answers(n)[0]["score"] for n in (0, 1)]
    assert field[6, 11] == pytest.approx(np.mean(both), abs=1e-6)
    page.send(kind="forget")
    assert made._history == {}
    assert len(made.visited) == 0


def test_another_pinned_box_is_another_history(made, page):
    page.place(1, [10, 10, 20, 20])
    page.place(2, [10, 10, 20, 20])
    page.answer(2)
    page.place(3, [10, 10, 20, 20], [40, 40, 50, 50], active=1)
    page.answer(3)
    assert len(made.visited) == 1
    page.place(4, [10, 10, 20, 20], [42, 40, 52, 50], active=1)
    page.answer(4)
    assert len(made.visited) == 2


def test_callbacks(made, page, caplog):
    got, broken = [], []

    def bad(score):
        broken.append(score)
        raise KeyError("no such key")

    made.on_score(bad)
    made.on_score(got.append)
    for number in range(3):
        page.place(number, [number, 10, 20 + number, 20])
        page.answer(number)
    made.wait(20)
    assert [score.region.left for score in got] == [0, 2, 2]
    assert len(broken) == 3
    assert caplog.text.count("Traceback") == 1, "said once, not with every move"
    assert made._status["state"] == "error"
    assert "bad: KeyError" in made._status["message"]
    made.on_score(bad, remove=True)
    page.place(9, [4, 10, 20, 20])
    page.answer(9)
    made.wait(20)
    assert (len(got), len(broken)) == (4, 3)
    assert made._status["state"] == "idle"
    with pytest.raises(cw.CnnWidgetsError, match="was not added"):
        made.on_score(bad, remove=True)
    with pytest.raises(cw.CnnWidgetsError, match="one argument"):
        made.on_score("print")


def test_a_score_is_frozen_and_an_observer_may_fail(made, page):
    def bad(_change):
        raise RuntimeError("no")

    made.observe(bad, names=["scores"])
    page.place(1, [10, 10, 20, 20])
    page.answer(1)
    made.wait(20)
    assert "observer of scores: RuntimeError" in made._status["message"]
    with pytest.raises(AttributeError):
        made.scores.score = 3
    made.unobserve(bad, names=["scores"])
    page.place(2, [10, 10, 22, 20])
    assert "score" in page.answer(2)


def test_waiting_in_a_callback_is_refused_and_not_a_deadlock(made, page, caplog):
    made.on_score(lambda _score: made.wait())
    page.place(1, [10, 10, 20, 20])
    page.answer(1)
    assert made._live.wait(10)
    assert "own thread" in caplog.text


@pytest.mark.parametrize(
    ("trait", "value", "words"),
    [
        ("target", "brigth", "Did you mean 'bright'"),
        ("target", 3, "3"),
        ("fill", "gray", "Did you mean 'grey'"),
        ("shape", "elipse", "Did you mean 'ellipse'"),
        ("measure", "logit", "Known are"),
        ("color", "red", "#rrggbb"),
        ("color", "#12345", "#rrggbb"),
        ("active", 1, "0 to 0"),
        ("window", 0, "1 or more"),
        ("stride", 2.5, "1 or more"),
        ("region", (1, 2, 3), "no box"),
        ("show", "map", "Known are"),
        ("boxes", None, "no list"),
    ],
)
def test_bad_values_are_refused_and_change_nothing(made, page, trait, value, words):
    names = ("target", "fill", "shape", "measure", "color", "active", "window", "stride", "region", "show", "boxes")
    before = {name: getattr(made, name) for name in names}
    with pytest.raises((cw.CnnWidgetsError, TraitError), match=words):
        setattr(made, trait, value)
    assert {name: getattr(made, name) for name in names} == before
    if trait != "region":
        page.set(**{trait: value})
        assert made._status["state"] == "error"
        assert {name: getattr(made, name) for name in names} == before
    page.place(1, [10, 10, 20, 20])
    page.answer(1)
    made.wait(20)
    assert made._status["state"] == "idle"


def test_options_at_the_start():
    made = canvas(
        target="dark", boxes=[[1, 2, 11, 12], [20, 20, 30, 30]], active=1, fill="blur", keep=True, measure="output",
        shape="ellipse", window=8, stride=4, color="#ABCDEF", opacity=0.2, show="visited",
    )  # fmt: skip
    score = made.wait(20)
    assert (score.name, score.units, score.active) == ("dark", "logit", 1)
    assert (made.window, made.stride, made.color, made.sign) == (8, 4, "#abcdef", "both")
    with pytest.raises(cw.CnnWidgetsError, match="Did you mean 'boxes'"):
        canvas(box=[[1, 2, 3, 4]])
    with pytest.raises((cw.CnnWidgetsError, TraitError), match="outside"):
        canvas(boxes=[[900, 2, 903, 4]])


def test_another_picture_resets(made, page):
    page.place(1, [10, 10, 20, 20])
    page.answer(1)
    made.sweep()
    made.wait(20)
    assert made.heatmap is not None
    made.image = gradient(96, 48)
    score = made.wait(20)
    assert made.heatmap is None
    assert (made._photo["width"], made._photo["height"]) == (96, 48)
    assert made.boxes == [[42, 18, 54, 30]]
    assert score.boxes == (Box(42, 18, 54, 30),)
    assert len(made.visited) == 1
    assert made._grain == [3, 1.5]
    before = made.boxes, made._photo, made.scores
    for bad in ("no-such.png", np.zeros((3, 4, 7), np.uint8), [gradient(), gradient()]):
        with pytest.raises(cw.CnnWidgetsError):
            made.image = bad
    assert (made.boxes, made._photo, made.scores) == before


def test_changed_weights_are_noticed(made, page):
    page.place(1, [10, 10, 20, 20])
    before = page.answer(1)
    with torch.no_grad():
        made.clf.model.gain.mul_(2)
    page.place(2, [10, 10, 20, 20])
    after = page.answer(2)
    assert after["target"]["clean"] != before["target"]["clean"]
    assert made._clean["score"] == pytest.approx(after["target"]["clean"])
    assert len(made.visited) == 1
    made.clf.model.gain.data = torch.tensor(1.0)
    made.refresh()
    assert made.wait(20).clean != after["target"]["clean"]
