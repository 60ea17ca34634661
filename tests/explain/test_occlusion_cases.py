"""Occlusion of networks and settings out of the ordinary: other paths, chance, colours, bfloat16, nonsense."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cnnwidgets import Classifier, explain
from cnnwidgets.errors import ModelError, OptionError
from cnnwidgets.explain.hiding import hidden
from cnnwidgets.explain.windows import Window
from cnnwidgets.preprocess import Preprocess
from tests.explain.nets import Gap, noise, seeded
from tests.explain.occluding import NETS, assert_same, literal


def test_colours_with_a_classifier():
    clf = Classifier(seeded(Gap()), Preprocess(resize=16, crop=12, mean=0.5, std=0.25), classes=list("abcde"))
    picture = Image.effect_noise((30, 20), 80).convert("RGB")
    heatmap = explain.occlusion(clf, picture, "b", window=4, baseline=(255, 0, 0))
    same = explain.occlusion(clf, picture, "b", window=4, baseline=torch.tensor([2.0, -2.0, -2.0]))
    assert_same(heatmap.values, same.values, share=1e-5)
    assert heatmap.params["baseline"] == "#ff0000"
    assert heatmap.pictures[0].size == (30, 20)
    x = clf.prepare(picture).x
    assert_same(explain.occlusion(clf, x, "b", window=4, baseline="#ff0000").values, same.values, share=1e-5)


@pytest.mark.parametrize("name", NETS)
def test_in_bfloat16(name):
    net, x = seeded(NETS[name]()), noise(1, 3, 12, 12)
    exact = explain.occlusion(net, x, 1, window=4, baseline=0.0)
    coarse = explain.occlusion(net, x, 1, window=4, baseline=0.0, dtype=torch.bfloat16)
    assert coarse.params["dtype"] == "bfloat16"
    assert "dtype" not in exact.params
    assert coarse.values.dtype == np.float32
    difference = np.abs(coarse.values - exact.values).max()
    assert 0 < difference < 0.05 * float(net(x).detach().abs().max())
    assert next(net.parameters()).dtype == torch.float32


class Turning(nn.Module):
    """Another convolution for dark pictures than for bright ones."""

    def __init__(self):
        super().__init__()
        self.bright, self.dark = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.norm, self.other = nn.BatchNorm2d(4), nn.BatchNorm2d(4)

    def forward(self, x):
        if x.mean() > 0:
            return self.norm(self.bright(x)).relu().mean((2, 3))
        return self.other(self.dark(x)).relu().mean((2, 3))


def test_a_network_whose_path_depends_on_the_picture():
    net = seeded(Turning(), dtype=torch.float64)
    x = noise(1, 3, 8, 8, dtype=torch.float64)
    x = x - x.mean() + 0.01
    fill = torch.full_like(x[0], -3.0)
    starts = [0, 2, 4, 6]
    expected = literal(net, x[0], 1, fill, shape="rectangle", size=(2, 2), tops=starts, lefts=starts)
    with torch.no_grad():
        paths = {bool(torch.where(torch.arange(8)[:, None] < 2, fill, x[0]).mean() > 0), bool(x.mean() > 0)}
    assert paths == {False, True}
    found = explain.occlusion(net, x, 1, window=2, stride=2, baseline=-3.0, incremental=False, chunk=1)
    assert_same(found.values[0], expected)


class Noisy(Gap):
    """Adds noise that every pass draws anew."""

    def forward(self, x):
        return super().forward(x + 0.5 * torch.randn_like(x))


class Unsettled(nn.Module):
    """A normalisation by the statistics of the batch, also in evaluation mode."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)

    def forward(self, x):
        return self.norm(self.conv(x)).relu().mean((2, 3))


@pytest.mark.parametrize("kind", [Noisy, Unsettled])
def test_places_do_not_depend_on_each_other(kind, x):
    """Neither through random numbers nor through a batch's statistics: hiding nothing costs nothing."""
    net = seeded(kind())
    for chunk in (1, 4, None):
        assert np.abs(explain.occlusion(net, x, 1, window=4, baseline=x, chunk=chunk).values).max() < 1e-6
    drawn = [explain.occlusion(net, x, 1, window=4, chunk=chunk).values for chunk in (1, 5)]
    np.testing.assert_array_equal(*drawn)


def test_several_places_hidden_at_once():
    x = noise(3, 10, 10)
    spots = [Window(3, 3).at(1, 1, 10, 10), Window(4, 4, "ellipse").at(5, 4, 10, 10)]
    under = torch.zeros(10, 10, dtype=torch.bool)
    for spot in spots:
        under[spot.box] |= spot.mask
    before = x.clone()
    fill = torch.full_like(x, 7.0)
    assert torch.equal(hidden(x, fill, spots), torch.where(under, fill, x))
    assert torch.equal(hidden(x, fill, spots, keep=True), torch.where(under, x, fill))
    kept = hidden(x, None, spots, keep=True)
    assert torch.equal(kept[:, under], x[:, under])
    torch.testing.assert_close(kept[:, 0, 0], x[:, ~under].mean(1))
    local = hidden(x, None, spots)
    torch.testing.assert_close(local[:, 2, 2], x[:, 1:4, 1:4].mean((1, 2)))
    assert torch.equal(local[:, ~under], x[:, ~under])
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"window": 13}, "window=13 is larger than the input"),
        ({"window": 0}, "window=0"),
        ({"stride": 0}, "stride=0"),
        ({"window": 4, "stride": 5}, "stride=5 leaves pixels"),
        ({"shape": "circle"}, "shape='circle' is not known"),
        ({"keep": "yes"}, "keep='yes': give True or False"),
        ({"incremental": 2}, "incremental=2"),
        ({"seed": 1.5}, r"seed=1\.5"),
        ({"sigma": 0}, "sigma=0"),
        ({"dtype": "bfloat16"}, "dtype='bfloat16': give a floating point dtype"),
        ({"dtype": torch.int8}, r"dtype=torch\.int8"),
        ({"chunk": 0}, "chunk=0"),
        ({"windw": 3}, r"takes no option 'windw'.*'window'"),
        ({"base_line": 3}, "'baseline'"),
    ],
)
def test_options_that_mean_nothing(net, x, options, said):
    for occlude in (explain.occlusion, explain.occlusion_sweep):
        with pytest.raises(OptionError, match=said):
            occlude(net, x, **options)
    with pytest.raises(OptionError, match=said):
        list(explain.snapshots(explain.occlusion, net, x, **options))
    with pytest.raises(OptionError, match=said):
        list(explain.sweep_snapshots(net, x, **options))


def test_a_score_that_is_nan_once_a_place_is_hidden(x):
    class Root(nn.Module):
        def forward(self, x):
            return x.amin((2, 3)).add(50).sqrt()

    with pytest.raises(ModelError, match="with a part hidden holds NaN"):
        explain.occlusion(Root(), x, 1, baseline=-60.0)
