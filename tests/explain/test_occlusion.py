"""Occlusion against its paper, brute force, and what must hold of any picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cnnwidgets import explain
from cnnwidgets.errors import ModelError
from cnnwidgets.explain.baselines import filled
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.subject import subject_of
from cnnwidgets.explain.windows import Window
from tests.explain.nets import noise, seeded
from tests.explain.occluding import NETS, assert_same, literal
from tests.reference import papers

CLASSES = (3, 1)
ENGINES = pytest.mark.parametrize("incremental", [False, True], ids=["full", "incremental"])


class Region(nn.Module):
    """The sum of a region of the picture, and that of all the picture."""

    def forward(self, x):
        return torch.stack([x[:, :, 2:5, 3:8].sum((1, 2, 3)), x.sum((1, 2, 3))], 1)


@ENGINES
@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
@pytest.mark.parametrize("baseline", ["mean", "blur", "noise", 0.3, torch.tensor([0.5, -1.0, 2.0])], ids=str)
@pytest.mark.parametrize("name", NETS)
def test_against_the_paper(name, baseline, shape, incremental):
    net, x = seeded(NETS[name](), dtype=torch.float64), noise(2, 3, 12, 12, dtype=torch.float64)
    options = {"window": (5, 4), "stride": (3, 2), "baseline": baseline, "shape": shape, "incremental": incremental}
    heatmap = explain.occlusion(net, x, CLASSES, **options)
    network = Network(subject_of(net, x))
    margins = Window(5, 4, shape).margins
    tops, lefts = (
        [start - margin for start in papers.window_starts(12, size - 2 * margin, stride)]
        for size, margin, stride in ((5, margins[0], 3), (4, margins[1], 2))
    )
    for n, index in enumerate(CLASSES):
        fill = filled(network, x[n], baseline)
        assert_same(
            heatmap.values[n], literal(net, x[n], index, fill, shape=shape, size=(5, 4), tops=tops, lefts=lefts)
        )
        assert heatmap.scores[n] == pytest.approx(float(net(x)[n, index].detach()), rel=1e-6)


@ENGINES
def test_every_single_pixel_against_brute_force(net, x, incremental):
    heatmap = explain.occlusion(net, x, 2, window=1, stride=1, baseline=0.0, incremental=incremental)
    assert heatmap.values.shape == (2, 12, 12)
    assert heatmap.grid.centres[0].tolist() == list(range(12))
    with torch.no_grad():
        for n in range(2):
            copies = x[n].repeat(144, 1, 1, 1)
            for place in range(144):
                copies[place, :, place // 12, place % 12] = 0
            drops = net(x[n : n + 1])[0, 2] - net(copies)[:, 2]
            assert_same(heatmap.values[n], drops.reshape(12, 12).numpy(), share=1e-5)
    np.testing.assert_array_equal(heatmap.upsampled(), heatmap.values)


@ENGINES
def test_the_drop_of_a_sum_is_what_was_hidden_of_it(x, incremental):
    heatmap = explain.occlusion(Region(), x, 0, window=3, stride=2, baseline=0.0, incremental=incremental)
    inside = torch.zeros(12, 12)
    inside[2:5, 3:8] = 1
    share = (x * inside).sum(1)
    for n in range(2):
        for row, top in enumerate([0, 2, 4, 6, 8, 9]):
            for column, left in enumerate([0, 2, 4, 6, 8, 9]):
                expected = float(share[n, top : top + 3, left : left + 3].sum())
                assert heatmap.values[n, row, column] == pytest.approx(expected, abs=1e-4)
    assert np.abs(heatmap.values[:, 4:]).max() < 1e-4, "hiding what the score does not see costs nothing"


@ENGINES
@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
def test_hiding_pixels_by_their_own_values_changes_nothing(net, x, shape, incremental):
    heatmap = explain.occlusion(net, x, 1, window=5, baseline=x, shape=shape, incremental=incremental)
    assert np.abs(heatmap.values).max() < 1e-6
    flat = x.mean((2, 3), keepdim=True).expand_as(x).contiguous()
    for baseline in ("mean", "local_mean", "blur", "noise"):
        heatmap = explain.occlusion(net, flat, 1, window=5, baseline=baseline, shape=shape, incremental=incremental)
        assert np.abs(heatmap.values).max() < 1e-5, baseline


@ENGINES
@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
def test_the_local_mean_keeps_the_sum(x, shape, incremental):
    """A sum over the picture does not notice that each window is replaced by its own mean."""
    options = {"window": 4, "stride": 1, "shape": shape, "incremental": incremental}
    local = explain.occlusion(Region(), x, 1, baseline="local_mean", **options)
    assert np.abs(local.values).max() < 1e-4
    assert np.abs(explain.occlusion(Region(), x, 1, baseline="mean", **options).values).max() > 1


@ENGINES
@pytest.mark.parametrize("baseline", [0.0, "mean", "local_mean"])
def test_keep_only_this_adds_to_the_empty_picture(net, x, baseline, incremental):
    options = {"window": (4, 6), "stride": (4, 3), "baseline": baseline, "incremental": incremental}
    heatmap = explain.occlusion(net, x, 1, keep=True, **options)
    assert heatmap.values.shape == (2, 3, 3)
    mean = x.mean((2, 3), keepdim=True).expand_as(x)
    with torch.no_grad():
        for n in range(2):
            empty = torch.zeros_like(x[n]) if baseline == 0.0 else mean[n]
            for row, top in enumerate([0, 4, 8]):
                for column, left in enumerate([0, 3, 6]):
                    seen = torch.zeros(12, 12, dtype=torch.bool)
                    seen[top : top + 4, left : left + 6] = True
                    around = x[n][:, ~seen].mean(1)[:, None, None] if baseline == "local_mean" else empty
                    drop = net(torch.where(seen, x[n], around)[None])[0, 1] - net(empty[None])[0, 1]
                    assert heatmap.values[n, row, column] == pytest.approx(float(drop), abs=1e-5)
        np.testing.assert_allclose(heatmap.scores, net(x)[:, 1].numpy(), rtol=1e-4, atol=1e-6)


def test_for_a_sum_keeping_and_hiding_are_the_same(x):
    options = {"window": 4, "stride": 3, "baseline": 0.0}
    hide, keep = (explain.occlusion(Region(), x, 1, keep=keep, **options).values for keep in (False, True))
    assert_same(keep, hide, share=1e-5)


@ENGINES
def test_a_batch_is_its_images_one_by_one(net, incremental):
    x = noise(4, 3, 12, 14)
    for baseline in ("noise", "local_mean", "blur", x.flip(0)):
        options = {"window": 5, "incremental": incremental}
        whole = explain.occlusion(net, x, [0, 1, 2, 3], baseline=baseline, **options)
        for n in range(4):
            own = baseline[n] if isinstance(baseline, torch.Tensor) else baseline
            one = explain.occlusion(net, x[n : n + 1], n, baseline=own, **options)
            assert_same(whole.values[n], one.values[0], share=1e-5)
            assert whole.scores[n] == pytest.approx(one.scores[0], abs=1e-6)


@ENGINES
@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_the_chunk_does_not_change_the_result(net, x, chunk, incremental):
    options = {"window": 3, "stride": 1, "shape": "ellipse", "incremental": incremental}
    plain = explain.occlusion(net, x, 1, **options)
    assert_same(explain.occlusion(net, x, 1, chunk=chunk, **options).values, plain.values, share=1e-5)


def test_targets_of_every_kind(net, x):
    options = {"window": 4, "baseline": 0.0}
    one, two = (explain.occlusion(net, x, index, **options).values for index in (1, 2))
    assert_same(explain.occlusion(net, x, why=1, instead_of=2, **options).values, one - two, share=1e-5)
    chance = explain.occlusion(net, x, explain.Probability(1), **options)
    assert chance.units == chance.score_units == "probability"
    shown = x[0].clone()
    shown[:, :4, :4] = 0
    with torch.no_grad():
        drop = net(x[:1]).softmax(1)[0, 1] - net(shown[None]).softmax(1)[0, 1]
    assert chance.values[0, 0, 0] == pytest.approx(float(drop), abs=1e-6)
    top = explain.occlusion(net, x, **options)
    assert top.target == explain.saliency(net, x).target


def test_any_output_can_be_explained_by_a_function(x):
    class Segments(nn.Module):
        def forward(self, x):
            return {"mask": x.mean(1), "other": [x.sum((2, 3))]}

    heatmap = explain.occlusion(Segments(), x, lambda out: out["mask"][:, 3, 4], window=2, stride=2, baseline=0.0)
    expected = np.zeros((2, 6, 6))
    expected[:, 1, 2] = x.mean(1)[:, 3, 4]
    np.testing.assert_allclose(heatmap.values, expected, atol=1e-6)
    assert heatmap.units == "score"


def test_what_a_heatmap_says_of_itself(net, x):
    heatmap = explain.occlusion(net, x[:1], 1, window=(4, 6), stride=2, shape="ellipse", incremental=False)
    assert (heatmap.method, heatmap.title, heatmap.layer) == ("occlusion", "Occlusion", None)
    assert "1311.2901" in heatmap.paper
    assert dict(heatmap.params) == {
        "window": (4, 6), "stride": 2, "baseline": "mean", "shape": "ellipse", "keep": False,
        "area": (14, 20), "engine": "full passes",
    }  # fmt: skip
    assert heatmap.units == heatmap.score_units == "logit"
    assert not heatmap.grid.measured
    assert explain.occlusion(net, x, 1, baseline="blur").params["sigma"] == 12 / 20
    assert explain.occlusion(net, x, 1, baseline="noise", seed=4).params["seed"] == 4
    assert explain.occlusion(net, x, 1, baseline=torch.zeros(3)).params["baseline"] == "(0.0, 0.0, 0.0)"


def test_the_default_window_is_a_seventh_of_the_shorter_side(net):
    heatmap = explain.occlusion(net, noise(1, 3, 56, 70), 1)
    assert (heatmap.params["window"], heatmap.params["stride"]) == (8, 4)
    assert heatmap.values.shape == (1, 13, 17)
    assert explain.occlusion(net, noise(1, 3, 2, 3), 1).params["window"] == 1


def test_it_is_saved_and_read_again(net, x, tmp_path):
    heatmap = explain.occlusion(net, x[:1], 1, window=(5, 4), baseline=x[0])
    again = explain.Heatmap.load(heatmap.save(tmp_path / "saved"))
    np.testing.assert_array_equal(again.values, heatmap.values)
    np.testing.assert_array_equal(again.grid.y.low, heatmap.grid.y.low)


def test_snapshots_go_from_coarse_to_fine_and_hold_what_was_computed_and_nothing_else(net, x):
    shown = list(explain.snapshots(explain.occlusion, net, x[:1], 1, window=4, stride=1, chunk=2))
    assert [(s.done, s.total) for s in shown] == [(min(2 * n, 81), 81) for n in range(1, 42)]
    final = explain.occlusion(net, x[:1], 1, window=4, stride=1)
    np.testing.assert_allclose(shown[-1].heatmap.values, final.values, atol=1e-6)
    order = sorted(range(81), key=lambda place: next(n for n in (0, 1, 2) if not (place // 9 | place % 9) % (4 >> n)))
    for snapshot in shown:
        values = snapshot.heatmap.values[0].ravel()
        come = np.isin(np.arange(81), order[: snapshot.done])
        np.testing.assert_array_equal(np.isnan(values), ~come)
        np.testing.assert_allclose(values[come], final.values[0].ravel()[come], atol=1e-6)


def test_an_unfinished_map_says_how_far_it_has_come_and_a_finished_one_does_not(net, x):
    first, *_, last = explain.snapshots(explain.occlusion, net, x, 1, window=4, stride=1, chunk=60)
    assert (first.heatmap.params["done"], first.heatmap.unfinished) == (60, "60 of 162 places")
    assert "60 of 162 places" in repr(first.heatmap)
    assert last.heatmap.unfinished == ""
    assert not {"done", "unfinished"} & set(last.heatmap.params)


def test_scores_that_are_no_numbers_are_an_error_while_the_map_has_gaps(x):
    class Hole(nn.Module):
        """NaN once the lower right corner is hidden, which comes after the coarse places."""

        def forward(self, x):
            hidden = x[:, 0, 7, 7] == 0
            return torch.stack([x.mean((1, 2, 3)), torch.where(hidden, torch.nan, 1.0)], 1)

    steps = explain.snapshots(explain.occlusion, Hole(), x[:1], 1, window=2, stride=1, baseline=0.0, chunk=9)
    assert np.isnan(next(steps).heatmap.values).any()
    with pytest.raises(ModelError, match="with a part hidden holds NaN"):
        list(steps)


def test_snapshots_of_several_images_come_image_by_image(net, x):
    first, *_ = explain.snapshots(explain.occlusion, net, x, 1, window=6)
    assert np.isfinite(first.heatmap.values[0]).all()
    assert np.isnan(first.heatmap.values[1]).all()


def test_smoothgrad_of_occlusion_without_noise_is_occlusion(net, x):
    smooth = explain.smoothgrad(net, x, 1, of=explain.occlusion, window=4, samples=2, noise=0)
    assert_same(smooth.values, explain.occlusion(net, x, 1, window=4).values, share=1e-5)
    assert smooth.params["of.window"] == 4
