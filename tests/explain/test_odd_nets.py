"""Every network of the zoo: right values from every function, or an error of ours that says why not."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch

import cnnwidgets as cw
from cnnwidgets import explain
from cnnwidgets.errors import CnnWidgetsError
from cnnwidgets.explain.outputs import class_scores
from tests.explain.odd_nets import ODD_NETS


def with_layer(function):
    """Call a function with the last layer that the network lists."""

    def run(net, x):
        listed = explain.layers(net, x)
        return function(net, x, listed[-1].name) if listed else None

    return run


FUNCTIONS = {
    "predict": lambda net, x: cw.Classifier(net).predict(x),
    "layers": explain.layers,
    "saliency": lambda net, x: explain.saliency(net, x, 1),
    "smoothgrad": lambda net, x: explain.smoothgrad(net, x, 1, samples=2),
    "smooth Grad-CAM": lambda net, x: explain.smoothgrad(net, x, 1, of=explain.grad_cam, samples=2),
    "grad_cam": lambda net, x: explain.grad_cam(net, x, 1),
    "cam": lambda net, x: explain.cam(net, x, 1),
    "occlusion": lambda net, x: explain.occlusion(net, x, 1, window=8, stride=8, incremental=False),
    "sweep": lambda net, x: explain.occlusion_sweep(net, x, window=8, stride=8, incremental=False),
    "activations": lambda net, x: [one.values for _, one in explain.activations(net, x, target=1).items()],
    "guided": with_layer(lambda net, x, layer: explain.guided_backprop(net, x, layer, 0)),
    "deconvnet": with_layer(lambda net, x, layer: explain.deconvnet(net, x, layer, 0)),
    "field": with_layer(lambda net, x, layer: explain.receptive_field(net, x, layer, (0, 0), effective=True)),
    "highlight": with_layer(lambda net, x, layer: explain.highlight(net, x, layer, 0)),
    "filters": with_layer(explain.filters),
}
NEAR = {torch.float16: 2e-2, torch.bfloat16: 5e-2}


@pytest.fixture(params=ODD_NETS)
def odd(request):
    return ODD_NETS[request.param]()


def reference(net, x):
    """Return each image's scores and the magnitude of its gradient, by PyTorch alone; None where it has none."""
    net = getattr(net, "_orig_mod", net)  # compiling takes long
    fixed = isinstance(net, torch.fx.GraphModule)  # of torch.export, which has no modes
    try:
        plain = net if fixed else copy.deepcopy(net).eval()
    except RuntimeError:  # old weight norms cannot be copied
        plain = net
    dtype = next((parameter.dtype for parameter in plain.parameters()), torch.float32)
    scores, slopes = [], []
    for image in torch.split(x.to(dtype), 1):
        leaf = image.clone().requires_grad_(True)
        with torch.enable_grad():
            table = class_scores(plain(leaf))
            scores.append(table.detach().float())
            (slope,) = torch.autograd.grad(table[:, 1].sum(), leaf)
        slopes.append(slope.abs().amax(1).float())
    return torch.cat(scores).numpy(), torch.cat(slopes).numpy(), NEAR.get(dtype, 1e-4)


@pytest.mark.filterwarnings("ignore")  # of what is old in PyTorch, on which some of these networks are built
def test_right_or_refused(odd):
    net, x = odd
    found, words = {}, {}
    for name, function in FUNCTIONS.items():
        try:
            found[name] = function(net, x)
        except CnnWidgetsError as error:  # any other one fails the test
            words[name] = str(error)
    assert all(len(text) > 40 for text in words.values()), words
    drawn = any(kind in type(net).__name__ for kind in ("Noisy", "StochasticDepth"))
    try:
        scores, slopes, share = reference(net, x)
    except (CnnWidgetsError, RuntimeError):
        return  # PyTorch has no gradient either
    if "saliency" in found and not drawn:
        atol = share * np.abs(slopes).max() + 1e-6
        np.testing.assert_allclose(found["saliency"].values, slopes, rtol=share, atol=atol)
    if "sweep" in found and not drawn:
        np.testing.assert_allclose(found["sweep"].clean, scores, rtol=share, atol=share * np.abs(scores).max())


def test_most_are_explained():
    """A refusal of everything would pass the test above."""
    refused = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, make in ODD_NETS.items():
            net, x = make()
            try:
                explain.saliency(net, x[:1], 1)
            except CnnWidgetsError:
                refused.append(name)
    assert set(refused) == {
        "InferenceForward", "NoGradBody", "InferenceBlock", "Detached", "InPlace", "AsText", "NumpyInside",
        "complex scores", "boolean scores", "integer scores", "NaN scores", "a class number", "dynamic quantisation",
    }  # fmt: skip
