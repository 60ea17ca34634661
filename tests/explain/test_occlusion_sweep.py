"""One sweep for all targets."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from cnnwidgets import Classifier, explain
from cnnwidgets.errors import Cancelled, ModelError, TargetError
from tests.explain.nets import Gap, Vgg, seeded

NAMES = ["tabby", "tiger cat", "Egyptian cat", "lynx", "leopard"]


class Counted(nn.Module):
    """Counts the passes through a network."""

    passes = 0

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        type(self).passes += 1
        return self.inner(x)


def test_a_large_sweep_is_read_a_few_places_at_a_time(net, x, monkeypatch):
    found = explain.occlusion_sweep(net, x, window=4, stride=2)
    seen = []

    def target(scores):
        seen.append(len(scores))
        return scores.logsumexp(1)

    whole = found.heatmap(target)
    assert max(seen) == 25
    seen.clear()
    monkeypatch.setattr("cnnwidgets.explain.sweep._SCORES_AT_ONCE", 7 * 5)
    np.testing.assert_array_equal(found.heatmap(target).values, whole.values)
    assert max(seen) == 7


TARGETS = {
    "top class": {},
    "class": {"target": 2},
    "per image": {"target": [1, 3]},
    "name": {"target": "lynx"},
    "contrast": {"why": 1, "instead_of": [2, 0]},
    "probability": {"target": explain.Probability(2)},
    "function": {"target": lambda scores: scores.logsumexp(1)},
}


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("name", TARGETS)
def test_every_target_is_what_occlusion_gives(net, x, name, keep):
    clf = Classifier(net, classes=NAMES)
    options = {"window": 4, "stride": 2, "baseline": "noise", "shape": "ellipse", "keep": keep}
    ours = explain.occlusion_sweep(clf, x, **options).heatmap(**TARGETS[name])
    theirs = explain.occlusion(clf, x, **TARGETS[name], **options)
    np.testing.assert_allclose(ours.values, theirs.values, atol=2e-6)
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-6)
    np.testing.assert_array_equal(ours.grid.centres, theirs.grid.centres)
    for fact in ("method", "title", "paper", "target", "units", "score_units", "layer", "frames", "image_hashes"):
        assert getattr(ours, fact) == getattr(theirs, fact), fact
    assert dict(ours.params) == dict(theirs.params)
    assert ours.stamp.hash() == theirs.stamp.hash()


def test_another_target_costs_no_pass(net, x):
    sweep = explain.occlusion_sweep(Counted(net), x, window=4, incremental=False)
    Counted.passes = 0
    sweep.heatmap(1)
    sweep.heatmap(explain.Probability(3))
    assert Counted.passes == 0


def test_what_it_holds(net, x):
    sweep = explain.occlusion_sweep(net, x, window=4, stride=2, baseline=0.0)
    assert sweep.outputs.shape == (2, 5, 5, 5)
    assert sweep.outputs.dtype == sweep.clean.dtype == np.float32
    assert (sweep.done, len(sweep), sweep.kind) == (50, 2, "logits")
    occluded = x.clone()
    occluded[:, :, 2:6, 4:8] = 0
    with torch.no_grad():
        np.testing.assert_allclose(sweep.outputs[:, 1, 2], net(occluded), atol=1e-6)
        np.testing.assert_allclose(sweep.clean, net(x), atol=1e-6)
        np.testing.assert_array_equal(sweep.reference, sweep.clean)
        empty = explain.occlusion_sweep(net, x, window=4, baseline=0.0, keep=True).reference
        np.testing.assert_allclose(empty, net(torch.zeros_like(x)), atol=1e-6)
    for array in (sweep.outputs, sweep.clean, sweep.reference):
        assert not array.flags.writeable
    assert repr(sweep) == "<OcclusionSweep of 2 image(s): 5x5 places, 5 classes, logit>"


def test_snapshots_answer_for_any_class_while_the_work_goes_on(net, x):
    ours = explain.sweep_snapshots(net, x, window=3, stride=1, chunk=7)
    theirs = explain.snapshots(explain.occlusion, net, x, 2, window=3, stride=1, chunk=7)
    count = 0
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine.done, mine.total) == (other.done, other.total)
        heatmap = mine.sweep.heatmap(2)
        np.testing.assert_allclose(heatmap.values, other.heatmap.values, atol=2e-6)
        assert np.isfinite(heatmap.values).sum() == mine.done
        assert heatmap.params.get("done", 200) == mine.done
        assert (
            heatmap.unfinished == other.heatmap.unfinished == ("" if mine.done == 200 else f"{mine.done} of 200 places")
        )
        assert (f"{mine.done} of 200 done" in repr(mine.sweep)) == (mine.done < 200)
        count += 1
    assert count == 30
    assert mine.done == mine.total == 200


def test_a_snapshot_does_not_change_later(net, x):
    steps = explain.sweep_snapshots(net, x, window=4, chunk=5)
    first = next(steps).sweep
    before = first.outputs.copy()
    assert np.isnan(before).any()
    assert len(list(steps)) > 1
    np.testing.assert_array_equal(first.outputs, before)


def test_images_that_were_not_begun_have_their_scores_and_no_map(net, x):
    heatmap = next(explain.sweep_snapshots(net, x, window=4)).sweep.heatmap()
    assert np.isnan(heatmap.values[1]).all()
    with torch.no_grad():
        np.testing.assert_allclose(heatmap.scores, net(x).amax(1), atol=1e-6)


def test_progress_and_cancelling(net, x):
    seen, token = [], explain.CancelToken()

    def progress(done, total):
        seen.append((done, total))
        if done >= 8:
            token.cancel()

    with pytest.raises(Cancelled, match="after 8 of 50 steps"):
        explain.occlusion_sweep(net, x, window=4, stride=2, chunk=4, progress=progress, cancel=token)
    assert seen == [(4, 50), (8, 50)]
    with pytest.raises(Cancelled, match="after 0 of 50"):
        explain.occlusion_sweep(net, x, window=4, stride=2, cancel=token)


def test_a_model_without_a_table_of_class_scores(x):
    class Segments(nn.Module):
        def forward(self, x):
            return x.mean(1)

    with pytest.raises(ModelError, match=r"keeps the class scores.*explain\.occlusion\(model, x, target\)"):
        explain.occlusion_sweep(Segments(), x)


def test_a_table_inside_the_output(x):
    class Answer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = seeded(Gap())

        def forward(self, x):
            return {"logits": self.inner(x), "features": x}

    ours = explain.occlusion_sweep(Answer(), x, window=4)
    np.testing.assert_allclose(ours.outputs, explain.occlusion_sweep(seeded(Gap()), x, window=4).outputs, atol=1e-6)


def test_targets_that_it_does_not_have(net, x):
    sweep = explain.occlusion_sweep(net, x, window=6)
    with pytest.raises(TargetError, match="out of range"):
        sweep.heatmap(5)
    with pytest.raises(TargetError, match="no class names"):
        sweep.heatmap("tabby")


def test_a_sweep_keeps_no_model_alive(x):
    model = seeded(Vgg())
    sweep = explain.occlusion_sweep(model, x, window=4)
    watched = weakref.ref(model)
    del model
    gc.collect()
    assert watched() is None
    assert sweep.heatmap(1).values.shape == (2, 5, 5)
