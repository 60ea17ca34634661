"""Progress, cancelling, snapshots, chunks, and keywords that nobody takes."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn

from cnnwidgets import explain
from cnnwidgets.errors import Cancelled, OptionError
from tests.explain.nets import Gap, noise, seeded


@pytest.fixture
def net():
    return seeded(Gap())


@pytest.fixture
def x():
    return noise(5, 3, 12, 12)


@pytest.mark.parametrize("method", [explain.saliency, explain.cam, explain.grad_cam])
def test_progress_counts_images(method, net, x):
    seen = []
    method(net, x, 1, chunk=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_progress_of_smoothgrad_counts_samples(net, x):
    seen = []
    explain.smoothgrad(net, x[:2], 1, samples=5, chunk=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 10), (4, 10), (5, 10), (7, 10), (9, 10), (10, 10)]


def test_progress_of_occlusion_counts_places(net, x):
    seen = []
    options = {"window": 4, "stride": 4, "progress": lambda done, total: seen.append((done, total))}
    explain.occlusion(net, x[:2], 1, chunk=4, **options)
    assert seen == [(4, 18), (8, 18), (9, 18), (13, 18), (17, 18), (18, 18)]


@pytest.mark.parametrize("make", [explain.CancelToken, threading.Event])
def test_cancelling_stops_before_the_next_step(make, net, x):
    token, seen = make(), []

    def progress(done, total):
        seen.append(done)
        if done >= 4:
            (token.cancel if isinstance(token, explain.CancelToken) else token.set)()

    with pytest.raises(Cancelled, match="after 4 of 20 steps"):
        explain.smoothgrad(net, x[:2], 1, samples=10, chunk=2, progress=progress, cancel=token)
    assert seen == [2, 4]


def test_what_a_cancelled_smoothgrad_has_averaged_is_smoothgrad_of_fewer_samples(net, x):
    token, shown = explain.CancelToken(), []

    def watch():
        for snapshot in explain.snapshots(explain.smoothgrad, net, x[:1], 1, samples=50, chunk=4, cancel=token):
            shown.append(snapshot.heatmap)
            if snapshot.done == 12:
                token.cancel()

    with pytest.raises(Cancelled, match="after 12 of 50"):
        watch()
    fewer = explain.smoothgrad(net, x[:1], 1, samples=12, chunk=4)
    np.testing.assert_allclose(shown[-1].values, fewer.values, rtol=1e-5, atol=1e-7)
    assert (shown[-1].params["done"], shown[-1].unfinished) == (12, "12 of 50 samples")
    assert fewer.unfinished == ""


def test_work_cancelled_before_it_starts_never_starts(net, x):
    token = explain.CancelToken()
    token.cancel()
    for method in (explain.saliency, explain.smoothgrad, explain.cam, explain.grad_cam, explain.occlusion):
        with pytest.raises(Cancelled, match="after 0 of"):
            method(net, x, 1, cancel=token)


def test_a_token_set_after_the_last_step_takes_nothing_away(net, x):
    token = explain.CancelToken()
    heatmap = explain.saliency(net, x[:1], 1, cancel=token, progress=lambda *_: token.cancel())
    assert np.isfinite(heatmap.values).all()


def test_snapshots_show_the_work_so_far(net, x):
    shown = list(explain.snapshots(explain.smoothgrad, net, x[:2], 1, samples=4, chunk=2, noise=0.3))
    assert [(s.done, s.total) for s in shown] == [(2, 8), (4, 8), (6, 8), (8, 8)]
    assert np.isnan(shown[0].heatmap.values[1]).all(), "no step has been made for the second image"
    two = explain.smoothgrad(net, x[:1], 1, samples=2, noise=0.3)
    np.testing.assert_allclose(shown[0].heatmap.values[0], two.values[0], rtol=1e-4, atol=1e-6)
    whole = explain.smoothgrad(net, x[:2], 1, samples=4, chunk=2, noise=0.3)
    np.testing.assert_array_equal(shown[-1].heatmap.values, whole.values)


def test_earlier_snapshots_do_not_change_later(net, x):
    steps = explain.snapshots(explain.smoothgrad, net, x[:1], 1, samples=4, chunk=1)
    first = next(steps).heatmap
    before = first.values.copy()
    assert len(list(steps)) == 3
    np.testing.assert_array_equal(first.values, before)


def test_snapshots_take_what_the_methods_take(net, x):
    *_, last = explain.snapshots(explain.grad_cam, net, x, why=1, instead_of=2, layer="features.0", chunk=3)
    np.testing.assert_array_equal(
        last.heatmap.values, explain.grad_cam(net, x, why=1, instead_of=2, layer="features.0", chunk=3).values
    )
    *_, last = explain.snapshots(explain.smoothgrad, net, x[:1], 1, of=explain.grad_cam, layer="features.3", samples=2)
    assert last.heatmap.layer == "features.3"


def test_work_that_is_skipped_half_way_leaves_nothing_running(net, x):
    steps = explain.snapshots(explain.smoothgrad, net, x, 1, samples=4, chunk=1)
    next(steps)
    steps.close()
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


class Sizes(nn.Module):
    """Notes how many images each pass holds."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.seen = inner, []

    def forward(self, x):
        SEEN.append(len(x))
        return self.inner(x)


SEEN: list[int] = []


def test_memory_is_bounded_by_default(net):
    """No pass holds more than about four images of 224 x 224, however many are asked for."""
    SEEN.clear()
    x = noise(9, 3, 224, 224)
    explain.saliency(Sizes(net), x, 1)
    assert max(SEEN) <= 4
    SEEN.clear()
    explain.smoothgrad(Sizes(net), x[:1], 1, samples=9)
    assert max(SEEN) <= 4
    SEEN.clear()
    explain.occlusion(Sizes(net), x[:1], 1, window=112, incremental=False)
    assert max(SEEN) == 4


def test_a_chunk_is_kept_to(net, x):
    SEEN.clear()
    explain.smoothgrad(Sizes(net), x[:1], samples=5, chunk=2)
    explain.grad_cam(Sizes(net), x, chunk=2)
    explain.occlusion(Sizes(net), x, window=6, chunk=2, incremental=False)
    assert max(SEEN) == 2


@pytest.mark.parametrize("chunk", [0, -1, 1.5, True, "2"])
def test_a_chunk_that_means_nothing(net, x, chunk):
    with pytest.raises(OptionError, match="chunk="):
        explain.saliency(net, x, 1, chunk=chunk)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"samples": 0}, "samples=0"),
        ({"samples": 2.5}, "samples=2.5"),
        ({"samples": True}, "samples=True"),
        ({"noise": -0.1}, "noise=-0.1"),
        ({"noise": float("nan")}, "noise=nan"),
        ({"noise": float("inf")}, "noise=inf"),
        ({"noise": "much"}, "noise='much'"),
        ({"seed": "abc"}, "seed='abc'"),
        ({"seed": 1.5}, "seed=1.5"),
        ({"of": 3}, "of=3"),
        ({"of": lambda model, x, target: 1}, "must give a Heatmap"),
    ],
)
def test_smoothgrad_with_numbers_that_mean_nothing(net, x, options, said):
    with pytest.raises(OptionError, match=said):
        explain.smoothgrad(net, x, 1, **options)


@pytest.mark.parametrize(
    ("method", "option", "hint"),
    [
        (explain.saliency, "sigend", "'signed'"),
        (explain.saliency, "layer", "Known are"),
        (explain.smoothgrad, "sample", "'samples'"),
        (explain.smoothgrad, "timesinput", "'times_input'"),
        (explain.cam, "insteadof", "'instead_of'"),
        (explain.grad_cam, "layers", "'layer'"),
        (explain.occlusion, "window_size", "'window'"),
    ],
)
def test_a_misspelt_keyword_is_refused_with_the_nearest(net, x, method, option, hint):
    with pytest.raises(OptionError, match=rf"explain\.{method.__name__} takes no option '{option}'.*{hint}"):
        method(net, x, 1, **{option: 1})
    with pytest.raises(OptionError, match=rf"takes no option '{option}'.*{hint}"):
        list(explain.snapshots(method, net, x, 1, **{option: 1}))


def test_smoothgrad_takes_the_options_of_what_it_smooths_and_no_others(net, x):
    heatmap = explain.smoothgrad(net, x[:1], 1, of=explain.grad_cam, layer="features.0", samples=2)
    assert heatmap.layer == "features.0"
    assert dict(heatmap.params) == {"of": "grad_cam", "of.relu": False, "samples": 2, "noise": 0.15, "seed": 0}
    with pytest.raises(OptionError, match="takes no option 'signed'"):
        explain.smoothgrad(net, x[:1], 1, of=explain.grad_cam, signed=True)
    with pytest.raises(OptionError, match="not a method of explain"):
        list(explain.snapshots(print, net, x))


def test_smoothgrad_of_smoothgrad(net, x):
    nested = explain.smoothgrad(net, x[:1], 1, of=explain.smoothgrad, samples=1, noise=0.2)
    assert nested.values.shape == (1, 12, 12)
