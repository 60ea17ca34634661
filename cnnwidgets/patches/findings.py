"""What a pass over some images found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


class Candidates(NamedTuple):
    """Cells that may be among a channel's strongest: an entry each, by channel, and of one channel by image.

    Attributes:
        channels: (n,) numbers of the channels among those of all layers.
        values: (n,); of the smallest values, their negatives.
        rows: (n,) which image of the batch.
        cells: (n,) row * width + column.

    """

    channels: npt.NDArray[np.integer]
    values: Floats
    rows: npt.NDArray[np.integer]
    cells: npt.NDArray[np.integer]


@dataclass(eq=False)
class Findings:
    """What a pass over n images found, for the channels of all layers one after the other.

    Attributes:
        means: (n, channels), mean of each map.
        samples: (n, s, channels), values at the cells that were asked for.
        high: candidates for the largest values.
        low: candidates for the smallest ones, negated.
        predicted: (n,) the likeliest class, -1 where the model gives no class scores.

    """

    means: Floats
    samples: Floats
    high: list[Candidates] = field(default_factory=list)
    low: list[Candidates] = field(default_factory=list)
    predicted: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))

    def only(self, good: npt.NDArray[np.bool_]) -> Findings:
        """Return the findings of some of the images, numbered anew."""
        rows = np.cumsum(good) - 1

        def kept(candidates: list[Candidates]) -> list[Candidates]:
            chosen = [(one, good[one.rows]) for one in candidates]
            return [
                Candidates(one.channels[mine], one.values[mine], rows[one.rows[mine]], one.cells[mine])
                for one, mine in chosen
            ]

        return Findings(self.means[good], self.samples[good], kept(self.high), kept(self.low), self.predicted[good])
