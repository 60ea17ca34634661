"""Measuring where a layer looks, for networks whose operations cannot be followed one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cnnwidgets.errors import ModelError
from cnnwidgets.explain.axis import Axis
from cnnwidgets.explain.backward import gradients
from cnnwidgets.explain.geometry import Grid, Placement
from cnnwidgets.explain.tap import Tap

if TYPE_CHECKING:
    from cnnwidgets.explain.axis import Floats
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.network import Network


def grid_of(network: Network, layer: Layer) -> Grid:
    """Return what the layer's cells see, measured from gradients where it cannot be followed."""
    return layer.grid if layer.grid is not None else measured_grid(network, layer)


def even_grid(layer: Layer, size: tuple[int, int]) -> Grid:
    """Return a grid that gives each cell of a layer an even share of the input, as a plain resize of the map does."""
    axes = []
    for cells, pixels in zip(layer.shape[1:], size, strict=True):
        places, half = even_places(cells, pixels), pixels / 2
        # What a cell can see is not known: it may be anything.
        axes.append(Axis(places - half, places + half, pixels / cells))
    return Grid(axes[0], axes[1], measured=True, placement=Placement("resize"))


def even_places(cells: int, pixels: int) -> Floats:
    """Return the places of cells with an even share of the pixels each, (cells,)."""
    return np.asarray((np.arange(cells) + 0.5) * (pixels / cells) - 0.5, np.float64)


def measured_grid(network: Network, layer: Layer) -> Grid:
    """Measure where a layer's cells look: the centroid of the squared gradient of a cell with respect to the input.

    Only cells at a third and two thirds of the map are measured, over eight random inputs: near the borders the
    picture cuts receptive fields off, which would pull the centroids inwards.
    """
    _, height, width = layer.shape
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((8, *network.x.shape[1:]), generator=generator, dtype=torch.float32).to(
        network.x.device, network.x.dtype
    )
    rows, columns = _inner(height), _inner(width)
    squared = np.zeros((len(rows), len(columns), *network.x.shape[2:]))
    for x in torch.split(
        noise, 1
    ):  # the trace is that of one image: a detection network goes through a batch in a loop
        squared += _squared(network, layer, x.requires_grad_(True), rows, columns)
    if not squared.any():
        raise _leads_nowhere(layer)
    found = np.array([[_centroid(weight) for weight in row] for row in squared])
    return Grid.at(
        _axis(rows, found[:, :, 0].mean(1), height, network.x.shape[2]),
        _axis(columns, found[:, :, 1].mean(0), width, network.x.shape[3]),
    )


def _inner(count: int) -> list[int]:
    return sorted({(count - 1) // 3, count - 1 - (count - 1) // 3})


def _axis(cells: list[int], centres: Floats, count: int, pixels: int) -> Floats:
    """Return the centres of all cells, given those of a few."""
    stride = _stride(float(np.diff(centres)[0] / np.diff(cells)[0]) if len(cells) > 1 else 0.0, pixels / count)
    return np.asarray(centres.mean() + stride * (np.arange(count) - np.mean(cells)), dtype=np.float64)


def _stride(measured: float, ratio: float) -> float:
    """Tell a stride from a measured one and from the ratio of the sizes.

    Strides are whole numbers. The ratio of the sizes is the stride where the network pads; where it does not, the
    maps are smaller, and the measured stride, which is never exact, tells which whole number it is.
    """
    whole = float(round(measured))
    if ratio.is_integer() and abs(measured - ratio) < 0.25 * ratio:
        return ratio
    return whole if whole >= 1 and abs(measured - whole) < 0.15 * whole else ratio


def _squared(network: Network, layer: Layer, x: Tensor, rows: list[int], columns: list[int]) -> Floats:
    """Return the squared gradient of some cells with respect to an image, (rows, columns, H, W)."""
    tap = Tap(network.trace, layer.call, leaf=False)
    with torch.enable_grad():
        network.run(x, tap.edits)
        check_leads_back(tap.value, layer)
        units = [[tap.value[0, :, row, column].sum() for column in columns] for row in rows]
        try:
            slopes = [[gradients(unit, x, retain_graph=True)[0] for unit in row] for row in units]
        except RuntimeError as error:
            if "inplace" not in str(error):
                raise
            raise _leads_nowhere(
                layer, ": a value that the gradient needs is written over in place. Is there a ReLU behind a ReLU?"
            ) from error
    return np.array([[slope.double().square().sum((0, 1)).cpu().numpy() for slope in row] for row in slopes])


def check_leads_back(value: Tensor, layer: Layer) -> None:
    """Raise `ModelError` if no gradient leads from a layer's value back to the input."""
    if not value.requires_grad:
        raise _leads_nowhere(layer)


def _leads_nowhere(layer: Layer, why: str = ". Is there a rounding, an argmax or a detach() in between?") -> ModelError:
    return ModelError(
        f"No gradient leads from the layer {layer.name!r} back to the input, so what its cells see cannot be "
        f"measured{why}"
    )


def _centroid(weight: Floats) -> tuple[float, float]:
    """Return the centre of mass (row, column) of a map (H,W)."""
    total = weight.sum() or 1.0
    return (
        float((weight.sum(1) * np.arange(weight.shape[0])).sum() / total),
        float((weight.sum(0) * np.arange(weight.shape[1])).sum() / total),
    )
