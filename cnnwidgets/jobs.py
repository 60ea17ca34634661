"""The only place with threads: one worker does the widgets' work, one piece at a time.

Each widget has a `Lane`. At most one piece of a lane's work runs and one waits; a newer one replaces the one that
waits and cancels the one that runs. So however fast a hand moves, nothing piles up, and two widgets do not fight for
the cores. The worker's thread lives only while there is work.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cnnwidgets.errors import Cancelled
from cnnwidgets.explain.control import CancelToken

if TYPE_CHECKING:
    from collections.abc import Callable

_LOG = logging.getLogger(__name__)


@dataclass(eq=False)
class Job:
    """A piece of work in a lane.

    Attributes:
        work: what to do; it is given the job, and should look at `cancel` between its steps.
        done: called once the work has ended, with None or the exception that it raised, on the worker's thread; or,
            with `Cancelled`, on the thread that replaced or cancelled it before it began. Every job is answered
            exactly once.
        cancel: asks the work to stop.

    """

    work: Callable[[Job], None]
    done: Callable[[Job, BaseException | None], None]
    cancel: CancelToken = field(default_factory=CancelToken)


class Worker:
    """One thread, first come, first served, over all lanes."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: dict[Lane, Job] = {}
        self._running: tuple[Lane, Job] | None = None
        self._thread: threading.Thread | None = None

    def submit(self, lane: Lane, job: Job) -> None:
        """Let the job wait in its lane, in place of an older one, and ask a running one of the lane to stop."""
        with self._condition:
            replaced = self._waiting.pop(lane, None)
            self._waiting[lane] = job
            if self._running is not None and self._running[0] is lane:
                self._running[1].cancel.cancel()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="cnnwidgets-worker", daemon=True)
                self._thread.start()
        if replaced is not None:
            replaced.done(replaced, Cancelled("Replaced by a newer request before it began."))

    def cancel(self, lane: Lane) -> None:
        """Drop what waits in a lane and ask what runs in it to stop."""
        with self._condition:
            dropped = self._waiting.pop(lane, None)
            if self._running is not None and self._running[0] is lane:
                self._running[1].cancel.cancel()
            self._condition.notify_all()
        if dropped is not None:
            dropped.done(dropped, Cancelled("Cancelled before it began."))

    def is_busy(self, lane: Lane) -> bool:
        """Whether a job of the lane runs or waits."""
        with self._condition:
            return self._busy(lane)

    def _busy(self, lane: Lane) -> bool:
        return lane in self._waiting or (self._running is not None and self._running[0] is lane)

    def wait(self, lane: Lane, timeout: float | None) -> bool:
        """Wait until the lane has no work; return whether that was reached in time (seconds)."""
        end = None if timeout is None else time.monotonic() + timeout
        with self._condition:
            while self._busy(lane):
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._condition.wait(left)
        return True

    def _work(self) -> None:
        while True:
            with self._condition:
                if not self._waiting:
                    self._thread = None
                    return
                lane = next(iter(self._waiting))
                job = self._waiting.pop(lane)
                self._running = (lane, job)
            error: BaseException | None = None
            try:
                job.work(job)
            except BaseException as raised:  # noqa: BLE001 - an error is an answer, whatever it is
                error = raised
            try:
                job.done(job, error)
            except Exception:  # noqa: BLE001 - the worker serves every widget: one that cannot take its answer must not end it
                _LOG.exception("An answer could not be delivered.")
            with self._condition:
                self._running = None
                self._condition.notify_all()


WORKER = Worker()


class Lane:
    """One widget's way to the worker."""

    def __init__(self, worker: Worker = WORKER) -> None:
        self._worker = worker

    def submit(self, job: Job) -> None:
        """Have a job done in the background."""
        self._worker.submit(self, job)

    def cancel(self) -> None:
        """Stop this lane's work."""
        self._worker.cancel(self)

    @property
    def busy(self) -> bool:
        """Whether this lane has work that runs or waits."""
        return self._worker.is_busy(self)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until this lane has no work; return whether that was reached within `timeout` seconds."""
        return self._worker.wait(self, timeout)
