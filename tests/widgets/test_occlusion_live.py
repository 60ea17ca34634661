"""The live loop of OcclusionCanvas: every place is answered once, in any order of messages, from any thread."""

from __future__ import annotations

import re
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from traitlets import TraitError

import cnnwidgets as cw
from cnnwidgets.explain.frame import Box
from tests.widgets.occlusion import STATE, Page, canvas, reset


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
        ([[0, 0, 10**400, 10]], "no box"),
        ([["a", 0, 3, 10]], "no box"),
        ([[True, 0, 3, 10]], "no box"),
        ([[0, 0, 5, 5]] * 33, "33 entries"),
    ],
)
def test_bad_boxes_are_errors_in_words_and_change_nothing(made, page, boxes, words):
    before, region = made.boxes, made.region
    page.send(kind="place", id=3, boxes=boxes, active=0)
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
