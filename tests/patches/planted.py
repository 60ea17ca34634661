"""Small pictures, networks and data sets that the tests of sources share."""

from __future__ import annotations

import numpy as np
from PIL import Image
from torch import nn
from torch.utils.data import Dataset

import cnnwidgets as cw
from cnnwidgets.preprocess import Preprocess


def picture(seed=0, height=24, width=36):
    """Return an RGB picture of noise."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def classifier(preprocess=None):
    """Return a colour network that sees the middle 16 x 16 of pictures whose shorter side became 20."""
    return cw.Classifier(nn.Conv2d(3, 2, 3), preprocess or Preprocess(resize=20, crop=16))


def save(path, seed=0, **size):
    """Write a picture, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed, **size).save(path)
    return path


class Numbered(Dataset):
    """A data set over a list; exceptions in it are raised."""

    def __init__(self, elements, **attributes):
        self.elements = elements
        vars(self).update(attributes)

    def __len__(self):
        return len(self.elements)

    def __getitem__(self, number):
        element = self.elements[number]
        if isinstance(element, BaseException):
            raise element
        return element
