"""How far the building of an index has come, in numbers and in words."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Skipped(NamedTuple):
    """An item of a data set that could not be looked at.

    Attributes:
        number: which item, counted from 0.
        name: what it is called.
        reason: why, in words.

    """

    number: int
    name: str
    reason: str


@dataclass(frozen=True)
class BuildProgress:
    """A step on the way.

    Attributes:
        done: items behind us, those that were skipped included.
        total: all items; None where the data set does not tell.
        skipped: the items that could not be looked at.
        seconds_left: an estimate; None where there is none yet.

    """

    done: int
    total: int | None
    skipped: Sequence[Skipped]
    seconds_left: float | None

    @property
    def words(self) -> str:
        """The same as a line: "1,024 of 50,000 images, 3 min left, 2 skipped"."""
        said = [f"{self.done:,} images" if self.total is None else f"{self.done:,} of {self.total:,} images"]
        if self.seconds_left is not None:
            said.append(f"{in_words(self.seconds_left)} left")
        if self.skipped:
            said.append(f"{len(self.skipped):,} skipped")
        return ", ".join(said)


def in_words(seconds: float) -> str:
    """Return a span of time: 40 s, 3 min, 2 h 5 min."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


@dataclass
class Clock:
    """Estimates the time left from the speed since the start of this run."""

    first: int
    started: float = field(default_factory=time.monotonic)

    def left(self, done: int, total: int | None) -> float | None:
        """Return the seconds left; None where nothing can be said."""
        if total is None or done <= self.first:
            return None
        return (time.monotonic() - self.started) / (done - self.first) * max(0, total - done)
