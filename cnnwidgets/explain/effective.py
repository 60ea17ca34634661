"""The effective receptive field: where the input in fact moves a cell, found from gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cnnwidgets.explain.backward import gradients
from cnnwidgets.explain.frame import Box
from cnnwidgets.explain.measured import check_leads_back
from cnnwidgets.explain.network import check_finite
from cnnwidgets.explain.tap import Tap

if TYPE_CHECKING:
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.network import Network

Floats = npt.NDArray[np.float32]
_CHUNK = 4  # images whose graph is kept at once


def effective_field(
    network: Network, layer: Layer, cell: tuple[int, int], *, channel: int | None, probes: int, seed: int
) -> Floats:
    """Return each pixel's share in the squared gradient of a cell, (H,W) float32; see `explain.receptive_field`."""
    signs = _signs(layer.shape[0], channel, probes, seed).to(network.x.device, network.x.dtype)
    total = torch.zeros(network.x.shape[2:], dtype=torch.float64)
    counted = 0
    for part in torch.split(network.x, network.at_once(_CHUNK)):
        for squared in _squared(network, layer, cell, part, signs):
            weight = float(squared.sum())
            if weight > 0:
                total += squared / weight
                counted += 1
    return (total / max(counted, 1)).numpy().astype(np.float32)


def _signs(channels: int, channel: int | None, probes: int, seed: int) -> Tensor:
    """Return by what the channels are multiplied before they are summed up, a row a measurement.

    The mean over random signs of the squared gradient of a sum is the sum of the channels' squared gradients.
    """
    if channel is not None:
        return torch.eye(channels, dtype=torch.float32)[channel : channel + 1]
    if channels <= probes:
        return torch.eye(channels, dtype=torch.float32)
    drawn = torch.randint(0, 2, (probes, channels), generator=torch.Generator().manual_seed(seed))
    return 2.0 * drawn.float() - 1.0


def _squared(network: Network, layer: Layer, cell: tuple[int, int], part: Tensor, signs: Tensor) -> Tensor:
    """Return for each image the squared gradient, summed over measurements and the input's channels, (n,H,W) double."""
    x = part.clone().requires_grad_(True)
    tap = Tap(network.trace, layer.call, leaf=False)
    summed = torch.zeros((len(x), *x.shape[2:]), dtype=torch.float64)
    with torch.enable_grad():
        network.run(x, tap.edits)
        check_leads_back(network, tap.value, layer)
        unit = tap.value[:, :, cell[0], cell[1]]
        for row in signs:
            (gradient,) = gradients((unit * row).sum(), x, retain_graph=True)
            summed += gradient.detach().cpu().double().square().sum(1)
    check_finite(summed, f"The gradient of the layer {layer.name!r}")
    return summed


def holding(shares: Floats, share: float) -> Box | None:
    """Return a small box that holds `share` of a map that sums to 1, None if the map is zero.

    The outermost row or column that holds least is cut away as long as the share is left.
    """
    left, wanted = shares.astype(np.float64), share * float(shares.sum(dtype=np.float64))
    if wanted == 0:
        return None
    top, bottom, first, last = 0, left.shape[0], 0, left.shape[1]
    held = left.sum()
    while True:
        inner = left[top:bottom, first:last]
        edges = (inner[0].sum(), inner[-1].sum(), inner[:, 0].sum(), inner[:, -1].sum())
        thin = (bottom - top == 1, bottom - top == 1, last - first == 1, last - first == 1)
        side = min(range(4), key=lambda index: (thin[index], edges[index]))
        # Rounding must not cut off what counts when the share is 1.
        if thin[side] or held - edges[side] < wanted * (1 - 1e-12):
            return Box(float(first), float(top), float(last), float(bottom))
        held -= edges[side]
        top, bottom = top + (side == 0), bottom - (side == 1)
        first, last = first + (side == 2), last - (side == 3)
