"""Where guided backpropagation and the deconvnet mean nothing, or would be wrong, they say so."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from cnnwidgets import explain
from cnnwidgets.errors import Cancelled, ImageError, LayerError, ModelError, OptionError
from tests.explain.nets import Gap, noise, seeded
from tests.explain.projected import METHODS
from tests.explain.state import same, state_of, surroundings

X = noise(2, 3, 12, 12)


@pytest.fixture(params=METHODS)
def method(request):
    return METHODS[request.param]


class Smooth(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        x = self.conv2(F.gelu(self.conv1(x)))
        return self.fc(F.relu(x).mean((2, 3)))


def test_a_network_without_relus_before_the_layer(method):
    net = seeded(Smooth())
    said = r"none lies before the layer 'conv2'.*gelu x 1.*explain\.receptive_field\(.*effective=True\)"
    with pytest.raises(ModelError, match=said):
        method(net, X, "conv2", 0)
    assert method(net, X, "conv1", 0).params["rectified"] == 0, "before all of them, there is only a convolution"
    assert dict(method(net, X, "relu()", 0).params) == {
        "channel": 0,
        "cell": "strongest",
        "rectified": 1,
        "plain": "gelu x 1",
    }


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"layer": "featrues"}, LayerError, r"no layer 'featrues'.*Did you mean 'features"),
        ({"layer": "fc"}, LayerError, "has no map"),
        ({"channel": 6}, OptionError, "channel=6 is out of range: the layer 'features' has 6 channels"),
        ({"channel": 1.0}, OptionError, "channel=1.0 is no whole number"),
        ({"cell": (6, 0)}, OptionError, r"row=6 is out of range: the layer 'features' has 6 row\(s\)"),
        ({"cell": (0, -7)}, OptionError, "column=-7 is out of range"),
        ({"cell": 3}, OptionError, r"cell=3 is no cell; give \(row, column\)"),
        ({"cell": (1, 2, 3)}, OptionError, r"cell=\(1, 2, 3\) is no cell"),
        ({"cell": [(1, 2)] * 3}, OptionError, r"3 cells were given for 2 image\(s\)"),
        ({"cell": [(1, 2), 3]}, OptionError, "cell=3 is no cell"),
        ({"cell": [(1, 2), (1, 0.5)]}, OptionError, "column=0.5 is no whole number"),
        ({"cell": []}, OptionError, r"cell=\(\) is no cell"),
        ({"chunk": 0}, OptionError, "chunk=0"),
        ({"chanel": 0}, OptionError, "takes no option 'chanel'. Did you mean 'channel'"),
        ({"x": X[0]}, ImageError, r"x\[None\]"),
    ],
)
def test_bad_arguments(method, options, error, said):
    net = seeded(Gap())
    before, around = state_of(net), surroundings()
    with pytest.raises(error, match=said):
        method(**{"model": net, "x": X, "layer": "features", "channel": 0, **options})
    same(before, state_of(net))
    same(around, surroundings())


def test_stopped(method):
    net, stop = seeded(Gap()), threading.Event()
    before, around = state_of(net), surroundings()
    with pytest.raises(Cancelled, match="after 1 of 2"):
        method(net, X, "features", 0, chunk=1, progress=lambda *_: stop.set(), cancel=stop)
    same(before, state_of(net))
    same(around, surroundings())


class Checkpointed(nn.Module):
    def __init__(self, reentrant, doubled):
        super().__init__()
        self.front = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(True), nn.Conv2d(4, 4, 3))
        self.fc, self.reentrant, self.doubled = nn.Linear(4, 2), reentrant, doubled

    def forward(self, x):
        x = checkpoint(self.front, x, use_reentrant=self.reentrant)
        return self.fc((x * 2 if self.doubled else x).mean((2, 3)))


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("layer", ["front", "mul()"])
def test_gradient_checkpointing_changes_nothing(method, reentrant, layer, monkeypatch):
    """What is run again on the way back would have plain ReLUs."""
    net = seeded(Checkpointed(reentrant, doubled=layer == "mul()"))
    found = method(net, X, layer, 0).values
    monkeypatch.setitem(Checkpointed.forward.__globals__, "checkpoint", lambda run, x, **_how: run(x))
    np.testing.assert_array_equal(found, method(net, X, layer, 0).values)


class Scripted(nn.Module):
    """A part whose ReLU no call shows."""

    def __init__(self):
        super().__init__()
        self.part = torch.jit.script(nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU()))
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(F.relu(self.conv(self.part(x) + x)).mean((2, 3)))


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")  # scripting, which is what is tested
def test_a_relu_inside_of_torchscript(method):
    net = Scripted()
    for _ in range(3):  # TorchScript puts its operations together after a few calls
        with pytest.raises(ModelError, match=r"TorchScript module.*plain PyTorch modules"):
            method(net, X, "conv", 0)


def test_no_gradient_leads_back(method):
    class Cut(Gap):
        def forward(self, x):
            return self.fc(F.relu(self.features(x).detach() + 1).mean((2, 3)))

    with pytest.raises(ModelError, match=r"No gradient leads from the layer 'relu\(\)'.*detach"):
        method(seeded(Cut()), X, "relu()", 0)
    with torch.inference_mode(), pytest.raises(ModelError, match="inference_mode"):
        method(seeded(Gap()), X, "features", 0)


def test_nan_is_said(method):
    net = seeded(Gap())
    with torch.no_grad():
        net.features[3].weight[1] = float("nan")
    with pytest.raises(ModelError, match=r"Channel 1 of the layer 'features\.4' holds NaN"):
        method(net, X, "features.4", 1)
    with pytest.raises(ModelError, match=r"gradient of the layer 'features\.4' holds NaN"):  # 0 * NaN on the way back
        method(net, X, "features.4", 0)
    assert np.isfinite(method(net, X, "features.2", 0).values).all(), "what lies behind the layer does not matter"


def test_docstrings_say_what_the_methods_do_not_show():
    for function in METHODS.values():
        assert "Nie et al. 2018" in function.__doc__
    said = " ".join(explain.guided_backprop.__doc__.split())
    assert "fails the sanity checks of Adebayo et al. 2018" in said
    assert "it does not explain a class" in said
