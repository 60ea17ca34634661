"""Activations equal a plain hook with a clone, at every module call of networks of torchvision and timm."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cnnwidgets import explain
from tests.explain.hooked import hooked
from tests.explain.nets import noise, seeded

timm = pytest.importorskip("timm")
torchvision = pytest.importorskip("torchvision")

TORCHVISION = [
    "resnet18",  # in-place ReLU after every BatchNorm and after the addition
    "vgg11",  # in-place ReLU straight after every convolution
    "densenet121",
    "googlenet",
    "mobilenet_v2",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "efficientnet_b0",  # squeeze-and-excitation, in-place SiLU
    "convnext_tiny",  # parts with the channels last
    "swin_t",  # windows of tokens
]
TIMM = [
    "tf_efficientnet_lite0",
    "regnetx_002",
    "mobilenetv3_small_050",
    "repvgg_a0",
    "convnext_atto",
]


def made(family, name):
    if family == "timm":
        return timm.create_model(name, pretrained=False)
    more = {"init_weights": False, "aux_logits": True} if name == "googlenet" else {}
    return torchvision.models.get_model(name, weights=None, **more)


@pytest.mark.parametrize(
    ("family", "name"), [("torchvision", name) for name in TORCHVISION] + [("timm", name) for name in TIMM]
)
def test_values_equal_a_hook_with_a_clone(family, name):
    model = seeded(made(family, name))
    x = noise(2, 3, 64, 64)
    expected = hooked(model, x)
    acts = explain.activations(model, x, list(explain.layers(model, x)))
    compared = 0
    for path, one in acts.items():
        module, _, nth = path.partition("#")
        if module not in expected:  # a function
            continue
        wanted = expected[module][int(nth or 0)]
        span = np.abs(wanted).max()
        np.testing.assert_allclose(one.values / span, wanted / span, atol=2e-4, err_msg=path)
        compared += 1
    convolutions = [
        path
        for path, module in model.named_modules()
        if isinstance(module, torch.nn.Conv2d) and path in expected and expected[path][0][0, 0].size > 1
    ]
    assert set(convolutions) <= {path.partition("#")[0] for path in acts}
    assert compared >= len(convolutions) > 0
