"""The mirror test: how far a layer's content lies from the centres of its receptive fields, without labels.

A network that was trained with mirrored pictures answers to mirrored content alike. So the maps of a picture and of
its mirror image, mirrored back, agree where both are placed rightly; where every cell is drawn `d` pixels too far to
the right, the second map is drawn `d` pixels too far to the left. The test finds the `d` at which they agree best.

Nothing is interpolated: both pictures are moved by a few pixels so that, with whole cells of lag between the two maps,
the shifts between them cover every fraction of a cell. The agreement is the correlation over cells and channels, each
channel with itself: channels that answer to left and right differently only lower it. Cells at the border see padding,
which moves what they answer to, and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from cnnwidgets.explain.network import few_images
from cnnwidgets.explain.taps import watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cnnwidgets.explain.axis import Axis
    from cnnwidgets.explain.network import Network

Floats = npt.NDArray[np.float64]
_GROUPS = 8  # of channels, whose disagreement is part of the error
_VALUES = 20_000  # of a map that are compared: more say no more
_ROWS = 14
_CELLS = 32
_LEAST = 3  # cells between the borders that are left out
_FIT = 0.01  # of the stride: what a peak between samples is known to


@dataclass(frozen=True)
class Shift:
    """The shift that a mirror test has found.

    Attributes:
        pixels: how far content lies behind (positive) or before the place by theory.
        error: its standard error in pixels: the jackknife over halves of pictures, that over groups of channels, and
            what the fit of a peak is known to, added in squares.
        agreement: the correlation at that shift, -1 to 1.
        samples: how many halves of pictures were compared.

    """

    pixels: float
    error: float
    agreement: float
    samples: int


@dataclass(eq=False)
class _Products:
    """Sums from which a layer's correlations are computed: over cells, by shift, sample and channels.

    Attributes:
        shifts: (n,) in pixels.
        stride: of the layer, in pixels.
        sums: (samples, 3, groups, n): products of the two maps, squares of the one, squares of the other.

    """

    shifts: Floats
    stride: float
    sums: list[Floats]


class MirrorTest:
    """Passes of pictures and their mirror images, and the shifts that they tell of every layer.

    Args:
        axes: where theory expects each layer's cells along the mirrored direction, by the number of the layer's call.
        dimension: 3 mirrors left and right, 2 up and down.

    """

    def __init__(self, axes: Mapping[int, Axis], *, dimension: int = 3) -> None:
        self._dimension = dimension
        self._axes = {call: axis for call, axis in axes.items() if is_measurable(axis)}
        coarsest = max((axis.stride for axis in self._axes.values()), default=1.0)
        # Multiples of this many pixels, modulo each stride up to the coarsest, are spread over it.
        step = max(1, int(coarsest) // 4 + (coarsest >= 8))
        self._moves = ((0, step), (0, 2 * step))
        self._found: dict[int, _Products] = {}
        self._batches = True

    def add(self, network: Network, x: Tensor, chunk: int | None = None) -> None:
        """Run the passes of one picture (1,C,H,W), at most `chunk` images at once, and note the maps' products."""
        if not self._axes:
            return
        one, other = self._moves
        images = [shift_window(x, move, self._dimension) for move in one]
        images += [shift_window(x, move, self._dimension).flip(self._dimension) for move in other]
        moves = np.subtract.outer(other, one).T  # of the mirrored picture against the other one, (2, 2)
        for call, maps in self._maps(network, images, chunk or few_images(*x.shape[2:])).items():
            self._note(call, x.shape[self._dimension], moves, maps[: len(one)], maps[len(one) :].flip(3))

    def _maps(self, network: Network, images: list[Tensor], at_once: int) -> dict[int, Tensor]:
        """Return each layer's maps, (n, channels, rows, inner cells) along the mirrored direction."""
        if at_once > 1 and network.trace.stands_alone and self._batches:
            try:
                maps = self._passes(network, torch.split(torch.cat(images), at_once))
            except (RuntimeError, AssertionError, IndexError, TypeError):  # such as one with a view(1, -1)
                maps = {}
            if maps and all(len(some) == len(images) for some in maps.values()):
                return maps
            self._batches = False  # the model takes one image at a time, or goes through a batch in a loop
        return self._passes(network, images)

    def _passes(self, network: Network, batches: Iterable[Tensor]) -> dict[int, Tensor]:
        parts: dict[int, list[Tensor]] = {call: [] for call in self._axes}

        def take(call: int, value: Tensor) -> None:
            parts[call].append(_sample_map(value if self._dimension == 3 else value.transpose(2, 3)))

        with torch.no_grad():
            for batch in batches:
                watch(network, batch, self._axes, take)
        return {call: torch.cat(maps) for call, maps in parts.items()}

    def _note(self, call: int, length: int, moves: npt.NDArray[np.int64], one: Tensor, other: Tensor) -> None:
        axis = self._axes[call]
        # Cell j of the mirrored map looks at what lies at length - 1 - (centre of j + d) in the picture.
        base = (length - 1 - axis.stride * (len(axis) - 1)) / 2 - float(axis.places_by_theory[0])
        reach = _reach(axis)
        most = int((2 * (reach + abs(base)) + np.abs(moves).max()) / axis.stride) + 1
        most = min(most, one.shape[3] - 2)
        shifts = base + (moves[..., None] + axis.stride * np.arange(-most, most + 1)) / 2
        within = np.abs(shifts) <= reach
        products = self._found.setdefault(call, _Products(shifts[within], axis.stride, []))
        rows = one.shape[2]
        # Halves of a picture count as two samples of the error: they show different things.
        for half in (slice(0, rows // 2), slice(rows // 2, rows)) if rows > 1 else (slice(0, 1),):
            parts = _group_channels(one[:, :, half]), _group_channels(other[:, :, half])
            with np.errstate(over="ignore", invalid="ignore"):  # a network may put out anything; see `_shift`
                products.sums.append(_lag_sums(*parts, most)[:, :, within])

    def shift(self, call: int) -> Shift | None:
        """Return the shift of a layer; None where its map is too small, or where the test tells nothing."""
        found = self._found.get(call)
        if found is None or not found.sums:
            return None
        return _shift(found.shifts, np.stack(found.sums), found.stride)


def is_measurable(axis: Axis) -> bool:
    """Whether there are cells enough between the borders, at one distance."""
    inner = len(axis) - 2 * _border(len(axis))
    steps = np.diff(axis.places_by_theory)
    return inner >= _LEAST and bool(np.allclose(steps, axis.stride)) and axis.stride > 0


def shift_window(x: Tensor, pixels: int, dimension: int) -> Tensor:
    """Return images (N,C,H,W) seen through a window that lies `pixels` further; what comes in is mirrored."""
    if not pixels:
        return x
    pixels = min(pixels, x.shape[dimension] - 1)
    sides = (0, pixels, 0, 0) if dimension == 3 else (0, 0, 0, pixels)
    return F.pad(x, sides, mode="reflect").narrow(dimension, pixels, x.shape[dimension])


def _border(cells: int) -> int:
    """Return how many cells at each end are left out: those that see padding; of a fine map, more."""
    return max(2 if cells >= 7 else 1 if cells >= 5 else 0, (cells - _CELLS) // 2)


def _reach(axis: Axis) -> float:
    """Return up to which shift the maps are compared: what a cell can see, not many cells off, and a little more.

    A peak at the end of the receptive field is only known for one by what lies behind it.
    """
    return min(axis.width / 2, 1.25 * axis.stride + 8) + axis.stride / 2


def _sample_map(value: Tensor) -> Tensor:
    """Return the inner cells of maps (n,C,h,w) without each channel's mean; of large ones, some channels and rows."""
    _, channels, rows, cells = value.shape
    border, every = _border(cells), -(-rows // _ROWS)
    step = max(1, channels * -(-rows // every) * (cells - 2 * border) // _VALUES)
    inner = value[:, ::step, ::every, border : cells - border].float()
    return inner - inner.mean((2, 3), keepdim=True)


def _group_channels(maps: Tensor) -> npt.NDArray[np.float32]:
    """Return maps (n, channels, rows, cells) as (groups, channels x rows, n, cells)."""
    groups = min(_GROUPS, maps.shape[1])
    missing = -maps.shape[1] % groups
    # Neighbouring channels go to different groups; channels of zeros fill them up and add nothing to any sum.
    filled = F.pad(maps, (0, 0, 0, 0, 0, missing)) if missing else maps
    count, _, rows, cells = filled.shape
    grouped = filled.reshape(count, -1, groups, rows, cells).permute(2, 1, 3, 0, 4)
    return np.asarray(grouped.reshape(groups, -1, count, cells).cpu().numpy())


def _lag_sums(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32], most: int) -> Floats:
    """Return the sums of products of two maps, and of the squares of each in them, for every lag in cells.

    Args:
        one: (groups, k, n, cells).
        other: (groups, k, m, cells).
        most: the largest lag: cell i of `one` lies on cell i + lag of `other`.

    Returns:
        (3, groups, n, m, 2 most + 1).

    """
    cells = one.shape[3]
    one, other = one.swapaxes(1, 2), other.swapaxes(1, 2)
    products = one[:, :, None].swapaxes(3, 4) @ other[:, None]
    padded = np.zeros((*products.shape[:4], cells + 2 * most), np.float32)
    padded[..., most : most + cells] = products
    *outer, down, across = padded.strides
    band = np.lib.stride_tricks.as_strided(padded, (*products.shape[:4], 2 * most + 1), (*outer, down + across, across))
    lags = np.arange(-most, most + 1)
    low, high = np.maximum(0, -lags), np.minimum(cells, cells - lags)
    first, second = (np.square(some).sum(2).cumsum(-1, dtype=np.float64) for some in (one, other))
    first, second = (np.concatenate([np.zeros((*some.shape[:2], 1)), some], -1) for some in (first, second))
    squares = first[..., high] - first[..., low], second[..., high + lags] - second[..., low + lags]
    return np.stack(np.broadcast_arrays(band.sum(3), squares[0][:, :, None], squares[1][:, None]))


def _shift(shifts: Floats, sums: Floats, stride: float) -> Shift | None:
    """Return the shift of the best agreement.

    Args:
        shifts: (n,) in pixels.
        sums: (samples, 3, groups, n).
        stride: in pixels.

    """
    samples, _, groups, _ = sums.shape
    if not np.isfinite(sums).all():
        return None
    total = sums.sum((0, 2))
    without_sample = total - sums.sum(2) if samples > 1 else np.empty((0, *total.shape))
    without_group = total - sums.sum(0).swapaxes(0, 1) if groups > 1 else np.empty((0, *total.shape))
    parts = np.concatenate([total[None], without_sample, without_group])
    norms = np.sqrt(parts[:, 1].clip(0) * parts[:, 2].clip(0))  # what is left of a sum may fall below 0 by rounding
    if not (norms[0] > 0).any():
        return None
    curves = np.divide(parts[:, 0], norms, out=np.zeros_like(norms), where=norms > 0)
    order = np.argsort(shifts)
    found = [_peak(shifts[order], curve[order], stride) for curve in curves]
    if any(peak is None for peak in found):
        return None
    peaks = np.array(found, np.float64)
    variance = (_FIT * stride) ** 2
    for left_out in np.split(peaks[1:], [len(without_sample)]):
        if len(left_out):
            variance += (len(left_out) - 1) * float(left_out.var())
    return Shift(float(peaks[0]), float(np.sqrt(variance)), float(curves[0].max()), samples)


def _peak(shifts: Floats, curve: Floats, stride: float) -> float | None:
    """Return where a correlation curve (n,) over ascending shifts (n,) has its peak; None if it has none inside.

    Around its peak a curve is a + b |d - peak| + c (d - peak)^2: pointed as the correlation of sharp maps or round as
    that of smooth ones, and the same on both sides. The peak is where such a curve fits best, between the neighbours
    of the highest value.
    """
    top = int(curve.argmax())
    low, high = np.searchsorted(shifts, shifts[top], "left") - 1, np.searchsorted(shifts, shifts[top], "right")
    near = np.abs(shifts - shifts[top]) <= max(0.75 * stride, 4.0)
    if low < 0 or high >= len(shifts) or near.sum() < 5:
        return None
    around, values = shifts[near], curve[near]
    candidates = np.linspace(shifts[low], shifts[high], 81)
    distance = np.abs(around - candidates[:, None]) / stride
    basis, _ = np.linalg.qr(np.stack([np.ones_like(distance), distance, distance**2], -1))
    misfit = (values**2).sum() - (np.einsum("cnk,n->ck", basis, values) ** 2).sum(1)
    best = int(misfit.argmin().clip(1, len(candidates) - 2))
    before, there, behind = misfit[best - 1 : best + 2]
    bend = before - 2 * there + behind
    offset = float(np.clip((before - behind) / (2 * bend), -1, 1)) if bend > 0 else 0.0
    return float(candidates[best] + offset * (candidates[1] - candidates[0]))
