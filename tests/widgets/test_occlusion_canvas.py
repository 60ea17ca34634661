"""OcclusionCanvas on the wire and in Python: every request answered once, questions, errors, sweeps, history."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from traitlets import TraitError

import cnnwidgets as cw
from cnnwidgets.explain.frame import Box
from tests.widgets.conftest import make_picture
from tests.widgets.occlusion import NAMES, STATE, Page, canvas, gradient, reset


@pytest.fixture(autouse=True)
def _fresh():
    reset()
    yield
    reset()


@pytest.fixture
def made() -> cw.OcclusionCanvas:
    return canvas()


@pytest.fixture
def page(made) -> Page:
    return Page(made)


# The live loop.


def test_a_place_is_answered_with_a_score(made, page):
    page.place(7, [10, 20, 30, 52])
    answer = page.answer(7)
    assert set(answer) == {
        *("kind", "id", "boxes", "hidden", "active", "score", "change", "units", "predictions", "target"),
        *("top_changed", "seconds"),
    }
    assert answer["kind"] == "score"
    assert answer["boxes"] == [[10, 20, 30, 52]]
    assert {"index", "name", "probability", "clean"} == set(answer["target"]) == set(answer["predictions"][0])
    assert len(answer["predictions"]) == 3
    assert 0 <= answer["seconds"] < 10
    assert made.wait(20).score == answer["score"]
    assert len(page.answers(7)) == 1


def test_the_latest_place_wins_and_every_one_is_answered(made, page):
    STATE.hold = threading.Event()
    for number in range(50):
        page.place(number, [number % 30, 0, number % 30 + 20, 20])
        assert len(made._live._lane._worker._waiting) <= 2
    STATE.hold.set()
    made.wait(20)
    replaced = [n for n in range(50) if page.answers(n)[0].get("replaced")]
    assert all(len(page.answers(n)) == 1 for n in range(50))
    assert len(replaced) >= 48
    assert page.answers(49)[0]["boxes"] == [[19, 0, 39, 20]]


PLACES = st.tuples(st.just("place"), st.integers(-40, 90), st.integers(-40, 90))
BAD = st.tuples(
    st.just("bad"), st.sampled_from([[], [[1, 2, 3]], [["a", 1, 2, 3]], None, [[0, 0, float("nan"), 4]], 7])
)
CHANGES = st.tuples(
    st.just("set"),
    st.sampled_from(
        [
            *({"target": 1}, {"target": 99}, {"fill": "mean"}, {"fill": "gray"}, {"shape": "ellipse"}, {"keep": True}),
            *({"measure": "output"}, {"color": "#102030"}, {"boxes": [[1, 2, 30, 40], [5, 5, 9, 9]], "active": 1}),
        ]
    ),
)
KINDS = st.tuples(st.just("send"), st.sampled_from(["rest", "forget", "retry", "sweep", "cancel", "dance"]))
PYTHON = st.tuples(st.just("python"), st.integers(0, 40))
FAILS = st.tuples(st.just("fails"), st.booleans())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(PLACES, PLACES, BAD, CHANGES, KINDS, PYTHON, FAILS), max_size=20))
def test_any_order_of_messages(actions):
    reset()
    made = canvas()
    page = Page(made)
    last = None
    for number, (what, *values) in enumerate(actions):
        if what == "place":
            left, top = values
            page.place(number, [left, top, left + 12, top + 12])
            last = number
        elif what == "bad":
            page.send(kind="place", id=number, boxes=values[0])
            assert "error" in page.answers(number)[0]
        elif what == "set":
            page.set(**values[0])
        elif what == "send":
            page.send(kind=values[0])
        elif what == "fails":
            STATE.fails = values[0]
        else:
            made.boxes = [[values[0], 0, values[0] + 10, 10]]
            last = None
    STATE.fails = False
    assert made._live.wait(20)
    assert made._sweeps.wait(20)
    asked = [n for n, (what, *_) in enumerate(actions) if what in ("place", "bad")]
    assert all(len(page.answers(number)) == 1 for number in asked), "every request is answered once"
    if last is not None:
        assert not page.answers(last)[0].get("replaced") or page.answers(-1)
    page.place(1000, [4, 4, 20, 20])
    assert "score" in page.answer(1000), "the next drag works"
    assert made.scores is not None
    made.close()


def test_places_from_several_threads(made, page):
    threads = [
        threading.Thread(target=lambda own=own: [page.place(own + i, [i, 0, i + 9, 9]) for i in range(25)])
        for own in (0, 100, 200)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made.wait(20)
    assert all(len(page.answers(own + i)) == 1 for own in (0, 100, 200) for i in range(25))


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        ([], "0 entries"),
        (None, "no list"),
        ([[1, 2, 3]], r"boxes\[0\]=\[1, 2, 3\] is no box"),
        ([[0, 0, 5, 5], [5, 5, 5, 9]], r"boxes\[1\].*no area"),
        ([[5, 9, 9, 5]], "no area"),
        ([[100, 0, 120, 10]], "outside the picture, which is 64 pixels wide and 64 high"),
        ([[0, -9, 10, 0]], "outside"),
        ([[0, 0, float("inf"), 10]], "no box"),
        ([["a", 0, 3, 10]], "no box"),
        ([[True, 0, 3, 10]], "no box"),
        ([[0, 0, 5, 5]] * 33, "33 entries"),
    ],
)
def test_bad_boxes_are_errors_in_words_and_change_nothing(made, page, boxes, words):
    before, region = made.boxes, made.region
    page.send(kind="place", id=3, boxes=boxes, active=0)
    import re

    assert re.search(words, page.answers(3)[0]["error"])
    with pytest.raises((cw.CnnWidgetsError, TraitError), match=words):
        made.boxes = boxes
    assert (made.boxes, made.region) == (before, region)
    page.place(4, [0, 0, 5, 5])
    assert "score" in page.answer(4)


def test_strange_messages_are_ignored(made, page):
    sent = len(page.messages)
    for content in ({}, {"kind": "dance"}, {"kind": "place"}, {"kind": "place", "id": "x", "boxes": [[0, 0, 5, 5]]}):
        page.send(**content)
    made.wait(20)
    assert len(page.messages) == sent
    page.send(kind="place", id=1, boxes=[[0, 0, 5, 5]], active=4)
    assert "0 to 0" in page.answers(1)[0]["error"]


def test_a_model_that_raises_says_so_and_the_next_drag_works(made, page):
    STATE.fails = True
    page.place(1, [10, 10, 20, 20])
    answer = page.answer(1)
    assert answer["error"] == "ValueError: the third valve is stuck"
    assert "outside the widget" in answer["remedy"]
    with pytest.raises(ValueError, match="third valve"):
        made.wait(20)
    STATE.fails = False
    page.place(2, [10, 10, 20, 20])
    assert "score" in page.answer(2)
    assert made.wait(20).region == Box(10, 10, 20, 20)


def test_nan_is_an_error_in_words(made, page):
    STATE.nan = True
    page.place(1, [10, 10, 20, 20])
    assert "NaN" in page.answer(1)["error"]
    STATE.nan = False
    page.place(2, [10, 10, 20, 20])
    assert "score" in page.answer(2)


# Python.


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


# The sweep.


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
    assert made._sweep["partial"], "the coarse map stays"
    STATE.seconds = 0
    page.send(kind="retry")
    made.wait(30)
    assert made.heatmap is not None
    assert not made._sweep["partial"]


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


# What is left of it without a kernel, and in Python.


def test_snapshot_shows_the_occluders_the_map_and_the_bars(made):
    made.boxes = [[10, 10, 40, 40]]
    made.wait(20)
    drawn = np.asarray(made.snapshot(), int)
    made.boxes = [[30, 10, 60, 40]]
    made.wait(20)
    moved = np.asarray(made.snapshot(), int)
    assert drawn.shape == moved.shape
    side = 640 // 64
    top = drawn.shape[0] - moved.shape[0] + 26  # below the line of text
    grey = moved[top + 25 * side, 45 * side]
    np.testing.assert_allclose(grey, [128, 128, 128], atol=2)
    assert np.abs(drawn - moved).mean() > 1
    for show in ("visited", "sweep"):
        made.show = show
        if show == "sweep":
            made.window = made.stride = 8
            made.sweep()
            made.wait(20)
        assert made.snapshot().height > moved.shape[0], "the legend"
    made.show = "photo"
    for shape in ("ellipse", "rectangle"):
        made.shape, made.keep = shape, True
        made.wait(20)
        assert made.snapshot().size == (640, moved.shape[0])


def test_the_cell_holds_a_picture_and_the_score(made):
    data, metadata = made._repr_mimebundle_()
    assert {"application/vnd.jupyter.widget-view+json", "image/png", "text/html", "text/plain"} <= set(data)
    assert metadata["image/png"]["width"] > 100
    assert data["text/plain"].startswith(f"OcclusionCanvas: {made.scores.name} ")
    assert "points" in data["text/plain"] or "as on the whole" in data["text/plain"]


def test_an_export_has_the_places_and_the_last_answer(made, page):
    from ipywidgets.embed import embed_data

    page.place(5, [10, 10, 20, 20])
    page.answer(5)
    made.sweep()
    made.wait(20)
    state = embed_data(views=[made], drop_defaults=True)["manager_state"]["state"][made.model_id]["state"]
    assert state["_history"]["count"] == len(made.visited) > 0
    assert state["_answer"]["boxes"] == [[10, 10, 20, 20]]
    assert state["_sweep"]["shape"]
    assert {"_photo", "_clean", "_fills", "_grain", "boxes"} <= set(state)


def test_a_closed_canvas_is_collected():
    made = canvas()
    made.boxes = [[1, 1, 20, 20]]
    alive = weakref.ref(made)
    made.close()
    made._live.wait(10)
    del made
    gc.collect()
    end = time.monotonic() + 5
    while alive() is not None and time.monotonic() < end:
        time.sleep(0.01)
        gc.collect()
    assert alive() is None


def test_the_model_is_left_as_it_was(clf):
    model = clf.model.train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    made = cw.OcclusionCanvas(clf, make_picture())
    for fill in ("mean", "blur"):
        made.fill = fill
        made.wait(20)
    made.sweep()
    made.wait(20)
    assert made._scorer.engines.wait(60)
    assert all(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_pictures_of_every_kind(clf):
    for image in (
        make_picture(9, 200),
        make_picture(1, 1),
        np.full((12, 10, 4), 200, np.uint8),
        Image.new("L", (9, 9)),
    ):
        made = cw.OcclusionCanvas(clf, image, incremental=False)
        assert np.isfinite(made.wait(20).score)
        assert min(made.snapshot().size) > 0
