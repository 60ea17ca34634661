"""What an index answers about its channels, held against literal loops."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from cnnwidgets import PatchIndex, explain
from cnnwidgets.errors import LayerError, OptionError
from tests.explain.nets import Gap, Residual, noise, seeded
from tests.patches.brute import Brute
from tests.patches.nets import EXACT, dots, whole
from tests.reference import patches as reference

CLASSES = ["cat", "dog", None, "eel", "dog"]


def labels(count):
    return [CLASSES[number % 5] for number in range(count)]


@pytest.fixture(scope="module", params=[1, 3], ids=["one of each image", "three of each image"])
def case(request):
    model, x = whole(EXACT["block"](), 1), dots(40)
    images = list(zip(x, labels(40), strict=True))
    index = PatchIndex.build(model, images, k=6, per_image=request.param, progress=False)
    return index, Brute(model, x)


def test_the_channels_of_a_class(case):
    index, brute = case
    for label in ("cat", "dog", "eel"):
        found = {(one.layer, one.channel): one for one in index.for_class(label, top=None)}
        assert len(found) == sum(layer.shape[0] for layer in index.layers)
        scores = [one.score for one in found.values()]
        assert scores == sorted(scores, reverse=True)
        for layer in brute.layers(index):
            for channel in range(layer.shape[0]):
                means = [reference.mean(one) for one in brute.of(layer.name, channel)]
                one = found[layer.name, channel]
                expected = reference.separation(means, labels(40), label)
                np.testing.assert_allclose(one.score, expected, atol=1e-4)
                inside = [mean for mean, own in zip(means, labels(40), strict=True) if own == label]
                outside = [mean for mean, own in zip(means, labels(40), strict=True) if own != label]
                np.testing.assert_allclose(one.mean, np.mean(inside), atol=1e-4)
                np.testing.assert_allclose(one.elsewhere, np.mean(outside), atol=1e-4)
    assert (
        index.for_class("dog", "conv1", 3)
        == tuple(one for one in index.for_class("dog", top=None) if one.layer == "conv1")[:3]
    )
    assert index.for_class(index.classes.index("eel")) == index.for_class("eel")


@pytest.mark.parametrize("within", [None, "all", "conv2"])
def test_alike_channels(case, within):
    index, _ = case
    boxes = {}
    for layer in index.layers:
        for channel in range(layer.shape[0]):
            boxes[layer.name, channel] = [
                (patch.image, layer.grid.seen(patch.row, patch.column)) for patch in index.top(layer, channel)
            ]
    for own in (("conv1", 0), ("relu#1", 3), ("join", 11)):
        expected = {}
        for other, theirs in boxes.items():
            if other != own and (within == "all" or other[0] == (within or own[0])):
                score = reference.alike(boxes[own], theirs)
                if score > 0:
                    expected[other] = score
        found = index.like(*own, top=None, within=within)
        assert {(one.layer, one.channel) for one in found} == set(expected)
        for one in found:
            np.testing.assert_allclose(one.score, expected[one.layer, one.channel], rtol=1e-9)
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
        assert all(0 < one.score <= 1 + 1e-12 for one in found)
        assert index.like(*own, top=2, within=within) == found[:2]


def test_channels_that_are_the_same_are_most_alike():
    model = seeded(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
    with torch.no_grad():
        for part in (model[0].weight, model[0].bias):
            part[2] = part[0]
    index = PatchIndex.build(model, noise(20, 3, 12, 12), k=5, progress=False)
    best = index.like("0", 0)[0]
    assert (best.layer, best.channel) == ("0", 2)
    np.testing.assert_allclose(best.score, 1)


def test_patches_of_a_class(case):
    index, _ = case
    for label in ("cat", "dog", "eel"):
        for kind in ("top", "bottom", "sample"):
            every = getattr(index, kind)("conv2", 1)
            assert tuple(getattr(index, kind)("conv2", 1, label=label)) == tuple(
                patch for patch in (_ranked(every, label)) if patch
            )
    assert {patch.label for patch in index.top("conv2", 1)} <= {"cat", "dog", "eel", None}
    assert [labels(40)[patch.image] for patch in index.top("conv2", 1)] == [p.label for p in index.top("conv2", 1)]


def _ranked(patches, label):
    """The patches of a class; their ranks are their places among these."""
    from dataclasses import replace

    own = [patch for patch in patches if patch.label == label]
    return [replace(patch, rank=rank) for rank, patch in enumerate(own)]


def test_histograms_count_what_was_sampled():
    """Over images of one cell the sample is known: four times every value."""
    model = whole(nn.Sequential(nn.Conv2d(3, 5, 9), nn.ReLU()), 3)
    model = nn.Sequential(model, nn.Upsample(size=(2, 2)))
    x = dots(100)
    index = PatchIndex.build(model, x, k=2, progress=False)
    layer = index.layers[-1]
    values = [one[0, 0] for one in Brute(model, x).of(layer.name, 1)]
    histogram = index.histogram(layer, 1)
    expected = reference.counts(values, histogram.edges)
    assert histogram.counts.tolist() == [4 * count for count in expected]
    assert histogram.counts.sum() == 400


def test_histograms_follow_the_values():
    model, x = seeded(Residual()), noise(150, 3, 16, 16)
    index, brute = PatchIndex.build(model, x, progress=False), Brute(model, x)
    for name in ("conv1", "relu#2"):
        for channel in range(4):
            values = np.sort(np.concatenate([one.reshape(-1) for one in brute.of(name, channel)]))
            histogram = index.histogram(name, channel)
            assert histogram.counts.sum() == 600
            assert len(histogram.counts) <= 64
            widths = np.diff(histogram.edges)
            assert (widths == widths[0]).all()
            assert histogram.edges[0] >= values[0] - widths[0]
            assert histogram.edges[-1] <= values[-1] + widths[0]
            for q in (0.05, 0.25, 0.5, 0.75, 0.95):  # within four standard deviations of a sample of 600
                low, high = np.quantile(values, np.clip([q - 0.09, q + 0.09], 0, 1))
                assert low - widths[0] <= index.quantile(name, channel, q) <= high + widths[0]
            assert index.quantile(name, channel, 0) == max(histogram.edges[0], index.bottom(name, channel)[0].value)
            assert index.quantile(name, channel, 1) == min(histogram.edges[-1], index.top(name, channel)[0].value)


def test_quantiles_lie_among_the_values():
    """A ReLU6 stands at its cap, and the bin that the cap is in goes beyond it."""
    index = PatchIndex.build(nn.ReLU6(), dots(20).abs() * 100 + 5, progress=False)
    assert index.histogram(index.layers[-1], 1).edges[-1] > 6
    assert index.quantile(index.layers[-1], 1, 1) == 6


def test_histograms_do_not_depend_on_the_order():
    model, x = whole(EXACT["plain"](), 2), dots(120)
    x[7] *= 1000
    one = PatchIndex.build(model, x, progress=False)
    other = PatchIndex.build(model, x.flip(0), progress=False)
    for layer in one.layers:
        for channel in range(layer.shape[0]):
            mine, theirs = one.histogram(layer, channel), other.histogram(layer, channel)
            assert mine.edges.tolist() == theirs.edges.tolist()
            assert mine.counts.tolist() == theirs.counts.tolist()
            drawn = [sorted(index.sample(layer, channel).values) for index in (one, other)]
            assert drawn[0] == drawn[1]


def test_the_sample_is_one_for_all_channels_and_fixed_by_the_seed():
    model, x = seeded(Gap()), noise(60, 3, 12, 12)

    def drawn(index, layer, channel):
        return sorted((patch.image, patch.row, patch.column) for patch in index.sample(layer, channel))

    one, same, other = (PatchIndex.build(model, x, k=9, seed=seed, progress=False) for seed in (0, 0, 1))
    for layer in one.layers:
        for channel in range(layer.shape[0]):
            assert drawn(one, layer, channel) == drawn(one, layer, 0) == drawn(same, layer, channel)
        assert len({image for image, _, _ in drawn(one, layer, 0)}) == 9
        assert drawn(other, layer, 0) != drawn(one, layer, 0)
    assert [image for image, *_ in drawn(one, 0, 0)] == [image for image, *_ in drawn(one, 2, 0)]


def test_the_sample_is_uniform():
    """Pearson's chi-squared over images and over cells; 0.001 of all seeds would fail, and these are fixed."""
    model, x = seeded(nn.Sequential(nn.Conv2d(1, 1, 1))), noise(40, 1, 4, 5)
    images, cells = Counter(), Counter()
    for seed in range(50):
        for patch in PatchIndex.build(model, x, k=8, seed=seed, progress=False).sample(0, 0):
            images[patch.image] += 1
            cells[patch.row, patch.column] += 1
    for counts, kinds, most in ((images, 40, 73.0), (cells, 20, 43.8)):
        expected = 400 / kinds
        assert sum((count - expected) ** 2 / expected for count in counts.values()) < most
        assert len(counts) == kinds


def test_units_and_names_are_those_of_explain():
    model, x = seeded(Residual()), noise(12, 3, 16, 16)
    index = PatchIndex.build(model, x, k=3, progress=False)
    for layer in explain.layers(model, x[:1]):
        assert index.layer(layer.name).shape == layer.shape
    for layer in index.layers:
        for patch in index.top(layer, 1):
            assert patch.box == layer.grid.seen(patch.row, patch.column)


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (lambda index: index.top("conv9", 0), LayerError, "conv9"),
        (lambda index: index.top(99, 0), LayerError, "99"),
        (lambda index: index.top("conv1", 99), OptionError, "99"),
        (lambda index: index.top("conv1", 0, 0), OptionError, "k=0"),
        (lambda index: index.top("conv1", 0, label="dgo"), OptionError, "'dgo'.*'dog'"),
        (lambda index: index.top("conv1", 0, label=7), OptionError, "7"),
        (lambda index: index.for_class("cow"), OptionError, "cow"),
        (lambda index: index.like("conv1", 1.5), OptionError, r"1\.5"),
        (lambda index: index.quantile("conv1", 0, 1.5), OptionError, r"1\.5"),
        (lambda index: index.picture(400), OptionError, "400"),
        (lambda index: index.entries("conv1", "best"), OptionError, "best"),
    ],
)
def test_what_means_nothing_is_refused(case, ask, error, words):
    with pytest.raises(error, match=words):
        ask(case[0])


@pytest.mark.parametrize(
    "options", [{"k": 0}, {"k": True}, {"k": 1.5}, {"per_image": 0}, {"seed": -1}, {"chunk": 0}, {"k": 2**40}]
)
def test_options_that_mean_nothing_are_refused_before_anything_is_made(options, tmp_path):
    with pytest.raises(OptionError, match=next(iter(options))):
        PatchIndex.build(seeded(Gap()), noise(3, 3, 12, 12), path=tmp_path / "index", progress=False, **options)
    assert not any(tmp_path.iterdir())
