"""Work in steps: live requests are served between them, and it goes on afterwards."""

from __future__ import annotations

import itertools
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnwidgets.errors import Cancelled
from cnnwidgets.jobs import Job, Lane
from tests.widgets.probe import Probe, wait_for_no_thread, wait_until


def stepping(probe: Probe, number: int, steps: int, log: list[int], error: BaseException | None = None) -> Job:
    """A job that is a generator; each step writes its number down."""
    probe.answers[number] = []

    def work(_job: Job):
        for step in range(steps):
            with probe.lock:
                probe.running += 1
                probe.most = max(probe.most, probe.running)
            time.sleep(0.0005)
            log.append(number)
            with probe.lock:
                probe.running -= 1
            if step < steps - 1:
                yield
        if error is not None:
            raise error
        probe.done.append(number)

    return Job(work, lambda _job, answer: probe.answers[number].append(answer))


KINDS = st.sampled_from(["submit", "submit", "generate", "generate", "cancel", "wait", "pause"])
ACTIONS = st.lists(st.tuples(KINDS, st.integers(0, 3), st.integers(1, 8)), max_size=25)


@settings(max_examples=60, deadline=None)
@given(ACTIONS)
def test_generators_and_plain_jobs_in_any_order(actions):
    probe, log = Probe(), []
    lanes = [Lane(probe.worker) for _ in range(4)]
    latest: dict[int, int | None] = {}
    for number, (what, lane, steps) in enumerate(actions):
        if what in ("submit", "generate"):
            job = probe.job(number, steps) if what == "submit" else stepping(probe, number, steps, log)
            lanes[lane].submit(job)
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
        assert len(probe.worker._paused) <= len(lanes)
    assert all(lane.wait(10) for lane in lanes)
    assert all(len(answers) == 1 for answers in probe.answers.values()), "every job is answered once"
    assert probe.most <= 1, "one at a time"
    for number in latest.values():
        if number is not None:
            assert probe.answers[number] == [None], "the latest is done"
    for number, (answer,) in probe.answers.items():
        assert (answer is None) == (number in probe.done)
        assert answer is None or isinstance(answer, Cancelled)
    wait_for_no_thread(probe.worker)


def gated(probe: Probe, number: int, gates: list[threading.Event], log: list[object]) -> Job:
    """A generator whose steps each wait for a gate."""

    def work(_job: Job):
        for step, gate in enumerate(gates):
            assert gate.wait(10)
            log.append((number, step))
            yield

    probe.answers[number] = []
    return Job(work, lambda _job, answer: probe.answers[number].append(answer))


def plain(probe: Probe, name: str, log: list[object]) -> Job:
    return Job(lambda _job: log.append(name), lambda _job, _answer: None)


def test_a_live_request_waits_for_one_step_at_most_and_the_generator_goes_on():
    probe, log = Probe(), []
    gates = [threading.Event() for _ in range(4)]
    sweep, live = Lane(probe.worker), Lane(probe.worker)
    sweep.submit(gated(probe, 0, gates, log))
    for name, gate in zip(("a", "b", "c"), gates, strict=False):
        live.submit(plain(probe, name, log))
        assert sweep.busy
        assert live.busy
        gate.set()
        assert live.wait(10)
    gates[3].set()
    assert sweep.wait(10)
    assert log == [(0, 0), "a", (0, 1), "b", (0, 2), "c", (0, 3)]
    assert probe.answers[0] == [None]


def test_a_hand_that_never_rests_does_not_starve_a_sweep_nor_a_second_one():
    probe, log = Probe(), []
    opened = threading.Event()
    opened.set()
    hand = Lane(probe.worker)
    sweeps = [Lane(probe.worker) for _ in range(2)]

    def again(_job: Job, _answer: BaseException | None) -> None:
        if any(lane.busy for lane in sweeps):
            hand.submit(Job(lambda _job: log.append("live"), again))

    hold = threading.Event()
    hand.submit(Job(lambda _job: hold.wait(10) and None, again))
    for number, lane in enumerate(sweeps):
        lane.submit(gated(probe, number, [opened] * 5, log))
    hold.set()
    assert all(lane.wait(10) for lane in sweeps)
    assert hand.wait(10)
    steps = [entry for entry in log if entry != "live"]
    assert sorted(steps) == [(n, step) for n in range(2) for step in range(5)]
    assert [n for n, _ in steps[:6]].count(0) in (2, 3, 4), "generators take turns"
    # Between two steps the hand is served once, not twice: a sweep goes on as fast as the hand allows.
    until_the_end = log[: log.index(steps[-1])]
    assert all(pair != ("live", "live") for pair in itertools.pairwise(until_the_end))
    assert until_the_end.count("live") >= 8


def test_cancelling_a_paused_generator_runs_its_finally():
    probe, log = Probe(), []
    first, blocked = threading.Event(), threading.Event()

    def work(_job: Job):
        try:
            log.append("began")
            first.set()
            yield
            while True:
                yield
        finally:
            log.append("closed")

    answers: list[BaseException | None] = []
    sweep, other = Lane(probe.worker), Lane(probe.worker)
    sweep.submit(Job(work, lambda _job, answer: answers.append(answer)))
    assert first.wait(10)
    other.submit(Job(lambda _job: blocked.wait(10) and None, lambda _job, _answer: None))
    sweep.cancel()
    assert answers == []
    blocked.set()
    assert sweep.wait(10)
    assert log == ["began", "closed"]
    assert isinstance(answers[0], Cancelled)
    assert len(answers) == 1


def test_a_newer_generator_takes_the_place_of_a_paused_one():
    probe, log = Probe(), []
    lane = Lane(probe.worker)
    lane.submit(stepping(probe, 0, 100_000, log))
    wait_until(lambda: len(log) > 3)
    lane.submit(stepping(probe, 1, 3, log))
    assert lane.wait(10)
    assert log[-3:] == [1, 1, 1]
    assert isinstance(probe.answers[0][0], Cancelled)
    assert probe.answers[1] == [None]


def test_an_error_in_a_step_is_an_answer():
    probe, log = Probe(), []
    lane, error = Lane(probe.worker), ValueError("third step")
    lane.submit(stepping(probe, 0, 3, log, error))
    assert lane.wait(10)
    assert probe.answers[0] == [error]
    assert not lane.busy


def test_an_answer_that_cannot_be_taken_does_not_end_the_worker(caplog):
    probe = Probe()
    lane = Lane(probe.worker)

    def refuse(_job: Job, _answer: BaseException | None) -> None:
        raise RuntimeError("no room")

    lane.submit(Job(lambda _job: None, refuse))
    assert lane.wait(10)
    assert "no room" in caplog.text
    lane.submit(probe.job(1))
    assert lane.wait(10)
    assert probe.answers[1] == [None]


@pytest.mark.parametrize("threads", [2, 6])
def test_requests_from_many_threads_while_a_sweep_goes_on(threads):
    probe, log = Probe(), []
    hand, sweep = Lane(probe.worker), Lane(probe.worker)
    sweep.submit(stepping(probe, 0, 60, log))
    jobs = [[probe.job(100 * thread + i + 1) for i in range(30)] for thread in range(threads)]
    running = [threading.Thread(target=lambda own=own: [hand.submit(job) for job in own]) for own in jobs]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert hand.wait(10)
    assert sweep.wait(10)
    assert all(len(answers) == 1 for answers in probe.answers.values())
    assert probe.answers[0] == [None]
    assert log == [0] * 60
    assert probe.most == 1
