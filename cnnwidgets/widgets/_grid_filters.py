"""The weights behind a layer as the browser gets them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnwidgets.widgets._grid_sheet import halves

if TYPE_CHECKING:
    from cnnwidgets.explain.filters import Filters


def pack_filters(layer: str, filters: Filters) -> dict[str, Any]:
    """Return a tile for every output channel, as the trait `_filters` holds them.

    Weights themselves where they are few: for red, green and blue ("rgb"), or for the one input channel that each
    output channel reads ("planes"). Else their strength: the root of the sum of squares over the input channels.

    Args:
        layer: name of the layer.
        filters: the weights of the convolution behind it.

    """
    labels = [f"channel {number}" for number in range(len(filters))]
    if filters.groups > 1 and filters.view == "planes":
        labels = [f"{label}, input {read[0]}" for label, read in zip(labels, filters.inputs, strict=True)]
    data, scale = halves(filters.tiles)
    return {
        "layer": layer,
        "module": filters.layer,
        "view": filters.view,
        "data": data,
        "shape": list(filters.tiles.shape),
        "scale": scale,
        "units": filters.units,
        "labels": labels,
    }


def pack_kernel(filters: Filters, channel: int | None) -> dict[str, Any]:
    """Return a tile for every input channel that one output channel reads, as the trait `_kernel` holds them.

    Args:
        filters: the weights of that channel, (I/groups, kh, kw).
        channel: its number.

    """
    data, scale = halves(filters.weights)
    return {
        "module": filters.layer,
        "channel": channel,
        "data": data,
        "shape": list(filters.weights.shape),
        "scale": scale,
        "units": filters.units,
        "inputs": [int(number) for number in filters.inputs],
    }
