"""Watching and stopping long work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from cnnwidgets.errors import Cancelled

Progress = Callable[[int, int], object]


class CancelToken:
    """A flag that another thread raises to stop work at its next step.

    Every function of `explain` takes one as `cancel=`; a `threading.Event` does as well.
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether the work was asked to stop."""
        return self._event.is_set()


class Cancel(Protocol):
    """Anything with `is_set()`."""

    def is_set(self) -> bool:
        """Whether to stop."""


def progress_words(done: int, total: int, unit: str) -> str:
    """Return how far work has come: "180 of 3,025 places"."""
    return f"{done:,} of {total:,} {unit}"


def progress_params(done: int, total: int, unit: str) -> dict[str, int | str]:
    """Return what `Heatmap.params` says of unfinished work: the steps done, as a number and in words."""
    return {} if done == total else {"done": done, "unfinished": progress_words(done, total, unit)}


def check_cancelled(cancel: Cancel | None, done: int, total: int) -> None:
    """Raise `Cancelled` if the token is set."""
    if cancel is not None and cancel.is_set():
        raise Cancelled(f"Stopped on request after {done} of {total} steps.")
