"""The established libraries as second witnesses: captum, grad-cam and torchcam give the same raw maps.

In double precision, so that no ReLU is decided by rounding. Layers are named whose output no later in-place operation
overwrites: the peers keep the tensor, and with it what was written into it later.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import timm
import torch
from captum.attr import LayerGradCam, NoiseTunnel
from captum.attr import Occlusion as CaptumOcclusion
from captum.attr import Saliency as CaptumSaliency
from pytorch_grad_cam import GradCAM as GradCamOfGradCam
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torchcam import methods as torchcam
from torchvision import models

from cnnwidgets import explain
from tests.explain.nets import noise, seeded

CLASSES = 20


@dataclass(frozen=True)
class Case:
    """A network: how to make it, layers for Grad-CAM, and for CAM the map's module and the linear one.

    `cam` is None where torchcam's CAM, which takes the output of a module and the weights of another, says nothing:
    VGG has no CAM; DenseNet pools the result of a functional ReLU, which is no module's output; in SqueezeNet the
    pooled channels are the scores already, and torchcam would apply the weights of the convolution before the ReLU.
    """

    make: Any
    layers: tuple[str, ...]
    cam: tuple[str, str] | None = None
    size: int = 96


def _tv(name, **how):
    return lambda: models.get_model(name, weights=None, num_classes=CLASSES, **how)


def _timm(name):
    return lambda: timm.create_model(name, pretrained=False, num_classes=CLASSES)


def _vgg11():
    """Return VGG-11 with narrow linear layers: its own hold 120 million weights, most of the time and memory here."""
    net = models.vgg11(weights=None, init_weights=False, num_classes=CLASSES)
    net.classifier[0], net.classifier[3] = nn.Linear(512 * 7 * 7, 64), nn.Linear(64, 64)
    net.classifier[6] = nn.Linear(64, CLASSES)
    return net


PLAIN = {"aux_logits": False, "init_weights": False}  # the weights are drawn afterwards
CASES = {
    "resnet18": Case(_tv("resnet18"), ("layer4", "layer3"), ("layer4", "fc")),
    "vgg11": Case(_vgg11, ("features.19", "features.12")),
    "densenet121": Case(_tv("densenet121"), ("features.denseblock4", "features.transition3")),
    "googlenet": Case(_tv("googlenet", **PLAIN), ("inception5b", "inception4c"), ("inception5b", "fc")),
    "inception_v3": Case(_tv("inception_v3", **PLAIN), ("Mixed_7c", "Mixed_6c"), ("Mixed_7c", "fc"), size=128),
    "mobilenet_v2": Case(_tv("mobilenet_v2"), ("features", "features.13"), ("features", "classifier.1")),
    "squeezenet1_1": Case(_tv("squeezenet1_1"), ("classifier.2", "features.9")),
    "shufflenet_v2_x0_5": Case(_tv("shufflenet_v2_x0_5"), ("conv5", "stage3"), ("conv5", "fc")),
    "efficientnet_b0": Case(_tv("efficientnet_b0"), ("features",), ("features", "classifier.1")),
    "regnet_x_400mf": Case(_tv("regnet_x_400mf"), ("trunk_output", "trunk_output.block3"), ("trunk_output", "fc")),
    "mnasnet0_5": Case(_tv("mnasnet0_5"), ("layers", "layers.10"), ("layers", "classifier.1")),
    "tf_efficientnet_lite0": Case(_timm("tf_efficientnet_lite0"), ("bn2",), ("bn2", "classifier")),
}
LAYERS = [(name, layer) for name, case in CASES.items() for layer in case.layers]
MAPPED = [name for name, case in CASES.items() if case.cam]


@cache
def _made(name):
    """Return a network, two images, and for each of them the class with the highest score."""
    case = CASES[name]
    net = seeded(case.make(), seed=3, dtype=torch.float64)
    x = noise(2, 3, case.size, case.size, dtype=torch.float64)
    with torch.no_grad():
        return net, x, net(x).argmax(1).tolist()


@cache
def _grad_cam(name, layer):
    net, x, classes = _made(name)
    return explain.grad_cam(net, x, classes, layer=layer).values


def assert_same(ours, theirs):
    """Same map for every image, to 1e-4 of its range."""
    theirs = np.asarray(theirs.detach() if isinstance(theirs, torch.Tensor) else theirs)
    assert ours.shape == theirs.shape
    for one, other in zip(ours, theirs, strict=True):
        span = other.max() - other.min()
        assert span > 0, "two empty maps would prove nothing"
        assert np.abs(one - other).max() <= 1e-4 * span


@pytest.mark.parametrize("name", CASES)
def test_saliency_and_captum(name):
    net, x, classes = _made(name)
    theirs = CaptumSaliency(net).attribute(x.clone().requires_grad_(), target=classes, abs=True)
    assert_same(explain.saliency(net, x, classes).values, theirs.amax(1))


@pytest.mark.parametrize("name", CASES)
def test_smoothgrad_without_noise_and_captum(name):
    """The peer's noise cannot be drawn again, so both average copies without any."""
    net, x, classes = _made(name)
    tunnel = NoiseTunnel(CaptumSaliency(net))
    slopes = tunnel.attribute(
        x.clone().requires_grad_(), nt_type="smoothgrad", nt_samples=2, stdevs=0.0, target=classes, abs=False
    )
    assert_same(explain.smoothgrad(net, x, classes, noise=0, samples=2).values, slopes.abs().amax(1))


@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_grad_cam_and_captum(name, layer):
    net, x, classes = _made(name)
    theirs = LayerGradCam(net, net.get_submodule(layer)).attribute(x, target=classes, relu_attributions=False)
    assert_same(_grad_cam(name, layer), theirs[:, 0])


class RawGradCam(GradCamOfGradCam):
    """Keeps the map as it is before it is cut at zero, enlarged and scaled to 1."""

    def get_cam_image(self, *args, **kwargs):
        self.raw = super().get_cam_image(*args, **kwargs)
        return self.raw


@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_grad_cam_and_grad_cam(name, layer):
    net, x, classes = _made(name)
    with RawGradCam(net, [net.get_submodule(layer)]) as peer:
        peer(x, [ClassifierOutputTarget(index) for index in classes])
    net.zero_grad()
    assert_same(_grad_cam(name, layer), peer.raw)


@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_grad_cam_and_torchcam(name, layer):
    net, x, classes = _made(name)
    with torchcam.GradCAM(net, layer) as peer:
        (theirs,) = peer(classes, net(x), normalized=False)
    assert_same(_grad_cam(name, layer).clip(min=0), theirs)  # the peer always cuts at zero


@pytest.mark.parametrize("name", MAPPED)
def test_cam_and_torchcam(name):
    net, x, classes = _made(name)
    layer, linear = CASES[name].cam
    ours = explain.cam(net, x, classes)
    with torchcam.CAM(net, layer, linear) as peer, torch.no_grad():
        net(x)
        (theirs,) = peer(classes, normalized=False)
    assert ours.layer == layer
    assert_same(ours.values, theirs)


@pytest.mark.parametrize("name", CASES)
def test_occlusion_and_captum(name):
    """Windows side by side: the peer gives each pixel the drop of the one window that hides it."""
    net, x, classes = _made(name)
    ours = explain.occlusion(net, x[:1], classes[:1], window=32, stride=32, baseline=0.0)
    assert_same(ours.values, _captum_occlusion(name, 32)[:, 0, ::32, ::32])


def test_overlapping_windows_and_captum():
    """The peer gives each pixel the mean over the windows that hide it."""
    net, x, classes = _made("resnet18")
    ours = explain.occlusion(net, x[:1], classes[:1], window=32, stride=16, baseline=0.0, incremental=False).values
    total, count = np.zeros((1, 96, 96)), np.zeros((96, 96))
    for row in range(5):
        for column in range(5):
            box = slice(16 * row, 16 * row + 32), slice(16 * column, 16 * column + 32)
            total[:, *box] += ours[:, row, column, None, None]
            count[box] += 1
    assert_same(total / count, _captum_occlusion("resnet18", 16)[:, 0])


def _captum_occlusion(name, stride):
    net, x, classes = _made(name)
    return CaptumOcclusion(net).attribute(
        x[:1],
        sliding_window_shapes=(3, 32, 32),
        strides=(3, stride, stride),
        baselines=0,
        target=classes[:1],
        perturbations_per_eval=4,
    )
