"""The index of a gallery being made in the background, with progress, a stop and a way on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from cnnwidgets.errors import Cancelled
from cnnwidgets.jobs import Job, Lane
from cnnwidgets.widgets._words import in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from cnnwidgets.patches.index import PatchIndex
    from cnnwidgets.patches.progress import BuildProgress, Skipped

    Steps = Generator[BuildProgress, None, PatchIndex]

_TELL_EVERY = 0.25  # seconds
_LISTED = 50  # skipped items that are named


class Building:
    """Makes an index.

    Args:
        tell: called with what the trait `_build` holds, a few times a second.
        take: called with the finished index.

    Attributes:
        failed: what the latest attempt raised, or None.

    """

    def __init__(self, tell: Callable[[dict[str, Any]], None], take: Callable[[PatchIndex], None]) -> None:
        self.failed: BaseException | None = None
        self._tell, self._take = tell, take
        self._lane = Lane()
        self._job: Job | None = None
        self._progress: BuildProgress | None = None

    @property
    def busy(self) -> bool:
        """Whether an index is being made."""
        return self._lane.busy

    def start(self, begin: Callable[[], Steps], words: Callable[[], str]) -> None:
        """Make an index, in place of one that is being made.

        Args:
            begin: starts it; it goes on by itself where it was stopped.
            words: says what else there is to say, such as where it is kept.

        """
        self.failed = None
        self._progress = None
        self._tell(self._packed("building", words()))
        self._job = Job(lambda job: self._work(job, begin, words), self._ended)
        self._lane.submit(self._job)

    def stop(self) -> None:
        """Stop; what has been done is kept."""
        self._lane.cancel()

    def wait(self, timeout: float | None) -> bool:
        """Wait until nothing is being made; return whether that was reached in time (seconds)."""
        return self._lane.wait(timeout)

    def _work(self, job: Job, begin: Callable[[], Steps], words: Callable[[], str]) -> Iterator[None]:
        steps = begin()
        told = 0.0
        try:
            while True:
                try:
                    self._progress = next(steps)
                except StopIteration as end:
                    if job is self._job:
                        self._take(end.value)
                    return
                if job is self._job and time.monotonic() - told > _TELL_EVERY:
                    told = time.monotonic()
                    self._tell(self._packed("building", words()))
                yield
        finally:
            steps.close()  # keeps what has been done

    def _ended(self, job: Job, error: BaseException | None) -> None:
        if error is None or job is not self._job:  # a newer attempt speaks for itself
            return
        if isinstance(error, Cancelled):
            self._tell(self._packed("stopped", "Stopped; what has been done is kept."))
            return
        self.failed = error
        self._tell({**self._packed("error"), **in_words(error, "the pictures were indexed")})

    def _packed(self, state: str, message: str = "") -> dict[str, Any]:
        found = self._progress
        skipped: Sequence[Skipped] = () if found is None else found.skipped
        return {
            "state": state,
            "done": 0 if found is None else found.done,
            "total": None if found is None else found.total,
            "skipped": len(skipped),
            "seconds_left": None if found is None or state != "building" else found.seconds_left,
            "message": message,
            "remedy": "",
            "skipped_list": listed(skipped),
        }


def pack_done(index: PatchIndex, words: str) -> dict[str, Any]:
    """Return what the trait `_build` holds of a finished index."""
    return {
        "state": "done",
        "done": len(index),
        "total": index.total,
        "skipped": len(index.skipped),
        "seconds_left": None,
        "message": words,
        "remedy": "",
        "skipped_list": listed(index.skipped),
    }


def listed(skipped: Sequence[Skipped]) -> list[dict[str, str]]:
    """Return the first items that were skipped, with the reasons."""
    return [{"name": item.name, "reason": item.reason} for item in skipped[:_LISTED]]
