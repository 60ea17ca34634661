"""The incremental engine on the families of torchvision and on the demo network, against single whole passes."""

from __future__ import annotations

import pytest
from torchvision import models

from cnnwidgets import demo
from tests.explain.nets import noise, seeded
from tests.explain.patched import assert_exact, engine_of, spread

WINDOW = (16, 16)
# Share of the whole passes' multiplications that windows of 16 in 96 pixels may take; after squeeze and excitation,
# which most blocks of MobileNetV3, EfficientNet and RegNet-Y have, maps are whole.
FAMILIES = {
    "resnet18": 0.8,
    "vgg11": 0.5,
    "vgg11_bn": 0.5,
    "alexnet": 0.8,
    "densenet121": 0.8,
    "mobilenet_v2": 0.8,
    "mobilenet_v3_small": 0.95,
    "efficientnet_b0": 0.98,
    "efficientnet_v2_s": 0.75,
    "squeezenet1_1": 0.6,
    "googlenet": 0.7,
    "inception_v3": 0.8,
    "shufflenet_v2_x0_5": 0.75,
    "regnet_x_400mf": 0.8,
    "regnet_y_400mf": 0.95,
    "mnasnet0_5": 0.8,
    "convnext_tiny": 0.9,
}
SIZES = {"inception_v3": 107}


@pytest.mark.parametrize("name", FAMILIES)
def test_torchvision(name):
    # `seeded` fills the weights.
    options = {"init_weights": False} if name.startswith(("googlenet", "inception", "vgg")) else {}
    net = seeded(getattr(models, name)(weights=None, num_classes=10, **options))
    x = noise(1, 3, *[SIZES.get(name, 96)] * 2)
    engine = engine_of(net, x)
    assert engine.facts["engine"] == "incremental"
    places = spread(x, WINDOW, 3)
    assert_exact(engine, net, x, places, WINDOW)
    assert 0 < engine.spent < FAMILIES[name] * engine.macs * len(places)


@pytest.mark.parametrize("name", ["chelsea", "coffee"])
def test_the_demo_network_on_photographs(name):
    classifier = demo.imagenet()
    x = classifier.prepare(demo.photo(name)).x
    net = classifier.model
    engine = engine_of(net, x)
    places = [(0, 0), (96, 80), (192, 192)]
    assert_exact(engine, net, x, places, (32, 32))
    assert "whole_maps_from" not in engine.facts
    assert 0 < engine.spent < 0.7 * engine.macs * len(places)
