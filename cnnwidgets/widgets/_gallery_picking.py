"""The picture of a patch that was selected, read in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnwidgets.errors import Cancelled
from cnnwidgets.jobs import Job, Lane

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image


class Picking:
    """Reads one picture at a time; the latest wins.

    Args:
        take: called with the picture, on the worker's thread.
        failed: called when one could not be read.

    Attributes:
        error: why the latest one could not be read, or None.

    """

    def __init__(self, take: Callable[[Image.Image], None], failed: Callable[[], None]) -> None:
        self.error: BaseException | None = None
        self._take, self._failed = take, failed
        self._lane = Lane()
        self._job: Job | None = None

    def read(self, picture: Callable[[], Image.Image]) -> None:
        """Have a picture read."""

        def work(job: Job) -> None:
            found = picture()
            if job is self._job:
                self._take(found)

        self.error = None
        self._job = Job(work, self._ended)
        self._lane.submit(self._job)

    def stop(self) -> None:
        """Want no picture any more."""
        self.error = self._job = None
        self._lane.cancel()

    def wait(self, timeout: float | None) -> bool:
        """Wait until nothing is being read; return whether that was reached in time (seconds)."""
        return self._lane.wait(timeout)

    def _ended(self, job: Job, error: BaseException | None) -> None:
        if job is self._job and error is not None and not isinstance(error, Cancelled):
            self.error = error
            self._failed()
