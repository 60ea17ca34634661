"""Receptive fields, followed through a network, against the truth found by trying every pixel."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnwidgets.explain.axis import Axis
from tests.explain.followed import Nhwc, conv, grid_of_last, same
from tests.explain.sight import Both, Chain, assert_exact, assert_sight, positive


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
    "transposed, dilated": lambda: [conv(3, 3), nn.ConvTranspose2d(2, 2, 3, 2, dilation=2)],
    "transposed, gaps": lambda: [conv(3, 2), nn.ConvTranspose2d(2, 2, 2, 3)],
    "floor, then padded": lambda: [nn.MaxPool2d(3, 3), conv(3, 1, 1), nn.AvgPool2d(3, 2, 1)],
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


CUT = {
    "padding alone": lambda: [conv(7), conv(3, p=4), conv(2, 2)],
    "padding alone, dilated": lambda: [conv(5, 2), conv(3, 1, 5, 2), conv(3, 1, 1)],
    "cut, then padded": lambda: [conv(3, 2), lambda x: x[:, :, 2:-1, 3:-2], conv(3, 1, 2), conv(3, 2, 1, 2)],
    "cut, then reflected": lambda: [lambda x: x[..., 5:], nn.ReflectionPad2d((4, 1, 2, 0)), conv(3, 2)],
    "cut, then replicated": lambda: [conv(3, 2), nn.ReplicationPad2d((4, 1, 0, 2)), conv(2)],
}  # fmt: skip


@pytest.mark.parametrize(("height", "width"), [(47, 52), (64, 45)])
@pytest.mark.parametrize("name", CUT)
def test_padding_in_the_middle_of_a_network_is_no_pixel(name, height, width):
    """Here a field that is clipped to the picture is too large: pixels that were cut off before seem to be seen."""
    net = positive(Chain(*CUT[name]()))
    grid = grid_of_last(net, 2, height, width)
    assert_sight(grid, net, 2, height, width)
    assert any(
        not np.array_equal(np.clip(edge, 0, size - 1), true)
        for axis, size in ((grid.y, height), (grid.x, width))
        for edge, true in ((axis.low, axis.first), (axis.high, axis.last))
    )


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
