"""A sweep in the background: every place in turn, coarse to fine, while the hand goes on being answered."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnwidgets.errors import Cancelled
from cnnwidgets.explain.control import progress_words
from cnnwidgets.explain.occlusion_sweep import sweep_snapshots
from cnnwidgets.explain.targets import Probability
from cnnwidgets.jobs import Job, Lane
from cnnwidgets.widgets import _protocol as protocol
from cnnwidgets.widgets._words import in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.explain.occlusion_sweep import SweepSnapshot
    from cnnwidgets.explain.result import Heatmap
    from cnnwidgets.explain.sweep import OcclusionSweep
    from cnnwidgets.widgets._lock import ViewLock
    from cnnwidgets.widgets._looked import Looked
    from cnnwidgets.widgets._scene import Question

STEPS = "places"
_CHUNK = 8  # places per step: a hand that moves meanwhile waits for one step
_SHOW_EVERY = 0.2  # seconds
_SHARE = 0.1  # of the time that showing may take; a fine sweep over many classes is large


@dataclass(frozen=True)
class Order:
    """A sweep that is wanted.

    Attributes:
        looked: the picture.
        question: how the window hides.
        window: its side, in pixels of the network's input.
        stride: its step.
        incremental: whether to recompute only what the window can reach.

    """

    looked: Looked
    question: Question
    window: int
    stride: int
    incremental: bool = True

    def snapshots(self, clf: Classifier, cancel: Any) -> Iterator[SweepSnapshot]:
        """Run it step by step."""
        return sweep_snapshots(
            clf,
            self.looked.images,
            window=self.window,
            stride=self.stride,
            baseline=self.question.baseline,
            shape=self.question.shape,
            keep=self.question.keep,
            incremental=self.incremental,
            chunk=_CHUNK,
            cancel=cancel,
        )


@dataclass(frozen=True, eq=False)
class Swept:
    """A sweep as far as it has come: a map for any class.

    Attributes:
        order: what was wanted.
        sweep: the scores.

    """

    order: Order
    sweep: OcclusionSweep

    @property
    def whole(self) -> bool:
        """Whether it is through."""
        return self.sweep.done == self.sweep.total

    def heatmap(self, question: Question) -> Heatmap:
        """Return the map of the question's target and measure; nothing is computed anew."""
        looked, index = self.order.looked, question.target
        if question.measure == "output":
            return self.sweep.heatmap(index)
        target = Probability(index, looked.kind)
        target.__name__ = looked.name_of(index)
        return self.sweep.heatmap(target)

    def packed(self, heatmap: Heatmap) -> dict[str, Any]:
        """Return what the browser gets: a map, NaN where nothing is known, and the window in pixels of the picture."""
        down, across = self.order.looked.frame.scale
        return {
            **protocol.pack_map(heatmap, partial=not self.whole),
            "window": [self.order.window * across, self.order.window * down],
            "outline": self.order.question.shape,
        }


class Sweep:
    """Runs sweeps, one at a time, the latest wins.

    Args:
        clf: the classifier.
        lock: the view's lock; `show` and `say` are called with it held.
        show: called when there is something new in `swept`.
        say: called with state and more when the state of the work changes.

    """

    def __init__(self, clf: Classifier, lock: ViewLock, show: Callable[[], None], say: Callable[..., None]) -> None:
        self.swept: Swept | None = None
        self.failed: BaseException | None = None
        self._clf, self._lock, self._show, self._say = clf, lock, show, say
        self._lane = Lane()
        self._job: Job | None = None

    @property
    def busy(self) -> bool:
        """Whether a sweep runs or waits."""
        return self._job is not None

    def start(self, order: Callable[[], Order]) -> None:
        """Begin a sweep, in place of one that runs; `order` is called on the worker's thread and says which."""
        with self._lock:
            self.failed = None
            self._keep(None)
            self._say("busy", message=STEPS)
            self._job = Job(lambda job: self._run(job, order), self._ended)
            self._lane.submit(self._job)

    def cancel(self) -> None:
        """Stop the sweep; what was computed stays."""
        self._lane.cancel()

    def forget(self) -> None:
        """Stop the sweep and take its map away: it answers what nobody asks any more."""
        with self._lock:
            had = self._job is not None or self.swept is not None or self.failed is not None
            self.failed = None
            if self._job is not None:
                self._job = None
                self._lane.cancel()
            if had:
                self._say("idle")
            self._keep(None)

    def wait(self, timeout: float | None) -> bool:
        """Wait until no sweep runs; return whether that was reached in time (seconds)."""
        return self._lane.wait(timeout)

    def _keep(self, swept: Swept | None) -> None:
        self.swept = swept
        self._show()

    def _run(self, job: Job, make: Callable[[], Order]) -> Iterator[None]:
        order = make()
        clock = _Clock()
        latest: SweepSnapshot | None = None  # that is not on show
        try:
            for snapshot in order.snapshots(self._clf, job.cancel):
                latest = snapshot
                left = clock.left(snapshot.done, snapshot.total)
                if snapshot.done == snapshot.total or clock.due:
                    with clock.showing, self._lock:
                        if job is not self._job:
                            raise Cancelled("Nobody asks for this sweep any more.")
                        self._keep(Swept(order, snapshot.sweep))
                        self._say("busy", message=STEPS, done=snapshot.done, total=snapshot.total, seconds_left=left)
                    latest = None
                yield
        finally:  # stopped: what was computed since the map was last shown is kept, too
            if latest is not None and job.cancel.is_set():
                with self._lock:
                    if job is self._job:
                        self._keep(Swept(order, latest.sweep))

    def _ended(self, job: Job, error: BaseException | None) -> None:
        with self._lock:
            if job is not self._job:
                return  # a newer one has taken its place, and speaks for itself
            self._job = None
            if isinstance(error, Cancelled) and self.swept is not None and self.swept.whole:
                error = None  # it came too late
            self.failed = error
            if error is None:
                self._say("idle")
            elif isinstance(error, Cancelled):
                self._keep(self.swept)  # now as a result
                self._say("cancelled", **self._stopped())
            else:
                self._keep(None)
                self._say("error", **in_words(error, "the map was computed"))

    def _stopped(self) -> dict[str, Any]:
        """Return how far the sweep came that was cancelled, as numbers and in words."""
        if self.swept is None:
            return {"message": "Cancelled before the first place."}
        done, total = self.swept.sweep.done, self.swept.sweep.total
        words = f"Cancelled after {progress_words(done, total, STEPS)}. Hatched: not computed."
        return {"done": done, "total": total, "message": words}


class _Clock:
    """When to show how far a sweep has come, and how long the rest will take."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None
        self._next = 0.0
        self._began = 0.0

    def left(self, done: int, total: int) -> float | None:
        """Return the seconds that the rest will take; None while that is not known."""
        now = time.monotonic()
        if self._first is None:  # the first step also prepares, so its time tells nothing of the others
            self._first = now, done
            return None
        began, first = self._first
        return (now - began) / (done - first) * (total - done)

    @property
    def due(self) -> bool:
        """Whether it is time to show something."""
        return time.monotonic() >= self._next

    @property
    def showing(self) -> _Clock:
        """Use as a context in which it is shown: the next time comes the later, the longer that takes."""
        return self

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        now = time.monotonic()
        self._next = now + max(_SHOW_EVERY, (now - self._began) / _SHARE)
