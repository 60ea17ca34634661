"""Answering a view's questions in the background: one at a time, the latest wins, every one is answered."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnwidgets.errors import Cancelled
from cnnwidgets.explain.control import progress_words
from cnnwidgets.explain.public import snapshots
from cnnwidgets.widgets._errand import Errand
from cnnwidgets.widgets._methods import CHOICES
from cnnwidgets.widgets._store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.explain.method import Snapshot
    from cnnwidgets.explain.subject import Prepared
    from cnnwidgets.jobs import Job
    from cnnwidgets.widgets._lock import ViewLock

_SNAPSHOT_EVERY = 0.2  # seconds


@dataclass(frozen=True)
class Question:
    """One explanation that is wanted, and all that it depends on.

    Attributes:
        picture: hash of the network's input.
        method: name of the method.
        target: class.
        instead_of: class to subtract, or None.
        own: values of the method's own traits, as `CHOICES[method].traits` lists them.
        weights: the state of the model's weights when it was asked.

    """

    picture: str
    method: str
    target: int
    instead_of: int | None
    own: tuple[Any, ...]
    weights: Any


class Answers:
    """What a view knows and what it has computed.

    Args:
        clf: the classifier.
        lock: the view's lock; `show` and `say` are called with it held, on the worker's thread.
        show: called when there is something new in `store`.
        say: called with state, method and more when the state of the work changes.

    """

    def __init__(self, clf: Classifier, lock: ViewLock, show: Callable[[], None], say: Callable[..., None]) -> None:
        self.store = Store()
        self._clf, self._lock, self._show, self._say = clf, lock, show, say
        self._errand = Errand(lock, self._say_ended, self._ended, "the map was computed")
        self._stopped: tuple[Question, Snapshot] | None = None  # what was under way when it was cancelled

    @property
    def failed(self) -> BaseException | None:
        """What the latest work raised, or None."""
        return self._errand.failed

    def ask(self, questions: tuple[Question, ...], images: Prepared, *, again: bool = False) -> bool:
        """Have the questions answered that are not yet; return whether there is anything to do.

        Work that already answers them goes on, unless it was told to stop or `again` is set.
        """
        with self._lock:
            missing = tuple(question for question in questions if question not in self.store)

            def begin() -> None:
                self._drop()
                self._say("busy", missing[0].method, message=CHOICES[missing[0].method].progress_unit)

            if not missing:
                self._drop()
            return self._errand.start(missing, lambda job: self._compute(job, missing, images), begin, again=again)

    def fail(self, error: BaseException) -> None:
        """Stop the work: the picture cannot be scored any more."""
        self._errand.fail(error)

    def _drop(self) -> None:
        """Drop what is left of earlier work."""
        self._stopped = None
        self.store.drop_preview()
        self._show()

    def rest(self, kept: Collection[Question]) -> None:
        """Forget all heat maps but those of some questions."""
        self.store.keep_only(kept)
        self._errand.rest()

    @property
    def busy(self) -> bool:
        """Whether a map is being made."""
        return self._errand.goes_on

    def cancel(self) -> None:
        """Stop the work; what was computed of a map stays."""
        self._errand.cancel()

    def wait(self, timeout: float | None) -> bool:
        """Wait until there is no work; return whether that was reached in time (seconds)."""
        return self._errand.wait(timeout)

    def _compute(self, job: Job, missing: tuple[Question, ...], images: Prepared) -> None:
        for question in missing:
            latest: Snapshot | None = None
            shown = time.monotonic()
            try:
                for snapshot in self._snapshots(job, question, images):
                    latest = snapshot
                    last = _is_final(snapshot)
                    if not last and not snapshot.is_provisional and time.monotonic() - shown < _SNAPSHOT_EVERY:
                        continue
                    shown = time.monotonic()
                    with self._lock:
                        if last or snapshot.is_provisional:
                            self.store.keep(question, snapshot.heatmap, provisional=snapshot.is_provisional)
                        elif self._errand.is_latest(job):
                            self.store.preview(question, snapshot.heatmap)
                        if not last and self._errand.is_latest(job):
                            self._say("busy", question.method, **_progress(question, snapshot))
                        self._show()
            except Cancelled:
                with self._lock:
                    if latest is not None and not _is_final(latest) and self._errand.is_latest(job):
                        if not latest.is_provisional:
                            self.store.preview(question, latest.heatmap)
                        self._stopped = question, latest
                raise

    def _snapshots(self, job: Job, question: Question, images: Prepared) -> Iterator[Snapshot]:
        choice = CHOICES[question.method]
        return snapshots(
            choice.function,
            self._clf,
            images,
            question.target,
            instead_of=question.instead_of,
            cancel=job.cancel,
            **dict(zip(choice.traits, question.own, strict=True)),
        )

    def _say_ended(self, state: str, method: str, **more: Any) -> None:
        """Tell how the work ended; of a map that was cancelled half-way how far it came."""
        if state == "cancelled" and self._stopped is not None:
            question, snapshot = self._stopped
            more = _progress(question, snapshot)
            method = question.method
            if snapshot.is_provisional:
                more["message"] = "Cancelled before it was measured where the map's cells lie."
            else:
                words = progress_words(snapshot.done, snapshot.total, more["message"])
                more["message"] = f"Cancelled after {words}; the map shows these."
        self._say(state, method, **more)

    def _ended(self) -> None:
        if self._stopped is None:
            self.store.drop_preview()
        else:
            self.store.stop()
        self._show()


def _is_final(snapshot: Snapshot) -> bool:
    """Whether a snapshot holds the result."""
    return snapshot.done == snapshot.total and not snapshot.is_provisional


def _progress(question: Question, snapshot: Snapshot) -> dict[str, Any]:
    """Return how far a map has come, as a view's status says it."""
    if snapshot.is_provisional:
        return {"message": "Measuring where the map's cells lie, once for this network"}
    return {"done": snapshot.done, "total": snapshot.total, "message": CHOICES[question.method].progress_unit}
