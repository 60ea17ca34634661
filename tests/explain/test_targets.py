"""Targets: what may be asked for, and what is said where it may not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cnnwidgets import Classifier, explain
from cnnwidgets.errors import OptionError, TargetError
from tests.explain.nets import Gap, noise, seeded

NAMES = ["tabby, tabby cat", "tiger cat", "Egyptian cat", "lynx", "leopard"]
ALL = (explain.saliency, explain.smoothgrad, explain.cam, explain.grad_cam, explain.occlusion)


@pytest.fixture
def net():
    return seeded(Gap())


@pytest.fixture
def x():
    return noise(3, 3, 12, 12)


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("target", [-1, 5, 10**9, [0, 1, 5]])
def test_out_of_range(method, net, x, target):
    with pytest.raises(TargetError, match=r"out of range.*5 classes, 0 to 4"):
        method(net, x, target)
    with pytest.raises(TargetError, match="out of range"):
        method(net, x, 1, instead_of=target)


@pytest.mark.parametrize("target", [1.5, True, {"a": 1}, b"cat", object()])
def test_of_a_type_that_means_nothing(net, x, target):
    with pytest.raises(TargetError):
        explain.saliency(net, x, target)


@pytest.mark.parametrize("target", [[0, 1], [], [0] * 4, torch.tensor([1, 2]), np.array([1])])
def test_one_per_image(net, x, target):
    with pytest.raises(TargetError, match=r"3 image"):
        explain.saliency(net, x, target)


@pytest.mark.parametrize(
    "target", [[0, 1, 2], (0, 1, 2), torch.tensor([0, 1, 2]), np.array([0, 1, 2]), range(3), [np.int64(0), 1, 2]]
)
def test_sequences_of_any_kind(net, x, target):
    expected = explain.saliency(net, x, [int(t) for t in target])
    assert explain.saliency(net, x, target).target == expected.target
    np.testing.assert_array_equal(explain.saliency(net, x, target).values, expected.values)


@pytest.mark.parametrize("target", [torch.tensor(2), np.array(2), np.int64(2), np.uint8(2)])
def test_a_number_of_any_kind(net, x, target):
    assert explain.saliency(net, x, target).target == ("class 2",) * 3


@pytest.mark.parametrize(
    ("name", "index"),
    [("lynx", 3), ("LYNX", 3), (" lynx ", 3), ("tabby", 0), ("tabby cat", 0), ("tabby, tabby cat", 0)],
)
def test_names(net, x, name, index):
    heatmap = explain.grad_cam(Classifier(net, classes=NAMES), x, name)
    assert heatmap.target == (NAMES[index],) * 3
    np.testing.assert_array_equal(heatmap.values, explain.grad_cam(net, x, index).values)


def test_names_and_indices_mixed(net, x):
    heatmap = explain.grad_cam(Classifier(net, classes=NAMES), x, ["lynx", 1, "tabby"], instead_of="leopard")
    assert heatmap.target == tuple(f"{name} instead of leopard" for name in ("lynx", "tiger cat", "tabby, tabby cat"))


def test_a_misspelt_name_offers_near_ones(net, x):
    with pytest.raises(TargetError, match=r"No class is called 'leopart'. Did you mean 'leopard'"):
        explain.grad_cam(Classifier(net, classes=NAMES), x, "leopart")


def test_a_name_without_names(net, x):
    with pytest.raises(TargetError, match=r"no class names. Give an index from 0 to 4"):
        explain.grad_cam(net, x, "lynx")


def test_a_function_sees_the_raw_output(net, x):
    def energy(output):
        return output.logsumexp(1)

    heatmap = explain.saliency(net, x, energy)
    leaf = x.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(energy(net(leaf)).sum(), leaf)
    np.testing.assert_allclose(heatmap.values, slope.abs().amax(1), rtol=1e-4, atol=1e-6)
    assert heatmap.target == ("energy",) * 3
    assert heatmap.units == "score per unit of input"
    assert explain.saliency(net, x, lambda o: o[:, 2:3]).values.shape == (3, 12, 12)
    assert explain.saliency(net, x[:1], lambda o: o[0, 2]).values.shape == (1, 12, 12)


@pytest.mark.parametrize(
    "function", [lambda o: o, lambda o: o.sum(), lambda o: o[:2, 0], lambda o: 3.0, lambda o: None, lambda o: o[:, :2]]
)
def test_a_function_that_gives_no_number_per_image(net, x, function):
    with pytest.raises(TargetError, match="one number per image"):
        explain.saliency(net, x, function)


def test_cam_explains_classes_only(net, x):
    with pytest.raises(TargetError, match=r"CAM explains classes.*explain\.grad_cam"):
        explain.cam(net, x, lambda o: o[:, 0])


def test_arguments_that_do_not_go_together(net, x):
    with pytest.raises(OptionError, match="Both target= and why="):
        explain.saliency(net, x, 1, why=2)
    with pytest.raises(OptionError, match="instead_of= goes with a class"):
        explain.saliency(net, x, lambda o: o[:, 0], instead_of=1)


def test_instead_of_alone_contrasts_the_top_class(net, x):
    top = net(x).argmax(1).tolist()
    heatmap = explain.grad_cam(net, x, instead_of=2)
    assert heatmap.target == tuple(f"class {t} instead of class 2" for t in top)


def test_probability(net, x):
    heatmap = explain.saliency(net, x, explain.Probability(2))
    leaf = x.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(net(leaf).softmax(1)[:, 2].sum(), leaf)
    np.testing.assert_allclose(heatmap.values, slope.abs().amax(1), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(heatmap.scores, net(x).softmax(1)[:, 2].detach(), rtol=1e-5)
    assert heatmap.score_units == "probability"
    assert heatmap.target[0] == "probability of class 2"


@pytest.mark.parametrize(
    ("kind", "last"),
    [("softmax", torch.nn.Softmax(1)), ("log_softmax", torch.nn.LogSoftmax(1))],
)
def test_probability_of_what_puts_out_no_logits(net, x, kind, last):
    of_logits = explain.saliency(net, x, explain.Probability(2))
    of_others = explain.saliency(torch.nn.Sequential(net, last), x, explain.Probability(2, kind))
    np.testing.assert_allclose(of_others.values, of_logits.values, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("index", [-1, 5])
def test_probability_out_of_range(net, x, index):
    with pytest.raises(TargetError, match="out of range"):
        explain.saliency(net, x, explain.Probability(index))


@pytest.mark.parametrize(
    ("last", "unit"),
    [(None, "logit"), (torch.nn.Softmax(1), "probability"), (torch.nn.LogSoftmax(1), "log-probability")],
)
def test_units_follow_the_output(net, x, last, unit):
    model = net if last is None else torch.nn.Sequential(net, last)
    heatmap = explain.saliency(model, x, 1)
    assert heatmap.score_units == unit
    assert heatmap.units == f"{unit} per unit of input"
    assert explain.saliency(model, x, 1, times_input=True).units == unit
    assert explain.grad_cam(model, x, 1).units == unit
    assert explain.smoothgrad(model, x, 1, samples=1).units == f"{unit} per unit of input"
