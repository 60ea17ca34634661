"""The activations of a layer as the browser gets them: one sheet of float16 values, and where its cells lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cnnwidgets.explain.regions import territories
from cnnwidgets.widgets import _protocol as protocol
from cnnwidgets.widgets._lines import Lines, largest_in_squares

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cnnwidgets.explain.contributions import Contributions
    from cnnwidgets.explain.geometry import Grid
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.layer_activations import LayerActivations
    from cnnwidgets.explain.statistics import ChannelStatistics

    Floats = NDArray[np.floating[Any]]

MOST = 8 * 2**20
"""Bytes of values that a sheet has at most."""


def pack_sheet(activations: LayerActivations, grid: Grid, filters: str) -> dict[str, Any]:
    """Return what a layer gives for one or two pictures, as the trait `_sheet` holds it.

    Cells that lie at the same place are averaged. Where the sheet would be larger than `MOST`, squares of cells are
    represented by their largest magnitude. Values are shares of the largest magnitude, NaN where they are not finite.

    Args:
        activations: the layer's values.
        grid: what its cells can see and where they lie.
        filters: path of the convolution that made them, or "".

    """
    rows, columns = Lines.of(grid.y), Lines.of(grid.x)
    values = columns.averaged(rows.averaged(activations.values, 2), 3)
    side = 1
    while _size(values, side) > MOST and side < max(values.shape[2:]):
        side *= 2
    if side > 1:
        rows, columns = rows.every(side), columns.every(side)
        values = largest_in_squares(values, side)
    data, scale = halves(values)
    return {
        "layer": activations.name,
        "data": data,
        "shape": list(values.shape),
        "scale": scale,
        "merged": side,
        "units": activations.units,
        **_preactivation(activations.statistics),
        "cell_rows": rows.first.tolist(),
        "cell_columns": columns.first.tolist(),
        **_places(activations, grid, rows, columns),
        "sees_all": grid.sees_all,
        "measured": grid.measured,
        "filters": filters,
    }


def _preactivation(statistics: ChannelStatistics) -> dict[str, Any]:
    """Return every channel's largest value before a function that clips, and what that gives at most.

    The former order channels with the same maximum. Where nothing clips, they are the maxima, and the latter is None.
    """
    cap = float(np.float32(statistics.cap))
    return {"preactivation": statistics.preactivation.astype("<f4").tobytes(), "cap": cap if np.isfinite(cap) else None}


def pack_contributions(layer: Layer, target: int | None, found: Contributions) -> dict[str, Any]:
    """Return what every channel of a layer adds to the score of a class, as the trait `_contributions` holds it."""
    return {
        "layer": layer.name,
        "target": target,
        "data": found.values[layer.call].astype("<f4").tobytes(),
        "units": found.units,
    }


def halves(values: Floats) -> tuple[bytes, float]:
    """Return values as float16 shares of their largest magnitude, and that; what is not finite becomes NaN."""
    finite = np.isfinite(values)
    scale = float(np.abs(values).max(where=finite, initial=0.0)) or 1.0
    if not finite.all():
        values = np.where(finite, values, np.nan)
    return (values / scale).astype("<f2").tobytes(), scale


def _size(values: Floats, side: int) -> int:
    pictures, channels, rows, columns = values.shape
    size: int = 2 * pictures * channels * -(-rows // side) * -(-columns // side)
    return size


def _places(activations: LayerActivations, grid: Grid, rows: Lines, columns: Lines) -> dict[str, list[list[float]]]:
    """Return where the sheet's cells lie in each picture: a list of numbers for each."""
    found: dict[str, list[list[float]]] = {}
    for frame in activations.frames:
        left, top, right, bottom = protocol.pack_seen(frame)
        y_edges, x_edges = territories(grid, frame)
        lines = {
            "xs": frame.columns_to_picture(columns.places),
            "ys": frame.rows_to_picture(rows.places),
            **_fields(("lefts", "rights"), columns, frame.columns_to_picture, (left, right)),
            **_fields(("tops", "bottoms"), rows, frame.rows_to_picture, (top, bottom)),
            "x_edges": x_edges[[*columns.territory, -1]],
            "y_edges": y_edges[[*rows.territory, -1]],
        }
        for name, line in lines.items():
            found.setdefault(name, []).append(line.tolist())
    return found


def _fields(
    names: tuple[str, str], lines: Lines, to_picture: Any, seen: tuple[float, float]
) -> dict[str, NDArray[np.float64]]:
    """Return both edges of what the cells see, within the part of the picture that the network saw.

    A cell that looks at padding alone sees nothing: its edges are both at its place.
    """
    places = to_picture(lines.places)
    edges = (to_picture(lines.low - 0.5), to_picture(lines.high + 0.5))
    return {name: np.where(np.isnan(edge), places, edge).clip(*seen) for name, edge in zip(names, edges, strict=True)}
