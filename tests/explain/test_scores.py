"""Scores that are no floating point numbers are refused in words; those that are go through in any precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import cnnwidgets as cw
from cnnwidgets import explain
from cnnwidgets.errors import LayerError, ModelError, TargetError
from cnnwidgets.explain.outputs import class_scores
from tests.explain import odd_nets as odd
from tests.explain.nets import seeded

X = odd.X
REFUSED = {
    "complex scores": r"holds complex numbers, which have no order, \(complex64\).*its real part or its magnitude",
    "boolean scores": r"holds truth values \(bool\).*the logits before they are compared",
    "integer scores": r"holds integers, such as an argmax gives \(int64\).*the logits before they are compared",
    "NaN scores": "NaN values, so there is nothing true to show",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_everywhere(name):
    net, x = odd.ODD_NETS[name]()
    for function in (
        lambda: cw.Classifier(net).predict(x),
        lambda: explain.saliency(net, x),
        lambda: explain.grad_cam(net, x, 1),
        lambda: explain.occlusion(net, x, 1),
        lambda: explain.occlusion(net, x),
        lambda: explain.smoothgrad(net, x, samples=2),
        lambda: explain.activations(net, x, target=1),
    ):
        with pytest.raises(ModelError, match=REFUSED[name]):
            function()


@pytest.mark.parametrize("name", ["complex scores", "boolean scores", "integer scores"])
def test_refused_by_an_index(name):
    net, x = odd.ODD_NETS[name]()
    with pytest.raises(ModelError, match=REFUSED[name]):
        cw.PatchIndex.build(net, x, k=1, progress=False)


@pytest.mark.parametrize("name", ["complex scores", "boolean scores", "integer scores"])
def test_what_needs_no_scores_goes_on(name):
    net, x = odd.ODD_NETS[name]()
    plain = seeded(odd.Base())
    found = explain.activations(net, x, "second").values
    np.testing.assert_allclose(found, explain.activations(plain, x, "second").values, atol=1e-6)
    target = lambda output: output.real[:, 1] if output.is_complex() else output[:, 1].float()  # noqa: E731
    assert explain.occlusion(net, x, target).values.shape == explain.occlusion(plain, x, 1).values.shape


def test_a_function_of_the_output():
    net = seeded(odd.Base())
    for function, dtype in ((lambda y: y[:, 1] > 0, "bool"), (lambda y: torch.complex(y, y)[:, 1], "complex64")):
        for method in (explain.saliency, explain.occlusion, explain.grad_cam):
            with pytest.raises(TargetError, match=f"gave values of the dtype {dtype}"):
                method(net, X, function)
    counted = explain.occlusion(net, X, lambda y: (y > 0).sum(1)).values
    np.testing.assert_array_equal(counted, np.round(counted))


def test_a_tuple_of_a_mask_and_scores():
    scores = torch.randn(2, 4)
    assert class_scores((scores > 0, scores)) is scores
    assert class_scores({"mask": scores > 0, "values": scores}) is scores
    with pytest.raises(ModelError, match=r"truth values \(bool\)"):
        class_scores((scores > 0, "nothing"))
    with pytest.raises(ModelError, match=r"holds complex numbers.*\(complex64\)"):
        class_scores({"logits": torch.complex(scores, scores)})


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(dtype):
    net, plain = seeded(odd.Base(), dtype=dtype), seeded(odd.Base())
    clf = cw.Classifier(net)
    share = {torch.float16: 2e-3, torch.bfloat16: 2e-2, torch.float64: 1e-6}[dtype]
    expected = plain(X).softmax(1).max(1).values.tolist()
    np.testing.assert_allclose([one[0].probability for one in clf.predict(X)], expected, rtol=share, atol=share)


def test_whether_several_layers_have_values():
    """`hasattr` asks for an `AttributeError`."""
    several, one = explain.activations(seeded(odd.Base()), X), explain.activations(seeded(odd.Base()), X, "second")
    for name in ("values", "layer", "grid", "statistics"):
        assert not hasattr(several, name)
        assert hasattr(one, name)
    assert getattr(several, "values", None) is None
    with pytest.raises(LayerError, match="choose one by name"):
        several.values  # noqa: B018
