"""A stream of numbers remembered as far as memory allows, to take quantiles of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
MOST = 2**24


class Sample:
    """All values of a stream, or, where it is longer than `most`, that many of them, drawn without replacement.

    Every value is given a random key, and those with the smallest keys are kept (Cohen and Kaplan 2007, "bottom-k
    sketches"), which is a uniform sample however the stream is cut into batches.

    Args:
        most: how many values are kept at most.
        seed: of the keys.

    Attributes:
        seen: length of the stream so far.

    """

    def __init__(self, most: int = MOST, seed: int = 0) -> None:
        self.most, self.seen = most, 0
        self._generator = np.random.default_rng(seed)
        self._values: list[Floats] = []
        self._keys: list[Floats] = []
        self._held = 0
        self._bound = np.float32(np.inf)

    def add(self, values: npt.ArrayLike) -> None:
        """Take further values of any shape."""
        flat = np.asarray(values, dtype=np.float32).reshape(-1)
        self.seen += len(flat)
        keys = self._generator.random(len(flat), dtype=np.float32)
        if np.isfinite(self._bound):
            chosen = keys < self._bound
            flat, keys = flat[chosen], keys[chosen]
        self._values.append(flat.copy())
        self._keys.append(keys)
        self._held += len(flat)
        if self._held > 2 * self.most:
            self._shrink()

    @property
    def values(self) -> Floats:
        """What is kept, in no order."""
        self._shrink()
        return self._values[0] if self._values else np.zeros(0, dtype=np.float32)

    def _shrink(self) -> None:
        if not self._values:
            return
        values, keys = np.concatenate(self._values), np.concatenate(self._keys)
        if len(values) > self.most:
            chosen = np.argpartition(keys, self.most - 1)[: self.most]
            values, keys = values[chosen], keys[chosen]
            self._bound = keys.max()
        self._values, self._keys, self._held = [values], [keys], len(values)


def quantile_of(values: Floats, quantile: float) -> float:
    """Return a quantile of at least one value, linear between the two nearest ones, in double precision."""
    place = quantile * (values.size - 1)
    low = int(place)
    high = min(low + 1, values.size - 1)
    ordered = np.partition(values.reshape(-1), sorted({low, high}))
    below, above = float(ordered[low]), float(ordered[high])
    return below + (above - below) * (place - low)
