"""Outputs that are tuples, dicts, maps or single numbers; logits, probabilities and their logarithms."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from cnnwidgets import Classifier, explain
from cnnwidgets.errors import ModelError, OptionError
from cnnwidgets.explain.outputs import output_kind
from tests.explain.nets import Gap, noise, seeded

X = noise(2, 3, 12, 12)


class Pair(NamedTuple):
    logits: torch.Tensor
    aux_logits: torch.Tensor


class Wrapped(nn.Module):
    def __init__(self, wrap):
        super().__init__()
        self.inner, self.wrap = seeded(Gap()), wrap

    def forward(self, x):
        features = self.inner.features(x)
        return self.wrap(self.inner.fc(features.mean((2, 3))), features)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s, f: (s, f),
        lambda s, f: [s, s * 7],
        lambda s, f: (f, s),
        lambda s, f: (None, s),
        lambda s, f: {"logits": s, "aux": s * 2},
        lambda s, f: {"out": s, "features": f},
        lambda s, f: OrderedDict(out=s, aux=s * 2),
        lambda s, f: {"whatever": s, "features": f},
        lambda s, f: Pair(s, s * 2),
        lambda s, f: s.reshape(len(s), -1, 1, 1),
    ],
)
@pytest.mark.parametrize("method", [explain.saliency, explain.cam, explain.grad_cam])
def test_class_scores_are_found_in_the_output(method, wrap):
    expected = method(seeded(Gap()), X).values
    np.testing.assert_allclose(method(Wrapped(wrap), X).values, expected, rtol=1e-5, atol=1e-7)


@dataclass
class Answer:
    logits: torch.Tensor


def test_an_output_of_a_class_of_its_own_needs_a_function():
    heatmap = explain.saliency(Wrapped(lambda s, f: Answer(s)), X, lambda output: output.logits[:, 1])
    np.testing.assert_allclose(heatmap.values, explain.saliency(seeded(Gap()), X, 1).values, rtol=1e-5, atol=1e-7)
    with pytest.raises(ModelError, match="Answer without a tensor of shape"):
        explain.saliency(Wrapped(lambda s, f: Answer(s)), X, 1)
    grad_cam = explain.grad_cam(Wrapped(lambda s, f: Answer(s)), X, lambda output: output.logits[:, 1])
    np.testing.assert_allclose(grad_cam.values, explain.grad_cam(seeded(Gap()), X, 1).values, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("wrap", "said"),
    [
        (lambda s, f: f, r"shape \(1, 6, 6, 6\); class scores have shape"),
        (lambda s, f: s[:, 0], r"shape \(1,\); class scores"),
        (lambda s, f: {"a": s, "b": s}, r"dict with the keys \['a', 'b'\]"),
        (lambda s, f: {"features": f}, "dict with the keys"),
        (lambda s, f: (f, f), "tuple without a tensor"),
        (lambda s, f: None, "NoneType"),
        (lambda s, f: "cat", "str"),
    ],
)
def test_an_output_without_class_scores(wrap, said):
    for method in (explain.saliency, explain.cam, explain.grad_cam):
        with pytest.raises(ModelError, match=said + r"[\s\S]*[Gg]ive a function as target"):
            method(Wrapped(wrap), X, 1)


def test_a_function_as_target_needs_no_class_scores():
    net = Wrapped(lambda s, f: {"a": s, "b": [f, {"c": s}]})
    heatmap = explain.grad_cam(net, X, lambda output: output["b"][1]["c"][:, 1])
    expected = explain.grad_cam(seeded(Gap()), X, 1).values
    np.testing.assert_allclose(heatmap.values, expected, rtol=1e-5, atol=1e-7)


LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3]])


@pytest.mark.parametrize(
    ("scores", "kind"),
    [
        (LOGITS, "logits"),
        (LOGITS.softmax(1), "softmax"),
        (LOGITS.log_softmax(1), "log_softmax"),
        (LOGITS.softmax(1).bfloat16(), "softmax"),
        (LOGITS.log_softmax(1).half(), "log_softmax"),
        (LOGITS.sigmoid(), "logits"),  # several labels at once: no distribution over the classes
        (torch.tensor([[1.0, 0.0]]), "softmax"),
        (torch.tensor([[1.0]]), "logits"),  # a single class tells nothing
        (torch.tensor([[0.5, 0.5], [0.5, 2.0]]), "logits"),
        (torch.full((1, 3), float("nan")), "logits"),
    ],
)
def test_what_scores_are_is_told_from_their_values(scores, kind):
    assert output_kind(scores) == kind


def test_the_kind_can_be_set():
    clf = Classifier(seeded(Gap()), output="log_softmax")
    assert explain.saliency(clf, X, 1).score_units == "log-probability"
    with pytest.raises(OptionError, match="output='logit' is not known"):
        Classifier(seeded(Gap()), output="logit")


@pytest.mark.parametrize(("last", "kind"), [(nn.Softmax(1), "softmax"), (nn.LogSoftmax(1), "log_softmax")])
def test_gradients_are_of_what_the_model_puts_out(last, kind):
    net = nn.Sequential(seeded(Gap()), last)
    leaf = X.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)
    np.testing.assert_allclose(explain.saliency(net, X, 1).values, slope.abs().amax(1), rtol=1e-4, atol=1e-7)
