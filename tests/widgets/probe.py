"""A worker that is watched: every job answered once, one at a time."""

from __future__ import annotations

import threading
import time

from cnnwidgets.errors import Cancelled
from cnnwidgets.jobs import Job, Worker


class Probe:
    """Makes jobs that do a few steps, and writes down what happens to them."""

    def __init__(self) -> None:
        self.worker = Worker()
        self.answers: dict[int, list[BaseException | None]] = {}
        self.running = 0
        self.most = 0
        self.done: list[int] = []
        self.lock = threading.Lock()

    def job(self, number: int, steps: int = 1, error: BaseException | None = None) -> Job:
        self.answers[number] = []

        def work(job: Job) -> None:
            with self.lock:
                self.running += 1
                self.most = max(self.most, self.running)
            try:
                for _ in range(steps):
                    if job.cancel.is_set():
                        raise Cancelled("stopped")
                    time.sleep(0.0005)
                if error is not None:
                    raise error
                self.done.append(number)
            finally:
                with self.lock:
                    self.running -= 1

        return Job(work, lambda _job, answer: self.answers[number].append(answer))


def wait_for_no_thread(worker: Worker) -> None:
    end = time.monotonic() + 5
    while worker._thread is not None:
        assert time.monotonic() < end, "the thread does not end"
        time.sleep(0.001)


def wait_until(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.0005)
