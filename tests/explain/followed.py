"""Operations to build small networks of, and what is followed through them."""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F

from cnnwidgets.explain.network import Network
from cnnwidgets.explain.subject import subject_of
from tests.explain.nets import noise


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


def grid_of_last(net, channels, height, width):
    x = noise(1, channels, height, width)
    network = Network(subject_of(net, x))
    return network.trace.calls[network.trace.output].grid
