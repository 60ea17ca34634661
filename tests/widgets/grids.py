"""Networks for ActivationGrid, and its side of the wire read as a browser does."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import cnnwidgets as cw
from tests.widgets.conftest import make_picture


def vgg() -> nn.Sequential:
    """The textbook case: an nn.Sequential with BatchNorm, Dropout and in-place ReLU, ending in log_softmax."""
    torch.manual_seed(0)

    def block(before, after):
        return [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(inplace=True), nn.Dropout(0.2)]

    layers = [*block(3, 4), *block(4, 6), nn.MaxPool2d(2), *block(6, 8), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 8 * 8, 5), nn.LogSoftmax(1)).eval()


class Wide(nn.Module):
    """As many channels as asked for, at the size of the picture."""

    def __init__(self, channels):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, channels, 1)
        self.head = nn.Linear(channels, 3)

    def forward(self, x):
        return self.head(self.conv(x).mean((2, 3)))


class Lame(nn.Module):
    """One layer holds NaN and infinity, which do not reach the scores."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)
        self.lame = nn.Identity()
        self.whole = nn.Identity()
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        maps = self.conv(x)
        lame = maps.clone()
        lame[:, 1, 0, 0], lame[:, 2, 1, 1], lame[:, 3] = torch.nan, torch.inf, torch.nan
        return self.head(self.whole(self.lame(lame).nan_to_num(0, 0, 0)).mean((2, 3)))


class Enlarged(nn.Module):
    """Nearest up-sampling by 2: pairs of rows look at one place."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, stride=4)
        self.up = nn.Upsample(scale_factor=2)
        self.after = nn.ReLU()
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.after(self.up(self.conv(x))).mean((2, 3)))


class Shuffled(nn.Module):
    """A layer behind an operation that cannot be followed cell by cell: its grid has to be measured."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 4, stride=4)
        self.after = nn.ReLU()
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        maps = self.conv(x)
        again = maps.flatten(2).reshape(maps.shape)
        return self.head(self.after(again).mean((2, 3)))


class Squeezed(nn.Module):
    """Squeeze-and-excitation: every cell sees all."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, padding=1, stride=2)
        self.squeeze = nn.Linear(4, 4)
        self.after = nn.ReLU()
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        maps = self.conv(x)
        gate = torch.sigmoid(self.squeeze(maps.mean((2, 3))))[:, :, None, None]
        return self.head(self.after(maps * gate).mean((2, 3)))


def classifier(net, side=32):
    return cw.Classifier(net.eval(), cw.Preprocess(resize=(side, side)))


def grid_of(net, side=32, **options):
    made = cw.ActivationGrid(classifier(net, side), make_picture(), **options)
    made.wait(30)
    return made


def decoded(packed):
    """The values of a packed sheet, of filters or of a kernel, float32."""
    shares = np.frombuffer(packed["data"], "<f2").reshape(packed["shape"]).astype(np.float32)
    return shares * packed["scale"]


def contributions(grid):
    """The packed contributions, (pictures, channels)."""
    pictures, channels = grid._sheet["shape"][:2]
    return np.frombuffer(grid._contributions["data"], "<f4").reshape(pictures, channels)
