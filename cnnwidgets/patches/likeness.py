"""How alike the patches of two channels are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from cnnwidgets.explain.geometry import Grid

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer]


class Alike(NamedTuple):
    """A channel whose patches are like those of another.

    Attributes:
        layer: name of its layer.
        channel: the channel.
        score: 0 where they have nothing in common, 1 where they are the same.

    """

    layer: str
    channel: int
    score: float


def boxes_of(grid: Grid, cells: Ints) -> Floats:
    """Return (..., 4) left, top, right, bottom of what cells see, in pixels of the network's input; NaN for padding."""
    rows, columns = np.divmod(cells, grid.shape[1])
    y, x = grid.y, grid.x
    return np.stack([x.first[columns], y.first[rows], x.last[columns] + 1, y.last[rows] + 1], axis=-1)


def overlap(one: Floats, other: Floats) -> Floats:
    """Return the intersection over union of boxes (..., 4); 0 where there is none."""
    low, high = np.maximum(one[..., :2], other[..., :2]), np.minimum(one[..., 2:], other[..., 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(-1) for box in (one, other)]
    union = areas[0] + areas[1] - shared
    found: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return np.nan_to_num(found)


def likeness(images: Ints, boxes: Floats, others: Ints, other_boxes: Floats) -> Floats:
    """Return (channels,) how alike the patches of channels are to those of one: a Jaccard index of regions.

    Two patches of one picture count as the same as far as their boxes overlap (intersection over union), and each
    counts once: in turn every patch of the one channel takes that which it overlaps most of those that are left.
    Shared over all: s / (a + b - s) with a and b patches and s their overlaps' sum.

    Args:
        images: (a,) pictures of the one channel's patches, -1 for none.
        boxes: (a, 4) their boxes.
        others: (channels, b) pictures of the other channels' patches.
        other_boxes: (channels, b, 4).

    """
    there = images >= 0
    images, boxes = images[there], boxes[there]
    shared = np.zeros(len(others))
    channels, places = np.nonzero(np.isin(others, images) & (others >= 0))
    pictures, mine = others[channels, places], other_boxes[channels, places]
    free = np.ones(len(channels), bool)
    for image, box in zip(images, boxes, strict=True):
        same = np.flatnonzero(free & (pictures == image))
        overlaps = overlap(mine[same], box)
        order = np.lexsort((-overlaps, channels[same]))
        first = order[np.unique(channels[same][order], return_index=True)[1]]  # the best of each channel
        first = first[overlaps[first] > 0]
        shared[channels[same[first]]] += overlaps[first]
        free[same[first]] = False
    found: Floats = shared / np.maximum(len(images) + (others >= 0).sum(1) - shared, 1e-12)
    return found
