"""What a view's observers hear: in order, one at a time, and never while the view is locked."""

from __future__ import annotations

import threading

import pytest

import cnnwidgets as cw
from cnnwidgets.widgets._lock import ViewLock
from tests.widgets.occlusion import canvas


def test_calls_wait_for_the_outermost_release():
    lock, heard = ViewLock(), []
    with lock:
        with lock:
            lock.later(lambda: heard.append(1))
        lock.later(lambda: heard.append(2))
        assert heard == []
    assert heard == [1, 2]
    lock.later(lambda: heard.append(3))
    assert heard == [1, 2, 3]


def test_what_a_call_brings_about_is_told_after_it():
    lock, heard = ViewLock(), []

    def first():
        lock.later(lambda: heard.append("second"))
        heard.append("first")

    lock.later(first)
    assert heard == ["first", "second"]


def test_a_thread_leaves_its_calls_to_the_one_that_is_at_it():
    lock, heard = ViewLock(), []
    begun, go_on = threading.Event(), threading.Event()

    def slow():
        begun.set()
        assert go_on.wait(10)
        heard.append("slow")

    thread = threading.Thread(target=lambda: lock.later(slow))
    thread.start()
    assert begun.wait(10)
    lock.later(lambda: heard.append(threading.current_thread()))
    assert heard == [], "neither called before the one before it, nor waited for"
    go_on.set()
    thread.join(10)
    assert heard == ["slow", thread]


def test_many_threads_lose_no_call_and_keep_their_order():
    lock, order, heard = ViewLock(), [], []

    def work(own):
        for number in range(200):
            with lock:
                order.append((own, number))
                lock.later(lambda number=number: heard.append((own, number)))

    threads = [threading.Thread(target=work, args=(own,)) for own in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == order


def waiting_for_another_thread(widget, heard):
    """Return an observer that waits for a thread which needs the view."""

    def observer(_change):
        thread = threading.Thread(target=widget.snapshot, daemon=True)
        thread.start()
        thread.join(5)
        heard.append(not thread.is_alive())

    return observer


def test_an_observer_of_a_heatmap_may_wait_for_a_thread_that_needs_the_view(view):
    heard: list[bool] = []
    view.observe(waiting_for_another_thread(view, heard), names=["heatmap"])
    view.target = "espresso"
    assert view.wait(20).target == ("espresso",)
    assert heard == [True, True], "that the old one is gone, and that the new one is there"


@pytest.mark.parametrize("name", ["scores", "heatmap"])
def test_an_observer_of_a_canvas_may_wait_for_a_thread_that_needs_it(name):
    made, heard = canvas(window=16, stride=16), []
    made.observe(waiting_for_another_thread(made, heard), names=[name])
    made.sweep()
    made.boxes = [[1, 1, 9, 9]]
    made.wait(20)
    assert heard == [True]


def test_an_observer_that_fails_does_not_cost_the_map_of_a_view(view, caplog):
    def bad(_change):
        raise RuntimeError("no room")

    view.observe(bad, names=["heatmap"])
    view.target = "espresso"
    assert isinstance(view.wait(20), cw.explain.Heatmap)
    assert view._status["state"] == "idle"
    assert "observer of heatmap: RuntimeError: no room" in caplog.text
