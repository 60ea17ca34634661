"""The largest, the smallest and the mean value of every channel's map, each map read as seldom as can be.

The maps of a network are many times larger than its weights, so reading them all thrice would cost as much as a third
of the pass that makes them. But a ReLU keeps order, and a batch normalisation is a scale and a shift: the extremes
behind them follow from those before them, without a look at the map.

Extremes are kept by columns of the map. So the cell that holds one is found by reading one row of extremes and one
column of the map, and not all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from cnnwidgets.explain.calls import argument

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

Places = npt.NDArray[np.integer]
_HALF = (torch.bfloat16, torch.float16)
_BOUNDS: dict[str, Callable[[tuple[Any, ...], dict[str, Any]], tuple[float, float]]] = {
    "relu": lambda _args, _kwargs: (0.0, float("inf")),
    "relu6": lambda _args, _kwargs: (0.0, 6.0),
    "hardtanh": lambda args, kwargs: (
        float(-1 if (low := argument(args, kwargs, 1, "min_val")) is None else low),
        float(1 if (high := argument(args, kwargs, 2, "max_val")) is None else high),
    ),
}  # fmt: skip


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
        return cls(_columns(maps, torch.amax), _columns(maps, torch.amin), _mean(maps))

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
        if not self._fits(maps):
            return None
        if name in _BOUNDS:
            least, most = _BOUNDS[name](args, kwargs)
            return Extremes(self.highs.clamp(least, most), self.lows.clamp(least, most), _mean(maps))
        # In evaluation mode a scale and a shift; what mean and variance the batch gives is not known from its extremes.
        if name == "batch_norm" and args and not argument(args, kwargs, 5, "training"):
            return self._normalised(func, args, kwargs)
        return None

    def _fits(self, maps: Tensor) -> bool:
        """Whether maps are as many and as wide as these, and of a dtype that rounds the same way everywhere."""
        images, channels, _, width = maps.shape
        same = self.highs.shape == (images, width, channels) and self.highs.dtype == maps.dtype
        return same and maps.dtype not in _HALF

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

    def cells(self, maps: Tensor, images: Places, channels: Places, *, lowest: bool) -> Places:
        """Return the first cells in reading order that hold the extremes of some maps.

        Args:
            maps: the maps that these are of.
            images: (n,) of which images.
            channels: (n,) of which channels.
            lowest: of the smallest values, and not of the largest.

        """
        sign = -1 if lowest else 1
        columns = sign * taken((self.lows if lowest else self.highs).transpose(1, 2), images, channels)
        column = columns.argmax(1)
        row = (sign * taken(maps.transpose(2, 3), images, channels, column)).argmax(1)
        cells: Places = row * maps.shape[3] + column
        # Where several columns hold the extreme, the one that has it in the highest row is not known from here.
        several = np.flatnonzero((columns == columns[np.arange(len(column)), column][:, None]).sum(1) > 1)
        if len(several):
            whole = sign * taken(maps.flatten(2), images[several], channels[several])
            cells[several] = whole.argmax(1)
        return cells


def taken(values: Tensor, *places: Places) -> npt.NDArray[np.floating]:
    """Return the entries of a tensor at some places: of its first dimensions, as many as are given."""
    if values.device.type == "cpu" and values.dtype not in _HALF:
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


def _mean(maps: Tensor) -> Tensor:
    """Return (B,C), the mean of each map; of half precision in single."""
    return maps.mean((2, 3), dtype=torch.float32 if maps.dtype in _HALF else None)


def is_last(maps: Tensor) -> bool:
    """Whether the channels of a cell lie side by side in memory."""
    return maps.is_contiguous(memory_format=torch.channels_last)


def floating(value: Tensor) -> Tensor:
    """Return maps of real numbers as ones that have means and extremes: masks and integers as float32."""
    return value.detach() if value.is_floating_point() else value.detach().float()
