"""What the incremental engine does not follow at all: whole passes, which are right, and a reason in plain words."""

from __future__ import annotations

import logging
import sys
import warnings

import numpy as np
import pytest
import torch
import torch._dynamo  # whoever loads it first gets a filter of warnings from SymPy
from torch import nn
from torch.nn import functional as F

from cnnwidgets import explain
from tests.explain.nets import Residual, noise, seeded
from tests.explain.patched import Do, assert_exact, passes_of, spread
from tests.explain.state import same, state_of, surroundings


def between(function, **parts):
    return Do(
        lambda m, x: m.fc(function(m, m.stem(x)).mean((2, 3))),
        stem=nn.Conv2d(3, 6, 3, padding=1),
        fc=nn.Linear(6, 4),
        **parts,
    )


class Counting(nn.Module):
    """Counts its passes in a buffer, which nothing depends on."""

    def __init__(self):
        super().__init__()
        self.inner = Residual()
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x):
        self.passes += 1
        return self.inner(x)


def autocast(m, y):
    with torch.autocast("cpu", torch.bfloat16):
        return m.c(y).to(y)


def scripted():
    return Do(lambda m, x: m.inner(x), inner=torch.jit.script(nn.Sequential(nn.Conv2d(3, 5, 3), nn.Flatten(1))))


def overwriting_an_alias(m, y):
    z = m.c(y)
    torch.einsum("bchw->bchw", z).add_(1)  # einsum hands its argument on, and the exporter does not know
    return z * z


WEIGHT = nn.Parameter(torch.empty(6, 6, 3, 3))
UNTRACKED = nn.BatchNorm2d(6, track_running_stats=False)
VALUES = "depends on the values of the picture"
MIX = "the images of a batch influence each other"
REASONS = {
    "if": (lambda: between(lambda _, y: y if y.mean() > 0 else -y), VALUES),
    "item": (lambda: between(lambda _, y: y * float(y.max())), VALUES),
    "noise": (lambda: between(lambda _, y: y + 0 * torch.randn_like(y)), "draws random numbers"),
    "no statistics": (
        lambda: between(lambda m, y: m.n(y) * y, n=UNTRACKED),
        "normalises",
    ),
    "TorchScript": (scripted, "TorchScript"),
    "buffer": (Counting, "writes to its buffers"),
    "input": (lambda: Do(lambda m, x: m.c(x.mul_(2)).flatten(1), c=nn.Conv2d(3, 2, 3)), "or its input"),
    "len": (lambda: between(lambda _, y: y.view(len(y), 6, 12, 12)), "fixes the number of images"),
    "strides": (lambda: between(lambda _, y: y.as_strided((y.shape[0], 6, 5, 5), (864, 144, 24, 2))), "strides"),
    "autocast": (lambda: between(autocast, c=nn.Conv2d(6, 6, 3)), "autocast"),
    "alias": (lambda: between(overwriting_an_alias, c=nn.Conv2d(6, 6, 3)), "other values than the network"),
    "mean over the batch": (lambda: between(lambda _, y: y - y.mean(0, keepdim=True) / 2), MIX),
    "maximum of the batch": (lambda: between(lambda _, y: y / y.max()), MIX),
    "statistics of the batch": (lambda: between(lambda _, y: F.batch_norm(y, None, None, training=True) * y), MIX),
    "softmax over the batch": (lambda: between(lambda _, y: y.softmax(0) * y), MIX),
    "the first image": (lambda: between(lambda _, y: y + y[:1]), MIX),
    "the image before": (lambda: between(lambda _, y: y + y.roll(1, 0)), MIX),
    "number of images": (lambda: between(lambda _, y: y * y.shape[0]), MIX),
    "weights of the batch": (lambda: between(lambda m, y: F.conv2d(y, m.w * y.mean()), w=WEIGHT), MIX),
}


@pytest.fixture
def x():
    return noise(1, 3, 12, 12)


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")  # scripting, which is what is tested
@pytest.mark.parametrize(("make", "reason"), REASONS.values(), ids=REASONS)
def test_whole_passes_are_used_and_say_why_and_all_is_left_as_found(make, reason, x):
    net, other = seeded(make()), make()
    other.load_state_dict(net.state_dict())
    before, around = state_of(net), surroundings()
    loggers = {name: logging.getLogger(name).level for name in ("torch", "torch.export", "torch._dynamo", "")}
    filters, streams = list(warnings.filters), (sys.stderr, sys.stdout)
    passes = passes_of(net, x)
    patch, places = noise(1, 3, 4, 3), spread(x, (4, 3), 3)
    found = [passes.outputs([top], [left], patch) for top, left in places]
    same(before, state_of(net))
    same(around, surroundings())
    assert loggers == {name: logging.getLogger(name).level for name in loggers}
    assert (filters, streams) == (list(warnings.filters), (sys.stderr, sys.stdout))
    assert passes.facts["engine"].startswith("full passes: ")
    assert reason in passes.facts["engine"]
    assert passes.at_once == 1
    for output, (top, left) in zip(found, places, strict=True):
        image = x.clone()
        image[:, :, top : top + 4, left : left + 3] = patch
        with torch.no_grad():
            torch.testing.assert_close(output, other.eval()(image), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_networks_that_give_nan_are_not_followed(value, x):
    net = seeded(Residual())
    with torch.no_grad():
        net.fc.weight[0, 0] = value
    passes = passes_of(net, x)
    assert passes.facts["engine"] == "full passes: the network's output holds NaN or infinite values"


def test_a_network_that_cannot_run_raises_its_own_error(x):
    with pytest.raises(RuntimeError, match="expected input"):
        explain.occlusion(seeded(nn.Sequential(nn.Conv2d(5, 2, 3), nn.Flatten())), x, 0, window=4)


def test_sweeps_of_networks_that_mix_a_batch_give_what_single_images_give(x):
    net = seeded(between(lambda _, y: y / y.max()))
    found = explain.occlusion(net, x, 1, window=4, stride=4, baseline=0.0)
    expected = []
    for top in range(0, 12, 4):
        for left in range(0, 12, 4):
            image = x.clone()
            image[:, :, top : top + 4, left : left + 4] = 0
            with torch.no_grad():
                expected.append(float(net(x)[0, 1] - net(image)[0, 1]))
    np.testing.assert_allclose(found.values[0].ravel(), expected, atol=1e-5)


def test_asking_for_whole_passes_gives_them(x):
    net = seeded(Residual())
    passes = passes_of(net, x, incremental=False)
    assert passes.facts == {"engine": "full passes"}
    assert_exact(passes, net, x, spread(x, (4, 3)), (4, 3))
