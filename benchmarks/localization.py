"""How well maps lie on their pictures: shift between a picture's map and its mirror image's, centres, boxes.

Coordinates are pixel indices of the network's input: pixel i has its centre at i. Lengths come back as multiples of
`1 / UNIT` of the picture's side, so that networks with inputs of different sizes can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cnnwidgets.explain.components import largest_box
from cnnwidgets.explain.geometry import interpolation

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
UNIT = 224  # pixels that a side is said to have
_REACH = 60.0  # the largest shift that is looked for, in px of 224
_ROWS = 8  # pixels between the rows that are compared: maps are linear between cells, which are farther apart
_SHARE = 0.5  # of the maximum: what counts as the map's peak


class Coordinates(NamedTuple):
    """Where the cells of a map are placed, in pixels of the network's input."""

    rows: Floats  # (h,)
    columns: Floats  # (w,)

    def shifted(self, pixels: float) -> Coordinates:
        """Return the coordinates moved down and across alike."""
        return Coordinates(self.rows + pixels, self.columns + pixels)


@dataclass(frozen=True)
class Hit:
    """How a map of one object lies on it.

    Attributes:
        across: centre of the map minus centre of the object, in px of 224.
        down: the same downwards.
        inside: whether the map is highest on the object.
        iou: overlap of the boxes, intersection over union.

    """

    across: float
    down: float
    inside: bool
    iou: float


def upsample(values: npt.NDArray[np.floating[Any]], coordinates: Coordinates, size: int, step: int = 1) -> Floats:
    """Return a map (h,w) at (size,size): linear between the coordinates, constant beyond the outermost.

    Of the rows every `step`-th is given, from the first on.
    """
    pixels = np.arange(size, dtype=np.float64)
    down, across = interpolation(coordinates.rows, pixels[::step]), interpolation(coordinates.columns, pixels)
    return np.asarray(down @ values.astype(np.float64) @ across.T, dtype=np.float64)


def mirror_bias(
    values: npt.NDArray[np.floating[Any]],
    mirrored: npt.NDArray[np.floating[Any]],
    coordinates: Coordinates,
    size: int,
) -> tuple[float, float]:
    """Return how far to the right of its contents a map is placed, in px of 224: by alignment and by centroid.

    A map that is placed `b` too far right lies, mirrored back, `b` too far left on the mirrored picture: half of the
    shift between the two is the bias, whatever the picture shows.

    Args:
        values: (h,w), the map of the picture.
        mirrored: (h,w), the map of the mirrored picture, not yet mirrored back.
        coordinates: where the cells are placed.
        size: pixels of a side of the network's input.

    Returns:
        By the shift of highest correlation, NaN where it is highest at the largest shift or the maps are flat; and by
        the centroids of the positive parts, NaN where nothing is positive.

    """
    one = upsample(values, coordinates, size, _ROWS)
    other = upsample(mirrored, coordinates, size, _ROWS)[:, ::-1]
    low, high = np.clip(coordinates.columns[[0, -1]], 0, size - 1)
    ends = (low, high), (size - 1 - high, size - 1 - low)
    aligned = _shift(one, other, ends, round(_REACH * size / UNIT))
    centroids = [centroid(field.clip(0))[1] for field in (one, other)]
    return aligned / 2 * UNIT / size, (centroids[0] - centroids[1]) / 2 * UNIT / size


def _shift(one: Floats, other: Floats, ends: tuple[tuple[float, float], ...], reach: int) -> float:
    """Return how far `one` lies to the right of `other`: where the correlation of the common columns is highest.

    Args:
        one: (H,W).
        other: (H,W).
        ends: of each, the first and last column that has a cell on both sides; what lies beyond is extrapolated.
        reach: the largest shift.

    """
    width = one.shape[1]
    correlations = np.full(2 * reach + 1, -np.inf)
    for number, shift in enumerate(range(-reach, reach + 1)):
        first = int(np.ceil(max(ends[0][0], ends[1][0] + shift)))
        last = int(np.floor(min(ends[0][1], ends[1][1] + shift)))
        if last - first >= width // 4:
            correlations[number] = correlation(one[:, first : last + 1], other[:, first - shift : last + 1 - shift])
    best = int(correlations.argmax())
    around = correlations[best - 1 : best + 2]
    if best in (0, 2 * reach) or not np.isfinite(around).all():
        return float("nan")
    bend = around[0] - 2 * around[1] + around[2]
    return best - reach + (float((around[0] - around[2]) / (2 * bend)) if bend else 0.0)


def correlation(one: Floats, other: Floats) -> float:
    """Return Pearson's correlation of two fields; minus infinity where one is flat."""
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one * one).sum() * (other * other).sum()))
    return float((one * other).sum()) / scale if scale > 0 else -np.inf


def centroid(weights: npt.NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Return the (row, column) of the centre of mass; NaN where there is no mass."""
    total = float(weights.sum())
    if not total > 0:
        return float("nan"), float("nan")
    rows, columns = np.arange(weights.shape[0]), np.arange(weights.shape[1])
    return float(weights.sum(1) @ rows) / total, float(weights.sum(0) @ columns) / total


def box_of(mask: Mask) -> tuple[float, float, float, float]:
    """Return the box (left, top, right, bottom) around a mask, right and bottom exclusive."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def iou(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """Return intersection over union of two boxes (left, top, right, bottom)."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    common = max(across, 0.0) * max(down, 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return common / (sum(areas) - common)


def highest_inside(values: npt.NDArray[np.floating[Any]], coordinates: Coordinates, mask: Mask) -> bool:
    """Return whether the highest cell of a map is placed inside a mask.

    Linear interpolation has its maximum at a cell. One that is placed outside the picture counts at the border.
    """
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    y = round(float(np.clip(coordinates.rows[row], 0, mask.shape[0] - 1)))
    x = round(float(np.clip(coordinates.columns[column], 0, mask.shape[1] - 1)))
    return bool(mask[y, x])


def hit(values: npt.NDArray[np.floating[Any]], coordinates: Coordinates, mask: Mask) -> Hit:
    """Return how a map (h,w) lies on an object whose mask (size,size) is known.

    The map's centre is the centroid of what is above half of its maximum, its box that around the largest part above.
    """
    size = mask.shape[0]
    field = upsample(values, coordinates, size)
    peak = np.where(field > _SHARE * field.max(), field.clip(0), 0.0)
    (y, x), (centre_y, centre_x) = centroid(peak), centroid(mask.astype(np.float64))
    return Hit(
        across=(x - centre_x) * UNIT / size,
        down=(y - centre_y) * UNIT / size,
        inside=highest_inside(values, coordinates, mask),
        iou=box_iou(field, mask),
    )


def box_iou(field: Floats, mask: Mask) -> float:
    """Return the overlap of the box around the largest part of a map above half of its maximum with a mask's box."""
    box = largest_box(field, _SHARE)
    return 0.0 if box is None else iou(box, box_of(mask))
