"""What each cell of a network's map sees, found by trying every row and column of pixels."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


def positive(net):
    """Make every weight 1 and every bias 0, so that light in a pixel reaches all cells that look at it."""
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
    return net.eval()


@torch.no_grad()
def seen(net, channels, height, width):
    """Return ((low, high) of the rows, (low, high) of the columns) that the cells of `net`'s map see; NaN for nothing.

    One picture for each row of pixels, black but for that row: the cells that do not stay black see it. The same for
    columns.
    """
    found = []
    for axis, size in ((2, height), (3, width)):
        x = torch.zeros(size, channels, height, width)
        for i in range(size):
            x.select(axis, i)[i] = 1.0
        lit = (net(x).abs().amax((1, 5 - axis)) > 0).numpy()  # (pixels, cells)
        low, high = lit.argmax(0).astype(float), size - 1.0 - lit[::-1].argmax(0)
        low[~lit.any(0)] = high[~lit.any(0)] = np.nan
        found.append((low, high))
    return found


def assert_exact(grid, net, channels, height, width):
    """Compare a grid with the truth; return how many rows and columns of cells look at no border.

    What the cells truly see must be right everywhere. `low` and `high` count on into the padding where a border cuts
    a field off, so they are compared with the truth for the other cells.
    """
    inner_cells = []
    truth = assert_sight(grid, net, channels, height, width)
    for axis, (low, high), size in zip((grid.y, grid.x), truth, (height, width), strict=True):
        inner = ~np.isnan(low) & (axis.low >= 0) & (axis.high <= size - 1)
        np.testing.assert_array_equal(axis.low[inner], low[inner])
        np.testing.assert_array_equal(axis.high[inner], high[inner])
        np.testing.assert_array_equal(axis.centres[inner], (low[inner] + high[inner]) / 2)
        inner_cells.append(int(inner.sum()))
    return tuple(inner_cells)


def assert_sight(grid, net, channels, height, width):
    """Compare what the cells of a grid truly see, without padding, with the truth, which is returned."""
    truth = seen(net, channels, height, width)
    for axis, (low, high) in zip((grid.y, grid.x), truth, strict=True):
        np.testing.assert_array_equal(axis.first, low)
        np.testing.assert_array_equal(axis.last, high)
    return truth


class Chain(nn.Module):
    """Any functions one after another; modules among them are registered."""

    def __init__(self, *steps):
        super().__init__()
        self.steps = steps
        self.parts = nn.ModuleList(step for step in steps if isinstance(step, nn.Module))

    def forward(self, x):
        for step in self.steps:
            x = step(x)
        return x


class Both(nn.Module):
    """Two branches, joined."""

    def __init__(self, first, second, join):
        super().__init__()
        self.first, self.second, self.join = first, second, join

    def forward(self, x):
        return self.join(self.first(x), self.second(x))
