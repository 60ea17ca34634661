"""Reading convolutions off the normalisations behind them, where both are computed in one.

In evaluation mode a batch normalisation is a scale and a shift, which can be folded into the convolution before it; for
networks of many small convolutions that saves a quarter of the pass. What the convolution itself gave is then found by
taking scale and shift away again: its maps are the normalisation's in another unit, turned over where the scale is
negative, so the same patches are its strongest. Where a convolution's values lie closer together than those of its
normalisation can tell, as in channels that are all but dead, they are right to the latter's last digit only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch

from cnnwidgets.explain.folding import Normalisation
from cnnwidgets.explain.fuse import normalisation_behind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from cnnwidgets.explain.network import Network
    from cnnwidgets.patches.findings import Findings
    from cnnwidgets.patches.tops import Tops

Floats = npt.NDArray[np.float32]
_FAR = 100.0  # of how many of its deviations a channel's mean may lie from 0: beyond, too few digits are left


class Folded(NamedTuple):
    """A convolution into which the normalisation behind it is folded.

    Attributes:
        normalisation: the call of the normalisation.
        scale: (C,) float64.
        shift: (C,) float64.

    """

    normalisation: int
    scale: npt.NDArray[np.float64]
    shift: npt.NDArray[np.float64]


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
            found[call.number] = Folded(user.number, scale.cpu().numpy(), shift.cpu().numpy())
    return found


class Unfolded:
    """The channels of folded convolutions, among those of all layers.

    Args:
        behind: (channels,) int32, the channel of the normalisation that each is read off; its own number for none.
        scale: (channels,) float64, of that normalisation.
        shift: (channels,) float64.

    """

    def __init__(
        self, behind: npt.NDArray[np.int32], scale: npt.NDArray[np.float64], shift: npt.NDArray[np.float64]
    ) -> None:
        self._all = behind, scale, shift
        self._mine = np.flatnonzero(behind != np.arange(len(behind)))
        self._behind, self._scale, self._shift = (every[self._mine] for every in self._all)

    @classmethod
    def of(cls, folded: Mapping[int, Folded], parts: Mapping[int, slice], channels: int) -> Unfolded:
        """Return the channels of some convolutions.

        Args:
            folded: the convolutions, by call.
            parts: of the layers, their channels among those of all, by call.
            channels: number of channels of all layers.

        """
        behind, scale, shift = np.arange(channels, dtype=np.int32), np.ones(channels), np.zeros(channels)
        for call, fold in folded.items():
            normalised = parts[fold.normalisation]
            behind[parts[call]] = np.arange(normalised.start, normalised.stop)
            scale[parts[call]], shift[parts[call]] = fold.scale, fold.shift
        return cls(behind, scale, shift)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything as arrays by name."""
        return dict(zip(("unfolded_behind", "unfolded_scale", "unfolded_shift"), self._all, strict=True))

    def _before(self, values: npt.NDArray[np.floating]) -> Floats:
        """Return values (..., channels) of the convolutions, given those of the normalisations."""
        found: Floats = ((values - self._shift) / self._scale).astype(np.float32)
        return found

    def complete(self, found: Findings) -> None:
        """Fill in what a pass did not look at; the samples are there, as values of the normalisations."""
        found.means[:, self._mine] = self._before(found.means[:, self._behind])
        found.samples[:, :, self._mine] = self._before(found.samples[:, :, self._mine])
        lowest, highest = found.lowest[:, self._behind], found.highest[:, self._behind]
        turned = self._scale < 0
        found.highest[:, self._mine] = self._before(np.where(turned, lowest, highest))
        found.lowest[:, self._mine] = self._before(np.where(turned, highest, lowest))

    def settle(self, top: Tops, bottom: Tops) -> None:
        """Fill in the strongest patches, given those of the normalisations."""
        turned = (self._scale < 0)[:, None]
        for mine, other, sign in ((top, bottom, 1), (bottom, top, -1)):
            values = np.where(turned, -sign * other.values[self._behind], sign * mine.values[self._behind])
            values = sign * self._before(values.T).T
            images = np.where(turned, other.images[self._behind], mine.images[self._behind])
            cells = np.where(turned, other.cells[self._behind], mine.cells[self._behind])
            keys = np.where(turned, other.keys[self._behind], mine.keys[self._behind])
            # Values that rounding makes equal are ordered as others are; of one image they stay as they are.
            order = np.lexsort((images, keys, -values), axis=1)
            for table, new in (
                (mine.values, values), (mine.before, values), (mine.images, images), (mine.cells, cells),
                (mine.keys, keys),
            ):  # fmt: skip
                table[self._mine] = np.take_along_axis(new, order, 1)
