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
        good = values > self.least[channels]
        channels, values, images, cells = channels[good], values[good], images[good], cells[good]
        if not len(channels):
            return
        order = np.argsort(channels, kind="stable")
        channels, values, images, cells = channels[order], values[order], images[order], cells[order]
        touched, first, count = np.unique(channels, return_index=True, return_counts=True)
        row = np.repeat(np.arange(len(touched)), count)
        place = np.arange(len(channels)) - np.repeat(first, count) + self.values.shape[1]
        shape = (len(touched), self.values.shape[1] + int(count.max()))
        joined = np.full(shape, -np.inf, dtype=np.float32)
        joined[:, : self.values.shape[1]] = self.values[touched]
        joined[row, place] = values
        best = np.argsort(-joined, axis=1, kind="stable")[:, : self.values.shape[1]]
        self.values[touched] = np.take_along_axis(joined, best, 1)
        for table, given in ((self.images, images), (self.cells, cells)):
            whole = np.full(shape, -1, dtype=np.int32)
            whole[:, : table.shape[1]] = table[touched]
            whole[row, place] = given
            table[touched] = np.take_along_axis(whole, best, 1)
        self.least[touched] = self.values[touched, -1]
