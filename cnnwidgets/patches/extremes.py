"""The largest, the smallest and the mean value of every channel's map, each map read as seldom as can be.

The maps of a network are many times larger than its weights, so reading them all thrice would cost as much as a third
of the pass that makes them. But a ReLU keeps order, and a batch normalisation is a scale and a shift: the extremes
behind them, and the cells where these lie, follow from those before them, without a look at the map.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from cnnwidgets.explain.calls import argument

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

Ints = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]
_UNKNOWN = -1
_LANES = 32
_MANY = 1_500_000  # numbers in a batch's maps that do not stay in the cache while they are read
_BLOCK = 2**18
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
    """What is known of the maps of a layer in one pass.

    Attributes:
        shape: of the maps, (B,C,h,w).
        high: (B,C), the largest value of each map.
        low: (B,C), the smallest value.
        mean: (B,C).

    """

    def __init__(self, value: Tensor, high: Tensor, low: Tensor, mean: Tensor) -> None:
        self.shape, self.high, self.low, self.mean = value.shape, high, low, mean
        self._value: Tensor | None = value
        self._highest: Ints | None = None  # cells, where they are known
        self._lowest: Ints | None = None

    def let_go(self) -> None:
        """Forget the maps, which may be written over or freed from now on: kept, they would cost fresh memory."""
        self._value = None

    @classmethod
    def read(cls, value: Tensor) -> Extremes:
        """Read maps."""
        value = floating(value)
        rows = _rows(value) if value.numel() > _MANY and value.dtype not in _HALF else None
        if rows is not None:
            return cls(value, *_in_blocks(rows, value.shape[1], value.shape[2] * value.shape[3]))
        return cls(value, highest(value), lowest(value), _mean(value))

    def cells(self, images: npt.NDArray[np.intp], channels: npt.NDArray[np.intp], *, lowest: bool) -> Ints:
        """Return the first cells in reading order that hold the extremes of some maps."""
        table = self._lowest if lowest else self._highest
        if table is None:
            table = np.full(tuple(self.high.shape), _UNKNOWN, dtype=np.int32)
            self._lowest, self._highest = (table, self._highest) if lowest else (self._lowest, table)
        cells = table[images, channels]
        missing = np.flatnonzero(cells < 0)
        if len(missing) and self._value is not None:
            found = _search(self._value, images[missing], channels[missing], lowest=lowest)
            cells[missing] = found
            table[images[missing], channels[missing]] = found
        return cells

    def behind(
        self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], value: Tensor
    ) -> Extremes | None:
        """Return what follows for the maps that a function makes of these; None where nothing does.

        Args:
            name: plain name of the function.
            func: the function.
            args: what it was called with.
            kwargs: likewise.
            value: what it gave.

        """
        if value.shape[:2] != self.high.shape or value.dtype != self.high.dtype or value.dtype in _HALF:
            return None
        if name == "batch_norm":
            return self._normalised(func, args, kwargs, value)
        if name in _BOUNDS:
            return self._clamped(*_BOUNDS[name](args, kwargs), value)
        return None

    def _normalised(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], value: Tensor
    ) -> Extremes | None:
        if argument(args, kwargs, 1, "running_mean") is None or not args:
            return None
        three = torch.stack([self.high, self.low, self.mean]).flatten(0, 1)[:, :, None, None]
        first, second, mean = func(three, *args[1:], **kwargs).squeeze((2, 3)).unflatten(0, (3, -1))
        # Of cells that only rounding makes equal here, that which was the extreme before is taken.
        other = Extremes(value, torch.maximum(first, second), torch.minimum(first, second), mean)
        turned = (first < second).cpu().numpy()
        constant = (first == second).cpu().numpy()  # a weight of zero: every cell holds the extreme
        if self._highest is not None or self._lowest is not None:
            none = np.full(tuple(self.high.shape), _UNKNOWN, dtype=np.int32)
            high = none if self._highest is None else self._highest
            low = none if self._lowest is None else self._lowest
            other._highest = np.where(constant, _UNKNOWN, np.where(turned, low, high))
            other._lowest = np.where(constant, _UNKNOWN, np.where(turned, high, low))
        return other

    def _clamped(self, least: float, most: float, value: Tensor) -> Extremes:
        high, low = self.high.clamp(least, most), self.low.clamp(least, most)
        other = Extremes(value, high, low, _mean(value))
        # Where the extreme is the bound itself, several cells may hold it, and the first one has to be looked for.
        if self._highest is not None:
            other._highest = np.where(_within(high, least, most), self._highest, _UNKNOWN)
        if self._lowest is not None:
            other._lowest = np.where(_within(low, least, most), self._lowest, _UNKNOWN)
        return other

    def plus(self, other: Extremes, value: Tensor) -> Extremes:
        """Return the extremes of the sum of two maps: its mean is the sum of the means."""
        return Extremes(value, highest(value), lowest(value), self.mean + other.mean)


def highest(value: Tensor) -> Tensor:
    """Return (B,C), the largest value of each map (B,C,h,w)."""
    lanes = _lanes(value)
    return value.amax((2, 3)) if lanes is None else lanes.amax(1).reshape(len(value), -1, value.shape[1]).amax(1)


def lowest(value: Tensor) -> Tensor:
    """Return (B,C), the smallest value of each map (B,C,h,w)."""
    lanes = _lanes(value)
    return value.amin((2, 3)) if lanes is None else lanes.amin(1).reshape(len(value), -1, value.shape[1]).amin(1)


def _lanes(value: Tensor) -> Tensor | None:
    """Return maps as `_rows` where that suits the processor better, None where they are good as they are.

    Measured: PyTorch's reductions take a quarter of the time where 32 numbers at a time fill its registers, and with
    channels last the channels of a cell, 144 say, need not.
    """
    return None if value.shape[1] % _LANES == 0 else _rows(value)


def _rows(value: Tensor) -> Tensor | None:
    """Return maps (B,C,h,w) as (B, rows, cells of a row x C), so many cells in a row that 32 divides its length.

    None where the channels of a cell do not lie side by side, or the cells cannot be shared out.
    """
    channels, cells = value.shape[1], value.shape[2] * value.shape[3]
    beside = _LANES // math.gcd(channels, _LANES)
    if not _is_last(value) or cells % beside or channels == 1:
        return None
    return value.permute(0, 2, 3, 1).reshape(len(value), cells // beside, beside * channels)


def _in_blocks(rows: Tensor, channels: int, cells: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return extremes and means of large maps, read in blocks: a block stays in the cache while it is read thrice."""
    high, low, total = [], [], []
    for image in rows:
        for block in image.split(max(1, _BLOCK // rows.shape[2])):
            high.append(block.amax(0))
            low.append(block.amin(0))
            total.append(block.sum(0))
    shape = (len(rows), -1, channels)
    mean = torch.stack(total).reshape(shape).sum(1) / cells
    return torch.stack(high).reshape(shape).amax(1), torch.stack(low).reshape(shape).amin(1), mean


def _mean(value: Tensor) -> Tensor:
    """Return (B,C), the mean of each map; of half precision in single."""
    return value.mean((2, 3), dtype=torch.float32 if value.dtype in _HALF else None)


def _is_last(value: Tensor) -> bool:
    """Whether the channels of a cell lie side by side in memory."""
    return value.is_contiguous(memory_format=torch.channels_last)


def floating(value: Tensor) -> Tensor:
    """Return maps of real numbers as ones that have means and extremes: masks and integers as float32."""
    return value.detach() if value.is_floating_point() else value.detach().float()


def _within(values: Tensor, least: float, most: float) -> Bools:
    inside: Bools = ((values > least) & (values < most)).cpu().numpy()
    return inside


def _search(
    value: Tensor, images: npt.NDArray[np.intp], channels: npt.NDArray[np.intp], *, lowest: bool
) -> npt.NDArray[np.int64]:
    """Return the first cell of each of some maps that holds its extreme."""
    count, width = value.shape[:2]
    if len(images) * 4 > count * width:  # most maps: all of them, in the order that they have in memory
        maps = value.permute(0, 2, 3, 1).flatten(1, 2)
        found = (maps.min(1) if lowest else maps.max(1)).indices.cpu().numpy()
        return np.asarray(found[images, channels], np.int64)
    if value.device.type != "cpu" or value.dtype in _HALF or not _is_last(value):
        maps = value[torch.from_numpy(images), torch.from_numpy(channels)].flatten(1)
        return (maps.argmin(1) if lowest else maps.argmax(1)).cpu().numpy()
    every = value.permute(0, 2, 3, 1).flatten(1, 2).numpy()
    cells = np.empty(len(images), np.int64)
    for image in np.unique(images):
        mine = images == image
        picked = np.ascontiguousarray(every[image].take(channels[mine], axis=1).T)
        cells[mine] = picked.argmin(1) if lowest else picked.argmax(1)
    return cells
