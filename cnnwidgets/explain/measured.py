"""Measuring where a layer looks, for networks whose operations cannot be followed one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cnnwidgets.explain.geometry import Grid
from cnnwidgets.explain.tap import Tap

if TYPE_CHECKING:
    from cnnwidgets.explain.layers import Layer
    from cnnwidgets.explain.network import Network


def grid_of(network: Network, layer: Layer) -> Grid:
    """Return what the layer's cells see, measured from gradients where it cannot be followed."""
    return layer.grid if layer.grid is not None else measured_grid(network, layer)


def measured_grid(network: Network, layer: Layer) -> Grid:
    """Measure where a layer's cells look: the centroid of the squared gradient of a cell with respect to the input.

    Only the middle cells are measured, over eight random inputs: near the borders the picture cuts receptive fields
    off, which would pull the centroids inwards. The stride is that of the sizes.
    """
    _, height, width = layer.shape
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((8, *network.x.shape[1:]), generator=generator)
    x = noise.to(network.x.device, network.x.dtype).requires_grad_(True)
    tap = Tap(network.trace, layer.call, leaf=False)
    with torch.enable_grad():
        network.run(x, tap.edits)
        rows, columns = _middle(height), _middle(width)
        found = [(row, column, *_centroid(tap.value, x, row, column)) for row in rows for column in columns]
    down, across = network.x.shape[2] / height, network.x.shape[3] / width
    top = float(np.mean([y - down * row for row, _, y, _ in found]))
    left = float(np.mean([x_ - across * column for _, column, _, x_ in found]))
    return Grid.at(top + down * np.arange(height), left + across * np.arange(width))


def _middle(count: int) -> list[int]:
    return sorted({(count - 1) // 2, count // 2})


def _centroid(value: Tensor, x: Tensor, row: int, column: int) -> tuple[float, float]:
    (gradient,) = torch.autograd.grad(value[:, :, row, column].sum(), x, retain_graph=True)
    weight = gradient.double().square().sum((0, 1)).cpu().numpy()
    total = weight.sum() or 1.0
    return (
        float((weight.sum(1) * np.arange(weight.shape[0])).sum() / total),
        float((weight.sum(0) * np.arange(weight.shape[1])).sum() / total),
    )
