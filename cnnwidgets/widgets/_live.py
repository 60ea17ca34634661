"""The live loop: placings of the occluders are scored one at a time, the latest wins, every one is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnwidgets.jobs import Job, Lane

if TYPE_CHECKING:
    from collections.abc import Callable

    from cnnwidgets.explain.frame import Box
    from cnnwidgets.widgets._scene import Scene
    from cnnwidgets.widgets._score import Score

    Found = tuple[Scene, Score]

UNASKED = -1


@dataclass(frozen=True)
class Request:
    """A placing that is to be scored.

    Attributes:
        id: the page's number for it; `UNASKED` where Python wants it.
        boxes: the occluders, in pixels of the picture.
        active: which of them the hand holds.

    """

    id: int
    boxes: tuple[Box, ...]
    active: int


class Live:
    """Scores requests in the background.

    Args:
        score: computes the answer and what it is about, on the worker's thread.
        answer: takes it, or the error, exactly once for each request; with `Cancelled` if a newer one took its place,
            and then on whichever thread brought that.

    """

    def __init__(
        self,
        score: Callable[[Request], Found],
        answer: Callable[[Request, Found | None, BaseException | None], None],
    ) -> None:
        self._score, self._answer = score, answer
        self._lane = Lane()

    def ask(self, request: Request) -> None:
        """Have a request scored, in place of one that waits."""
        found: list[Found] = []

        def work(_job: Job) -> None:
            found.append(self._score(request))

        def done(_job: Job, error: BaseException | None) -> None:
            self._answer(request, found[0] if error is None else None, error)

        self._lane.submit(Job(work, done))

    @property
    def busy(self) -> bool:
        """Whether a request is being scored or waits."""
        return self._lane.busy

    def stop(self) -> None:
        """Drop what waits."""
        self._lane.cancel()

    def wait(self, timeout: float | None) -> bool:
        """Wait until every request is answered; return whether that was reached in time (seconds)."""
        return self._lane.wait(timeout)
