"""Scikit-learn's handwritten digits with one fixed split into training and test images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cnnwidgets.errors import MissingDataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEVELS = 16
_CLASSES = 10
_TEST_STEP = 4


@dataclass(frozen=True)
class DigitsData:
    """Handwritten digits and which of them to train on.

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
    Repository, 1998 (its test set, as scikit-learn ships it).
    """

    images: NDArray[np.uint8]
    """Shape (1797, 8, 8), 0 (ground) to 255 (ink): the 17 grey levels of the source, scaled."""
    labels: NDArray[np.int64]
    """Shape (1797,), the digit 0 to 9 of each image."""
    train: NDArray[np.int64]
    """Indices of the images to train on: three of every four of each digit."""
    test: NDArray[np.int64]
    """Indices of the images held out: every fourth of each digit, beginning with its first."""


def load() -> DigitsData:
    """Return the digits; the split is by position, so it is the same everywhere and for ever."""
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise MissingDataError(
            "The digits come with scikit-learn, which is not installed: pip install scikit-learn"
        ) from error
    bunch = load_digits()
    labels = np.asarray(bunch.target, dtype=np.int64)
    held_out = np.zeros(len(labels), dtype=bool)
    for digit in range(_CLASSES):
        held_out[np.flatnonzero(labels == digit)[::_TEST_STEP]] = True
    return DigitsData(
        images=np.rint(bunch.images * (255 / _LEVELS)).astype(np.uint8),
        labels=labels,
        train=np.flatnonzero(~held_out),
        test=np.flatnonzero(held_out),
    )
