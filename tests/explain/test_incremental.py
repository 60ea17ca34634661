"""The incremental engine on random networks and windows, against single whole passes; and its own check."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import nn

from cnnwidgets.explain.incremental import NotIncrementalError, incremental_passes
from cnnwidgets.explain.incremental.checking import check
from cnnwidgets.explain.incremental.steps import Convolve, Slide
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.subject import subject_of
from tests.explain.nets import Residual, Vgg, noise, seeded
from tests.explain.patched import assert_exact, brute, engine_of, passes_of, patches_at, spread
from tests.explain.random_nets import networks
from tests.explain.state import same, state_of

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def cases(draw):
    """A network, a picture, and windows: their size and one or more places each time."""
    height, width = draw(st.integers(6, 24)), draw(st.integers(6, 24))
    net = draw(networks(height, width))
    windows = []
    for _ in range(3):
        size = draw(st.integers(1, height)), draw(st.integers(1, width))
        place = st.tuples(st.integers(0, height - size[0]), st.integers(0, width - size[1]))
        corners = st.sampled_from([(0, 0), (height - size[0], width - size[1])])
        windows.append((size, draw(st.lists(place | corners, min_size=1, max_size=4))))
    return net, noise(1, 2, height, width, seed=draw(st.integers(0, 9)), dtype=torch.float64), windows


def agrees(net, x, windows):
    passes = passes_of(net, x)
    # The drawn networks may write to their input through a view; everything else has to be followed.
    assert passes.facts["engine"] in ("incremental", "full passes: its forward pass writes to its buffers or its input")
    for size, places in windows:
        assert_exact(passes, net, x, places, size, alive=False)


@FEW
@given(cases())
def test_random_networks_in_double_precision(case):
    agrees(*case)


@FEW
@given(cases())
def test_random_networks_in_single_precision(case):
    net, x, windows = case
    agrees(net.float(), x.float(), windows)


def shifted(engine):
    """Let one sliding operation read its windows one cell too far."""
    step = next(step for step in engine.plan.steps if isinstance(step, Slide) and not step.window.is_pointwise)
    rows = step.window.rows
    step.window = replace(step.window, rows=replace(rows, before=rows.before - 1))


def other_weights(engine):
    step = next(step for step in engine.plan.steps if isinstance(step, Convolve))
    step.convolution.bias = step.convolution.bias + 0.1


def stale(engine):
    """Let the maps that are kept be another picture's."""
    clean = max(engine._clean.values(), key=lambda clean: clean.values.numel())
    clean.values = clean.values.flip(1) + 0.1


def deaf(engine):
    """Let the head answer as for the clean picture."""
    step = engine.plan.steps[-1]
    answer = engine.output
    step.on_whole = lambda run, _values: answer.expand(run.batch, -1)


@pytest.mark.parametrize("broken", [shifted, other_weights, stale, deaf])
@pytest.mark.parametrize("base", [noise(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)], ids=["noise", "black"])
def test_a_broken_plan_is_found_out(broken, base):
    network = Network(subject_of(seeded(Residual()), base))
    engine = incremental_passes(network, base)
    check(engine, network)
    broken(engine)
    with pytest.raises(NotIncrementalError, match="gives other values than the network"):
        check(engine, network)


@pytest.mark.parametrize("offset", [0, 1e3])
def test_scores_are_compared_by_how_far_they_are_apart(offset):
    """An offset that all scores have in common makes no mistake smaller."""
    base, net = noise(1, 3, 16, 16), seeded(Residual())
    network = Network(subject_of(net, base))
    with torch.no_grad():
        net.fc.bias += offset
    engine = incremental_passes(network, base)
    step = engine.plan.steps[-1]
    right = step.on_whole
    apart = float(engine.output.max() - engine.output.min())
    step.on_whole = lambda run, values: right(run, values) + 0.01 * apart * torch.eye(1, engine.output.shape[1])
    with pytest.raises(NotIncrementalError, match="gives other values than the network"):
        check(engine, network)


def test_weights_changed_between_two_sweeps_count():
    base = torch.zeros(1, 3, 16, 16)  # of which the first convolution's weights cannot be told
    net = seeded(Residual())
    network = Network(subject_of(net, base))
    incremental_passes(network, base)
    net.conv1.weight.data.mul_(2)  # unseen by PyTorch's count of versions
    assert_exact(incremental_passes(network, base), net, base, [(3, 4)], (5, 5))
    with torch.no_grad():
        net.bn1.running_mean.add_(1)
    assert_exact(engine_of(net, base), net, base, [(3, 4)], (5, 5))


class Loose(nn.Module):
    """Weights that are no parameters: a buffer that is not saved, a plain tensor, tensors in a list."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)
        self.register_buffer("scale", torch.rand(4, 1, 1) + 1, persistent=False)
        self.shift, self.more = torch.rand(4, 1, 1), [torch.rand(10, 10)]

    def forward(self, x):
        return self.fc(((self.conv(x) * self.scale + self.shift) * self.more[0]).mean((2, 3)))


def test_tensors_that_are_no_parameters_count_as_they_are_now():
    net, x = seeded(Loose()), noise(1, 3, 12, 12)
    assert_exact(engine_of(net, x), net, x, [(3, 4)], (5, 5))
    net.scale += 1
    net.shift = net.shift * 3
    assert_exact(engine_of(net, x), net, x, [(3, 4)], (5, 5))
    net.more[0] = net.more[0] * 2
    assert_exact(passes_of(net, x), net, x, [(3, 4)], (5, 5))


def test_hooks_of_the_user_count():
    net, x = seeded(Residual()), noise(1, 3, 12, 12)
    net.conv2.register_forward_hook(lambda _module, _args, out: out * 2 + 1)
    net.bn1.register_forward_pre_hook(lambda _module, args: (args[0].abs(),))
    assert_exact(passes_of(net, x), net, x, [(3, 4), (0, 0)], (5, 5))


@pytest.mark.parametrize("wrap", [torch.compile, nn.DataParallel])
def test_wrapped_networks_are_followed(wrap):
    net, x = seeded(Residual()), noise(1, 3, 12, 12)
    engine = engine_of(wrap(net), x)
    assert_exact(engine, net, x, [(3, 4), (0, 0)], (5, 5))


@pytest.mark.parametrize("channels", [1, 2, 4, 9])
def test_pictures_of_other_channels(channels):
    net = seeded(Vgg(channels=channels))
    x = noise(1, channels, 12, 12)
    assert_exact(engine_of(net, x), net, x, spread(x, (4, 3)), (4, 3))


def test_bfloat16_is_near():
    net, x = seeded(Residual()), noise(1, 3, 16, 16)
    passes = passes_of(net, x, dtype=torch.bfloat16)
    assert passes.facts["engine"] == "incremental"
    given = patches_at(x, [(0, 0), (5, 7)], (5, 5))
    (expected,) = brute(net, x, *given)
    assert (passes.outputs(*given).float() - expected).abs().max() < 5e-2 * expected.abs().max()


def test_maps_with_values_of_any_size_are_averaged_to_the_last_digit():
    """What a patch hides may be far larger than the rest: then the difference of means must not be rounded."""
    net, x = seeded(Residual()), noise(1, 3, 16, 16)
    x[0, :, 4:7, 4:7] = 1e7
    given = [4], [4], torch.zeros(1, 3, 3, 3)
    (expected,) = brute(net, x, *given)
    found = engine_of(net, x).outputs(*given)
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()


def test_nothing_is_kept_of_a_network_that_is_gone():
    net, x = seeded(Residual()), noise(1, 3, 12, 12)
    engine_of(net, x).outputs([0], [0], x[:, :, :3, :3])
    gone, weight = weakref.ref(net), weakref.ref(net.fc.weight)
    del net
    gc.collect()
    assert gone() is None
    assert weight() is None


def test_the_users_tensors_are_not_written_to():
    net, x = seeded(Residual()), noise(1, 3, 12, 12)
    before, picture, patch = state_of(net), x.clone(), noise(1, 3, 4, 4)
    kept = patch.clone()
    engine = engine_of(net, x)
    first = engine.outputs([2], [3], patch)
    engine.outputs([5], [0], patch + 1)
    assert torch.equal(first, engine.outputs([2], [3], patch))
    same(before, state_of(net))
    assert torch.equal(x, picture)
    assert torch.equal(patch, kept)
