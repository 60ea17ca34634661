"""What a pass over some images found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


class Candidates(NamedTuple):
    """Cells that may be among a channel's strongest: an entry each, by channel, and of one channel by image.

    Attributes:
        channels: (n,) numbers of the channels among those of all layers.
        values: (n,); of the smallest values, their negatives.
        before: (n,), what decides between equal values: behind a function that clips, the value before it at the same
            cell (of the smallest ones, its negative), else the value itself.
        rows: (n,) which image of the batch.
        cells: (n,) row * width + column.

    """

    channels: npt.NDArray[Any]
    values: npt.NDArray[Any]
    before: npt.NDArray[Any]
    rows: npt.NDArray[Any]
    cells: npt.NDArray[Any]


@dataclass(eq=False)
class Findings:
    """What a pass over n images found, for the channels of all layers one after the other.

    Attributes:
        means: (n, channels), mean of each map.
        samples: (n, s, channels), values at the cells that were asked for.
        highest: (n, channels), the largest value of each map.
        lowest: (n, channels), the smallest one.
        high: candidates for the largest values.
        low: candidates for the smallest ones, negated.
        predicted: (n,) the likeliest class, -1 where the model gives no class scores.

    """

    means: Floats
    samples: Floats
    highest: Floats
    lowest: Floats
    high: list[Candidates] = field(default_factory=list)
    low: list[Candidates] = field(default_factory=list)
    predicted: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))

    def only(self, good: npt.NDArray[np.bool_]) -> Findings:
        """Return the findings of some of the images, numbered anew."""
        rows = np.cumsum(good) - 1

        def kept(candidates: list[Candidates]) -> list[Candidates]:
            chosen = [Candidates(*(column[good[one.rows]] for column in one)) for one in candidates]
            return [one._replace(rows=rows[one.rows]) for one in chosen]

        means, samples, highest, lowest = self.means[good], self.samples[good], self.highest[good], self.lowest[good]
        return Findings(means, samples, highest, lowest, kept(self.high), kept(self.low), self.predicted[good])

    @classmethod
    def empty(cls, images: int, samples: int, channels: int) -> Findings:
        """Return findings with room for some images, sampled cells of each, and channels."""
        means, highest, lowest = (np.empty((images, channels), np.float32) for _ in range(3))
        return cls(means, np.empty((images, samples, channels), np.float32), highest, lowest)
