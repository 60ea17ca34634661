"""The worker: one piece of work at a time, the latest wins, every request is answered once."""

from __future__ import annotations

import contextvars
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnwidgets.errors import Cancelled
from cnnwidgets.jobs import Job, Lane
from tests.widgets.probe import Probe, wait_for_no_thread

KINDS = st.sampled_from(["submit", "submit", "submit", "cancel", "wait", "pause"])
ACTIONS = st.lists(st.tuples(KINDS, st.integers(0, 2), st.integers(0, 6)), max_size=25)


@settings(max_examples=60, deadline=None)
@given(ACTIONS)
def test_any_order_of_requests(actions):
    probe = Probe()
    lanes = [Lane(probe.worker) for _ in range(3)]
    latest: dict[int, int | None] = {}
    for number, (what, lane, steps) in enumerate(actions):
        if what == "submit":
            lanes[lane].submit(probe.job(number, steps))
            latest[lane] = number
        elif what == "cancel":
            lanes[lane].cancel()
            latest[lane] = None
        elif what == "wait":
            assert lanes[lane].wait(10)
            assert not lanes[lane].busy
        else:
            time.sleep(0.001 * steps)
        assert len(probe.worker._waiting) <= len(lanes)
    for lane in lanes:
        assert lane.wait(10)
    assert all(len(answers) == 1 for answers in probe.answers.values()), "every job is answered once"
    assert probe.most <= 1, "one at a time"
    for number in latest.values():
        if number is not None:
            assert probe.answers[number] == [None], "the latest is done"
    for number, (answer,) in probe.answers.items():
        assert (answer is None) == (number in probe.done)
        assert answer is None or isinstance(answer, Cancelled)
    wait_for_no_thread(probe.worker)


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


@pytest.mark.parametrize("lanes", [1, 3])
def test_lanes_take_turns(lanes):
    probe = Probe()
    made = [Lane(probe.worker) for _ in range(lanes)]
    for number, lane in enumerate(made):
        lane.submit(probe.job(number, steps=2))
    assert all(lane.wait(10) for lane in made)
    assert probe.done == list(range(lanes))


def test_many_threads_submit():
    probe = Probe()
    lane = Lane(probe.worker)
    jobs = [[probe.job(100 * thread + i) for i in range(20)] for thread in range(4)]
    threads = [threading.Thread(target=lambda own=own: [lane.submit(job) for job in own]) for own in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lane.wait(10)
    assert all(len(answers) == 1 for answers in probe.answers.values())
    assert probe.most == 1


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
