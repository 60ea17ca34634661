"""SketchPad: ink on the page, what the network gets, and asking while the hand draws."""

from __future__ import annotations

import numpy as np
import pytest

import cnnwidgets as cw
from tests.widgets.conftest import Net
from tests.widgets.sketch import SEVEN, Page, pixels, wait_until


def test_a_seven_is_named_seven():
    pad = cw.SketchPad(cw.demo.digits())
    page = Page(pad)
    assert pad.predictions == ()
    page.draw(*SEVEN)
    assert pad.wait(20)[0].name == "7"
    assert pad.score == pad.predictions[0].probability > 0.5
    assert 'role="status" aria-live="polite"' in pad._controls.tally.value
    assert "7" in pad._described()
    assert pad.clf.predict(pad.image) == pad.predictions


def test_the_page_shows_what_the_network_got(pad):
    page = Page(pad)
    page.draw((50, 50), (200, 90), (120, 260))
    pad.tool = "erase"
    pad.brush = 40
    page.draw((10, 120), (300, 120.5))
    for step in (lambda: None, pad.undo, pad.redo, pad.clear, pad.undo):
        step()
        pad.wait(20)
        np.testing.assert_array_equal(page.rgb, pixels(pad.image))
        np.testing.assert_array_equal(pixels(pad.snapshot())[:320, :320], page.rgb)
    assert page.rgb.max() == 255
    assert page.rgb[120].max() == 0


def test_ink_appears_before_the_brush_is_lifted(pad):
    page = Page(pad)
    page.down(100, 100)
    page.move(140, 100)
    page.move(180, 100)
    pad.wait(20)
    assert page.rgb[100, 150].tolist() == [255] * 3
    assert [stroke.is_open for stroke in pad.strokes] == [True]
    page.up(180, 100)
    assert [stroke.is_open for stroke in pad.strokes] == [False]


def test_only_what_changed_is_sent(pad):
    page = Page(pad)
    page.down(100, 100)
    pad.wait(20)
    before = page.pixels.copy()
    page.pixels[:] = 0
    page.move(110, 100)
    pad.wait(20)
    touched = np.argwhere(page.pixels[..., 3] > 0)
    assert (touched.max(0) - touched.min(0)).max() < 60
    assert before[..., 3].min() == 255


def test_hovering_draws_nothing(pad):
    page = Page(pad)
    sent = page.messages
    page.move(100, 100)
    page.send(event="mouse_out", x=10, y=10)
    pad.wait(20)
    assert (pad.strokes, page.messages) == ((), sent)


def test_leaving_the_canvas_lifts_the_brush(pad):
    page = Page(pad)
    page.down(100, 100)
    page.move(300, 100)
    page.send(event="mouse_out", x=330, y=100)
    page.move(200, 300)
    pad.wait(20)
    assert len(pad.strokes) == 1
    assert page.rgb[100, 319].tolist() == [255] * 3
    assert page.rgb[300, 200].tolist() == [0] * 3


def test_touch_with_one_finger(pad):
    page = Page(pad)
    finger = [{"x": 100, "y": 100}, {"x": 200, "y": 100}]
    page.send(event="touch_start", touches=finger[:1])
    page.send(event="touch_move", touches=finger[1:])
    page.send(event="touch_start", touches=finger)  # a second finger
    page.send(event="touch_move", touches=[{"x": 150, "y": 300}, finger[1]])
    page.send(event="touch_end", touches=[])
    pad.wait(20)
    assert [stroke.points for stroke in pad.strokes] == [((100, 100), (200, 100))]
    np.testing.assert_array_equal(page.rgb, pixels(pad.image))


def test_a_page_that_is_loaded_again_gets_everything(pad):
    page = Page(pad)
    page.draw(*SEVEN)
    pad.wait(20)
    again = Page(pad)
    np.testing.assert_array_equal(again.rgb, page.rgb)
    again.draw((20, 300), (300, 300))
    pad.wait(20)
    np.testing.assert_array_equal(again.rgb, pixels(pad.image))


def test_undo_redo_and_clear(pad):
    page = Page(pad)
    for y in (60, 120, 180):
        page.draw((50, y), (250, y))
    states = [pad.strokes[:count] for count in range(4)]
    pad.undo()
    assert pad.strokes == states[2]
    pad.clear()
    assert pad.strokes == ()
    pad.undo()
    pad.undo()
    assert pad.strokes == states[1]
    page.send(event="key_down", key="y", shift_key=False, ctrl_key=True, meta_key=False)
    page.send(event="key_down", key="Z", shift_key=True, ctrl_key=False, meta_key=True)
    assert pad.strokes == ()
    page.send(event="key_down", key="z", shift_key=False, ctrl_key=True, meta_key=False)
    assert pad.strokes == states[2]
    page.draw((50, 250), (250, 250))
    pad.redo()  # a new stroke has taken the place of what was undone
    assert len(pad.strokes) == 3
    for _ in range(9):
        pad.undo()
    assert pad.strokes == ()
    assert pad.wait(20) == ()


def test_the_network_is_asked_about_the_latest_only_and_the_ink_does_not_wait(pad, gate):
    page = Page(pad)
    Net.passes = 0
    gate.clear()
    page.down(20, 20)
    for step in range(1, 201):
        page.move(20 + step, 20 + step)
    page.up(220, 220)
    assert pad._work._ink.wait(20)
    assert page.rgb[150, 150].tolist() == [255] * 3
    with pytest.raises(TimeoutError):
        pad.wait(0.05)
    assert pad.predictions == ()
    gate.set()
    pad.wait(20)
    assert 1 <= Net.passes <= 2
    np.testing.assert_array_equal(page.rgb, pixels(pad.image))
    assert pad.predictions == pad.clf.predict(pad.image)


def test_waiting_for_ink_and_answer_has_one_deadline(pad, monkeypatch):
    now, seen = [0.0], []

    def takes(seconds):
        def wait(timeout):
            seen.append(timeout)
            now[0] += seconds
            return True

        return wait

    monkeypatch.setattr("cnnwidgets.widgets._sketch_work.time.monotonic", lambda: now[0])
    monkeypatch.setattr(pad._work._ink, "wait", takes(3))
    monkeypatch.setattr(pad._work._lane, "wait", takes(0))
    for timeout in (5, 2, None):
        pad.wait(timeout)
    assert seen == [5, 2, 2, 0, None, None]


def test_a_slow_network_says_that_it_computes(pad, gate, monkeypatch):
    page = Page(pad)
    monkeypatch.setattr(pad._work, "_seconds", 1.0)
    gate.clear()
    page.draw((20, 20), (200, 20))
    wait_until(lambda: "Computing" in pad._controls.tally.value)
    gate.set()
    pad.wait(20)
    assert "Computing" not in pad._controls.tally.value


def test_an_error_is_said_in_words_and_the_next_stroke_works(pad):
    page = Page(pad)
    page.draw((20, 20), (200, 20))
    pad.wait(20)
    Net.fails = True
    page.draw((20, 60), (200, 60))
    with pytest.raises(ValueError, match="third valve"):
        pad.wait(20)
    assert "ValueError: the third valve is stuck" in pad._controls.tally.value
    assert 'role="alert"' in pad._controls.tally.value
    assert pad.predictions == ()
    np.testing.assert_array_equal(page.rgb, pixels(pad.image))
    Net.fails = False
    page.draw((20, 100), (200, 100))
    assert pad.wait(20) == pad.clf.predict(pad.image)
    assert "valve" not in pad._controls.tally.value
