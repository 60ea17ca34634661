"""The incremental engine on single operations of every kind, each between a convolution and a head."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.explain.nets import noise, seeded
from tests.explain.patched import Do, assert_exact, engine_of, spread

SIDE = 12  # of the picture, of the maps after the stem, and (in "coinciding") the number of channels
SIZES = [(1, 1), (4, 3), (2, SIDE), (SIDE, SIDE)]


def conv(inputs=6, outputs=6, kernel=3, **options):
    return nn.Conv2d(inputs, outputs, kernel, **options)


def between(function, channels=6, out=6, **parts):
    """A network that does `function` to maps of 12x12 cells, then averages."""
    parts = {"stem": conv(3, channels, padding=1), "fc": nn.Linear(out, 4), **parts}
    net = Do(lambda m, x: m.fc(function(m, m.stem(x)).mean((2, 3))), **parts)
    return seeded(net, dtype=torch.float64)


def weight(*shape):
    return nn.Parameter(torch.empty(shape))  # `seeded` fills it


def coinciding(function):
    """The same where channels, rows and columns are equally many, so that no shape tells them apart."""
    return between(function, channels=SIDE, out=6, c=conv(SIDE, 6))


def overwritten(m, y):
    z = m.c(y)
    z.add_(1)
    z.mul_(2)
    F.relu_(z)
    z += y[:, :, :10, :10]
    return z


def kept_and_overwritten(m, y):
    z = m.c(y)
    kept = z * 1
    return z.relu_() + kept


def doubled(m, y):
    z = m.c(y)
    return z.add_(z)


# Done cell by cell or window by window: no map is ever completed.
FOLLOWED = {
    "PReLU": lambda: between(lambda m, y: m.p(y), p=nn.PReLU(6)),
    "PReLU on as many channels as columns": lambda: between(lambda m, y: m.p(y), 12, 12, p=nn.PReLU(12)),
    "one number for each column": lambda: between(lambda m, y: y + m.b, b=weight(12)),
    "one number for each row": lambda: between(lambda m, y: (y * m.b).relu(), b=weight(12, 1)),
    "a positional map": lambda: between(lambda m, y: (y * m.b).relu(), b=weight(6, 12, 12)),
    "where": lambda: between(lambda m, y: torch.where(y > 0, m.b, y), b=weight(12, 12)),
    "clamp to a map": lambda: between(lambda m, y: torch.clamp(y, min=m.b), b=weight(12, 12)),
    "addcmul": lambda: between(lambda m, y: torch.addcmul(y, m.b, y), b=weight(12, 12)),
    "positions made in the pass": lambda: between(lambda m, y: y * torch.arange(12.0).to(y)),
    "crop, then a padded convolution": lambda: between(lambda m, y: m.c(F.pad(y, (-1, -1, -2, 0))), c=conv(padding=1)),
    "pad and crop": lambda: between(lambda m, y: m.c(F.pad(y, (-1, 2, 3, -2))), c=conv()),
    "pad before a padded convolution": lambda: between(lambda m, y: m.c(F.pad(y, (1, 0, 2, 1))), c=conv(padding=2)),
    "slices from before the map": lambda: between(lambda m, y: m.c(y[:, :, -20:, -7::2]), c=conv()),
    "slices": lambda: between(lambda m, y: m.c(y[:, :, 3:9:2, 1:]), c=conv()),
    "softmax over channels": lambda: between(lambda m, y: m.c(y.softmax(1) * 9), c=conv()),
    "linear over channels": lambda: between(
        lambda m, y: m.l(y.permute(0, 3, 2, 1)).relu().permute(0, 3, 2, 1), l=nn.Linear(6, 6)
    ),
    "view of as many": lambda: coinciding(lambda m, y: m.c(y.contiguous().view(-1, 12, 12, 12).relu())),
    "regrouped after permute": lambda: coinciding(
        lambda m, y: m.c(
            y.permute(0, 2, 3, 1).reshape(-1, 12, 12, 6, 2).transpose(3, 4).reshape(-1, 12, 12, 12).permute(0, 3, 1, 2)
        )
    ),
    "channel shuffle": lambda: between(
        lambda m, y: m.c(y.view(-1, 2, 3, 12, 12).transpose(1, 2).reshape(-1, 6, 12, 12)), c=conv(groups=3)
    ),
    "spatial attention": lambda: between(
        lambda m, y: y * m.a(torch.cat([y.mean(1, True), y.amax(1, True)], 1)).sigmoid(), a=conv(2, 1, 5, padding=2)
    ),
    "weight standardisation": lambda: between(
        lambda m, y: F.conv2d(y, (m.c.weight - m.c.weight.mean()) / m.c.weight.std(), m.c.bias, 1, 1), c=conv()
    ),
    "split and cat": lambda: between(lambda m, y: torch.cat(y.split([1, 2, 3], 1)[::-1], 1)),
    "one channel": lambda: between(lambda m, y: y[:, 3][:, None] * y),
    "through another dtype": lambda: between(lambda m, y: m.c(y.float().double()), c=conv()),
    "through integers": lambda: between(lambda m, y: m.c((y * 4).long().to(y.dtype)), c=conv()),
    "cat with itself": lambda: between(lambda m, y: m.c(torch.cat([y, y], 1)), c=conv(12)),
    "written in place many times": lambda: between(overwritten, c=conv()),
    "kept, then written in place": lambda: between(kept_and_overwritten, c=conv()),
    "added to itself in place": lambda: between(doubled, c=conv()),
    "branches that look to opposite sides": lambda: between(
        lambda _, y: F.pad(y, (3, -3, 0, 0)) + F.pad(y, (-3, 3, 1, -1)).relu()
    ),
    "a module twice": lambda: between(lambda m, y: m.c(m.c(y).relu()), c=conv()),
    "a part that nobody uses": lambda: between(lambda m, y: [m.c(y), y][1], c=conv()),
}


def attention(y):
    q = y.flatten(2).transpose(1, 2)
    return ((q @ q.transpose(1, 2)).softmax(-1) @ q).transpose(1, 2).reshape(y.shape)


def warped(m, y):
    grid = F.affine_grid(m.t.expand(y.shape[0], 2, 3), y.shape, align_corners=False)
    return F.grid_sample(y, grid, align_corners=False)


def written_through(view):
    """Something is written to a view of a map, and the map is read afterwards."""

    def function(m, y):
        z = m.c(y)
        view(z).mul_(3)
        return z * z

    return lambda: between(function, c=conv())


# Cells far away, or another order of cells: from here on whole maps.
WHOLE = {
    "rows for columns": lambda: between(lambda m, y: m.c(y.transpose(2, 3)), c=conv(padding=1, stride=2)),
    "rows for columns and back": lambda: between(
        lambda m, y: m.c(y.transpose(2, 3)).transpose(2, 3), c=conv(kernel=(3, 1), padding=(1, 0))
    ),
    "channels for columns": lambda: between(lambda m, y: m.c(y.permute(0, 2, 3, 1)), c=conv(12, 6, padding=1)),
    "channels made images": lambda: between(
        lambda m, y: m.c(F.pad(y.reshape(-1, 1, 12, 12), (1, 1, 1, 1))).reshape(-1, 6, 12, 12), c=conv(1, 1)
    ),
    "a view that mixes": lambda: coinciding(
        lambda m, y: m.c(y.reshape(-1, 12, 12, 12).transpose(1, 3).reshape(-1, 12, 12, 12))
    ),
    "another one": lambda: coinciding(lambda m, y: m.c(y.permute(0, 2, 3, 1).reshape(-1, 12, 12, 12))),
    "flip": lambda: between(lambda m, y: m.c(y.flip(3)), c=conv()),
    "roll": lambda: between(lambda m, y: m.c(y.roll(2, 3)), c=conv()),
    "cumsum": lambda: between(lambda m, y: m.c(y.cumsum(2)), c=conv()),
    "sort": lambda: between(lambda m, y: m.c(y.sort(2)[0]), c=conv()),
    "topk": lambda: between(lambda m, y: m.c(y.flatten(2).topk(9, 2)[0].view(-1, 6, 3, 3)), c=conv()),
    "softmax over cells": lambda: between(lambda m, y: m.c(y.flatten(2).softmax(2).view_as(y) * 9), c=conv()),
    "softmax over rows": lambda: between(lambda m, y: m.c(y.softmax(2) * 9), c=conv()),
    "interpolate": lambda: between(lambda m, y: m.c(F.interpolate(y, size=(7, 9), mode="bilinear")), c=conv()),
    "grid_sample": lambda: between(warped, t=weight(1, 2, 3)),
    "attention": lambda: between(lambda m, y: attention(y)),
    "einsum over columns": lambda: between(lambda m, y: torch.einsum("bchw,wd->bchd", y, m.w), w=weight(12, 12)),
    "linear over columns": lambda: between(lambda m, y: m.l(y).relu(), l=nn.Linear(12, 12)),
    "layer norm over columns": lambda: between(lambda m, y: m.l(y), l=nn.LayerNorm(12)),
    "layer norm over maps": lambda: between(lambda m, y: m.l(y), l=nn.LayerNorm([6, 12, 12])),
    "pixel unshuffle": lambda: between(lambda m, y: m.c(F.pixel_unshuffle(y, 2)), c=conv(24)),
    "group norm": lambda: between(lambda m, y: m.c(m.s(y)), s=nn.GroupNorm(2, 6), c=conv()),
    "instance norm": lambda: between(lambda m, y: m.s(y).relu(), s=nn.InstanceNorm2d(6, affine=True), c=conv()),
    "reflected padding": lambda: between(lambda m, y: m.c(y), c=conv(padding=1, padding_mode="reflect")),
    "padding with ones": lambda: between(lambda m, y: m.c(F.pad(y, (1, 1, 1, 1), value=1.0)), c=conv()),
    "transposed convolution": lambda: between(lambda m, y: m.c(y).relu(), c=nn.ConvTranspose2d(6, 6, 3, stride=2)),
    "unpooling": lambda: between(lambda m, y: F.max_unpool2d(*F.max_pool2d(y, 2, return_indices=True), 2)),
    "uneven adaptive pooling": lambda: between(lambda m, y: F.adaptive_avg_pool2d(y, (5, 7))),
    "squeeze and excitation": lambda: between(
        lambda m, y: y * m.a(F.adaptive_avg_pool2d(y, 1)).sigmoid(), a=conv(kernel=1)
    ),
    "a constant beside the maps": lambda: between(
        lambda m, y: torch.cat([y, y.new_ones(y.shape[0], 1, 12, 12)], 1), out=7
    ),
    "glu over rows": lambda: between(lambda m, y: m.c(F.glu(y, 2)), c=conv()),
    "recurrence": lambda: between(
        lambda m, y: m.l(y.flatten(2).transpose(1, 2))[0].transpose(1, 2)[..., None], l=nn.LSTM(6, 6, batch_first=True)
    ),
    "Fourier transform": lambda: between(lambda m, y: torch.fft.rfft2(y).abs()),
    "written through a slice": written_through(lambda z: z[:, :2]),
    "written through view": written_through(lambda z: z.view(-1, 6, 100)),
    "written through type_as": written_through(lambda z: z.type_as(z)),
}


@pytest.mark.parametrize("net", [pytest.param(make, id=name) for name, make in FOLLOWED.items()])
def test_followed(net):
    _test(net(), followed=True)


@pytest.mark.parametrize("net", [pytest.param(make, id=name) for name, make in WHOLE.items()])
def test_completed_where_needed(net):
    _test(net(), followed=False)


def _test(net, *, followed):
    x = noise(1, 3, SIDE, SIDE, dtype=torch.float64)
    engine = engine_of(net, x)
    for size in SIZES:
        assert_exact(engine, net, x, spread(x, size, 1), size, alive=False)
        assert_exact(engine, net, x, spread(x, size), size)
    assert ("whole_maps_from" not in engine.facts) == followed
