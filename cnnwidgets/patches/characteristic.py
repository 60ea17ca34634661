"""Which channels tell a class from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


class Characteristic(NamedTuple):
    """A channel and how it answers to a class.

    Attributes:
        layer: name of its layer.
        channel: the channel.
        score: difference of the two means in standard deviations over all images.
        mean: mean activation in the images of the class.
        elsewhere: mean activation in all other images.

    """

    layer: str
    channel: int
    score: float
    mean: float
    elsewhere: float


def between_classes(
    sums: npt.NDArray[np.float64], squares: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return (channels,) the share of the variance of the images' means that lies between the classes, 0 to 1.

    Args:
        sums: (rows, channels) sums of the images' means; the first row is of images without a class, which only count
            in the whole variance.
        squares: (channels,) sums of their squares.
        counts: (rows,) images.

    """
    there = np.flatnonzero(counts[1:]) + 1
    share = np.zeros(len(squares))
    if len(there) < 2:
        return share
    inside, weights = sums[there] / counts[there, None], counts[there, None] / counts[there].sum()
    between = (weights * (inside - (weights * inside).sum(0)) ** 2).sum(0)
    centre = sums.sum(0) / counts.sum()
    whole = np.maximum(0.0, squares / counts.sum() - centre**2)
    # Sums are rounded: what varies less than that does not vary.
    varies = np.sqrt(whole) > 1e-6 * np.abs(inside).max(0)
    np.divide(between, whole, out=share, where=varies)
    np.minimum(share, 1.0, out=share)
    return share


def separation(
    sums: npt.NDArray[np.float64], squares: npt.NDArray[np.float64], counts: npt.NDArray[np.int64], row: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return (channels,) scores, means in one class and means elsewhere; a score of 0 where nothing varies.

    Args:
        sums: (rows, channels) sums of the images' means.
        squares: (channels,) sums of their squares.
        counts: (rows,) images.
        row: that of the class.

    """
    total, images = sums.sum(0), int(counts.sum())
    inside = sums[row] / counts[row]
    elsewhere = (total - sums[row]) / max(1, images - int(counts[row]))
    deviation = np.sqrt(np.maximum(0.0, squares / images - (total / images) ** 2))
    # Sums are rounded: what varies less than that does not vary.
    varies = deviation > 1e-6 * np.maximum(np.abs(inside), np.abs(elsewhere))
    score = np.divide(inside - elsewhere, deviation, out=np.zeros_like(inside), where=varies)
    return score, inside, elsewhere
