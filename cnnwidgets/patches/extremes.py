"""The largest, the smallest and the mean value of every channel's map, each map read as seldom as can be.

The maps of a network are many times larger than its weights, so reading them all thrice would cost as much as a third
of the pass that makes them. But a ReLU keeps order, and a batch normalisation is a scale and a shift: the extremes
behind them follow from those before them, without a look at the map. Behind a function that clips, such as a ReLU6,
many cells hold the same value; which of them is the largest is then told by the value before it, whose extremes these
are as well.

Extremes are kept by columns of the map. So the cell that holds one is found by reading one row of extremes and one
column of the map, and not all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from cnnwidgets.explain.calls import argument
from cnnwidgets.patches.lots import tie_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from cnnwidgets.explain.clipping import Clipping
    from cnnwidgets.patches.lots import Keys

Places = npt.NDArray[np.integer]
Numbers = npt.NDArray[np.floating[Any]]
HALF = (torch.bfloat16, torch.float16)
_LAST = np.iinfo(np.uint64).max


class Extremes:
    """What is known of the maps (B,C,h,w) of a layer in one pass.

    Args:
        highs: (B,w,C), the largest value of each column.
        lows: (B,w,C), the smallest value of each column.
        mean: (B,C), of each map.

    Attributes:
        high: (B,C), the largest value of each map.
        low: (B,C), the smallest value of each map.

    """

    __slots__ = ("high", "highs", "low", "lows", "mean")

    def __init__(self, highs: Tensor, lows: Tensor, mean: Tensor) -> None:
        self.highs, self.lows, self.mean = highs, lows, mean
        self.high, self.low = highs.amax(1), lows.amin(1)

    @classmethod
    def read(cls, maps: Tensor) -> Extremes:
        """Read maps."""
        return cls(_columns(maps, torch.amax), _columns(maps, torch.amin), mean_of(maps))

    def behind(
        self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], maps: Tensor
    ) -> Extremes | None:
        """Return what follows for the maps that a function makes of these; None where nothing does.

        Args:
            name: plain name of the function.
            func: the function.
            args: what it was called with.
            kwargs: likewise.
            maps: what it gave.

        """
        # In evaluation mode a scale and a shift; what mean and variance the batch gives is not known from its extremes.
        plain = name == "batch_norm" and args and not argument(args, kwargs, 5, "training")
        return self._normalised(func, args, kwargs) if plain and self._fits(maps) else None

    def clipped(self, clipping: Clipping) -> Extremes:
        """Return what follows behind a function that clips and keeps the order; the mean is yet to be set."""
        return Extremes(clipping(self.highs), clipping(self.lows), self.mean)

    def are_of(self, maps: Tensor) -> bool:
        """Whether maps are as many and as wide as these, and of their dtype."""
        images, channels, _, width = maps.shape
        return self.highs.shape == (images, width, channels) and self.highs.dtype == maps.dtype

    def _fits(self, maps: Tensor) -> bool:
        """Whether these can be of maps, and are of a dtype that rounds the same way everywhere."""
        return self.are_of(maps) and maps.dtype not in HALF

    def _normalised(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Extremes:
        every = torch.cat([self.highs, self.lows, self.mean[:, None]], 1)
        given = func(every.flatten(0, 1)[:, :, None, None], *args[1:], **kwargs).view_as(every)
        first, second, mean = given.split([self.highs.shape[1], self.lows.shape[1], 1], 1)
        return Extremes(torch.maximum(first, second), torch.minimum(first, second), mean[:, 0])

    def plus(self, other: Extremes, maps: Tensor) -> Extremes | None:
        """Return the extremes of the sum of two layers' maps, whose mean is the sum of the means; None if unfit."""
        if not (self._fits(maps) and other._fits(maps)):
            return None
        return Extremes(_columns(maps, torch.amax), _columns(maps, torch.amin), self.mean + other.mean)

    def cells(
        self, maps: Tensor, images: Places, channels: Places, keys: Keys, *, lowest: bool
    ) -> tuple[Places, Places]:
        """Return the cells that hold the extremes of some maps, and for which of these one of several, by chance.

        Args:
            maps: the maps that these are of.
            images: (n,) of which images.
            channels: (n,) of which channels.
            keys: (images,) of `drawn_keys`.
            lowest: of the smallest values, and not of the largest.

        """
        sign, chance = -1 if lowest else 1, None
        columns = sign * taken((self.lows if lowest else self.highs).transpose(1, 2), images, channels)
        column = columns.argmax(1)
        several = tied = _ties(columns, column)
        if len(tied):
            chance = tie_keys(keys[images], channels)
            column[tied] = _draw(columns[tied], chance[tied], 0)
        rows = sign * taken(maps.transpose(2, 3), images, channels, column)
        row = rows.argmax(1)
        tied = _ties(rows, row)
        if len(tied):
            chance = tie_keys(keys[images], channels) if chance is None else chance
            row[tied] = _draw(rows[tied], chance[tied], columns.shape[1])
            several = np.union1d(several, tied)
        return row * maps.shape[3] + column, several


def _ties(values: Numbers, best: Places) -> Places:
    """Return in which rows of (n, m) values others are as large as the best one, whose place is known."""
    ties = values == values[np.arange(len(best)), best][:, None]
    none = np.count_nonzero(ties) == len(best)  # as mostly
    return np.zeros(0, np.int64) if none else np.flatnonzero(ties.sum(1) > 1)


def _draw(values: Numbers, keys: Keys, first: int) -> Places:
    """Return the place of the largest of each row of (n, m) values, of several one by chance.

    Args:
        values: (n, m).
        keys: (n,) of `tie_keys`.
        first: number of the first place, for `tie_keys`.

    """
    chance = tie_keys(keys[:, None], first + np.arange(values.shape[1]))
    drawn: Places = np.where(values == values.max(1, keepdims=True), chance, _LAST).argmin(1)
    return drawn


def strongest(values: Numbers, before: Numbers | None, keys: Keys, most: int, width: int) -> Places:
    """Return (n, most) the cells of n maps with the largest values, the largest first.

    Of equal values the one with the larger value before the function that clips comes first. Those that are equal
    there, too, come in an order by chance: of their columns, and in each column of its rows.

    Args:
        values: (n, cells).
        before: (n, cells), the values before; None where nothing clips.
        keys: (n,) of `tie_keys`.
        most: how many.
        width: of the maps.

    """
    ranked = [-values] if before is None else [-before, -values]
    cells: Places = np.lexsort(ranked, axis=1)[:, : most + 1]
    ties = np.ones((len(values), max(0, cells.shape[1] - 1)), bool)
    for row in ranked:
        ordered = np.take_along_axis(row, cells, 1)
        ties &= ordered[:, 1:] == ordered[:, :-1]
    several = np.flatnonzero(ties.any(1))
    if len(several):
        every = np.arange(values.shape[1])
        across, down = (tie_keys(keys[several, None], places) for places in (every % width, width + every // width))
        cells[several] = np.lexsort([down, across, *(row[several] for row in ranked)], axis=1)[:, : most + 1]
    return cells[:, :most]


def taken(values: Tensor, *places: Places) -> npt.NDArray[np.floating]:
    """Return the entries of a tensor at some places: of its first dimensions, as many as are given."""
    if values.device.type == "cpu" and values.dtype not in HALF:
        found: npt.NDArray[np.floating] = values.numpy()[places]
        return found
    return values[tuple(torch.from_numpy(np.asarray(place, np.int64)) for place in places)].float().cpu().numpy()


def _columns(maps: Tensor, extreme: Callable[..., Tensor]) -> Tensor:
    """Return (B,w,C), the extreme of each column.

    Measured: PyTorch's reductions are quick where many numbers that lie side by side are reduced in step, as those of
    a whole row of cells with channels last; over all cells at once, 144 channels take eight times as long as 128.
    """
    if not is_last(maps):
        return extreme(maps, 2).transpose(1, 2)
    images, channels, height, width = maps.shape
    rows = maps.permute(0, 2, 3, 1).view(images, height, width * channels)
    return extreme(rows, 1).view(images, width, channels)


def mean_of(maps: Tensor) -> Tensor:
    """Return (B,C), the mean of each map; of half precision in single."""
    return maps.mean((2, 3), dtype=torch.float32 if maps.dtype in HALF else None)


def is_last(maps: Tensor) -> bool:
    """Whether the channels of a cell lie side by side in memory."""
    return maps.is_contiguous(memory_format=torch.channels_last)


def floating(value: Tensor) -> Tensor:
    """Return maps of real numbers as ones that have means and extremes: masks and integers as float32."""
    return value.detach() if value.is_floating_point() else value.detach().float()
