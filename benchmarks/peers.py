"""The same map from cnnwidgets and from its peers, each used as its documentation says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import timm
import torch
import torchvision
from captum.attr import LayerGradCam, NoiseTunnel, Saliency
from pytorch_grad_cam import GradCAM as GradCamPackage
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchcam.methods import CAM as TorchCam
from torchcam.methods import GradCAM as TorchCamGrad

from cnnwidgets import explain

SAMPLES = 24
TARGET = 281
NOISE = 0.15
NETWORKS: dict[str, tuple[Callable[[], nn.Module], str, str]] = {
    # name: how to make it, its last feature map, its linear layer ("" where CAM does not fit)
    "ResNet18": (torchvision.models.resnet18, "layer4", "fc"),
    "ResNet50": (torchvision.models.resnet50, "layer4", "fc"),
    "VGG16": (torchvision.models.vgg16, "features.29", ""),
    "MobileNetV2": (torchvision.models.mobilenet_v2, "features.18.0", ""),
    "EfficientNet-Lite0": (lambda: timm.create_model("tf_efficientnet_lite0"), "bn2", "classifier"),
}
Run = Callable[[], Any]


def make(name: str) -> tuple[nn.Module, Tensor]:
    """Return a network with random weights, in evaluation mode, and an input of 224 x 224 pixels."""
    torch.manual_seed(0)
    return NETWORKS[name][0]().eval(), torch.randn(1, 3, 224, 224)


def runs(name: str, model: nn.Module, x: Tensor) -> dict[str, dict[str, Run]]:
    """Return for each method what every library is asked to do."""
    _, path, linear = NETWORKS[name]
    layer = model.get_submodule(path)
    tunnel, sigma = NoiseTunnel(Saliency(model)), NOISE * float(x.max() - x.min())

    def captum_smoothgrad(batch: int) -> Run:
        return lambda: tunnel.attribute(
            x.clone(), nt_type="smoothgrad", nt_samples=SAMPLES, nt_samples_batch_size=batch, stdevs=sigma,
            target=TARGET, abs=False,
        )  # fmt: skip

    def pytorch_grad_cam() -> Any:
        with GradCamPackage(model=model, target_layers=[layer]) as cam:
            return cam(input_tensor=x, targets=[ClassifierOutputTarget(TARGET)])

    def torchcam(kind: Any, **options: Any) -> Run:
        def run() -> Any:
            with kind(model, target_layer=path, **options) as extractor:
                return extractor(TARGET, model(x))

        return run

    found: dict[str, dict[str, Run]] = {
        "saliency": {
            "cnnwidgets": lambda: explain.saliency(model, x, TARGET),
            "captum": lambda: Saliency(model).attribute(x.clone().requires_grad_(), target=TARGET),
        },
        "smoothgrad": {
            "cnnwidgets": lambda: explain.smoothgrad(model, x, TARGET, samples=SAMPLES, noise=NOISE),
            **{f"captum, batches of {batch}": captum_smoothgrad(batch) for batch in (1, 2, 4, 8, SAMPLES)},
        },
        "grad_cam": {
            "cnnwidgets": lambda: explain.grad_cam(model, x, TARGET, layer=path),
            "captum": lambda: LayerGradCam(model, layer).attribute(x, target=TARGET),
            "grad-cam": pytorch_grad_cam,
            "torchcam": torchcam(TorchCamGrad),
        },
    }
    if linear:
        found["cam"] = {
            "cnnwidgets": lambda: explain.cam(model, x, TARGET),
            "torchcam": torchcam(TorchCam, fc_layer=linear),
        }
    return found
