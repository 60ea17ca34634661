"""How a channel's values are spread over a data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cnnwidgets.errors import OptionError

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of a channel's values in a uniform sample of its cells: a few of every map.

    Attributes:
        edges: (bins + 1,) float64, in units of the activation.
        counts: (bins,) int64.

    """

    edges: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, counts: npt.NDArray[np.int32], first: int, exponent: int) -> Histogram:
        """Return the histogram of a channel's row in a `Sketch`, from its first bin with values to its last one."""
        there = np.flatnonzero(counts)
        low, high = (int(there[0]), int(there[-1]) + 1) if len(there) else (0, 0)
        edges = np.ldexp(first + np.arange(low, high + 1, dtype=np.float64), exponent)
        return cls(edges, counts[low:high].astype(np.int64))

    def quantile(self, q: float) -> float:
        """Return a quantile, 0..1, as exact as a bin is narrow: linear inside of it.

        Raises:
            OptionError: no such quantile.

        """
        if isinstance(q, bool) or not 0 <= q <= 1:
            raise OptionError(f"q={q!r}: give a share, 0 to 1.")
        below = np.concatenate([[0], np.cumsum(self.counts)])
        return float(np.interp(q * below[-1], below, self.edges))
