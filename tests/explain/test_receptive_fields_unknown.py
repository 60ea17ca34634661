"""What cannot be followed operation by operation is said, never guessed at."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.explain.followed import conv, grid_of_last
from tests.explain.sight import Chain, positive, seen

UNKNOWN = {
    "stack": lambda x: torch.stack([x[:, 1], x[:, 0]], 1),
    "flip": lambda x: x.flip(3),
    "flattened and back": lambda x: x.flatten(2).unflatten(2, x.shape[2:]),
    "roll": lambda x: x.roll(2, 2),
    "pixel shuffle": lambda x: F.pixel_shuffle(torch.cat([x, x], 1), 2),
    "pixel unshuffle": lambda x: F.pixel_unshuffle(x[..., :40, :40], 2),
    "space to depth": lambda x: x[..., :40, :40].view(len(x), 2, 20, 2, 20, 2).permute(0, 3, 5, 1, 2, 4).flatten(1, 3),
    "windows": lambda x: x[..., :40, :40].unfold(2, 4, 4).unfold(3, 4, 4).mean((-1, -2)),
    "rotated": lambda x: x[..., :40, :40].rot90(1, (2, 3)),
    "transposed once": lambda x: x[..., :40, :40].transpose(2, 3),
    "matrix over rows": lambda x: torch.einsum("ij,nchj->nchi", torch.ones(x.shape[3], x.shape[3]).to(x), x),
    "linear over columns": lambda x: F.linear(x, torch.ones(x.shape[3], x.shape[3]).to(x)),
    "gather": lambda x: x.gather(3, torch.arange(x.shape[3]).flip(0).expand_as(x)),
    "index": lambda x: x[:, :, torch.arange(x.shape[2] - 1, -1, -1)],
    "index_select": lambda x: x.index_select(3, torch.arange(5, 25)),
    "sorted": lambda x: x.sort(3).values,
    "cumulative": lambda x: x.cumsum(2),
    "softmax over places": lambda x: x.flatten(2).softmax(2).view_as(x),
    "softmax over columns": lambda x: x.softmax(3),
    "attention": lambda x: (x.flatten(2).transpose(1, 2) @ x.flatten(2)).mean(1)[:, None].view(len(x), 1, *x.shape[2:]),
    "grid sample": lambda x: F.grid_sample(x, turned(x), align_corners=False),
    "bicubic": lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"),
    "area": lambda x: F.interpolate(x, size=(13, 13), mode="area"),
    "antialiased": lambda x: F.interpolate(x, size=(13, 13), mode="bilinear", antialias=True),
    "nearest exact": lambda x: F.interpolate(x, size=(13, 13), mode="nearest-exact"),
    "nearest, odd size": lambda x: F.interpolate(x, size=(29, 31)),
    "lp pool": lambda x: F.lp_pool2d(x, 2, 3, 2),
    "unfold and matrix": lambda x: F.fold(F.unfold(x[..., :40, :40], 2, stride=2), (40, 40), 2, stride=2),
    "fractional": lambda x: F.fractional_max_pool2d(x, 3, output_size=15, _random_samples=halves(x)),
    "cat along rows": lambda x: torch.cat([x, x], 2),
    "repeat": lambda x: x.repeat(1, 1, 2, 2),
    "repeat_interleave": lambda x: x.repeat_interleave(2, 2),
    "expand": lambda x: x[:, :, :1].expand(-1, -1, 40, -1),
    "a row added to all": lambda x: x + x[:, :, :1],
    "a column multiplied": lambda x: x * (1 + x[..., 5:6]),
    "normalised over places": lambda x: F.layer_norm(x, x.shape[1:]),
    "instance norm": F.instance_norm,
    "circular padding": lambda x: F.pad(x, (3, 3, 3, 3), mode="circular"),
    "view that mixes": lambda x: x.contiguous().view(len(x), 2, x.shape[3], x.shape[2]),
    "3d convolution": lambda x: F.conv3d(x[:, :, None], torch.ones(2, 2, 1, 3, 3).to(x))[:, :, 0],
    "1d convolution": lambda x: F.conv1d(x.flatten(2), torch.ones(2, 2, 3).to(x), padding=1).view_as(x),
    "as_strided": lambda x: strided(x.contiguous()),  # rows and columns exchanged
    "scatter": lambda x: torch.zeros_like(x).scatter(3, torch.arange(x.shape[3]).flip(0).expand_as(x), x),
    "assigned": lambda x: assigned(x),  # noqa: PLW0108 - it is defined below

    "diff": lambda x: x.diff(dim=3),
    "unbind": lambda x: torch.stack(list(x.unbind(2))[::-1], 2),
    "tensor_split": lambda x: torch.cat(torch.tensor_split(x, 2, 3)[::-1], 3),
    "triangular": lambda x: x.tril(),
    "max over rows": lambda x: x.amax(2, keepdim=True).expand_as(x),
    "mean over columns": lambda x: x + x.mean(3, keepdim=True),
}  # fmt: skip


def halves(x):
    return x.new_full((len(x), 2, 2), 0.5)


def strided(x):
    n, c, h, w = x.shape
    return x.as_strided((n, c, 20, 20), (c * h * w, h * w, 1, w))


def turned(x):
    """Where to sample for half a turn."""
    return F.affine_grid(-torch.eye(2, 3)[None].expand(len(x), 2, 3), x.shape, align_corners=False)


def assigned(x):
    """Writes the mirrored right half into the left one, through a view."""
    x = x.clone()
    half = x.shape[3] // 2
    x[..., :half] = x[..., half : 2 * half].flip(3)
    return x


@pytest.mark.parametrize("name", UNKNOWN)
def test_whatever_is_not_understood_is_not_guessed_at(name):
    """Either the grid is right, or it says that every cell sees everything, or there is none (and it is measured)."""
    net = positive(Chain(conv(3, 1, 1), UNKNOWN[name]))
    size = 44
    with torch.no_grad():
        out = net(torch.zeros(1, 2, size, size))
    assert out.ndim == 4
    grid = grid_of_last(net, 2, size, size)
    if grid is not None and not grid.sees_all and grid.dims == (2, 3):
        assert_centred(grid, net, size)


def assert_centred(grid, net, size):
    """Each cell's centre lies within a pixel of what it sees, wherever that is not cut off by a border."""
    for axis, (low, high) in zip((grid.y, grid.x), seen(net, 2, size, size), strict=True):
        assert len(axis) == len(low)
        inner = (axis.low >= 0) & (axis.high <= size - 1)
        np.testing.assert_allclose(axis.centres[inner], (low[inner] + high[inner]) / 2, atol=1)
        assert inner.any() or (axis.low <= 0).all(), "a grid that claims a local view of what sees everything"


@pytest.mark.parametrize(
    "mix",
    [
        nn.GroupNorm(2, 4),
        nn.InstanceNorm2d(4),
        nn.BatchNorm2d(4, track_running_stats=False),
        nn.LayerNorm([4, 10, 10]),
        nn.Softmax(3),
        lambda x: x + x.mean((1, 2, 3), keepdim=True),
        lambda x: x * nn.Linear(4, 4)(x.mean((2, 3)))[:, :, None, None],
        lambda x: x + x.amax(3, keepdim=True),
    ],
)
def test_what_mixes_all_places_is_told_and_the_local_path_followed(mix):
    net = Chain(conv(3, 2, out=4), mix, nn.ReLU(), conv(3, channels=4))
    grid = grid_of_last(net, 2, 21, 21)
    assert grid.sees_all
    np.testing.assert_array_equal(grid.y.centres, 3 + 2 * np.arange(8))
    np.testing.assert_array_equal(grid.x.high - grid.x.low, 6)


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(4), nn.LayerNorm(10), nn.Softmax(1), nn.Dropout2d(), nn.PReLU(4)])
def test_what_works_cell_by_cell_sees_no_more(norm):
    channels_last = isinstance(norm, nn.LayerNorm)
    norm = nn.LayerNorm(4) if channels_last else norm
    step = (lambda x: norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)) if channels_last else norm
    net = Chain(conv(3, 2, out=4), step, conv(3, channels=4)).eval()
    grid = grid_of_last(net, 2, 21, 21)
    assert not grid.sees_all
    np.testing.assert_array_equal(grid.y.centres, 3 + 2 * np.arange(8))
