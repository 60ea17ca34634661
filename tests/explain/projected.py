"""A network for guided backpropagation and the deconvnet, and the same as steps for the reference."""

from __future__ import annotations

import numpy as np
from torch import nn

from cnnwidgets import explain

METHODS = {"guided": explain.guided_backprop, "deconvnet": explain.deconvnet}


class Block(nn.Module):
    """conv, BN, ReLU, max pooling, and a residual block whose one in-place ReLU is used three times."""

    def __init__(self, classes=3):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.pool = nn.MaxPool2d(2)
        self.conv2, self.bn2 = nn.Conv2d(4, 5, 3, stride=1, padding=1), nn.BatchNorm2d(5)
        self.conv3 = nn.Conv2d(5, 4, 3, padding=1)
        self.conv4 = nn.Conv2d(4, 6, 3, stride=2)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(6, classes)

    def forward(self, x):
        x = self.pool(self.relu(self.bn1(self.conv1(x))))
        out = self.conv3(self.relu(self.bn2(self.conv2(x))))
        out += x
        out = self.conv4(self.relu(out))
        return self.fc(out.mean((2, 3)))


def steps_of(net):
    """The same network as steps, up to conv4."""
    one = [_conv(net.conv1), _norm(net.bn1), ("relu",), ("pool", 2, 2)]
    return [
        *one,
        _conv(net.conv2),
        _norm(net.bn2),
        ("relu",),
        _conv(net.conv3),
        ("add", 3),
        ("relu",),
        _conv(net.conv4),
    ]


def _conv(module):
    return ("conv", _array(module.weight), _array(module.bias), module.stride[0], module.padding[0])


def _norm(module):
    return ("bn", *map(_array, (module.running_mean, module.running_var, module.weight, module.bias)), module.eps)


def _array(tensor):
    return tensor.detach().double().numpy()


def assert_same(values, expected):
    """Same values to single precision, and not all zero."""
    expected = np.asarray(expected)
    assert values.shape == expected.shape
    span = np.abs(expected).max()
    assert span > 1e-4, "a reference of zeros would prove nothing"
    np.testing.assert_allclose(values, expected, rtol=0, atol=2e-6 * span)
