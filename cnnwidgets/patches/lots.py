"""Chance that does not depend on the order of things: numbers drawn from what an image is, not from when it came.

So the same images and cells are drawn for any size of batch, after any interruption, and in parts that are merged.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

Keys = npt.NDArray[np.uint64]


def digest(x: Tensor) -> int:
    """Return 64 bits of the SHA-256 of an image's values."""
    values = x.detach().cpu().contiguous()
    return int.from_bytes(hashlib.sha256(values.float().numpy().data).digest()[:8], "little")


def mixed(keys: npt.ArrayLike) -> Keys:
    """Return 64 bits of which each depends on all bits of `keys` (Steele et al. 2014, SplitMix64's last step)."""
    bits = np.atleast_1d(np.asarray(keys, dtype=np.uint64))  # NumPy warns of overflow in single numbers only
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed_bits: Keys = bits ^ (bits >> np.uint64(31))
    return mixed_bits


def drawn_keys(digests: Keys, seed: int) -> Keys:
    """Return the key of every image: those with the smallest keys are a uniform sample of the images."""
    return mixed(digests + mixed(seed ^ 0x9E3779B97F4A7C15))


def tie_keys(keys: Keys, numbers: npt.NDArray[np.integer]) -> Keys:
    """Return keys that order what is equal by chance: of equal ones the smallest key comes first.

    Args:
        keys: of images, as `drawn_keys` gives them; or of the images and channels, as this function does.
        numbers: of channels in their layer, or of columns in their map, then rows; broadcast against `keys`.

    """
    step = np.uint64(0xD1B54A32D192ED03)
    return mixed((keys ^ np.uint64(0x8CB92BA72F3D8DD7)) + (numbers.astype(np.uint64) + np.uint64(1)) * step)


def drawn_cells(keys: Keys, cells: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Return (images, layers, count) cells, each drawn uniformly and by itself.

    Args:
        keys: (images,) of `drawn_keys`.
        cells: (layers,) the number of cells that each layer's map has.
        count: how many are drawn of each map.

    """
    step = np.uint64(0x9E3779B97F4A7C15)
    places = np.arange(1, len(cells) * count + 1, dtype=np.uint64).reshape(len(cells), count)
    bits = mixed(keys[:, None, None] + places * step)
    return (bits % cells[:, None].astype(np.uint64)).astype(np.int64)
