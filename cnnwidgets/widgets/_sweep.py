"""A sweep in the background: every place in turn, coarse to fine, while the hand goes on being answered."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnwidgets.errors import Cancelled
from cnnwidgets.explain.occlusion import occlusion
from cnnwidgets.explain.public import snapshots
from cnnwidgets.explain.targets import Probability
from cnnwidgets.jobs import Job, Lane
from cnnwidgets.widgets import _protocol as protocol
from cnnwidgets.widgets._words import in_words

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.explain.method import Snapshot
    from cnnwidgets.explain.result import Heatmap
    from cnnwidgets.widgets._looked import Looked
    from cnnwidgets.widgets._scene import Question

_SHOW_EVERY = 0.2  # seconds
STEPS = "places"


@dataclass(frozen=True)
class Order:
    """A sweep that is wanted.

    Attributes:
        looked: the picture.
        question: how the window hides, and what is read off.
        window: its side, in pixels of the network's input.
        stride: its step.

    """

    looked: Looked
    question: Question
    window: int
    stride: int

    def target(self) -> Any:
        """Return what `explain` is to explain."""
        index = self.question.target
        if self.question.measure == "output":
            return index
        wanted = Probability(index, self.looked.kind)
        wanted.__name__ = name_of(self.looked, index)
        return wanted

    def snapshots(self, clf: Classifier, cancel: Any) -> Iterator[Snapshot]:
        """Run it step by step."""
        return snapshots(
            occlusion,
            clf,
            self.looked.network.subject.images,
            self.target(),
            window=self.window,
            stride=self.stride,
            baseline=self.question.baseline,
            shape=self.question.shape,
            keep=self.question.keep,
            cancel=cancel,
        )

    def packed(self, heatmap: Heatmap, *, partial: bool) -> dict[str, Any]:
        """Return what the browser gets: a map, and the window in pixels of the picture."""
        down, across = self.looked.frame.scale
        return {
            **protocol.pack_map(heatmap, partial=partial),
            "window": [self.window * across, self.window * down],
            "outline": self.question.shape,
        }


def name_of(looked: Looked, index: int) -> str:
    """Return the name of a class."""
    classes = looked.network.subject.classes
    return classes[index] if classes else f"class {index}"


class Sweep:
    """Runs sweeps, one at a time, the latest wins.

    Args:
        clf: the classifier.
        lock: the view's lock; `show` and `say` are called with it held, on the worker's thread.
        show: called with the map as packed and, once it is done, the result; with ({}, None) to show none.
        say: called with state and more when the state of the work changes.

    """

    def __init__(
        self,
        clf: Classifier,
        lock: threading.RLock,
        show: Callable[[dict[str, Any], Heatmap | None], None],
        say: Callable[..., None],
    ) -> None:
        self.failed: BaseException | None = None
        self._clf, self._lock, self._show, self._say = clf, lock, show, say
        self._lane = Lane()
        self._job: Job | None = None

    @property
    def busy(self) -> bool:
        """Whether a sweep runs or waits."""
        return self._lane.busy

    def start(self, order: Callable[[], Order]) -> None:
        """Begin a sweep, in place of one that runs; `order` is called on the worker's thread and says which."""
        with self._lock:
            self.failed = None
            self._job = Job(lambda job: self._run(job, order()), self._ended)
            self._show({}, None)
            self._say("busy", message=STEPS)
            self._lane.submit(self._job)

    def cancel(self) -> None:
        """Stop the sweep; the map as far as it came stays on the picture."""
        self._lane.cancel()

    def forget(self) -> None:
        """Stop the sweep and take its map away: it answers a question that nobody asks any more."""
        with self._lock:
            self.failed = None
            if self._job is not None:
                self._job = None
                self._lane.cancel()
                self._say("idle")
            self._show({}, None)

    def wait(self, timeout: float | None) -> bool:
        """Wait until no sweep runs; return whether that was reached in time (seconds)."""
        return self._lane.wait(timeout)

    def _run(self, job: Job, order: Order) -> Iterator[None]:
        began, first, shown = 0.0, 0, 0.0
        for snapshot in order.snapshots(self._clf, job.cancel):
            now = time.monotonic()
            last = snapshot.done == snapshot.total
            if not began:
                began, first = now, snapshot.done  # the first step also prepares: it tells nothing of the rest
            if last or now - shown >= _SHOW_EVERY:
                shown = now
                pace = (now - began) / (snapshot.done - first) if snapshot.done > first else None
                left = None if pace is None else pace * (snapshot.total - snapshot.done)
                with self._lock:
                    if job is not self._job:
                        raise Cancelled("Another sweep has taken the place of this one.")
                    self._show(order.packed(snapshot.heatmap, partial=not last), snapshot.heatmap if last else None)
                    if not last:
                        self._say("busy", message=STEPS, done=snapshot.done, total=snapshot.total, seconds_left=left)
            yield

    def _ended(self, job: Job, error: BaseException | None) -> None:
        with self._lock:
            if job is not self._job:
                return  # a newer one has taken its place, and speaks for itself
            self._job = None
            self.failed = error
            if error is None:
                self._say("idle")
                return
            if isinstance(error, Cancelled):
                self._say("cancelled", message="Cancelled.")
            else:
                self._show({}, None)
                self._say("error", **in_words(error, "the map was computed"))
