"""The worker: one piece of work at a time, the latest wins, every request is answered once."""

from __future__ import annotations

import contextvars
import threading
import time

import pytest

from cnnwidgets.errors import Cancelled
from cnnwidgets.jobs import Job, Lane
from tests.widgets.probe import Probe


def test_an_error_is_an_answer_and_the_next_job_runs():
    probe = Probe()
    lane = Lane(probe.worker)
    error = KeyboardInterrupt("in the worker")
    lane.submit(probe.job(0, error=error))
    assert lane.wait(10)
    lane.submit(probe.job(1))
    assert lane.wait(10)
    assert probe.answers == {0: [error], 1: [None]}


def test_a_newer_job_replaces_the_waiting_one_and_stops_the_running_one():
    probe = Probe()
    lane = Lane(probe.worker)
    lane.submit(probe.job(0, steps=100_000))
    while probe.running == 0:
        time.sleep(0.001)
    lane.submit(probe.job(1))
    lane.submit(probe.job(2))
    assert lane.wait(10)
    assert probe.done == [2]
    assert isinstance(probe.answers[0][0], Cancelled)
    assert isinstance(probe.answers[1][0], Cancelled)


def test_waiting_gives_up_in_time():
    probe = Probe()
    lane = Lane(probe.worker)
    lane.submit(probe.job(0, steps=100_000))
    started = time.monotonic()
    assert not lane.wait(0.05)
    assert 0.05 <= time.monotonic() - started < 2
    lane.cancel()
    assert lane.wait(10)


def test_a_widget_may_be_collected_while_the_thread_starts(monkeypatch):
    probe = Probe()
    start, alive = threading.Thread.start, []

    def start_after_a_cancel(thread):  # as the end of a widget does in the new thread, which `start` waits for
        ending = threading.Thread(target=Lane(probe.worker).cancel, daemon=True)
        start(ending)
        ending.join(10)
        alive.append(ending.is_alive())
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_after_a_cancel)
    lane = Lane(probe.worker)
    lane.submit(probe.job(0))
    assert lane.wait(10)
    assert alive == [False]
    assert probe.answers == {0: [None]}


@pytest.mark.parametrize("lanes", [1, 3])
def test_lanes_take_turns(lanes):
    probe = Probe()
    made = [Lane(probe.worker) for _ in range(lanes)]
    for number, lane in enumerate(made):
        lane.submit(probe.job(number, steps=2))
    assert all(lane.wait(10) for lane in made)
    assert probe.done == list(range(lanes))


def test_waiting_on_the_workers_own_thread_is_refused():
    probe = Probe()
    lane = Lane(probe.worker)
    said: list[BaseException] = []

    def wait(_job: Job, _answer: BaseException | None) -> None:
        with pytest.raises(RuntimeError, match="own thread") as caught:
            lane.wait(1)
        said.append(caught.value)

    lane.submit(Job(lambda _job: None, wait))
    assert lane.wait(10)
    assert len(said) == 1


WHO = contextvars.ContextVar("WHO", default="nobody")


def test_work_runs_in_the_context_of_whoever_asked():
    probe, seen = Probe(), []
    lanes = [Lane(probe.worker) for _ in range(2)]

    def work(_job: Job):
        for _ in range(3):
            seen.append(WHO.get())
            yield
            time.sleep(0.001)

    for name, lane in zip(("cell 1", "cell 2"), lanes, strict=True):
        WHO.set(name)
        lane.submit(Job(work, lambda _job, _answer: seen.append(f"{WHO.get()} answered")))
    WHO.set("later")
    assert all(lane.wait(10) for lane in lanes)
    assert sorted(seen) == sorted(f"cell {n}{words}" for n in (1, 2) for words in ("", "", "", " answered"))
