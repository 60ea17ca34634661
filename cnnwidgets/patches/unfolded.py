"""Reading a convolution off the normalisation behind it, where both are computed in one.

In evaluation mode a batch normalisation is a scale and a shift, which can be folded into the convolution before it; for
networks of many small convolutions that saves a quarter of the pass. What the convolution itself gave is then found by
taking scale and shift away again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import torch

from cnnwidgets.explain.folding import Normalisation
from cnnwidgets.explain.fuse import normalisation_behind

if TYPE_CHECKING:
    from torch import Tensor

    from cnnwidgets.explain.network import Network
    from cnnwidgets.patches.extremes import Extremes

Floats = npt.NDArray[np.float32]
_FAR = 100.0  # of how many of its deviations a channel's mean may lie from 0: beyond, too few digits are left


class Folded:
    """A convolution into which the normalisation behind it is folded.

    Attributes:
        normalisation: the call of the normalisation.
        scale: (C,) float64.
        shift: (C,) float64.

    """

    def __init__(self, normalisation: int, scale: Tensor, shift: Tensor) -> None:
        self.normalisation = normalisation
        self.scale: npt.NDArray[np.float64] = scale.cpu().numpy()
        self.shift: npt.NDArray[np.float64] = shift.cpu().numpy()

    def before(self, values: Floats) -> Floats:
        """Return values (..., C) of the convolution, given those of the normalisation."""
        found: Floats = ((values - self.shift) / self.scale).astype(np.float32)
        return found


class Unfolded:
    """The extremes of a convolution's maps, read off those of the normalisation; stands in for `Extremes`.

    Args:
        behind: the extremes of the normalisation.
        folded: how the two are connected.
        count: number of images.

    Attributes:
        high: (count, C) float32.
        low: likewise.
        mean: likewise.

    """

    def __init__(self, behind: Extremes, folded: Folded, count: int) -> None:
        self._behind, self._turned = behind, folded.scale < 0
        high, low = (folded.before(side[:count].cpu().float().numpy()) for side in (behind.high, behind.low))
        self.high: Floats = np.where(self._turned, low, high)
        self.low: Floats = np.where(self._turned, high, low)
        self.mean = folded.before(behind.mean[:count].cpu().float().numpy())

    def cells(
        self, images: npt.NDArray[np.intp], channels: npt.NDArray[np.intp], *, lowest: bool
    ) -> npt.NDArray[np.int32]:
        """Return the cells that hold the extremes of some maps; see `Extremes.cells`."""
        found = np.empty(len(images), np.int32)
        turned = self._turned[channels]
        for here in (False, True):
            some = turned == here
            if some.any():
                found[some] = self._behind.cells(images[some], channels[some], lowest=lowest != here)
        return found


def folds(network: Network) -> dict[int, Folded]:
    """Return the convolutions that can be computed together with the normalisation behind them, by call."""
    found = {}
    for call in network.trace.calls:
        pair = normalisation_behind(network.trace, call, network.module) if call.name == "conv2d" else None
        if pair is None or call.dtype is not torch.float32:
            continue
        user, norm = pair
        mean, variance = cast("Tensor", norm.running_mean), cast("Tensor", norm.running_var)
        scale, shift = Normalisation(norm.weight, norm.bias, mean, variance, norm.eps).affine()
        size = torch.ones_like(scale) if norm.weight is None else norm.weight.double().abs()
        centre = torch.zeros_like(scale) if norm.bias is None else norm.bias.double().abs()
        if bool((centre <= _FAR * size).all()) and bool((scale != 0).all()):
            found[call.number] = Folded(user.number, scale, shift)
    return found
