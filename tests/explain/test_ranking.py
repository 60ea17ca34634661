"""Statistics and rankings of channels against literal loops in double precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from cnnwidgets import explain
from cnnwidgets.errors import ModelError, OptionError
from cnnwidgets.explain.ranking import Ranking, likeness
from cnnwidgets.explain.statistics import ChannelStatistics
from tests.explain.nets import Gap, Vgg, noise, seeded

X = noise(2, 3, 12, 12, dtype=torch.float64)


@pytest.fixture(scope="module")
def one():
    model = seeded(Gap(), dtype=torch.float64)
    with torch.no_grad():
        model.features[4].bias.add_(1.5)  # else some channels are dead by chance
        model.features[4].weight[2] = 0  # channel 2 says the same everywhere
    return explain.activations(model, X, "features")["features"]


def maps(one, image):
    return [[[float(value) for value in row] for row in channel] for channel in one.values[image]]


def flat(channel):
    return [value for row in channel for value in row]


def pearson(a, b):
    if len(set(a)) == 1 or len(set(b)) == 1:
        return 0.0
    mean_a, mean_b = math.fsum(a) / len(a), math.fsum(b) / len(b)
    both = math.fsum((p - mean_a) * (q - mean_b) for p, q in zip(a, b, strict=True))
    own = math.fsum((p - mean_a) ** 2 for p in a) * math.fsum((q - mean_b) ** 2 for q in b)
    return both / math.sqrt(own)


def ordered(scores, *ties):
    keys = [scores, *ties]
    return sorted(range(len(scores)), key=lambda channel: (*(-np.float32(key[channel]) for key in keys), channel))


def check(ranking, scores, *ties, **close):
    np.testing.assert_allclose(ranking.scores, scores, rtol=1e-6, atol=1e-7, **close)
    assert ranking.scores.dtype == np.float32
    assert list(ranking.order) == ordered(ranking.scores, *ties)


def test_statistics_are_those_of_literal_loops(one):
    found = one.statistics
    for image in range(2):
        for channel, values in enumerate(map(flat, maps(one, image))):
            assert found.maximum[image, channel] == np.float32(max(values))
            assert found.minimum[image, channel] == np.float32(min(values))
            assert found.mean[image, channel] == pytest.approx(math.fsum(values) / len(values), rel=1e-6)
            assert found.active[image, channel] == pytest.approx(sum(value > 0 for value in values) / len(values))
    assert list(found.dead) == [channel == 2 for channel in range(6)]


def test_a_channel_is_dead_only_if_it_is_in_every_image():
    values = np.zeros((2, 3, 2, 2), dtype=np.float32)
    values[1, 1] = 1  # the same everywhere in each image, but not in both
    values[0, 2, 0, 0] = 1
    assert list(ChannelStatistics.of(values).dead) == [True, False, False]


@pytest.mark.parametrize("image", [0, 1, -1])
def test_simple_orders(one, image):
    channels = [flat(channel) for channel in maps(one, image)]
    means = [math.fsum(values) / len(values) for values in channels]
    check(
        one.rank("maximum", image=image),
        [max(values) for values in channels],
        one.statistics.preactivation[image],
        means,
    )
    check(one.rank("mean", image=image), means)
    check(one.rank("active", image=image), [sum(v > 0 for v in values) / len(values) for values in channels], means)
    by_number = one.rank("channel", image=image)
    assert list(by_number.order) == list(by_number.scores) == list(range(6))


def test_ties_go_to_the_lower_channel():
    assert list(Ranking.of([1, 3, 3, -np.inf, 3, 1], "maximum", "", "").order) == [1, 2, 4, 0, 5, 3]


class Capped(nn.Module):
    """Channels that give a pixel of the image each, clipped, and what a pooling makes of them."""

    def __init__(self, activation):
        super().__init__()
        self.act, self.pool = activation, nn.MaxPool2d(2)

    def forward(self, x):
        return self.pool(self.act(x * 1)).mean((2, 3))


def capped(*levels):
    """An image (1,C,2,4) whose channels have the largest values given, in different cells, and else are small."""
    x = torch.full((1, len(levels), 2, 4), -1.0)
    for channel, level in enumerate(levels):
        x[0, channel, channel % 2, channel % 4] = level
    return x


LEVELS = (7.0, 3, 40, 6, 9, -2, 40, -0.5)


CLIPPING = [nn.ReLU6(), nn.ReLU6(inplace=True), nn.Hardtanh(-3, 5, inplace=True), nn.Hardsigmoid(), nn.ReLU()]


@pytest.mark.parametrize("activation", CLIPPING, ids=str)
@pytest.mark.parametrize("layers", ["all", "act"])
def test_at_a_cap_the_value_before_it_decides(activation, layers):
    x = torch.cat([capped(*LEVELS), capped(*LEVELS[::-1])])
    for chunk in (1, 2):
        found = explain.activations(Capped(activation), x, layers, chunk=chunk)["act"]
        assert list(found.rank("maximum").order) == [2, 6, 4, 0, 3, 1, 7, 5]
        assert list(found.rank("maximum", image=1).order) == [1, 5, 3, 7, 4, 6, 0, 2]
        before = x.amax((2, 3)).numpy()
        before[before < -1] = -1  # the smallest cells are larger than that
        np.testing.assert_array_equal(found.statistics.preactivation, before)


def test_a_hardswish_is_0_where_it_got_little():
    """At 0 on the plateau the value before is that of a cell there: -0.5 gives less than 0."""
    x = torch.tensor([[-3.0, -0.5], [-9, -5], [-3.5, -1]]).reshape(1, 3, 1, 2)
    net = Capped(nn.Hardswish(inplace=True))
    net.pool = nn.Identity()
    found = explain.activations(net, x, "act")["act"]
    assert found.statistics.preactivation.tolist() == [[-3, -5, -3.5]]
    assert list(found.rank("maximum").order) == [0, 2, 1]


def test_what_the_contributions_were_computed_with_knows_the_values_before():
    x = capped(*LEVELS)
    plain, other = (explain.activations(Capped(nn.ReLU6()), x, "act", target=t)["act"] for t in (None, 0))
    np.testing.assert_array_equal(plain.statistics.preactivation, other.statistics.preactivation)


def test_where_nothing_clips_the_mean_decides():
    x = torch.zeros(1, 4, 2, 4)
    x[0, :, 0, 0] = 5
    x[0, 1, 1], x[0, 3, 1], x[0, 2, 1] = 1, 2, -1
    found = explain.activations(Capped(nn.Identity()), x, "act")["act"]
    assert list(found.rank("maximum").order) == [3, 1, 0, 2]
    assert list(found.rank("active").order) == [3, 1, 0, 2]
    assert found.statistics.cap == np.inf


def test_what_is_at_the_cap_is_said():
    ranking = explain.activations(Capped(nn.ReLU6()), capped(*LEVELS), "act")["act"].rank()
    assert repr(ranking).startswith(
        "<Ranking of 8 channels by maximum activation: 2 (40 → 6), 6 (40 → 6), 4 (9 → 6), 0 (7"
    )
    assert ranking.score_words(1) == "3"
    assert [ranking.at_cap(channel) for channel in range(8)] == [True, False, True, True, True, False, True, False]


def test_likeness_is_pearsons_correlation(one):
    channels = [flat(channel) for channel in maps(one, 0)]
    ranking = one.rank("likeness", channel=3)
    check(ranking, [pearson(values, channels[3]) for values in channels])
    assert ranking.order[0] == 3
    assert ranking.scores[3] == 1
    assert ranking.scores[2] == 0  # the same everywhere
    assert not one.rank("likeness", channel=2).scores.any()
    assert ranking.words == "likeness to channel 3"


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_likeness_survives_tiny_and_huge_values(size):
    values = noise(3, 4, 4).numpy()
    pattern = values[1] * np.float32(-1)
    expected = [pearson(flat(channel), flat(pattern)) for channel in values.astype(float)]
    np.testing.assert_allclose(likeness(values.astype(np.float64) * size, pattern), expected, atol=1e-12)
    assert not likeness(np.full((2, 4, 4), np.float32(0.1)), pattern).any()


def test_likeness_to_a_region(one):
    mask = np.zeros((12, 12), dtype=bool)
    mask[2:7, 3:9] = True
    # Cells of this net look at every second pixel: a territory is that pixel and half of each neighbour.
    weights = [[0.0] * 6 for _ in range(6)]
    for row in range(6):
        for column in range(6):
            area = covered = 0.0
            for y in range(2 * row - 1, 2 * row + 2):
                for x in range(2 * column - 1, 2 * column + 2):
                    if y >= 0 and x >= 0:
                        part = (1 if y == 2 * row else 0.5) * (1 if x == 2 * column else 0.5)
                        area += part
                        covered += part * bool(mask[y, x])
            weights[row][column] = covered / area
    channels = [flat(channel) for channel in maps(one, 1)]
    check(one.rank("region", image=1, region=mask), [pearson(values, flat(weights)) for values in channels])
    for empty in (np.zeros((12, 12)), np.ones((12, 12))):
        assert not one.rank("region", region=empty).scores.any()


def test_difference_of_two_images(one):
    means = [[math.fsum(flat(c)) / 36 for c in maps(one, image)] for image in range(2)]
    check(one.rank("difference"), [abs(a - b) for a, b in zip(*means, strict=True)])


def test_contribution_is_activation_times_gradient():
    model = seeded(Vgg(), dtype=torch.float64)
    acts = explain.activations(model, X, ["features.0", "features.1", "features"], chunk=1)
    for name, index in (("features.0", 0), ("features.1", 1), ("features", 4)):
        value = model.features[: index + 1](X).detach().clone().requires_grad_(True)
        rest = model.features[index + 1 :](value.clone())
        model.classifier(rest)[:, 2].sum().backward()
        expected = np.zeros((2, value.shape[1]))
        for image, channel, row, column in np.ndindex(*value.shape):
            place = (image, channel, row, column)
            expected[image, channel] += float(value[place].detach()) * float(value.grad[place])
        np.testing.assert_allclose(acts.contributions(2)[name], expected, rtol=1e-5, atol=1e-7)
        for image in range(2):
            check(acts[name].rank("contribution", image=image, target=2), expected[image])
    model.zero_grad()


def test_contributions_are_grad_cams_weights_times_the_sum_of_the_map():
    model = seeded(Gap(), dtype=torch.float64)
    acts = explain.activations(model, X, "features", target=1)
    heatmap = explain.grad_cam(model, X, 1, layer="features")
    # Behind the average every cell has the same gradient, so that both sum up to the same.
    np.testing.assert_allclose(acts.contributions()["features"].sum(1), heatmap.values.sum((1, 2)), rtol=1e-5)
    weights = model.fc.weight.detach().numpy()[1] / 36
    np.testing.assert_allclose(acts.contributions()["features"], weights * acts.values.sum((2, 3)), rtol=1e-5)


def test_contribution_to_each_images_own_top_class():
    model = seeded(Gap(), dtype=torch.float64)
    acts = explain.activations(model, X, ["features.0", "features"], chunk=1)
    tops = model(X).argmax(1).tolist()
    own, given = acts.contributions(), acts.contributions(tops)
    for name in acts:
        np.testing.assert_allclose(own[name], given[name], rtol=1e-6)
    assert acts["features"].rank("contribution", image=1).words == f"contribution to class {tops[1]}"
    assert acts["features"].rank("contribution").units == "logit"


def test_what_does_not_lead_to_the_score_contributes_nothing():
    model = seeded(Gap(), dtype=torch.float64)
    found = explain.activations(model, X, ["features.0", "features"], target=lambda out: out[:, 0] * 0 + 1.0)
    assert not any(values.any() for values in found.contributions().values())
    with pytest.raises(ModelError, match="does not depend on any of the layers"):
        explain.activations(model, X, ["features.0", "features"], target=lambda out: out[:, 0].detach())


@pytest.mark.parametrize(
    ("by", "options", "words"),
    [
        ("maximun", {}, "maximum"),
        ("likeness", {}, "channel="),
        ("likeness", {"channel": 6}, "6 channels"),
        ("likeness", {"channel": 1.5}, "float"),
        ("region", {}, "region="),
        ("maximum", {"image": 2}, "image=2"),
    ],
)
def test_what_cannot_be_ranked_is_refused(one, by, options, words):
    with pytest.raises(OptionError, match=words):
        one.rank(by, **options)


def test_a_difference_needs_two_images():
    with pytest.raises(OptionError, match="compares two images"):
        explain.activations(seeded(Gap()), noise(3, 3, 12, 12), None).rank("difference")
