"""A view's work in the background: the latest wins, work that serves goes on, and every piece ends with a word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnwidgets.errors import Cancelled
from cnnwidgets.jobs import Job, Lane
from cnnwidgets.widgets._words import in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterator

    from cnnwidgets.widgets._lock import ViewLock


class Errand:
    """The one piece of work that a view has under way.

    Args:
        lock: the view's lock.
        say: called with state, method and more when the work has ended, with the lock held.
        ended: called after that, with the lock held.
        doing: what was done, for the words about an error: "the map was computed".

    Attributes:
        failed: what the latest work raised, or None.

    """

    def __init__(self, lock: ViewLock, say: Callable[..., None], ended: Callable[[], None], doing: str) -> None:
        self.failed: BaseException | None = None
        self._lock, self._say, self._then, self._doing = lock, say, ended, doing
        self._lane = Lane()
        self._job: Job | None = None
        self._tasks: frozenset[Hashable] = frozenset()

    def start(
        self,
        tasks: Collection[Hashable],
        work: Callable[[Job], Iterator[Any] | None],
        busy: Callable[[], None],
        *,
        again: bool = False,
    ) -> bool:
        """Have tasks done, and nothing else any more; return whether there are any.

        Work that already does them goes on, unless it was told to stop or `again` is set.

        Args:
            tasks: what is to be done, by any keys.
            work: does it.
            busy: called, with the lock held, when the work has been taken up.
            again: begin anew.

        """
        with self._lock:
            if tasks and self.goes_on and not again and self._tasks.issuperset(tasks):
                return True
            self.failed = None
            self._tasks = frozenset(tasks)
            if not tasks:
                self._job = None
                self._lane.cancel()
                return False
            busy()
            self._job = Job(work, self._ended)
            self._lane.submit(self._job)
            return True

    def is_latest(self, job: Job) -> bool:
        """Whether no other work has taken a job's place."""
        return job is self._job

    @property
    def goes_on(self) -> bool:
        """Whether there is work that runs or waits, and was not told to stop."""
        return self._job is not None and self._lane.busy and not self._job.cancel.is_set()

    def fail(self, error: BaseException) -> None:
        """Drop the work, and have failed: it cannot be begun."""
        with self._lock:
            self._job, self._tasks = None, frozenset()
            self._lane.cancel()
            self.failed = error

    def rest(self) -> None:
        """Forget work that has ended, with all that it held."""
        with self._lock:
            if not self.goes_on:
                self._job = None

    def cancel(self) -> None:
        """Stop the work."""
        self._lane.cancel()

    def wait(self, timeout: float | None) -> bool:
        """Wait until there is no work; return whether that was reached in time (seconds)."""
        return self._lane.wait(timeout)

    def _ended(self, job: Job, error: BaseException | None) -> None:
        with self._lock:
            if job is not self._job:
                return  # a newer one has taken its place, and speaks for itself
            self._tasks = frozenset()
            self.failed = error
            if error is None:
                self._say("idle", "")
            elif isinstance(error, Cancelled):
                self._say("cancelled", "", message="Cancelled.")
            else:
                self._say("error", "", **in_words(error, self._doing))
            self._then()
