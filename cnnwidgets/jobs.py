"""The only place with threads: one worker does the widgets' work, one piece at a time.

Each widget has a `Lane`, or a few for work of several kinds. At most one piece of a lane's work runs and one waits; a
newer one replaces the one that waits and cancels the one that runs. So however fast a hand moves, nothing piles up,
and two widgets do not fight for the cores. Long work may be a generator: between two of its steps the worker serves
what waits in other lanes, so a hand gets its answer while a map is being made. The worker's thread lives only while
there is work.

Requests come from any thread (ipykernel runs the handlers of messages on the main thread or on that of a subshell,
and a cell runs meanwhile or does not); `submit` and `cancel` never wait for work.

When Python ends, all work is cancelled and the threads are joined: PyTorch must not run in a thread while Python is
taken down, or the process is aborted. Work stops at its next cancel point, so a pass of a slow model delays the end of
Python until that pass is through; a callback of the user's that waits for something does so for ten seconds at most. In
a forked process there is no thread and no work.
"""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401 - first: what it does at the end of Python has to come after ours
import logging
import os
import sys
import threading
import time
import weakref
from collections import deque
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cnnwidgets.errors import Cancelled, CnnWidgetsError
from cnnwidgets.explain.control import CancelToken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LOG = logging.getLogger(__name__)


class ThreadError(CnnWidgetsError, RuntimeError):
    """No thread could be started for the work."""


@dataclass(eq=False)
class Job:
    """A piece of work in a lane.

    Attributes:
        work: what to do; it is given the job, and should look at `cancel` between its steps. It may be a generator:
            then each `next` is a step, and between two steps the worker may do a job of another lane, or close the
            generator because the job is cancelled.
        done: called once the work has ended, with None or the exception that it raised, on the worker's thread; or,
            with `Cancelled`, on the thread that replaced or cancelled it before it began. Every job is answered
            exactly once.
        cancel: asks the work to stop.
        context: the context variables of whoever made the job. The work runs in them: by these ipykernel tells which
            request a message belongs to, so a print lands in its cell, and a page's next request comes in where this
            one did, on a subshell if it can.

    """

    work: Callable[[Job], Iterator[Any] | None]
    done: Callable[[Job, BaseException | None], None]
    cancel: CancelToken = field(default_factory=CancelToken)
    context: Context = field(default_factory=copy_context)


def _answer(job: Job, error: BaseException | None) -> None:
    """Say how a job ended, in the context of whoever asked for it.

    The worker serves every widget: one that cannot take its answer, or leaves with `sys.exit()`, must not end it.
    """
    try:
        job.context.run(job.done, job, error)
    except BaseException:  # noqa: BLE001 - whatever it is
        # At the end of Python there may be no page any more, and nobody to read of it.
        _LOG.log(
            logging.DEBUG if _ENDING.is_set() else logging.ERROR, "An answer could not be delivered.", exc_info=True
        )


@dataclass(eq=False)
class _Turn:
    """A job that has begun: its lane, and the steps that are left of it if it is a generator."""

    lane: Lane
    job: Job
    steps: Iterator[Any] | None = None

    def take(self) -> bool:
        """Do the job, or its next step; return whether it has ended."""
        run = self.job.context.run
        if self.steps is None:
            self.steps = run(self.job.work, self.job)
            if self.steps is None:
                return True
        elif self.job.cancel.is_set():
            close = getattr(self.steps, "close", None)
            if close is not None:
                run(close)
            raise Cancelled("Stopped on request between two steps.")
        return run(next, self.steps, self) is self

    def answer(self, error: BaseException | None) -> None:
        """Say how it ended."""
        _answer(self.job, error)


class Worker:
    """One thread for all lanes.

    First come, first served. Generators step in turn, and between two of their steps each lane gets one job done. So a
    job waits for one step of one generator, and a generator for one job of each lane, however many more are wanted.
    """

    def __init__(self) -> None:
        self._forget()
        _WORKERS.add(self)

    def _forget(self) -> None:
        """Have no work and no thread: at first, and in a forked process, where the lock may be held for ever."""
        self._condition = threading.Condition()
        self._waiting: dict[Lane, Job] = {}
        self._running: _Turn | None = None
        self._paused: deque[_Turn] = deque()
        self._served: set[Lane] = set()  # since the last step of a generator
        self._thread: threading.Thread | None = None

    def submit(self, lane: Lane, job: Job) -> None:
        """Let the job wait in its lane, in place of an older one, and ask a running one of the lane to stop.

        Where no thread can be started, which may be so for a moment, the job is answered with `ThreadError`; the next
        one tries again.
        """
        thread: threading.Thread | None = None
        with self._condition:
            ending = _ENDING.is_set()
            if not ending:
                replaced = self._waiting.pop(lane, None)
                self._waiting[lane] = job
                self._stop(lane)
                if self._thread is None:
                    thread = self._thread = threading.Thread(target=self._work, name="cnnwidgets-worker", daemon=True)
        if ending:
            _answer(job, Cancelled("Python ends: no more work is begun."))
            return
        if thread is not None:
            # Without the lock: this waits for the new thread, in which Python may first collect a widget, whose end
            # cancels its work.
            self._start(thread)
        if replaced is not None:
            _answer(replaced, Cancelled("Replaced by a newer request before it began."))

    def _start(self, thread: threading.Thread) -> None:
        try:
            thread.start()
        except BaseException as error:
            if thread.ident is not None:  # it runs; the error, such as Control-C, came while this waited for it
                raise
            words = ThreadError(
                f"No thread could be started ({type(error).__name__}: {error}): memory or the number of threads is at "
                "its limit. Close other notebooks, then ask again."
            )
            with self._condition:
                left, self._waiting, self._thread = list(self._waiting.values()), {}, None
                self._condition.notify_all()
            for each in left:
                _answer(each, words)
            if not isinstance(error, Exception):
                raise

    def end(self) -> threading.Thread | None:
        """Cancel all work, for the end of Python; return the thread that is to be joined, or None."""
        with self._condition:
            dropped, self._waiting = list(self._waiting.values()), {}
            for turn in (*self._paused, *((self._running,) if self._running is not None else ())):
                turn.job.cancel.cancel()
            thread = self._thread
            self._condition.notify_all()
        for job in dropped:
            _answer(job, Cancelled("Python ends."))
        return thread

    def cancel(self, lane: Lane) -> None:
        """Drop what waits in a lane and ask what runs in it to stop."""
        with self._condition:
            dropped = self._waiting.pop(lane, None)
            self._stop(lane)
            self._condition.notify_all()
        if dropped is not None:
            _answer(dropped, Cancelled("Cancelled before it began."))

    def _stop(self, lane: Lane) -> None:
        begun = self._begun(lane)
        if begun is not None:
            begun.job.cancel.cancel()

    def _begun(self, lane: Lane) -> _Turn | None:
        if self._running is not None and self._running.lane is lane:
            return self._running
        return next((turn for turn in self._paused if turn.lane is lane), None)

    def is_busy(self, lane: Lane) -> bool:
        """Whether a job of the lane runs or waits."""
        with self._condition:
            return self._busy(lane)

    def _busy(self, lane: Lane) -> bool:
        return lane in self._waiting or self._begun(lane) is not None

    def wait(self, lane: Lane, timeout: float | None) -> bool:
        """Wait until the lane has no work; return whether that was reached in time (seconds).

        Raises:
            RuntimeError: called on the worker's own thread, which would wait for itself.

        """
        end = None if timeout is None else time.monotonic() + timeout
        with self._condition:
            if threading.current_thread() is self._thread and self._busy(lane):
                raise RuntimeError(
                    "This waits for the worker on the worker's own thread, as a callback of a widget that calls wait() "
                    "does: it would never end. Wait in a cell instead; a callback is given what has been computed."
                )
            while self._busy(lane):
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._condition.wait(left)
        return True

    def _next(self) -> _Turn | None:
        """Return whose turn it is; None if there is no work left."""
        for lane in self._waiting:
            if lane not in self._served and self._begun(lane) is None:
                if self._paused:
                    self._served.add(lane)
                return _Turn(lane, self._waiting.pop(lane))
        self._served.clear()
        return self._paused.popleft() if self._paused else None

    def _work(self) -> None:
        try:
            self._serve()
        except BaseException as error:  # such as no memory between two jobs: nobody may wait for this thread
            with self._condition:
                begun = [*self._paused, *((self._running,) if self._running is not None else ())]
                left = [*(turn.job for turn in begun), *self._waiting.values()]
                self._paused.clear()
                self._waiting, self._running, self._thread = {}, None, None
                self._condition.notify_all()
            for job in left:
                _answer(job, error)
            raise

    def _serve(self) -> None:
        while True:
            with self._condition:
                turn = self._running = self._next()
                if turn is None:
                    self._thread = None
                    return
            ended, error = True, None
            try:
                ended = turn.take()
            except BaseException as raised:  # noqa: BLE001 - an error is an answer, whatever it is
                error = raised
            if ended:
                turn.answer(error)
            with self._condition:
                self._running = None
                if not ended:
                    self._paused.append(turn)
                self._condition.notify_all()


_ENDING = threading.Event()  # Python ends
_WORKERS: weakref.WeakSet[Worker] = weakref.WeakSet()


_PATIENCE = 10.0  # seconds
_LEFT: set[threading.Thread] = set()  # threads that wait for something that will not come


def _end() -> None:
    """Cancel all work and wait for the threads, so that Python ends without any; doing it twice does no harm."""
    _ENDING.set()
    threads = [worker.end() for worker in list(_WORKERS)]
    for thread in threads:
        if thread is not None and thread is not threading.current_thread() and thread.ident is not None:
            _join(thread)


def _join(thread: threading.Thread) -> None:
    """Wait for a thread: as long as it computes, and for some seconds after that.

    It may be in a callback of the user's that waits for the main thread, which is here.
    """
    begun = last = time.monotonic()
    said = False
    while thread.is_alive() and thread not in _LEFT:
        thread.join(0.05)
        now = time.monotonic()
        if not _is_computing(thread):
            if now - last > _PATIENCE:
                _LEFT.add(thread)
            continue
        last = now
        if now - begun > _PATIENCE and not said:
            said = True
            sys.stderr.write("cnnwidgets: Python ends once the forward pass that is under way has.\n")


def _is_computing(thread: threading.Thread) -> bool:
    """Whether a thread, or one that runs a pass for it, is inside of PyTorch, where none must be at Python's end."""
    passes = (each for each in threading.enumerate() if each.name.startswith("cnnwidgets-passes"))
    return any(_is_in_torch(each) for each in (thread, *passes))


def _is_in_torch(thread: threading.Thread) -> bool:
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 - there is no other way to see it
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] == "torch":
            return True
        frame = frame.f_back
    return False


def _begin_in_child() -> None:
    """Forget work and threads in a forked process: they are its parent's."""
    for worker in list(_WORKERS):
        worker._forget()  # noqa: SLF001 - of this module


atexit.register(_end)
# Where Python offers it, before the thread pools of `concurrent.futures` are closed, on which a build's passes run.
getattr(threading, "_register_atexit", atexit.register)(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)

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
