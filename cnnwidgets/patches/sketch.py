"""How the values of every channel are spread: histograms that widen by themselves, and can be added up."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BINS = 64
_LEAST = -126  # of the exponents: that of the smallest normal float32
_BLOCK = 512
_FARTHEST = 2.0**31  # number of a bin: a narrower one is narrower than the steps of float32


class Sketch:
    """A histogram per channel with at most `BINS` bins, as narrow as the values that came allow.

    The bins of a channel are 2^e wide and begin at whole multiples of that. Where values come to lie outside, bins are
    joined by twos until all fit. Which bins there are depends on the smallest and the largest value only, so the result
    is the same for any order of the values and any way to cut them into parts.

    Args:
        channels: number of channels.

    Attributes:
        counts: (channels, BINS) int32.
        first: (channels,) int64, the number of the first bin: it begins at first * 2^exponent.
        exponent: (channels,) int32; the smallest possible while no value came.

    """

    def __init__(self, channels: int) -> None:
        self.counts = np.zeros((channels, BINS), dtype=np.int32)
        self.first = np.zeros(channels, dtype=np.int64)
        self.exponent = np.full(channels, _LEAST, dtype=np.int32)
        self.seen = 0  # values of each channel so far

    def add(self, values: npt.NDArray[np.float32]) -> None:
        """Take (n, channels) finite values."""
        if not len(values):
            return
        self.make_room(values.min(0), values.max(0))
        scale = np.ldexp(np.float32(1), -self.exponent)
        for start in range(0, values.shape[1], _BLOCK):  # so that a block's counts stay in the processor's cache
            part = slice(start, start + _BLOCK)
            bins = np.floor(values[:, part] * scale[part]).astype(np.int64)
            count = bins.shape[1]
            bins += np.arange(count) * BINS - self.first[part]
            self.counts[part] += np.bincount(bins.reshape(-1), minlength=count * BINS).reshape(count, BINS)
        self.seen += len(values)

    def merge(self, other: Sketch) -> None:
        """Take what another sketch of the same channels has counted."""
        if not other.seen:
            return
        low, high = other.span()
        self.make_room(low, high)
        bins = (np.arange(BINS) + other.first[:, None]) >> (self.exponent - other.exponent)[:, None]
        rows = np.broadcast_to(np.arange(len(bins))[:, None], bins.shape)
        there = other.counts > 0
        np.add.at(self.counts, (rows[there], (bins - self.first[:, None])[there]), other.counts[there])
        self.seen += other.seen

    def span(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return (channels,) a value in the first and one in the last bin that is not empty; there must be values."""
        first = self.first + (self.counts > 0).argmax(1)
        last = self.first + BINS - 1 - (self.counts[:, ::-1] > 0).argmax(1)
        return np.ldexp(first + 0.5, self.exponent), np.ldexp(last + 0.5, self.exponent)

    def make_room(self, low: npt.NDArray[np.floating], high: npt.NDArray[np.floating]) -> None:
        """Join bins until those between `low` and `high`, (channels,), are there besides the ones with values."""
        least, most = low.astype(np.float64), high.astype(np.float64)
        grow = np.arange(len(least))
        if self.seen:
            first, last = self.span()
            least, most = np.minimum(least, first), np.maximum(most, last)
            inside = np.floor(np.ldexp(least, -self.exponent)) >= self.first
            inside &= np.floor(np.ldexp(most, -self.exponent)) < self.first + BINS
            grow = np.flatnonzero(~inside)
        if len(grow):
            self._grow(grow, least[grow], most[grow])

    def _grow(self, rows: npt.NDArray[np.intp], low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]) -> None:
        before = self.exponent[rows]
        exponent = before.copy()
        while True:
            start, stop = np.floor(np.ldexp(low, -exponent)), np.floor(np.ldexp(high, -exponent))
            wide = (stop - start >= BINS) | (np.maximum(-start, stop) >= _FARTHEST)
            if not wide.any():
                break
            need = np.maximum((stop - start + 1) / BINS, np.maximum(-start, stop) / _FARTHEST)
            exponent[wide] += np.maximum(np.ceil(np.log2(need[wide])).astype(np.int32) - 1, 1)
        old, first = self.counts[rows], start.astype(np.int64)
        numbers = (np.arange(BINS) + self.first[rows, None]) >> (exponent - before)[:, None].astype(np.int64)
        places, bins = np.nonzero(old)
        new = np.zeros_like(old)
        np.add.at(new, (places, (numbers - first[:, None])[places, bins]), old[places, bins])
        self.counts[rows], self.first[rows], self.exponent[rows] = new, first, exponent
