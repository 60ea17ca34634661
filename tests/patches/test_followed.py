"""Extremes and means follow from those of other layers only where they do: held against the brute force."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnwidgets import PatchIndex
from tests.patches.brute import Brute
from tests.patches.nets import Clips, Does, dots, whole


class Net(nn.Module):
    """Two convolutions, what `between` makes of them in modules of their own, and class scores."""

    def __init__(self, between, **modules):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.between = between
        self.relu, self.sum = Clips(F.relu), Does(lambda a, b: a + b)
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x):
        return self.between(self, self.one(x), self.two(x)).float().mean((2, 3))


def through_a_view(net, a, b):
    a[:, 0].add_(5)
    a[:, 1:3].zero_()
    return net.sum(net.relu(a), b)


def summed_when_written_over(net, a, b):
    a[:, 0].add_(5)
    return net.sum(a, b)


def through_its_data(net, a, b):
    a.data.mul_(-1)
    return net.sum(net.relu(a), b)


def rectified_under_another_name(net, a, b):
    same = a.view_as(a)
    F.relu_(same)
    return net.sum(a, b)


def masks(net, a, b):
    return net.sum(a > 0, b > -1)


def bytes_that_overflow(net, a, b):
    return net.relu(net.sum(*((one.clamp(0, 5) * 50).to(torch.uint8) for one in (a, b))))


def of_numbers(net, a, b):
    """As people write it with the function: numbers for pairs, paddings by name."""
    one = net.weight[:, :, None, None]
    parts = [
        F.conv2d(a, one, None, 1, 0, 1, 1), F.conv2d(a, one, None, 1, (0, 0), 1, 1),
        F.conv2d(b, one, None, 1, "same", 1, 1),
        F.conv2d(a, one, None, [1], "valid", [1]), F.conv2d(input=b, weight=one, stride=(1, 1)),
    ]  # fmt: skip
    return sum(parts)


BETWEEN = [
    through_a_view, summed_when_written_over, through_its_data, rectified_under_another_name, masks,
    bytes_that_overflow,
]  # fmt: skip


@pytest.mark.parametrize("per_image", [1, 2])
@pytest.mark.parametrize("between", BETWEEN)
def test_maps_that_are_not_what_they_were(between, per_image):
    for seed in range(2):
        model, x = whole(Net(between), seed), dots(15)
        index = PatchIndex.build(model, x, k=4, per_image=per_image, progress=False)
        Brute(model, x).check(index, least=3, per_image=per_image)


def test_convolutions_of_one_cell_given_by_numbers():
    net = Net(of_numbers)
    net.weight = nn.Parameter(torch.zeros(4, 4))
    model, x = whole(net), dots(15)
    Brute(model, x).check(PatchIndex.build(model, x, k=4, progress=False), least=2)


class Larger(nn.BatchNorm2d):
    """Weights are what they are more than 1."""

    def forward(self, x):
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight + 1, self.bias, training=False, eps=self.eps
        )


class Softer(nn.BatchNorm2d):
    """Has an eps of its own."""

    def forward(self, x):
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=0.5)


class Adapting(nn.BatchNorm2d):
    """Takes mean and variance from what it is given, in evaluation mode as well."""

    def forward(self, x):
        return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=0.25)


class Keeping(nn.BatchNorm2d):
    """Takes them from what it is given, though it has some, which it would like to learn."""

    def forward(self, x):
        mean, variance = self.running_mean.clone(), self.running_var.clone()
        return F.batch_norm(x, mean, variance, self.weight, self.bias, training=True, eps=0.25)


@pytest.mark.parametrize("layers", ["all", ["norm"]])
@pytest.mark.parametrize("kind", [Larger, Softer, Adapting, Keeping])
def test_normalisations_that_are_none_of_torchs(kind, layers):
    model = whole(Net(lambda net, a, b: net.sum(net.relu(net.norm(a)), b), norm=kind(4)))
    with torch.no_grad():
        model.norm.weight[model.norm.weight == 0] = 1.5  # else nothing would be folded
    x = dots(15)
    index = PatchIndex.build(model, x, layers, k=4, progress=False)
    Brute(model, x).check(index, least=2 if layers == ["norm"] else 5, exact=False, atol=1e-5)
