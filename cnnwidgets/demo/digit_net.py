"""A small VGG-style CNN for digits, and its trained weights."""

from __future__ import annotations

import functools
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import nn

if TYPE_CHECKING:
    from cnnwidgets.classifier import Classifier
    from cnnwidgets.preprocess import Preprocess

SIDE = 32
"""Height and width of the network's input: four times the data's, so that the last maps keep 8 x 8 cells."""

_WEIGHTS = "digits.npz"
_WIDTHS = (16, 32, 64)
_HIDDEN = 64


class DigitNet(nn.Module):
    """Three blocks of two convolutions and a pooling, then two fully connected layers, after VGG.

    Input (N, 1, 32, 32), 0 (ground) to 1 (ink); output (N, 10), one logit for each digit.

    Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015; batch
    normalisation as in torchvision's `vgg*_bn`.
    """

    def __init__(self) -> None:
        super().__init__()
        blocks = [_block(before, after) for before, after in zip((1, *_WIDTHS), _WIDTHS, strict=False)]
        cells = (SIDE >> len(blocks)) ** 2
        self.features = nn.Sequential(*blocks)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(_WIDTHS[-1] * cells, _HIDDEN),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(_HIDDEN, 10),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, 10) of `images` (N, 1, 32, 32)."""
        logits: torch.Tensor = self.classifier(self.features(images))
        return logits


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )


def classifier() -> Classifier:
    """Return a new Classifier on the trained network; see `cnnwidgets.demo.digits`."""
    from cnnwidgets.classifier import Classifier

    return Classifier(model(), preprocess=preprocess(), classes=tuple("0123456789"), probe_images=_probe_images)


def _probe_images() -> list[Image.Image]:
    """Return pictures of digits as probe images for the mirror test."""
    from cnnwidgets.demo import digit_data

    data = digit_data.load()
    return [Image.fromarray(data.images[index]) for index in data.train[:3]]


def preprocess() -> Preprocess:
    """Return what brings a picture of any size to the network's input, 0 (ground) to 1 (ink)."""
    from cnnwidgets.preprocess import Preprocess

    # Pillow's Lanczos is the filter nearest to the bicubic one of torch that training enlarges with: Pillow's
    # own bicubic is softer (a = -0.5 against -0.75) and closes the loops of an 8 x 8 digit.
    return Preprocess(resize=(SIDE, SIDE), mean=(0.0,), std=(1.0,), interpolation="lanczos", channels=1)


def model() -> DigitNet:
    """Return a new network with the trained weights, in evaluation mode, on the CPU."""
    with torch.inference_mode(mode=False):  # else its weights could never have a gradient
        with torch.device("meta"):  # nothing is drawn at random
            network = DigitNet()
        state = {name: torch.from_numpy(values.astype(np.float32)) for name, values in _weights().items()}
        counters = {
            name: torch.zeros((), dtype=torch.int64)
            for name in network.state_dict()
            if name.endswith("num_batches_tracked")
        }
        network.load_state_dict(state | counters, assign=True)
    return network.eval()


def weights_of(network: DigitNet) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float16]]]:
    """Return what `digits.npz` holds of `network`: every tensor as float16, save BatchNorm's counters."""
    return {
        name: tensor.detach().numpy().astype(np.float16)
        for name, tensor in network.state_dict().items()
        if tensor.is_floating_point()
    }


@functools.lru_cache(maxsize=1)
def _weights() -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float16]]]:
    with resources.files(__package__).joinpath(_WEIGHTS).open("rb") as file, np.load(file) as archive:
        return dict(archive)
