"""The strongest patches of every channel: a table that a stream of candidates is sorted into."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]


class Tops:
    """The k largest values of every channel, with the image and the cell that each comes from.

    Of equal values the one that came first counts more, so the table depends on the order of the images, and not on
    how they were cut into batches.

    Args:
        channels: number of channels.
        k: patches per channel.

    Attributes:
        values: (channels, k) float32, falling; -inf in places that are still free.
        images: (channels, k) int32, -1 in free places.
        cells: (channels, k) int32, row * width + column in the map.
        least: (channels,) float32, what a value must exceed to come in.

    """

    def __init__(self, channels: int, k: int) -> None:
        self.values: Floats = np.full((channels, k), -np.inf, dtype=np.float32)
        self.images: Ints = np.full((channels, k), -1, dtype=np.int32)
        self.cells: Ints = np.full((channels, k), -1, dtype=np.int32)
        self.least: Floats = self.values[:, -1].copy()

    def add(self, channels: npt.NDArray[np.integer], values: Floats, images: Ints, cells: Ints) -> None:
        """Sort candidates in.

        Args:
            channels: (n,) which channel each is of.
            values: (n,).
            images: (n,), none smaller than those that are there; of one channel in rising order.
            cells: (n,), of one image and channel in falling order of their values.

        """
        if (channels[1:] < channels[:-1]).any():
            order = np.argsort(channels, kind="stable")
            channels, values, images, cells = channels[order], values[order], images[order], cells[order]
        while len(channels):  # of every channel the next one, until none is left
            good = values > self.least[channels]
            channels, values, images, cells = channels[good], values[good], images[good], cells[good]
            first = np.ones(len(channels), bool)
            first[1:] = channels[1:] != channels[:-1]
            self._insert(channels[first], values[first], images[first], cells[first])
            channels, values, images, cells = channels[~first], values[~first], images[~first], cells[~first]

    def _insert(self, channels: npt.NDArray[np.integer], values: Floats, images: Ints, cells: Ints) -> None:
        """Put one candidate each, good enough to come in, where it belongs."""
        there = self.values[channels]
        place = (there >= values[:, None]).sum(1)
        behind = np.arange(there.shape[1]) > place[:, None]
        row = np.arange(len(channels))
        for table, new in ((self.values, values), (self.images, images), (self.cells, cells)):
            before = table[channels]
            after = before.copy()
            after[:, 1:] = np.where(behind[:, 1:], before[:, :-1], before[:, 1:])
            after[row, place] = new
            table[channels] = after
        self.least[channels] = self.values[channels, -1]
