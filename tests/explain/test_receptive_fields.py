"""Receptive fields, followed through a network, against the truth found by trying every pixel."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnwidgets import explain
from cnnwidgets.explain.axis import Axis
from cnnwidgets.explain.layers import default_layer, find_layer
from cnnwidgets.explain.measured import grid_of, measured_grid
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.subject import subject_of
from tests.explain.nets import noise, seeded
from tests.explain.sight import Both, Chain, assert_exact, positive, seen


def conv(k=3, s=1, p=0, d=1, *, g=1, channels=2, out=2):
    return nn.Conv2d(channels, out, k, s, p, d, g)


def same(x, k=3, s=2):
    """TensorFlow's padding: as much as the size needs, the odd pixel at the end."""
    height, width = ((-(-n // s) - 1) * s + k - n for n in x.shape[2:])
    return F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))


class Nhwc(nn.Module):
    """ConvNeXt's block: channels last, normalised and mixed cell by cell, back again, added."""

    def __init__(self):
        super().__init__()
        self.conv, self.first, self.second = conv(5, p=2, g=2), nn.Linear(2, 4), nn.Linear(4, 2)

    def forward(self, x):
        mixed = self.second(self.first(self.conv(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        return x + mixed


def shuffle(x):
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


class Excited(nn.Module):
    """Squeeze and excitation: every channel is scaled by what the whole map says."""

    def __init__(self, how):
        super().__init__()
        self.fc, self.how = nn.Conv2d(2, 2, 1), how

    def forward(self, x):
        return x * (self.fc(self.how(x)) * 0 + 1)


KNOWN = {
    "convolution": lambda: [conv(3, 2, 1), conv(5, 1, 2)],
    "oblong": lambda: [conv((3, 5), (2, 1), (0, 2)), conv((1, 4), (1, 3))],
    "dilation": lambda: [conv(3, 1, 0, 3), conv(3, 2, 2, (1, 2))],
    "groups": lambda: [conv(3, 1, 1, g=2), conv(1), conv(3, 2, g=2)],
    "even kernel": lambda: [conv(2, 2), conv(4, 1, 1)],
    "stride above kernel": lambda: [conv(1, 2), conv(2, 3)],
    "padding same": lambda: [conv(5, p="same"), conv(3, p="same", d=2), conv(3, p="valid")],
    "reflecting": lambda: [nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"), conv(3, 2)],
    "circular": lambda: [conv(3), nn.Conv2d(2, 2, 3, padding=1, padding_mode="replicate")],
    "maximum": lambda: [nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2)],
    "maximum, ceil": lambda: [nn.MaxPool2d(3, 2, ceil_mode=True), nn.MaxPool2d(2, 3, ceil_mode=True)],
    "maximum, dilated": lambda: [nn.MaxPool2d(3, 1, 1, 2), nn.MaxPool2d((2, 3), (1, 2))],
    "maximum, indices": lambda: [lambda x: F.max_pool2d(x, 3, 2, return_indices=True)[0]],
    "average": lambda: [nn.AvgPool2d(3, 2, 1), nn.AvgPool2d(2, ceil_mode=True)],
    "norm pooling": lambda: [lambda x: F.avg_pool2d(x * x, 2)],
    "asymmetric": lambda: [lambda x: F.pad(x, (0, 1, 2, 0)), conv(3, 2)],
    "cropped": lambda: [lambda x: F.pad(x, (-1, 0, 2, -3)), conv(3, 2)],
    "zero pad module": lambda: [nn.ZeroPad2d((1, 0, 2, 3)), conv(3, 2)],
    "tensorflow": lambda: [same, conv(3, 2), same, conv(3, 2), lambda x: same(x, 5, 1), conv(5)],
    "transposed": lambda: [conv(3, 2), nn.ConvTranspose2d(2, 2, 4, 2, 1), conv(3)],
    "transposed, odd": lambda: [conv(3, 3), nn.ConvTranspose2d(2, 2, 3, 2, output_padding=1), conv(3, 2)],
    "nearest": lambda: [conv(3, 2), nn.Upsample(scale_factor=2), conv(3)],
    "bilinear": lambda: [conv(3, 2), nn.Upsample(scale_factor=2, mode="bilinear"), conv(3, 2)],
    "bilinear, corners": lambda: [conv(2, 2), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)],
    "nhwc": lambda: [conv(3, 2), Nhwc(), Nhwc(), conv(2, 2)],
    "channels_last layout": lambda: [conv(3, 2), lambda x: x.contiguous(memory_format=torch.channels_last), conv(3)],
    "shuffle": lambda: [conv(3, 2, out=4), shuffle, conv(3, channels=4), nn.ChannelShuffle(2)],
    "add": lambda: [Both(conv(1, 2), conv(5, 2, 2), torch.add), conv(3)],
    "add, off centre": lambda: [Both(conv(2, 2), conv(3, 2, 1), lambda a, b: a[..., :20, :20] + b[..., :20, :20])],
    "cat": lambda: [Both(conv(1), conv(5, 1, 2), lambda a, b: torch.cat([a, b], 1)), conv(3, 2, channels=4)],
    "stack, maximum": lambda: [Both(conv(1), conv(3, 1, 1), torch.maximum), conv(3)],
    "chunk": lambda: [conv(3, 2, out=4), lambda x: torch.cat([x.chunk(2, 1)[1], x.chunk(2, 1)[0] * 2], 1)],
    "split": lambda: [conv(3, 2, out=4), lambda x: sum(torch.split(x, [2, 2], 1))],
    "slices": lambda: [conv(3), lambda x: x[:, :, 1::2, 3:-2], conv(2), lambda x: x[..., ::3]],
    "narrow": lambda: [conv(3), lambda x: x.narrow(2, 2, 30).narrow(3, 5, 28), conv(3, 2)],
    "normalised": lambda: [conv(3, 2), nn.BatchNorm2d(2), nn.ReLU(), nn.SiLU(), nn.Hardswish(), nn.PReLU(), conv(3)],
    "in place": lambda: [conv(3, 2), nn.ReLU(inplace=True), lambda x: x.mul_(2).add_(x), conv(3)],
    "turned and back": lambda: [conv((1, 3), (1, 2)), lambda x: x.mT.mT, conv((2, 1), (2, 1))],
    "residual": lambda: [Both(nn.Identity(), nn.Sequential(conv(3, 1, 1), conv(3, 1, 1)), torch.add), conv(3, 2, 1)],
    "adaptive": lambda: [conv(3, 2, 1), nn.AdaptiveAvgPool2d(5)],
    "adaptive, uneven": lambda: [conv(3), nn.AdaptiveAvgPool2d((7, 11)), nn.AdaptiveMaxPool2d((6, 10))],
    "excited": lambda: [conv(3, 2), Excited(lambda x: F.adaptive_avg_pool2d(x, 1)), conv(3)],
    "excited by a mean": lambda: [conv(3, 2), Excited(lambda x: x.mean((2, 3), keepdim=True)), conv(3)],
    "unfolded batch": lambda: [conv(3, 2), lambda x: x[None].squeeze(0).unsqueeze(1).flatten(1, 2), conv(3)],
    "where": lambda: [conv(3, 2), lambda x: torch.where(x > 0, x, 0.1 * x), conv(3)],
    "selected": lambda: [conv(3, 2), lambda x: torch.cat([x[:, 1][:, None], x[:, :1]], 1), conv(3)],
    "scaled by a constant": lambda: [conv(3, 2), lambda x: x * torch.full_like(x, 2), conv(3)],
    "as float": lambda: [conv(3, 2), lambda x: x.double().to(x.dtype).clone(), conv(3)],
}  # fmt: skip


def grid_of_last(net, channels, height, width):
    x = noise(1, channels, height, width)
    network = Network(subject_of(net, x))
    return network.trace.calls[network.trace.output].grid


@pytest.mark.parametrize(("height", "width"), [(47, 52), (64, 45)])
@pytest.mark.parametrize("name", KNOWN)
def test_operations_are_followed_exactly(name, height, width):
    torch.manual_seed(0)
    net = positive(Chain(*KNOWN[name]()))
    grid = grid_of_last(net, 2, height, width)
    assert grid is not None
    assert not grid.measured
    assert grid.sees_all == name.startswith("excited")
    assert min(assert_exact(grid, net, 2, height, width)) > 0, "every cell looks at a border"


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


def random_net(seed):
    """Up to six random operations, each kept if the map stays big enough to have inner cells."""
    chance = random.Random(seed)
    steps, size = [], np.array([71, 66])
    for _ in range(chance.randint(2, 6)):
        k, s, d = (chance.randint(1, 4), chance.randint(1, 2)), chance.choice([1, 1, 2]), chance.choice([1, 1, 2])
        p = (chance.randint(0, 2), chance.randint(0, 2))
        step = chance.choice(
            [
                lambda k=k, s=s, p=p, d=d: conv(k, s, p, d),
                lambda k=k, s=s, p=p: conv(k, (s, 1), p, g=2),
                lambda k=k, s=s: nn.MaxPool2d(k, s, (k[0] // 2, k[1] // 2), ceil_mode=True),
                lambda k=k, s=s: nn.AvgPool2d(k, s, ceil_mode=bool(s - 1)),
                lambda p=p: Chain(lambda x: F.pad(x, (p[0], p[1], 0, p[0])), conv(3, 2)),
                lambda: Both(conv(1), conv(3, 1, 1), torch.add),
                lambda d=d: Both(conv(3, 2, d, d), conv(1, 2), torch.add),
                lambda: nn.ConvTranspose2d(2, 2, chance.randint(2, 4), 2, chance.randint(0, 1)),
                lambda: Chain(same, conv(3, 2)),
                lambda: nn.Upsample(scale_factor=2),
                Nhwc,
            ]
        )()
        tried = Chain(*steps, step)
        with torch.no_grad():
            out = tried(torch.zeros(1, 2, *size.tolist()))
        if min(out.shape[2:]) < 5 or max(out.shape[2:]) > 150:
            continue
        steps.append(step)
    return Chain(*steps) if steps else Chain(conv(3))


@pytest.mark.parametrize("seed", range(60))
def test_random_networks_are_followed_exactly(seed):
    torch.manual_seed(seed)
    net = positive(random_net(seed))
    grid = grid_of_last(net, 2, 71, 66)
    assert grid is not None, net
    INNER.append(min(assert_exact(grid, net, 2, 71, 66)))


INNER: list[int] = []


def test_those_random_networks_had_inner_cells():
    assert np.mean(np.array(INNER) > 0) > 0.7


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


ACTIVATIONS = [
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Hardsigmoid,
    nn.Hardtanh, nn.RReLU, nn.GELU, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Softsign, nn.LogSigmoid, nn.Tanhshrink,
    nn.Hardshrink, nn.Softshrink, nn.PReLU, nn.Dropout, nn.Dropout2d, nn.AlphaDropout, nn.Identity, nn.Softmax2d,
]  # fmt: skip


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_every_activation_is_followed_also_in_place(kind):
    ways = [{}, {"inplace": True}] if "inplace" in kind.__init__.__annotations__ else [{}]
    for how in ways:
        grid = grid_of_last(Chain(conv(3, 2), kind(**how), conv(3)).eval(), 2, 21, 21)
        assert grid is not None, how
        assert not grid.sees_all
        np.testing.assert_array_equal(grid.y.centres, 3 + 2 * np.arange(8))


def test_a_transposed_convolution_by_hand():
    axis = Axis.of_input(4).transposed(9, kernel=3, stride=2, padding=0, dilation=1)
    assert axis.centres[[0, 2, 4, 6]].tolist() == [-0.5, 0.5, 1.5, 2.5]
    assert axis.centres[[1, 3, 5]].tolist() == [0, 1, 2]


def measured(net, x, layer=None):
    network = Network(subject_of(net, x))
    return measured_grid(network, find_layer(network, layer)), find_layer(network, layer).grid


@pytest.mark.parametrize(
    ("steps", "within"),
    [
        (lambda: [conv(3, 2, 1), nn.ReLU(), conv(3, 2, 1), nn.ReLU()], 1.5),
        (lambda: [conv(3, 2), nn.ReLU(), nn.MaxPool2d(2), conv(3), nn.ReLU()], 2),
        (lambda: [same, conv(3, 2), nn.ReLU(), same, conv(3, 2), nn.ReLU()], 1.5),
        (lambda: [lambda x: F.pad(x, (6, 0, 0, 6)), conv(3, 2), nn.ReLU(), conv(5, 1, 2)], 1.5),
    ],
)
def test_the_measured_centres_are_near_the_true_ones(steps, within):
    net = seeded(Chain(*steps()))
    guess, truth = measured(net, noise(1, 2, 64, 48), "parts." + str(len(net.parts) - 1))
    assert guess.measured
    assert not truth.measured
    assert guess.shape == truth.shape
    middle = slice(3, -3)
    for one, other in zip(guess.centres, truth.centres, strict=True):
        np.testing.assert_allclose(one[middle], other[middle], atol=within)


def test_a_network_that_cannot_be_followed_is_measured():
    """Columns are rotated by half: a matrix product over places, which nobody can follow."""

    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.late, self.fc = conv(3, 1, 1), conv(3, 2, 1), nn.Linear(2, 3)

        def forward(self, x):
            n, c, h, w = x.shape
            x = (self.conv(x).flatten(2) @ torch.eye(h * w)).view(n, c, h, w)
            return self.fc(self.late(x).relu().mean((2, 3)))

    heatmap = explain.grad_cam(seeded(Turned()), noise(1, 2, 32, 32), 1)
    assert heatmap.grid.measured
    np.testing.assert_allclose(heatmap.grid.centres[0][3:-3], 2 * np.arange(16)[3:-3], atol=1.5)
    followed = explain.grad_cam(seeded(Turned()), noise(1, 2, 32, 32), 1, layer="conv")
    assert not followed.grid.measured


def test_measuring_is_repeatable_and_needs_no_gradients_of_the_users():
    net, x = seeded(Chain(conv(3, 2), nn.ReLU())).requires_grad_(False), noise(1, 2, 24, 24)
    first, second = (measured(net, x, "parts.1")[0] for _ in range(2))
    np.testing.assert_array_equal(first.centres[0], second.centres[0])
    network = Network(subject_of(net, x))
    assert grid_of(network, default_layer(network.trace)).measured is False
