"""Regions of a picture as a map's cells see them: which share of each cell's territory a region covers.

A cell's territory is the part of the picture that is nearer to its place than to that of any other cell: it reaches
to the midpoints between neighbouring places, and those of the outermost cells to the edge of the part of the picture
that the network saw. Receptive fields overlap; territories tile what the network saw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.frame import Box, Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from cnnwidgets.explain.axis import Axis
    from cnnwidgets.explain.geometry import Grid

Floats = npt.NDArray[np.float64]
POINTS = 8  # samples per territory and axis


def territories(grid: Grid, frame: Frame) -> tuple[Floats, Floats]:
    """Return the edges between the cells' territories in edge coordinates of the picture, (rows + 1,), (columns + 1,).

    Cells that lie at the same place share a territory, so that there are as many as different places.
    """
    left, top, right, bottom = frame.box
    height, width = frame.picture_size
    down, across = frame.scale
    rows = top + (_edges(grid.y, frame.input_size[0]) + 0.5) * down
    columns = left + (_edges(grid.x, frame.input_size[1]) + 0.5) * across
    return (
        rows.clip(max(top, 0.0), min(bottom, float(height))),
        columns.clip(max(left, 0.0), min(right, float(width))),
    )


def _edges(axis: Axis, pixels: int) -> Floats:
    places = np.unique(axis.places)
    middles = (places[1:] + places[:-1]) / 2
    # A cell whose place lies beside the input still ends half a stride from it: it must not cover its neighbours.
    low, high = min(-0.5, places[0] - axis.stride / 2), max(pixels - 0.5, places[-1] + axis.stride / 2)
    return np.concatenate([[low], middles, [high]])


def cell_shares(grid: Grid, frame: Frame, mask: npt.NDArray[Any]) -> Floats:
    """Return the share of each cell's territory (h,w) that a mask (H,W) of the picture covers, 0 to 1.

    Exact: the mean of the mask over the territory's area, pixels that it cuts counting by the part inside. A
    territory without area, of a cell that looks beside the picture, is not covered.
    """
    rows, columns = territories(grid, frame)
    down, across = _overlaps(rows, mask.shape[0]), _overlaps(columns, mask.shape[1])
    return _per_cell(grid, down @ mask.astype(np.float64) @ across.T)


def _overlaps(edges: Floats, pixels: int) -> Floats:
    """Return the share of each territory that each pixel makes up (territories, pixels)."""
    start = np.arange(pixels, dtype=np.float64)
    low, high = edges[:-1, None], edges[1:, None]
    lengths = (np.minimum(high, start + 1) - np.maximum(low, start)).clip(min=0)
    return np.asarray(lengths / np.maximum(high - low, np.finfo(np.float64).tiny))


def _per_cell(grid: Grid, shares: Floats) -> Floats:
    """Give cells that look at the same place the share of the territory that they have together."""
    row, column = (np.unique(places, return_inverse=True)[1] for places in grid.places)
    return shares[np.ix_(row, column)]


def cell_shares_of(
    grid: Grid,
    frame: Frame,
    inside: Callable[[Floats, Floats], npt.NDArray[np.bool_]],
    point: tuple[float, float] | None = None,
) -> Floats:
    """Return the share of each cell's territory (h,w) that lies in a region given by a function.

    Args:
        grid: where the cells look.
        frame: where the network's input lies in the picture.
        inside: takes the x and y of points, in edge coordinates of the picture, and tells which are in the region. It
            is asked at 8 x 8 points per territory, at (i + 0.5) / 8 of its width and height.
        point: (x, y) of the region: where it is so small that none of the points is inside, the cell in whose
            territory this point lies gets 1/64.

    """
    rows, columns = territories(grid, frame)
    ys, xs = _samples(rows), _samples(columns)
    hits = np.asarray(inside(*np.broadcast_arrays(xs[None, :], ys[:, None])), dtype=np.float64)
    shares = hits.reshape(len(rows) - 1, POINTS, len(columns) - 1, POINTS).mean((1, 3))
    if point is not None and not shares.any():
        x, y = point
        row, column = _holding(rows, y), _holding(columns, x)
        if row is not None and column is not None:
            shares[row, column] = 1 / POINTS**2
    return _per_cell(grid, shares)


def _samples(edges: Floats) -> Floats:
    steps = (np.arange(POINTS) + 0.5) / POINTS
    return np.asarray(edges[:-1, None] + np.diff(edges)[:, None] * steps).reshape(-1)


def _holding(edges: Floats, position: float) -> int | None:
    cell = int(np.searchsorted(edges, position, side="right")) - 1
    return cell if 0 <= cell < len(edges) - 1 else None


def region_shares(grid: Grid, frame: Frame, region: Any) -> Floats:
    """Return the share of each cell's territory (h,w) that a region covers.

    Args:
        grid: where the cells look.
        frame: where the network's input lies in the picture.
        region: a mask (H,W), bool or 0 to 1, of the picture or of the network's input (its shape tells), or a `Box` in
            edge coordinates of the picture.

    Raises:
        OptionError: a mask of another shape, or with values that are no shares.

    """
    if isinstance(region, Box):
        rows, columns = territories(grid, frame)
        down = _covered(rows, region.top, region.bottom)
        return _per_cell(grid, np.outer(down, _covered(columns, region.left, region.right)))
    mask = mask_of(region)
    if mask.shape == frame.picture_size:
        return cell_shares(grid, frame, mask)
    if mask.shape == frame.input_size:
        return cell_shares(grid, Frame.whole(*frame.input_size), mask)
    raise OptionError(
        f"The region is a mask of shape {mask.shape}; it must be that of the picture, {frame.picture_size}, or of the "
        f"network's input, {frame.input_size}."
    )


def _covered(edges: Floats, low: float, high: float) -> Floats:
    lengths = (np.minimum(edges[1:], high) - np.maximum(edges[:-1], low)).clip(min=0)
    return np.asarray(lengths / np.maximum(np.diff(edges), np.finfo(np.float64).tiny))


def mask_of(region: Any) -> npt.NDArray[Any]:
    """Return a mask as an array (H,W) of bool or of shares from 0 to 1.

    Args:
        region: array, tensor, or a picture in black and white.

    Raises:
        OptionError: it is no such mask.

    """
    if isinstance(region, Image.Image):
        region = np.asarray(region.convert("L")) / 255.0
    if isinstance(region, Tensor):
        region = (region.float() if region.is_floating_point() else region).detach().cpu().numpy()
    mask = np.asarray(region)
    if mask.ndim != 2 or mask.dtype.kind not in "biuf":
        raise OptionError(
            f"A mask is (H,W) of bool or numbers; this one has shape {mask.shape} and dtype {mask.dtype}."
        )
    if mask.dtype != np.bool_ and not (mask.size and bool(((mask >= 0) & (mask <= 1)).all())):
        raise OptionError("A mask holds bool or shares from 0 to 1; this one has other values. Compare it: mask > 0.")
    return mask
