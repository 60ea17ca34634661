"""What has been found so far in a stream of images: bounded in size, whatever their number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnwidgets.patches.lots import tie_keys
from cnnwidgets.patches.sketch import BINS, Sketch
from cnnwidgets.patches.tops import Entries, Peaks, Tops
from cnnwidgets.patches.unfolded import Unfolded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cnnwidgets.patches.findings import Candidates, Findings

Arrays = dict[str, npt.NDArray[Any]]
_HELD = 64  # images whose sampled values wait to be counted together
#: Tables of how equal values are ordered and counted, which files of earlier versions lack.
TIES = ("clipped", "before", "ties")
#: Every array of a tally: its numbers, and its sizes by name.
TALLIED: dict[str, tuple[str, tuple[str | int, ...]]] = {
    "top_values": ("<f4", ("channels", "k")), "top_images": ("<i4", ("channels", "k")),
    "top_cells": ("<i4", ("channels", "k")), "bottom_values": ("<f4", ("channels", "k")),
    "bottom_images": ("<i4", ("channels", "k")), "bottom_cells": ("<i4", ("channels", "k")),
    "sample_keys": ("<u8", ("k",)), "sample_images": ("<i4", ("k",)), "sample_cells": ("<i4", ("k", "layers")),
    "sample_values": ("<f4", ("k", "channels")), "histogram_counts": ("<i4", ("channels", BINS)),
    "histogram_first": ("<i8", ("channels",)), "histogram_exponent": ("<i4", ("channels",)),
    "sums": ("<f8", ("rows", "channels")), "squares": ("<f8", ("channels",)), "counts": ("<i8", ("rows",)),
    "unfolded_behind": ("<i4", ("channels",)), "unfolded_scale": ("<f8", ("channels",)),
    "unfolded_shift": ("<f8", ("channels",)),
}  # fmt: skip
#: Arrays that files of earlier versions lack: channels whose values are not those before a function that clips, what
#: these were, which decided between equal values; and how many images reach the first value.
ADDED: dict[str, tuple[str, tuple[str | int | None, ...]]] = {
    "top_clipped": ("<i4", (None,)), "bottom_clipped": ("<i4", (None,)), "top_before": ("<f4", (None, "k")),
    "bottom_before": ("<f4", (None, "k")), "top_ties": ("<i8", ("channels",)), "bottom_ties": ("<i8", ("channels",)),
}  # fmt: skip


class Tally:
    """The findings of many images, added up.

    Args:
        layers: number of channels of each layer.
        k: patches per channel.

    Attributes:
        numbers: (channels,) of every channel of all layers, its number in its layer.
        ordered: whether equal values are ordered as `Tops` says; in files of earlier versions they were by image.
        images: how many images there were.
        top: the largest values of every channel.
        bottom: the smallest ones, as their negatives.
        peaks: how many images reach the largest value of every channel.
        floors: how many reach the smallest one, as its negative.
        sketch: how the values in sampled cells are spread.
        sums: (1 + classes, channels) float64, sums of the images' means; the first row is of those without a class.
        squares: (channels,) float64, sums of their squares.
        counts: (1 + classes,) int64, images.
        keys: (k,) uint64, the smallest keys of images, rising: the random sample.
        drawn: (k,) int32, the images that they belong to, -1 where there is none.
        drawn_cells: (k, layers) int32, the cell of each layer's map that is in the sample.
        drawn_values: (k, channels) float32, the values there.
        unfolded: channels whose strongest patches are read off those of others.

    """

    def __init__(self, layers: Sequence[int], k: int) -> None:
        self.numbers = np.concatenate([np.arange(count, dtype=np.int32) for count in layers])
        channels = len(self.numbers)
        self.images, self.ordered = 0, True
        self.top, self.bottom = Tops(channels, k), Tops(channels, k)
        self.peaks, self.floors = Peaks(channels), Peaks(channels)
        self.sketch = Sketch(channels)
        self.unfolded = Unfolded.of({}, {}, channels)
        self.sums = np.zeros((1, channels))
        self.squares = np.zeros(channels)
        self.counts = np.zeros(1, np.int64)
        self.keys = np.full(k, np.iinfo(np.uint64).max, np.uint64)
        self.drawn = np.full(k, -1, np.int32)
        self.drawn_cells = np.full((k, len(layers)), -1, np.int32)
        self.drawn_values = np.zeros((k, channels), np.float32)
        self._waiting: list[npt.NDArray[np.float32]] = []
        self._waited = 0

    def add(
        self,
        found: Findings,
        labels: npt.NDArray[np.int64],
        keys: npt.NDArray[np.uint64],
        cells: npt.NDArray[np.int64],
    ) -> None:
        """Take the findings of n images.

        Args:
            found: the findings.
            labels: (n,) class numbers, -1 for none.
            keys: (n,) of the images.
            cells: (n, layers, s) cells that were sampled; the first of each map may come into the random sample.

        """
        for table, candidates in ((self.top, found.high), (self.bottom, found.low)):
            self._sort_in(table, candidates, keys)
        self.peaks.add(found.highest)
        self.floors.add(-found.lowest)
        self._widen(int(labels.max(initial=-1)) + 2)
        for mean, label in zip(found.means, labels + 1, strict=True):
            self.sums[label] += mean
            self.counts[label] += 1
        self.squares += np.square(found.means, dtype=np.float64).sum(0)
        numbers = np.arange(self.images, self.images + len(keys), dtype=np.int32)
        self._draw(keys, numbers, cells[:, :, 0].astype(np.int32), found.samples[:, 0])
        self._waiting.append(found.samples.reshape(-1, found.samples.shape[2]))
        self._waited += len(keys)
        self.images += len(keys)
        if self._waited >= _HELD:
            self._count()

    def settle(self) -> None:
        """Bring everything up to date."""
        self._count()
        self.unfolded.settle(self.top, self.bottom)

    def _count(self) -> None:
        """Count the sampled values that wait."""
        if self._waiting:
            self.sketch.add(np.concatenate(self._waiting))
            self._waiting, self._waited = [], 0

    def _sort_in(self, table: Tops, candidates: Sequence[Candidates], keys: npt.NDArray[np.uint64]) -> None:
        if candidates:
            channels, values, before, rows, cells = (np.concatenate(parts) for parts in zip(*candidates, strict=True))
            chance = tie_keys(keys[rows], self.numbers[channels])
            images = (rows + self.images).astype(np.int32)
            table.add(channels, Entries(values, before, chance, images, cells.astype(np.int32)))

    def _widen(self, rows: int) -> None:
        """Make room for classes that had not been seen before."""
        more = rows - len(self.sums)
        if more > 0:
            self.sums = np.concatenate([self.sums, np.zeros((more, self.sums.shape[1]))])
            self.counts = np.concatenate([self.counts, np.zeros(more, np.int64)])

    def _draw(
        self,
        keys: npt.NDArray[np.uint64],
        numbers: npt.NDArray[np.int32],
        cells: npt.NDArray[np.int32],
        values: npt.NDArray[np.float32],
    ) -> None:
        """Keep the images with the smallest keys; of equal ones those that came first."""
        if self.drawn[-1] >= 0 and not (keys < self.keys[-1]).any():
            return
        every = np.concatenate([self.keys, keys])
        free = np.concatenate([self.drawn < 0, np.zeros(len(keys), bool)])
        best = np.lexsort((np.arange(len(every)), every, free))[: len(self.keys)]
        self.keys = every[best]
        self.drawn = np.concatenate([self.drawn, numbers])[best]
        self.drawn_cells = np.concatenate([self.drawn_cells, cells])[best]
        self.drawn_values = np.concatenate([self.drawn_values, values])[best]

    def merge(self, other: Tally, label_of: Callable[[int], int]) -> None:
        """Take what another tally has found in images that come after those of this one.

        Args:
            other: the other tally.
            label_of: the number that a class of the other tally has in this one.

        """
        self.ordered &= other.ordered
        for mine, theirs in ((self.top, other.top), (self.bottom, other.bottom)):
            channels, places = np.nonzero(theirs.images >= 0)
            # Of one channel by image: of images that are the same to the last bit the first counts more.
            order = np.lexsort((theirs.images[channels, places], channels))
            channels, places = channels[order], places[order]
            entries = Entries(*(table[channels, places] for table in theirs.tables))
            mine.add(channels, entries._replace(images=entries.images + np.int32(self.images)))
        self.peaks.merge(other.peaks.values, other.peaks.counts)
        self.floors.merge(other.floors.values, other.floors.counts)
        labels = [0] + [label_of(label) + 1 for label in range(len(other.counts) - 1)]
        self._widen(max(labels) + 1)
        for row, label in enumerate(labels):
            self.sums[label] += other.sums[row]
            self.counts[label] += other.counts[row]
        self.squares += other.squares
        there = other.drawn >= 0
        self._draw(
            other.keys[there], other.drawn[there] + np.int32(self.images), other.drawn_cells[there],
            other.drawn_values[there],
        )  # fmt: skip
        self._count()
        other._count()
        self.sketch.merge(other.sketch)
        self.images += other.images

    def arrays(self) -> Arrays:
        """Return everything that goes into the file of an index as arrays by name."""
        self.settle()
        found: Arrays = {
            "sums": self.sums, "squares": self.squares, "counts": self.counts,
            "sample_keys": self.keys, "sample_images": self.drawn, "sample_cells": self.drawn_cells,
            "sample_values": self.drawn_values,
            "histogram_counts": self.sketch.counts, "histogram_first": self.sketch.first,
            "histogram_exponent": self.sketch.exponent, **self.unfolded.arrays(),
        }  # fmt: skip
        for name, table, peaks in (("top", self.top, self.peaks), ("bottom", self.bottom, self.floors)):
            found |= {f"{name}_values": table.values, f"{name}_images": table.images, f"{name}_cells": table.cells}
            if self.ordered:
                clipped = np.flatnonzero((table.before != table.values).any(1)).astype(np.int32)
                added: tuple[npt.NDArray[Any], ...] = (clipped, table.before[clipped], peaks.counts)
                found |= {f"{name}_{what}": one for what, one in zip(TIES, added, strict=True)}
        return found

    def state(self) -> Arrays:
        """Return everything as arrays by name, also what a finished index can do without."""
        layers = np.flatnonzero(self.numbers == 0).astype(np.int64)
        return {**self.arrays(), "top_keys": self.top.keys, "bottom_keys": self.bottom.keys, "layer_starts": layers}

    @classmethod
    def of_state(cls, arrays: Mapping[str, npt.NDArray[Any]], images: int, seen: int) -> Tally:
        """Return a tally from what `state` gave; see `of`."""
        starts = [*arrays["layer_starts"].tolist(), len(arrays["squares"])]
        keys = arrays["top_keys"], arrays["bottom_keys"]
        return cls.of(arrays, images, seen, layers=np.diff(starts).tolist(), keys=keys)

    @classmethod
    def of(
        cls,
        arrays: Mapping[str, npt.NDArray[Any]],
        images: int,
        seen: int,
        *,
        layers: Sequence[int],
        keys: tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]],
    ) -> Tally:
        """Return a tally from its arrays, which are copied.

        Args:
            arrays: as `arrays` gives them.
            images: how many images there were.
            seen: sampled values of each channel.
            layers: number of channels of each layer.
            keys: (channels, k) of `tie_keys`, of the largest and of the smallest values.

        """
        held = {name: np.array(array) for name, array in arrays.items()}
        tally = cls(layers, held["sample_cells"].shape[0])
        tally.images, tally.ordered = images, f"top_{TIES[0]}" in held
        pairs = (("top", tally.top, tally.peaks), ("bottom", tally.bottom, tally.floors))
        for (name, table, peaks), its in zip(pairs, keys, strict=True):
            table.values, table.images = held[f"{name}_values"], held[f"{name}_images"]
            table.cells, table.keys = held[f"{name}_cells"], np.array(its)
            table.before, peaks.values = table.values.copy(), table.values[:, 0].copy()
            if tally.ordered:
                clipped, before, peaks.counts = (held[f"{name}_{what}"] for what in TIES)
                table.before[clipped] = before
        tally.sums, tally.squares, tally.counts = held["sums"], held["squares"], held["counts"]
        tally.keys, tally.drawn = held["sample_keys"], held["sample_images"]
        tally.drawn_cells, tally.drawn_values = held["sample_cells"], held["sample_values"]
        tally.sketch.counts, tally.sketch.first = held["histogram_counts"], held["histogram_first"]
        tally.sketch.exponent, tally.sketch.seen = held["histogram_exponent"], seen
        tally.unfolded = Unfolded(*(held[f"unfolded_{what}"] for what in ("behind", "scale", "shift")))
        return tally
