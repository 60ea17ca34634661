"""OcclusionCanvas in real JupyterLab and Notebook 7: what a hand does, what is shown, what Python knows."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.browser.occlusion import CANVAS, TIMED, OcclusionPage, open_canvas

WHOLE = CANVAS.replace("img)", "img, incremental=False)")


@pytest.fixture
def opened(anywhere):
    return lambda *cells: open_canvas(anywhere, *(cells or (WHOLE,)), shared=not cells)


@pytest.fixture
def in_lab(notebook):
    return lambda *cells: open_canvas(notebook, *(cells or (WHOLE,)))


def pixels(canvas: OcclusionPage) -> np.ndarray:
    """Return the whole pane as the screen shows it."""
    return canvas.nb.seen(".cnnw-occlusion-pane").astype(int)


def test_drag_score_and_bars(opened):
    canvas = opened()
    before = canvas.box
    drag = canvas.drag(40)
    canvas.wait_settled()
    assert canvas.box != before
    assert drag.most == 1
    score = canvas.python("scores.packed()")
    assert float(canvas.fact("score")) == pytest.approx(score["score"])
    percent = f"{100 * score['score']:.1f}"
    assert percent in canvas.root.locator(".cnnw-number").inner_text()
    bars = canvas.root.locator(".cnnw-class")
    assert bars.count() == 5
    for i, wanted in enumerate(score["predictions"]):
        assert wanted["name"] in bars.nth(i).inner_text()
    canvas.nb.wait_until(
        lambda: canvas.python("_history.get('count', 0)") == canvas.python("visited.__len__()"), "rest"
    )
    canvas.nb.wait_until(lambda: np.allclose(canvas.python("boxes[0]"), canvas.box, atol=0.06), "boxes are known")


def test_the_occluder_shows_what_the_network_gets(opened):
    canvas = opened()
    for fill, wanted in (("grey", (128, 128, 128)), ("colour", (255, 0, 255))):
        canvas.nb.execute(f"canvas.color = '#ff00ff'; canvas.fill = {fill!r}")
        canvas.wait_settled()
        x, y = canvas.middle()
        box = canvas.pane.bounding_box()
        at = int(y - box["y"]), int(x - box["x"])
        canvas.nb.wait_until(lambda at=at, wanted=wanted: np.abs(pixels(canvas)[at] - wanted).max() < 6, fill)


def test_python_moves_the_occluder_and_changes_the_question(opened):
    canvas = opened()
    canvas.nb.execute("canvas.boxes = [[120, 60, 200, 140], [250, 100, 300, 160]]")
    canvas.nb.wait_until(lambda: canvas.box == [120, 60, 200, 140], "the occluder follows")
    canvas.wait_settled()
    canvas.nb.execute("canvas.region = (130, 70, 210, 150)")
    canvas.nb.wait_until(lambda: canvas.box == [130, 70, 210, 150], "the occluder follows")
    before = canvas.fact("score")
    for change in ("fill = 'blur'", "keep = True", "shape = 'ellipse'", "target = 'lynx'", "measure = 'output'"):
        canvas.nb.execute(f"canvas.{change}")
        canvas.nb.wait_until(lambda before=before: canvas.fact("score") != before, change)
        canvas.nb.wait_until(lambda: float(canvas.fact("score")) == pytest.approx(canvas.python("score")), change)
        before = canvas.fact("score")
    canvas.nb.execute("canvas.image = cw.demo.photo('coffee')")
    canvas.nb.wait_until(lambda: np.allclose(canvas.box, canvas.python("boxes[0]"), atol=0.06), "another picture")
    canvas.root.locator(".cnnw-target", has_text="espresso").wait_for()


def test_sweep_with_progress_cancel_hover_and_hardest_hit(opened):
    canvas = opened(TIMED + "STATE['seconds'] = 0.02")
    canvas.root.get_by_label("Stride").select_option("8")
    canvas.root.get_by_role("button", name="Sweep the picture").click()
    canvas.nb.wait_until(lambda: re.search(r"\d+ of 625 places", canvas.status()), "progress")
    canvas.nb.wait_until(lambda: "left" in canvas.status(), "time left")
    drag = canvas.drag(30)
    canvas.wait_settled()
    assert len(drag.scores) > 0, "the hand is answered during the sweep"
    assert canvas.python("_status['state']") == "busy"
    canvas.root.get_by_role("button", name="Cancel").click()
    canvas.wait_status("Cancelled")
    assert canvas.status().startswith(f"Cancelled after {canvas.python('heatmap.unfinished')}.")
    assert canvas.nb.python("bool(canvas.heatmap.params['done'] == (abs(canvas.heatmap.values) >= 0).sum())")

    canvas.nb.execute("STATE['seconds'] = 0.0")
    canvas.root.get_by_role("button", name="Sweep", exact=True).click()
    canvas.nb.wait_python("canvas.heatmap is not None", 60)
    canvas.nb.wait_until(lambda: "Zeiler" in canvas.status(), "the caption of the map")

    low, high, clean = canvas.nb.python(
        "[float(canvas.heatmap.values.min()), float(canvas.heatmap.values.max()), canvas.clean_score]"
    )
    for button, drop in (("Hardest hit", high), ("Most helped", low)):
        canvas.root.get_by_role("button", name=button).click()
        canvas.wait_settled()
        assert float(canvas.fact("score")) == pytest.approx(clean - drop, abs=1e-4)
        sides = np.diff(np.reshape(canvas.box, (2, 2)), axis=0)[0]
        window = canvas.python("_sweep['window']")
        np.testing.assert_allclose(sides, window, atol=0.3)

    x, y = canvas.at(0.5, 0.5)
    canvas.nb.page.mouse.move(x, y)
    canvas.nb.page.mouse.move(x + 1, y + 1)
    canvas.nb.wait_until(lambda: re.search(r"\d", canvas.root.locator(".cnnw-value").inner_text()), "a value")
    shown = float(canvas.root.locator(".cnnw-value").inner_text().replace("−", "-").split()[0].rstrip("%"))
    field = canvas.nb.python("[float(canvas.heatmap.on_picture()[150, 225])]")[0]
    unit = canvas.root.locator(".cnnw-value-units").inner_text()
    factor = 100 if "%" in unit or "point" in unit else 1
    assert shown == pytest.approx(factor * field, rel=0.1, abs=0.002 * factor)


def test_a_model_that_raises_and_the_next_drag(opened):
    canvas = opened(TIMED)
    canvas.nb.execute("STATE['fails'] = True")
    canvas.drag(20, rest=0)
    canvas.wait_status("the third valve is stuck")
    canvas.nb.wait_until(lambda: canvas.fact("in-flight") == "0", "errors are answers")
    canvas.nb.execute("STATE['fails'] = False")
    canvas.drag(20, rest=0)
    canvas.wait_settled()
    canvas.nb.wait_until(lambda: "valve" not in canvas.status(), "the error is gone")
    assert float(canvas.fact("score")) == pytest.approx(canvas.python("score"))


def test_dead_kernel(in_lab):
    canvas = in_lab()
    canvas.drag(30)
    canvas.wait_settled()
    score, (x, y) = canvas.fact("score"), canvas.middle()
    canvas.nb.close()  # shuts the kernel down; the page stays
    drag = canvas.drag(30, at=(x, y), rest=0)
    assert np.percentile(drag.drawn, 95) <= 34, "the occluder still follows"
    assert drag.most <= 1
    canvas.wait_status("The kernel does not answer", timeout=15)
    assert canvas.fact("score") == score
    canvas.root.get_by_role("button", name="Sweep the picture").click()
    canvas.root.get_by_role("radio", name="None").click()
    before = pixels(canvas)
    canvas.root.get_by_role("radio", name="By hand").click()
    canvas.nb.wait_until(lambda: np.abs(pixels(canvas) - before).mean() > 0.2, "the map of the hand is still here")
    canvas.wait_status("The kernel does not answer")


def test_reload_keeps_the_occluder_the_score_and_the_map(in_lab):
    canvas = in_lab()
    canvas.drag(60)
    canvas.wait_settled()
    canvas.root.get_by_role("radio", name="By hand").click()
    canvas.nb.wait_python("canvas.show == 'visited' and canvas._history['count'] == len(canvas.visited)")
    box, score = canvas.box, canvas.fact("score")
    canvas.nb.page.mouse.move(5, 5)
    canvas.nb.page.wait_for_timeout(200)
    before = pixels(canvas)
    canvas.nb.save()
    canvas.nb.reload()
    canvas.wait_ready()
    np.testing.assert_allclose(canvas.box, box, atol=0.06)
    assert canvas.fact("score") == score
    canvas.nb.wait_until(lambda: np.abs(pixels(canvas) - before).mean() < 2, "the same picture")
    canvas.drag(20)
    canvas.wait_settled()
    assert canvas.box != box


def test_two_views_in_step(in_lab):
    first = in_lab(WHOLE, "canvas")
    second = OcclusionPage(first.nb, 1)
    second.wait_ready()
    first.root.evaluate("(root) => root.scrollIntoView({ block: 'start' })")
    first.drag(30)
    first.wait_settled()
    second.nb.wait_until(lambda: second.box == first.box, "the occluder of the other view")
    second.nb.wait_until(lambda: second.fact("score") == first.fact("score"), "the score of the other view")


def test_keyboard_and_words_for_a_screen_reader(opened):
    canvas = opened()
    before = canvas.box
    canvas.pane.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        canvas.nb.page.keyboard.press(key)
    canvas.nb.wait_until(lambda: canvas.box[0] > before[0] and canvas.box[1] > before[1], "arrows move it")
    width = canvas.box[2] - canvas.box[0]
    canvas.nb.page.keyboard.press("Shift+ArrowRight")
    canvas.nb.wait_until(lambda: canvas.box[2] - canvas.box[0] > width, "shift and arrows resize it")
    canvas.nb.page.keyboard.press("p")
    canvas.nb.wait_python("len(canvas.boxes) == 2")
    canvas.nb.page.keyboard.press("Delete")
    canvas.nb.wait_python("len(canvas.boxes) == 1")
    canvas.wait_settled()
    words = canvas.root.locator("[aria-live]", has_text="than clean")
    words.first.wait_for(state="attached")
    assert re.search(r"\d", words.first.text_content())
