"""Random small networks: graphs of the operations that networks for pictures are made of, as hypothesis draws them."""

from __future__ import annotations

import hypothesis.strategies as st
import torch
from torch import nn
from torch.nn import functional as F

from tests.explain.nets import seeded

SMALL, LARGE = 3, 40  # cells along one side of a map: what is smaller or larger is not used on


class Graph(nn.Module):
    """Runs (operation, places of its inputs) one after the other; values are numbered, the picture is 0."""

    def __init__(self, channels):
        super().__init__()
        self.channels, self.parts, self.calls, self.head = channels, nn.ModuleList(), [], None

    def forward(self, x):
        values = [x]
        for function, inputs in self.calls:
            values.append(function(*(values[i] for i in inputs)))
        return values if self.head is None else self.head(values)

    def part(self, module):
        self.parts.append(module)
        return module


def activations():
    """Functions of one map; those that write in place are given memory of their own first, as users do."""
    modules = [
        nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(inplace=True), nn.SiLU(), nn.SiLU(inplace=True), nn.Hardswish(),
        nn.Hardswish(inplace=True), nn.Hardsigmoid(), nn.Sigmoid(), nn.Tanh(), nn.GELU(), nn.GELU("tanh"), nn.ELU(),
        nn.LeakyReLU(0.2), nn.LeakyReLU(0.2, inplace=True), nn.Softplus(), nn.Mish(), nn.CELU(), nn.SELU(),
        nn.Hardtanh(-0.5, 0.7), nn.LogSigmoid(), nn.Softsign(), nn.PReLU(), nn.Dropout(), nn.Dropout2d(),
        nn.Dropout(inplace=True), nn.Identity(), nn.Softmax2d(),
    ]  # fmt: skip
    functions = [torch.relu, F.relu, F.silu, F.hardswish, lambda x: x * torch.sigmoid(x), lambda x: x.clamp(-1, 1)]
    return st.sampled_from([*modules, *functions])


@st.composite
def convolutions(draw, net, channels):
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    stride, dilation = draw(st.sampled_from([1, 1, 2, 3, (1, 2)])), draw(st.sampled_from([1, 1, 2]))
    padding = draw(st.sampled_from([0, 1, 2, (0, 1), "same"])) if stride == 1 else draw(st.integers(0, 3))
    groups = draw(st.sampled_from([1, channels] if channels % 2 else [1, 2, channels]))
    wide = groups * draw(st.integers(1, max(1, 6 // groups)))
    conv = nn.Conv2d(channels, wide, kernel, stride, padding, dilation, groups, bias=draw(st.booleans()))
    behind = [nn.BatchNorm2d(wide)] if draw(st.booleans()) else []
    if draw(st.booleans()):
        behind.append(draw(st.sampled_from([nn.ReLU(inplace=True), nn.ReLU6(), nn.SiLU(True), nn.Hardswish()])))
    return net.part(nn.Sequential(conv, *behind))


@st.composite
def poolings(draw, net, _channels):
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    options = {
        "stride": draw(st.sampled_from([None, 1, 2, 3])),
        "padding": (draw(st.integers(0, kernel[0] // 2)), draw(st.integers(0, kernel[1] // 2))),
        "ceil_mode": draw(st.booleans()),
    }
    if draw(st.booleans()):
        return net.part(nn.MaxPool2d(kernel, **options, dilation=draw(st.sampled_from([1, 1, 2]))))
    divisor = draw(st.sampled_from([None, None, 3]))
    included = draw(st.booleans())
    return net.part(nn.AvgPool2d(kernel, **options, count_include_pad=included, divisor_override=divisor))


@st.composite
def cuts(draw, _net, _channels):
    sides = [draw(st.integers(-2, 3)) for _ in range(4)]
    start, stop, step = draw(st.integers(-9, 3)), draw(st.sampled_from([None, -1, 30])), draw(st.integers(1, 3))
    return draw(
        st.sampled_from(
            [
                lambda x: F.pad(x, sides),
                lambda x: x[:, :, start:stop:step],
                lambda x: x[:, :, 1:, start:stop:step],
                lambda x: x[..., ::2, ::2],
            ]
        )
    )


class Excited(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, 2, 1), nn.Conv2d(2, channels, 1)

    def forward(self, x):
        return x * self.up(self.down(F.adaptive_avg_pool2d(x, 1)).relu()).sigmoid()


class Channelwise(nn.Module):
    """As ConvNeXt does it."""

    def __init__(self, channels):
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(channels), nn.Linear(channels, channels + 1)

    def forward(self, x):
        return F.gelu(self.linear(self.norm(x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)


class Positions(nn.Module):
    """Something that is known of each place, joined to the map."""

    def __init__(self, shape, join):
        super().__init__()
        self.values, self.join = nn.Parameter(torch.empty(shape)), join

    def forward(self, x):
        return self.join(x, self.values[..., : x.shape[2], : x.shape[3]] if self.values.ndim > 1 else self.values)


def shuffled(x):
    return x.view(x.shape[0], 2, -1, x.shape[2], x.shape[3]).transpose(1, 2).flatten(1, 2)


@st.composite
def others(draw, net, channels):
    shape = draw(st.sampled_from([(1, channels, LARGE, LARGE), (LARGE, LARGE), (channels, 1, 1), (1, 1, 1, 1)]))
    join = draw(st.sampled_from([torch.add, torch.mul, torch.maximum]))
    modules = [
        lambda: nn.BatchNorm2d(channels), lambda: Excited(channels), lambda: Channelwise(channels),
        lambda: Positions(shape, join), lambda: nn.PReLU(channels), lambda: nn.GroupNorm(1, channels),
    ]  # fmt: skip
    functions = [
        lambda x: x.transpose(2, 3), lambda x: x * torch.sigmoid(x.mean(1, keepdim=True)), lambda x: x.flip(3),
        lambda x: x - x.amax(1, keepdim=True), lambda x: F.interpolate(x, scale_factor=2, mode="nearest"),
        lambda x: F.interpolate(x, size=(9, 8), mode="bilinear"), lambda x: torch.cat(x.split(1, 1)[::-1], 1),
        lambda x: F.adaptive_avg_pool2d(x, (x.shape[2] // 2 or 1, x.shape[3])), lambda x: x.softmax(1),
        lambda x: x.add(1).mul_(0.5).relu_(),
        lambda x: (x - 0.1) / (x.abs() + 1), lambda x: x[:, : 1 + x.shape[1] // 2],
        lambda x: F.pad(x, (1, 1, 1, 1), mode="replicate"), lambda x: x.sum(1)[:, None] + x,
    ]  # fmt: skip
    functions += [shuffled, lambda x: F.pixel_shuffle(torch.cat([x] * 4, 1), 2)] if channels % 2 == 0 else []
    index = draw(st.integers(0, len(modules) + len(functions) - 1))
    return net.part(modules[index]()) if index < len(modules) else functions[index - len(modules)]


def joined(a, b, how):
    return (
        a.clone().add_(b) if how == "add_" else torch.cat([a, b, a], 1) if how == "cat" else getattr(torch, how)(a, b)
    )


@st.composite
def heads(draw, net, shapes):
    last = shapes[-1]
    area = last[1] * last[2]
    linear = net.part(nn.Linear(last[0], 4))
    flat = net.part(nn.Linear(last[0] * area, 4))
    pools = {
        "mean": lambda x: linear(x.mean((2, 3))),
        "pool": lambda x: linear(F.adaptive_avg_pool2d(x, 1).flatten(1)),
        "max": lambda x: linear(F.adaptive_max_pool2d(x, 1)[:, :, 0, 0]),
        "flat": lambda x: flat(x.flatten(1)),
    }
    pool = pools[draw(st.sampled_from(list(pools)))]
    packed = {
        "scores": lambda values: pool(values[-1]),
        "map": lambda values: values[-1],
        "tuple": lambda values: (pool(values[-1]), values[len(values) // 2]),
        "dict": lambda values: {
            "scores": pool(values[-1]).softmax(-1),
            "map": values[-1].mean(1),
            "picture": values[0],
        },
        "heads": lambda values: [pool(values[-1]), values[-1].amax((2, 3)), linear(values[-1].mean((-1, -2)))],
    }
    return packed[draw(st.sampled_from(list(packed)))]


@st.composite
def networks(draw, height, width):
    """A network in double precision for pictures (1,2,height,width)."""
    net = Graph(2)
    shapes = [(2, height, width)]
    for _ in range(draw(st.integers(1, 9))):
        place = draw(st.sampled_from([len(shapes) - 1] * 3 + list(range(len(shapes)))))
        channels = shapes[place][0]
        kinds = [convolutions, convolutions, poolings, others, others, cuts, "activation", "join", "again"]
        kind = draw(st.sampled_from(kinds))
        inputs = [place]
        if kind == "activation":
            function = draw(activations())
            function = net.part(function) if isinstance(function, nn.Module) else function
            inner = function
            if place == 0:
                function = lambda x, inner=inner: inner(x.clone())  # noqa: E731
        elif kind == "join":
            fitting = [i for i, shape in enumerate(shapes) if shape == shapes[place]]
            inputs = [place, draw(st.sampled_from(fitting))]
            how = draw(st.sampled_from(["add", "sub", "mul", "maximum", "add_", "cat"]))
            function = lambda a, b, how=how: joined(a, b, how)  # noqa: E731
        elif kind == "again" and net.calls:
            function, inputs = draw(st.sampled_from(net.calls))
            inputs = inputs if len(inputs) > 1 else [place]
        elif kind != "again":
            function = draw(kind(net, channels))
        else:
            continue
        shape = _tried(net, function, inputs, shapes)
        if shape is not None:
            net.calls.append((function, inputs))
            shapes.append(shape)
    net.head = draw(heads(net, shapes))
    return seeded(net, seed=draw(st.integers(0, 9)), dtype=torch.float64)


def _tried(net, function, inputs, shapes):
    """The shape that a call gives; None where it does not fit or its maps would become too small or too large."""
    given = [torch.zeros(1, *shapes[i]) for i in inputs]
    net.eval()
    try:
        with torch.no_grad():
            found = function(*given)
    except (RuntimeError, IndexError):
        return None
    sides = found.shape[2:]
    fits = (
        found.ndim == 4 and len(found) == 1 and all(SMALL <= side <= LARGE for side in sides) and found.shape[1] <= 16
    )
    return tuple(found.shape[1:]) if fits else None
