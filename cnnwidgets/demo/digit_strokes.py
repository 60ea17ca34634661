"""Random hands: many ways in which the same digit may be written, for training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from cnnwidgets.demo.digit_net import SIDE

if TYPE_CHECKING:
    from torch import Generator, Tensor

_FINE = 2 * SIDE


def vary(images: Tensor, generator: Generator) -> Tensor:
    """Return `images` (N, 8, 8), 0..1, as network inputs (N, 1, 32, 32), each written by another hand.

    Scikit-learn's digits fill their 8 x 8 cells with broad, soft strokes. A person draws thin or thick,
    small, off the middle, aslant; so size, place, slant and proportions are drawn at random, and strokes are
    thinned to their ridge or spread, and hardened. Two images in five keep their size and strokes.
    """
    own_hand = torch.rand(len(images), generator=generator) < 0.4
    fine = _place(images, own_hand, generator)
    drawn = torch.where(own_hand[:, None, None, None], fine, _restroke(fine, generator))
    return F.avg_pool2d(drawn, 2)


def _place(images: Tensor, gently: Tensor, generator: Generator) -> Tensor:
    """Return (N, 1, 64, 64): the digits scaled to 45..105 % of the side, turned, sheared and moved."""
    count = len(images)
    size = torch.where(gently, _uniform(count, 0.9, 1.05, generator), _uniform(count, 0.45, 1.05, generator))
    stretch = _uniform(count, -0.2, 0.2, generator).exp()
    angle = _uniform(count, -1, 1, generator) * math.radians(12)
    shear = _uniform(count, -0.2, 0.2, generator)
    room = (1.1 - size).clamp(min=0.05)
    move_x = _uniform(count, -1, 1, generator) * room
    move_y = _uniform(count, -1, 1, generator) * room
    # affine_grid asks where each output pixel comes from, hence the division by the size.
    across, down = 1 / (size * stretch), stretch / size
    cos, sin = angle.cos(), angle.sin()
    rows = torch.stack(
        [
            torch.stack([across * (cos + shear * sin), across * (shear * cos - sin), -across * move_x], 1),
            torch.stack([down * sin, down * cos, -down * move_y], 1),
        ],
        1,
    )
    grid = F.affine_grid(rows, [count, 1, _FINE, _FINE], align_corners=False)
    placed = F.grid_sample(images[:, None], grid, mode="bicubic", padding_mode="zeros", align_corners=False)
    return placed.clamp(0, 1)


def _restroke(fine: Tensor, generator: Generator) -> Tensor:
    """Return `fine` with other strokes: from the soft original to a thin ridge, then spread and hardened."""
    count = len(fine)

    def each(low: float, high: float) -> Tensor:
        return _uniform(count, low, high, generator)[:, None, None, None]

    # What stands out from its surroundings is the middle of a stroke, also where two strokes run together.
    around = F.avg_pool2d(F.avg_pool2d(fine, (13, 1), 1, (6, 0)), (1, 13), 1, (0, 6))
    ridge = (fine - around).clamp(min=0)
    ridge = ridge / ridge.amax((2, 3), keepdim=True).clamp(min=1e-6)
    thin = (each(0, 1) < 0.5).float()
    ink = thin * ridge + (1 - thin) * fine
    hard = torch.sigmoid((ink - each(0.25, 0.55)) * each(8, 30))
    ink = torch.where(each(0, 1) < 0.75, hard, ink)
    spread = F.max_pool2d(ink, 5, stride=1, padding=2)
    ink = torch.lerp(ink, spread, thin * each(0, 1))
    return ink * each(0.7, 1)


def _uniform(count: int, low: float, high: float, generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=generator)
