"""The strongest patches of every channel: a table that a stream of candidates is sorted into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cnnwidgets.patches.lots import tie_keys

if TYPE_CHECKING:
    from cnnwidgets.patches.lots import Keys

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]


class Entries(NamedTuple):
    """Patches, each of one channel: what an entry of a table holds.

    Attributes:
        values: the activation, float32.
        before: what decides between equal values, as in `Candidates`.
        keys: of `tie_keys`, which decide between those that are equal there, too: the smallest first.
        images: number of the image, int32.
        cells: row * width + column in the map, int32.

    """

    values: npt.NDArray[Any]
    before: npt.NDArray[Any]
    keys: npt.NDArray[Any]
    images: npt.NDArray[Any]
    cells: npt.NDArray[Any]


class Least(NamedTuple):
    """What a candidate has to come before: the last entries of a table, (channels,) each.

    Attributes:
        values: the values; -inf where there is room.
        before: what decides between equal values, as in `Candidates`.
        keys: of `tie_keys`, which decide last.

    """

    values: npt.NDArray[Any]
    before: npt.NDArray[Any]
    keys: npt.NDArray[Any]

    def of(self, part: slice) -> Least:
        """Return those of some channels."""
        return Least(self.values[part], self.before[part], self.keys[part])

    def exceeded(self, values: Floats, before: Floats, keys: Keys) -> npt.NDArray[np.bool_]:
        """Return (images, channels), which values come before the last entries.

        Args:
            values: (images, channels), which rise with the values before.
            before: likewise; the values themselves where nothing clips.
            keys: (images,) of `drawn_keys`.

        """
        # Values that are equal before are equal behind, so that the latter are looked at for roundings' sake only.
        better: npt.NDArray[np.bool_] = before > self.before
        ties = before == self.before
        if ties.any():
            images, channels = np.nonzero(ties)
            mine, theirs = values[images, channels], self.values[channels]
            drawn = tie_keys(keys[images], channels) < self.keys[channels]
            better[images, channels] = (mine > theirs) | ((mine == theirs) & drawn)
        return better


class Tops:
    """The k largest values of every channel, with the image and the cell that each comes from.

    Of equal values that with the larger value before a function that clips comes first, and of those that are equal
    there, too, one by chance: that with the smaller key, which is drawn from what the image is. So the table depends on
    the images, and neither on their order nor on how they were cut into batches. Of images that are the same to the
    last bit the one that came first counts more.

    Args:
        channels: number of channels.
        k: patches per channel.

    Attributes:
        values: (channels, k) float32, falling; -inf in places that are still free.
        before: (channels, k) float32, the values themselves where nothing clips.
        keys: (channels, k) uint64, the largest in free places.
        images: (channels, k) int32, -1 in free places.
        cells: (channels, k) int32, row * width + column in the map.

    """

    def __init__(self, channels: int, k: int) -> None:
        shape = channels, k
        self.values: Floats = np.full(shape, -np.inf, dtype=np.float32)
        self.before: Floats = np.full(shape, -np.inf, dtype=np.float32)
        self.keys: Keys = np.full(shape, np.iinfo(np.uint64).max, dtype=np.uint64)
        self.images: Ints = np.full(shape, -1, dtype=np.int32)
        self.cells: Ints = np.full(shape, -1, dtype=np.int32)

    @property
    def tables(self) -> Entries:
        """All tables, which change as candidates are sorted in."""
        return Entries(self.values, self.before, self.keys, self.images, self.cells)

    def least(self) -> Least:
        """Return a copy of the last entries: what a candidate must come before."""
        return Least(*(table[:, -1].copy() for table in (self.values, self.before, self.keys)))

    def add(self, channels: npt.NDArray[np.integer], entries: Entries) -> None:
        """Sort candidates in.

        Args:
            channels: (n,) which channel each is of.
            entries: (n,) each; no image smaller than those that are there. Of one channel by image, rising, and of one
                image by strength, falling.

        """
        if (channels[1:] < channels[:-1]).any():
            order = np.argsort(channels, kind="stable")
            channels, entries = channels[order], Entries(*(column[order] for column in entries))
        left = np.arange(len(channels))
        while len(left):  # of every channel the next one, until none is left
            left = left[self._come_in(channels[left], entries, left)]
            first = np.ones(len(left), bool)
            first[1:] = channels[left[1:]] != channels[left[:-1]]
            now = left[first]
            self._insert(channels[now], Entries(*(column[now] for column in entries)))
            left = left[~first]

    def _come_in(
        self, channels: npt.NDArray[np.integer], entries: Entries, rows: npt.NDArray[np.integer]
    ) -> npt.NDArray[np.bool_]:
        """Return which of some candidates come before the last entry of their channel."""
        values, last = entries.values[rows], self.values[channels, -1]
        good: npt.NDArray[np.bool_] = values > last
        tied = np.flatnonzero(values == last)
        if len(tied):
            mine, channels = rows[tied], channels[tied]
            before, last = entries.before[mine], self.before[channels, -1]
            drawn = entries.keys[mine] < self.keys[channels, -1]
            good[tied] = (before > last) | ((before == last) & drawn)
        return good

    def _insert(self, channels: npt.NDArray[np.integer], entries: Entries) -> None:
        """Put one candidate each, good enough to come in, where it belongs."""
        there, values = self.values[channels], entries.values[:, None]
        place = (there > values).sum(1)
        same = there == values
        tied = np.flatnonzero(same.any(1))
        if len(tied):  # behind those that are larger before, or as large and drawn earlier, or equal in all
            theirs, mine = self.before[channels[tied]], entries.before[tied, None]
            drawn = self.keys[channels[tied]] <= entries.keys[tied, None]
            place[tied] += (same[tied] & ((theirs > mine) | ((theirs == mine) & drawn))).sum(1)
        count = there.shape[1]
        every = np.arange(count)
        sources = channels[:, None] * count + every - (every > place[:, None])  # what stands behind moves on by one
        row = np.arange(len(channels))
        for table, new in zip(self.tables, entries, strict=True):
            after = np.take(table, sources)
            after[row, place] = new
            table[channels] = after


class Peaks:
    """How many images reach the largest value of every channel.

    Args:
        channels: number of channels.

    Attributes:
        values: (channels,) float32, the largest value; -inf without any image.
        counts: (channels,) int64, images whose largest value it is.

    """

    def __init__(self, channels: int) -> None:
        self.values: Floats = np.full(channels, -np.inf, dtype=np.float32)
        self.counts = np.zeros(channels, np.int64)

    def add(self, highest: Floats) -> None:
        """Take (n, channels), the largest value of each of n images."""
        if len(highest):
            values = highest.max(0)
            self.merge(values, (highest == values).sum(0))

    def merge(self, values: Floats, counts: npt.NDArray[np.integer]) -> None:
        """Take the largest values of other images, and how many of these reach them, (channels,) each."""
        self.counts = np.where(values > self.values, counts, self.counts + np.where(values == self.values, counts, 0))
        self.values = np.maximum(values, self.values)
