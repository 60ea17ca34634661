"""What a layer's channels do, in a few numbers each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from cnnwidgets.explain.clipping import Preactivation

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ChannelStatistics:
    """Statistics of the channels of a layer over the cells of each image.

    Attributes:
        maximum: (N,C), the largest activation.
        minimum: (N,C), the smallest.
        mean: (N,C), the average over the cells.
        active: (N,C), the share of cells above zero, 0 to 1.
        preactivation: (N,C), of a layer that a function made which clips, such as a ReLU6, the largest value before it,
            at a cell that has the maximum; of other layers the maximum itself.
        cap: what such a function gives at most, as a ReLU6 gives 6; infinity where there is no such bound.
        dead: (C,) bool, channels with the same value in every cell of every image: they tell nothing about these.

    """

    maximum: Floats
    minimum: Floats
    mean: Floats
    active: Floats
    preactivation: Floats
    cap: float
    dead: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, values: npt.NDArray[np.floating[Any]], preactivation: Preactivation | None = None) -> ChannelStatistics:
        """Return the statistics of maps (N,C,h,w); means are taken in double precision.

        Args:
            values: the maps.
            preactivation: what a function was given that clips, if one made them.

        """
        maximum, minimum = values.max((2, 3)), values.min((2, 3))
        return cls(
            _fixed(maximum.astype(np.float32)),
            _fixed(minimum.astype(np.float32)),
            _fixed(values.mean((2, 3), dtype=np.float64).astype(np.float32)),
            _fixed((values > 0).mean((2, 3)).astype(np.float32)),
            _fixed(np.array(maximum if preactivation is None else preactivation.maxima, dtype=np.float32)),
            float("inf") if preactivation is None else preactivation.cap,
            _fixed(maximum.max(0) == minimum.min(0)),
        )

    def __repr__(self) -> str:
        """Say how many channels there are, how many are dead, and how far the values reach."""
        images, channels = self.maximum.shape
        return (
            f"<ChannelStatistics of {channels} channels over {images} image(s): {int(self.dead.sum())} dead, "
            f"{self.minimum.min():.3g} to {self.maximum.max():.3g}>"
        )


def _fixed(array: Any) -> Any:
    array.flags.writeable = False
    return array
