"""The index equals a brute-force search with plain hooks, ties included."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from cnnwidgets import PatchIndex
from cnnwidgets.errors import LayerError
from cnnwidgets.explain.layers import default_layer
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.subject import subject_of
from tests.explain.nets import Gap, Residual, Vgg, noise, seeded
from tests.explain.random_nets import networks
from tests.patches.brute import Brute
from tests.patches.nets import EXACT, Does, Fitful, dots, whole

SEEN = {
    "plain": 7,
    "clamped": 9,
    "clipped": 32,
    "block": 10,
    "dense": 8,
    "gated": 3,
    "rigid": 3,
    "masked": 4,
}  # by hooks


def indexed(model, images, k=4, **options):
    return PatchIndex.build(model, images, k=k, progress=False, **options)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", EXACT)
def test_it_is_the_brute_force_to_the_last_bit(name, dtype):
    for seed in range(3):
        model, x = whole(EXACT[name](), seed, dtype), dots(23, seed=seed, dtype=dtype)
        Brute(model, x).check(indexed(model, x), least=SEEN[name])


@pytest.mark.parametrize("per_image", [2, 3, 100])
def test_several_patches_of_one_image(per_image):
    for name in ("plain", "block", "clamped"):
        model, x = whole(EXACT[name](), 1), dots(6)
        Brute(model, x).check(indexed(model, x, 7, per_image=per_image), least=SEEN[name], per_image=per_image)


def test_more_places_than_images():
    model, x = whole(EXACT["plain"]()), dots(3)
    index = indexed(model, x, 50)
    Brute(model, x).check(index, least=7)
    assert len(index.top(0, 0)) == len(index.bottom(0, 0)) == len(index.sample(0, 0)) == 3


def test_some_layers_only():
    model, x = whole(EXACT["plain"](), 2), dots(20)
    index = indexed(model, x, layers=["2", model[4]])
    assert [layer.name for layer in index.layers] == ["2", "4", "6"]  # the last feature map is always there
    Brute(model, x).check(index, least=3)


@pytest.mark.parametrize("name", EXACT)
def test_half_precision(name):
    model, x = whole(EXACT[name](), 1, torch.bfloat16), dots(23, dtype=torch.bfloat16)
    # The mean of a sum is the sum of the means, which are not rounded as the sum's cells are.
    Brute(model, x).check(indexed(model, x), least=SEEN[name], of_means=2**-8)


@pytest.mark.parametrize("bits", [52, 54])
def test_cells_that_only_rounding_makes_equal(bits):
    model, x = whole(EXACT["plain"]()[:3], 0, torch.float64), dots(40, dtype=torch.float64)
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([1, -1, 1, 1, 1, 1]) * 2.0**-bits)
        model[1].bias.fill_(1)
    Brute(model, x).check(indexed(model, x), least=3, exact=False)


def has_maps(model, x):
    """A network can be drawn without any: of linear layers alone."""
    try:
        default_layer(Network(subject_of(model, x[:1])).trace)
    except LayerError:
        return False
    return True


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@settings(max_examples=25, deadline=None)
@given(model=networks(9, 11), seed=st.integers(0, 99))
def test_random_networks(model, seed):
    x = noise(9, 2, 9, 11, seed=seed, dtype=torch.float64)
    assume(has_maps(model, x))
    index = indexed(model, x, 3)
    brute = Brute(model, x)
    brute.check(index, least=len(brute.layers(index)), exact=False, atol=1e-6, predicted=False)


@pytest.mark.parametrize("model", [Gap(), Residual(), Vgg()], ids=["gap", "residual", "vgg"])
def test_common_networks(model):
    model, x = seeded(model), noise(70, 3, 12, 12)
    Brute(model, x).check(indexed(model, x, 5), least=5, exact=False, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "efficientnet_b0", "densenet121"])
def test_networks_of_torchvision(name):
    torchvision = pytest.importorskip("torchvision")
    model = seeded(getattr(torchvision.models, name)(num_classes=7))
    x = noise(5, 3, 64, 64)
    index = indexed(model, x, 2)
    brute = Brute(model, x)
    layers = brute.layers(index)
    assert len(layers) > 40
    chosen = layers[:: len(layers) // 6]
    maps = [{layer.name: one[layer.name] for layer in chosen} for one in brute.maps]
    for layer in chosen:
        scale = max(np.abs(one[layer.name]).max() for one in maps)
        for channel in range(0, layer.shape[0], max(1, layer.shape[0] // 8)):
            for kind, sign in (("top", 1), ("bottom", -1)):
                extremes = [(sign * one[layer.name][channel]).max() for one in maps]
                patches = getattr(index, kind)(layer, channel)
                expected = sign * np.sort(extremes)[::-1][:2]
                np.testing.assert_allclose(patches.values, expected, atol=1e-5 * scale)
                for patch in patches:
                    value = maps[patch.image][layer.name][channel, patch.row, patch.column]
                    np.testing.assert_allclose(patch.value, value, atol=1e-5 * scale)
        means = [one[layer.name].mean((1, 2)) for one in maps]
        np.testing.assert_allclose(index.mean(layer), np.mean(means, 0), atol=1e-5 * scale)
    predicted = [int(output[0].argmax()) for output in brute.outputs]
    for patch in index.sample(0, 0):
        assert patch.predicted == f"class {predicted[patch.image]}"


class Halves(nn.Module):
    """Two halves of a map, each through modules of its own, which keep its order or not."""

    def __init__(self):
        super().__init__()
        self.conv, self.same = nn.Conv2d(3, 8, 3), nn.Identity()
        self.norm, self.first, self.second = nn.BatchNorm2d(4), nn.ReLU(), nn.ReLU()
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        a, b = self.conv(x).chunk(2, 1)
        return self.fc((self.first(self.norm(a)) + self.second(self.same(b))).mean((2, 3)))


@pytest.mark.parametrize("per_image", [1, 3])
def test_several_results_of_one_function(per_image):
    """What is known of one half says nothing of what is behind the other."""
    model, x = seeded(Halves(), dtype=torch.float64), noise(23, 3, 9, 11, dtype=torch.float64)
    index = indexed(model, x, 5, per_image=per_image)
    assert {"chunk()", "same", "norm", "first", "second"} <= {layer.name for layer in index.layers}
    Brute(model, x).check(index, least=5, exact=False, atol=1e-6, per_image=per_image)


def test_images_that_give_nan_are_left_out_and_named():
    model, x = whole(Fitful()), dots(30)
    x[:, 0, 0, 0] = torch.tensor([0.0, 2, 1, -2, -1] * 6)
    bad = [number for number in range(30) if abs(float(x[number, 0, 0, 0])) == 2]
    index = indexed(model, x)
    assert [skipped.number for skipped in index.skipped] == bad
    assert index.total == 30
    assert all("NaN or infinite" in skipped.reason and "add" in skipped.reason for skipped in index.skipped)
    Brute(model, x, bad).check(index, least=3)
    assert [index.name(image) for image in range(len(index))] == [f"item {n}" for n in range(30) if n not in bad]


@pytest.mark.parametrize(
    "head",
    [
        lambda x: x, lambda x: {"words": "none"}, lambda _: None, lambda x: x.mean(), lambda x: [x[0, 0], "a"],
        lambda x: x.sum((0, 2, 3)), lambda x: x.amax((2, 3)).T,
    ],
    ids=["map", "words", "nothing", "number", "detection", "batch as one", "turned"],
)  # fmt: skip
@pytest.mark.parametrize("count", [1, 8])
def test_networks_without_class_scores(head, count):
    class Headless(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3), head

        def forward(self, x):
            return self.head(self.conv(x))

    model, x = whole(Headless()), dots(count)
    index = indexed(model, x)
    Brute(model, x).check(index, least=1, predicted=False)
    if count > 1:
        assert {patch.predicted for patch in index.sample(0, 0)} == {None}


def test_dead_channels_are_those_of_one_value():
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), Does(lambda x: x * 0 + 3))
    model = whole(model)
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([0.0, 1.0, -1.0, 0.0, 1.0]))
        model[1].bias.copy_(torch.tensor([2.0, -1e6, 1e6, 0.0, 0.0]))
    index = indexed(model, dots(9))
    assert index.dead("1").tolist() == [0, 3]
    assert index.dead("2").tolist() == [0, 1, 3]
    assert index.dead("3").tolist() == [0, 1, 2, 3, 4]
    assert index.dead("0").tolist() == []
