"""Small networks whose arithmetic is exact: whole numbers as weights, so that no order of summation changes a bit.

Ties between cells and between images are then common, and must be settled as the index promises.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def whole(module, seed=0, dtype=torch.float32):
    """Give a module small whole weights, and BatchNorms scales that are powers of two; some of them 0 or negative."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(shape, choices):
        return torch.tensor(choices)[torch.randint(len(choices), shape, generator=generator)]

    with torch.no_grad():
        for part in module.modules():
            for parameter in part.parameters(recurse=False):
                choices = [-1.0, 0.0, 1.0] if parameter.ndim > 1 else [-2.0, -1.0, 0.0, 1.0, 2.0]
                parameter.copy_(drawn(parameter.shape, choices))
            if isinstance(part, nn.BatchNorm2d):
                part.eps = 0.0
                part.weight.copy_(drawn(part.weight.shape, [-2.0, -1.0, 0.0, 0.5, 1.0]))
                part.running_mean.copy_(drawn(part.weight.shape, [-1.0, 0.0, 1.0, 2.0]))
                part.running_var.copy_(drawn(part.weight.shape, [0.25, 1.0, 4.0]))
    return module.to(dtype).eval()


def dots(count, size=9, channels=3, seed=1, dtype=torch.float32):
    """Images of small whole numbers, of which some are the same."""
    x = torch.randint(-2, 3, (count, channels, size, size), generator=torch.Generator().manual_seed(seed))
    x[count // 2 :: 5] = x[0].clone()
    return x.to(dtype)


class Does(nn.Module):
    """A function as a module, for hooks to see it."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *x):
        return self.function(*x)


class Clips(Does):
    """A function that clips its only argument."""


def plain():
    """In-place ReLUs behind BatchNorms, and a pooling."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 5),
    )  # fmt: skip


def clamped():
    """Activations that saturate: many cells hold the bound."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2), nn.ReLU6(inplace=True), nn.Conv2d(6, 6, 1), nn.Hardtanh(-3, 4),
        nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.BatchNorm2d(6), Clips(lambda x: F.hardtanh(x, -2, 2, inplace=True)),
        Clips(F.relu6), Clips(lambda x: x.clamp(max=1)),
    )  # fmt: skip


class Clipped(nn.Module):
    """Every way of clipping, in place and not, by numbers, by keywords and by tensors of one number; and two others."""

    def __init__(self):
        super().__init__()
        bound = torch.tensor(2.0)
        self.stem = nn.Conv2d(3, 4, 3, stride=2)
        self.ways = nn.ModuleList([
            nn.ReLU(inplace=True), nn.Hardtanh(-1, 2, inplace=True), nn.Hardsigmoid(inplace=True), nn.Hardsigmoid(),
            nn.Hardswish(inplace=True), nn.Hardswish(), nn.ReLU6(), Clips(lambda x: x.clamp_(-2, 3)),
            Clips(lambda x: x.clip(min=-1)), Clips(lambda x: torch.clamp_max(x, 3)),
            Clips(lambda x: torch.minimum(x, bound.to(x.dtype))), Clips(lambda x: torch.max(-bound.to(x.dtype), x)),
            Clips(lambda x: torch.clamp(input=x, min=0, max=2)), Does(lambda x: torch.minimum(x, torch.ones_like(x))),
            Does(lambda x: torch.minimum(x, x * 0 + 2)),
        ])  # fmt: skip
        self.convs = nn.ModuleList(nn.Conv2d(4, 4, 1) for _ in self.ways)
        self.join, self.pool = Does(lambda *x: torch.cat(x, 1)), nn.MaxPool2d(2)

    def forward(self, x):
        x = self.stem(x)
        return self.pool(self.join(*(way(conv(x)) for way, conv in zip(self.ways, self.convs, strict=True))))


class Block(nn.Module):
    """One ReLU used thrice, an addition in place, one BatchNorm used twice."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.bn, self.relu = nn.BatchNorm2d(6), nn.ReLU(inplace=True)
        self.plus, self.join = Does(lambda a, b: a.add_(b)), Does(lambda a, b: torch.cat([a, b], 1))
        self.sum = Does(lambda a, b: a + b)
        self.fc = nn.Linear(12, 3)

    def forward(self, x):
        x = self.relu(self.bn(self.conv1(x)))
        out = self.bn(self.conv2(x))
        out = self.relu(self.plus(out, x))
        out = self.join(out, self.relu(self.sum(out, x)))
        return self.fc(out.amax((2, 3)))


class Dense(nn.Module):
    """BatchNorm before ReLU before convolution, on everything that came before."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4 + 2 * i) for i in range(3))
        self.convs = nn.ModuleList(nn.Conv2d(4 + 2 * i, 2, 3, padding=1) for i in range(3))
        self.last = nn.BatchNorm2d(10)

    def forward(self, x):
        values = [self.stem(x)]
        for norm, conv in zip(self.norms, self.convs, strict=True):
            values.append(conv(F.relu(norm(torch.cat(values, 1)))))
        return F.relu(self.last(torch.cat(values, 1))).mean((2, 3))


class Gated(nn.Module):
    """Squeeze and excitation with a gate of whole numbers, behind a depthwise convolution."""

    def __init__(self):
        super().__init__()
        self.conv, self.deep = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.squeeze, self.excite = nn.Conv2d(6, 2, 1), nn.Conv2d(2, 6, 1)
        self.gate = Does(lambda x, s: x * s)

    def forward(self, x):
        x = F.relu(self.deep(F.relu(self.conv(x))))
        s = self.excite(F.relu(self.squeeze(x.amax((2, 3), keepdim=True)))).clamp(-1, 2)
        return self.gate(x, s)


class Rigid(nn.Module):
    """Maps taken apart by `view`, which knows one order of memory only."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.shuffle = Does(lambda x: x.view(len(x), 2, 2, 9, 9).transpose(1, 2).contiguous().view(len(x), 4, 9, 9))
        self.fc = nn.Linear(4 * 81, 3)

    def forward(self, x):
        x = self.shuffle(self.conv1(x).contiguous())
        return self.fc(F.relu(self.conv2(x)).contiguous().view(len(x), -1))


class Masked(nn.Module):
    """Values set in place, by a mask and by a slice."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)
        self.cut, self.frame = Does(self._cut), Does(self._frame)

    @staticmethod
    def _cut(x):
        x = x.clone()
        x[x < -1] = 3
        return x

    @staticmethod
    def _frame(x):
        x[:, :, 0] = 7
        x[:, 1, :, 2] = -7
        return x

    def forward(self, x):
        return F.relu(self.frame(self.bn(self.cut(self.conv(x))))).mean((2, 3))


EXACT = {
    "plain": plain, "clamped": clamped, "clipped": Clipped, "block": Block, "dense": Dense, "gated": Gated,
    "rigid": Rigid, "masked": Masked,
}  # fmt: skip


class Fitful(nn.Module):
    """Gives NaN behind its second convolution for images that are bright at the corner, infinity for very dark ones."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        corner = x[:, :1, :1, :1]
        x = self.conv2(self.relu(self.conv1(x)))
        x = x + torch.where(corner > 1, float("nan"), 0.0) + torch.where(corner < -1, float("inf"), 0.0)
        return self.relu(x).mean((2, 3))
