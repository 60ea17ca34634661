"""The hand in real JupyterLab: it is followed at once, the kernel is asked one thing at a time, nothing piles up.

The figures are printed.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.browser.notebook import busy_cell
from tests.browser.occlusion import TIMED, Drag, OcclusionPage, open_canvas

TWO_FRAMES = 2 * 1000 / 60  # milliseconds
SECONDS, PER_SECOND = 5, 60


def outstanding(log: list[list]) -> int:
    """Return the most requests that the kernel had not answered at one time."""
    now = most = 0
    for what, number, *_ in log:
        if number >= 0:
            now += 1 if what == "asked" else -1
            most = max(most, now)
    assert now == 0, "every request is answered"
    return most


def check_requests(canvas: OcclusionPage, drag: Drag) -> list[list]:
    """One in flight on both sides, each answered once, and the last answer is of the last place."""
    log = canvas.kernel_log()
    asked, answered = ([entry for entry in log if entry[0] == what and entry[1] >= 0] for what in ("asked", "answered"))
    assert [entry[1] for entry in asked] == [entry[1] for entry in answered], "each answered once, in order"
    assert drag.most <= 1
    assert outstanding(log) <= 2, "one runs, one waits"
    assert canvas.fact("sent") == canvas.fact("answered") == str(len(asked))
    assert canvas.fact("waiting") == "0"
    np.testing.assert_allclose(canvas.scored, canvas.box, atol=0.11)
    np.testing.assert_allclose(asked[-1][3][0], canvas.box, atol=0.06)
    np.testing.assert_allclose(canvas.python("scores.boxes[0]"), canvas.box, atol=0.06)
    assert float(canvas.fact("score")) == pytest.approx(canvas.python("score"))
    return log


def test_60_events_a_second_over_a_model_of_45_ms(notebook, capsys):
    canvas = open_canvas(notebook, TIMED + "STATE['seconds'] = 0.045")
    drag = canvas.drag(SECONDS * PER_SECOND, PER_SECOND)
    log = check_requests(canvas, drag)
    asked = sum(what == "asked" for what, *_ in log)
    with capsys.disabled():
        print(f"\n45 ms model: {drag}; the kernel was asked {asked} times")
    assert drag.rate == pytest.approx(PER_SECOND, rel=0.1)
    assert np.percentile(drag.drawn, 95) <= TWO_FRAMES
    assert drag.last_change <= 300, "nothing moves 300 ms after the hand has stopped"
    seconds = (drag.events[-1] - drag.events[0]) / 1000
    assert 20 <= asked <= seconds / 0.045 + 3
    before = canvas.fact("box"), canvas.fact("score"), canvas.fact("sent")
    canvas.nb.page.wait_for_timeout(500)
    assert (canvas.fact("box"), canvas.fact("score"), canvas.fact("sent")) == before


@pytest.mark.parametrize("widget", ["", "canvas"], ids=["subshell", "main thread"])
def test_the_same_while_the_kernel_is_busy_in_a_cell(notebook, capsys, widget):
    cell = busy_cell(widget, "window") + "log_of_cell = len(log)"
    canvas = open_canvas(notebook, TIMED + "STATE['seconds'] = 0.045", cell)
    x, y = canvas.grab()
    canvas.nb.page.mouse.move(x + 9, y + 9)
    canvas.nb.page.mouse.up()
    canvas.wait_settled()
    canvas.nb.execute("log.clear()")
    sent = int(canvas.fact("sent"))
    with canvas.nb.busy_kernel(2):
        drag = canvas.drag(SECONDS * PER_SECOND, PER_SECOND, at=(x + 9, y + 9))
        if widget:
            canvas.wait_status("kernel", timeout=1)
    canvas.wait_settled()
    log = canvas.kernel_log()
    answered = canvas.nb.python("log_of_cell") // 2
    with capsys.disabled():
        print(f"\nbusy kernel, handlers on the {'main thread' if widget else 'subshell'}: {drag}; "
              f"{answered} requests were answered while the cell ran")  # fmt: skip
    assert np.percentile(drag.drawn, 95) <= TWO_FRAMES
    assert drag.most <= (2 if widget else 1), "one in flight; one more once the kernel is silent for seconds"
    assert outstanding(log) <= 2, "one runs, one waits"
    asked = [entry[1] for entry in log if entry[0] == "asked"]
    assert sorted(asked) == sorted(entry[1] for entry in log if entry[0] == "answered" and entry[1] >= 0)
    assert len(asked) == int(canvas.fact("sent")) - sent
    np.testing.assert_allclose(canvas.scored, canvas.box, atol=0.11)
    np.testing.assert_allclose(canvas.python("scores.boxes[0]"), canvas.box, atol=0.06)


def test_1000_moves_into_a_model_of_a_second(notebook, capsys):
    canvas = open_canvas(notebook, TIMED + "STATE['seconds'] = 1.0")
    passes = canvas.nb.python("STATE['passes']")
    canvas.drag(1000, 200, rest=0)
    canvas.wait_settled(30)
    drag = canvas.watched()
    log = check_requests(canvas, drag)
    asked = [entry for entry in log if entry[0] == "asked"]
    seconds = asked[-1][2] - asked[0][2]
    passes = canvas.nb.python("STATE['passes']") - passes
    with capsys.disabled():
        print(f"\n1,000 moves, 1 s model: {len(asked)} requests and {passes} passes in {seconds:.1f} s; {drag}")
    assert len(drag.events) >= 1000
    assert len(asked) <= seconds / 1.0 + 2
    assert passes == len(asked)
