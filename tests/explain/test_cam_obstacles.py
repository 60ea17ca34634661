"""Where CAM does not exist, the error names what stands in the way, and the remedy."""

from __future__ import annotations

import contextlib

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnwidgets import explain
from cnnwidgets.errors import ModelError
from tests.explain.nets import Gap, Vgg, noise, seeded

X = noise(2, 3, 12, 12)


def gap(*between, pool=None, features=None):
    """Feature map, pooling, and whatever lies between it and the scores."""
    body = features or [nn.Conv2d(3, 6, 3, padding=1), nn.ReLU()]
    return seeded(nn.Sequential(*body, pool or nn.AdaptiveAvgPool2d(1), nn.Flatten(), *between))


OBSTACLES = {
    "two linear layers": (gap(nn.Linear(6, 8), nn.Linear(8, 3)), r"two layers follow on each other: linear\(\) in '4'"),
    "an activation between": (gap(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), r"relu\(\) in '5' stands between"),
    "an activation behind the pooling": (gap(nn.Hardswish(), nn.Linear(6, 3)), r"hardswish\(\) in '4' stands between"),
    "normalisation behind the pooling": (gap(nn.LayerNorm(6), nn.Linear(6, 3)), r"layer_norm\(\) in '4'"),
    "maximum pooling": (gap(nn.Linear(6, 3), pool=nn.AdaptiveMaxPool2d(1)), r"adaptive_max_pool2d\(\) in '2'"),
    "pooling to 2x2": (gap(nn.Linear(24, 3), pool=nn.AdaptiveAvgPool2d(2)), r"2x2 cells is flattened by flatten"),
    "a margin left out": (gap(nn.Linear(6, 3), pool=nn.AvgPool2d(10)), r"not average all of the 12x12 cells"),
    "padding averaged in": (gap(nn.Linear(6, 3), pool=nn.AvgPool2d(13, padding=1)), r"not average all of the 12x12"),
    "no pooling": (seeded(Vgg()), r"two layers follow on each other: linear\(\) in 'classifier\.1'|relu\(\) in"),
    "flattened into one linear layer": (gap(nn.Linear(864, 3), pool=nn.Identity()), r"12x12 cells is flattened"),
    "overlapping average pooling": (gap(nn.Linear(24, 3), pool=nn.AvgPool2d(7, 5)), "2x2 cells is flattened"),
    "a sigmoid behind": (gap(nn.Linear(6, 3), nn.Sigmoid()), r"sigmoid\(\) in '5' stands between"),
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_the_obstacle_is_named(name):
    net, said = OBSTACLES[name]
    with pytest.raises(ModelError, match=said) as caught:
        explain.cam(net, X, 1)
    assert "explain.grad_cam works on any" in str(caught.value)
    assert "cnnwidgets.gap_classifier(clf, images, labels)" in str(caught.value)


def test_a_pooling_that_is_no_average_is_found_while_it_runs():
    net = gap(nn.Linear(6, 3), pool=nn.AvgPool2d(12, divisor_override=9))
    with pytest.raises(ModelError, match="needs an average over the whole feature map"):
        explain.cam(net, X, 1)


@pytest.mark.parametrize(
    "pool",
    [
        nn.AdaptiveAvgPool2d(1),
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.AvgPool2d(12),
        nn.AvgPool2d(12, stride=3),
    ],
)
@pytest.mark.parametrize("between", [[], [nn.Dropout(0.5)], [nn.Identity()]])
def test_what_does_not_stand_in_the_way(pool, between):
    net = gap(*between, nn.Linear(6, 3), pool=pool)
    cam = explain.cam(net, X, 1)
    logits = net(X)[:, 1].detach().numpy()
    assert cam.values.mean((1, 2)) + net[-1].bias[1].item() == pytest.approx(logits, rel=1e-4, abs=1e-5)


def written(forward):
    class Net(Gap):
        pass

    Net.forward = forward
    return seeded(Net())


@pytest.mark.parametrize(
    "forward",
    [
        lambda self, x: self.fc(F.adaptive_avg_pool2d(self.features(x), 1).view(len(x), -1)),
        lambda self, x: self.fc(self.features(x).mean(dim=[-2, -1])),
        lambda self, x: self.fc(self.features(x).mean(-1).mean(-1)),
        lambda self, x: self.fc(self.features(x).flatten(2).mean(2)),
        lambda self, x: self.fc(torch.mean(self.features(x), (2, 3), keepdim=True)[:, :, 0, 0]),
        lambda self, x: self.fc(self.features(x).sum((2, 3)) / 36),
        lambda self, x: F.linear(self.features(x).mean((2, 3)), self.fc.weight, self.fc.bias),
        lambda self, x: F.linear(self.features(x).mean((2, 3)), weight=self.fc.weight, bias=self.fc.bias),
        lambda self, x: F.linear(input=self.features(x).mean((2, 3)), weight=self.fc.weight, bias=self.fc.bias),
        lambda self, x: self.features(x).mean((2, 3)) @ self.fc.weight.T + self.fc.bias,
        lambda self, x: self.fc(self.features(x).mean((2, 3)) * 2),
        lambda self, x: self.fc(self.features(x).mean((2, 3))) * 2,
        lambda self, x: self.fc(self.features(x).mean((2, 3))) + self.features(x).mean((1, 2, 3))[:, None],
        lambda self, x: self.fc(self.features(x)[:, :, :3].mean((2, 3))),
        lambda self, x: self.fc(F.normalize(self.features(x).mean((2, 3)))),
        lambda self, x: self.fc(self.features(x).mean((2, 3))) - self.fc(x.new_zeros(1, 6)),
        lambda self, x: self.fc(F.avg_pool2d(F.pad(self.features(x), (1, 1, 1, 1)), 8).flatten(1)),
        lambda self, x: self.fc(F.avg_pool2d(self.features(x), 6, padding=1).flatten(1)),
        lambda self, x: self.fc(F.avg_pool2d(self.features(x), 5).flatten(1)),
        lambda self, x: self.fc(F.avg_pool2d(self.features(x), 6, divisor_override=9).flatten(1)),
        lambda self, x: F.linear(self.features(x).mean((2, 3)), self.fc.weight),
        lambda self, x: self.fc(self.features(x).transpose(2, 3).mean((2, 3))),
        lambda self, x: self.fc(self.features(x).mean((2, 3))).roll(1, 1),
        lambda self, x: self.fc(self.features(x).mean((2, 3))[:, [1, 0, 2, 3, 4, 5]]),
        lambda self, x: self.fc(self.features(x).mean((2, 3)).flip(1)),
        lambda self, x: self.fc(self.features(x).mean((2, 3)))[:, [1, 0, 2, 3, 4]],
    ],
)  # fmt: skip
def test_however_it_is_written_cam_is_exact_or_refused(forward):
    """Either the map adds up to the score that the model gives, or there is no map."""
    net = written(forward)
    with contextlib.suppress(ModelError):
        means = explain.cam(net, X, 1).values.mean((1, 2))
        rest = net(X)[:, 1].detach().numpy() - means  # the bias, the same for every image
        assert any(rest == pytest.approx(bias, abs=1e-4) for bias in (0.0, net.fc.bias[1].item()))


@pytest.mark.parametrize("index", [0, 1, 6])
def test_the_usual_ways_of_writing_it_are_understood(index):
    forward = test_however_it_is_written_cam_is_exact_or_refused.pytestmark[0].args[1][index]
    assert explain.cam(written(forward), X, 1).layer == "features"
