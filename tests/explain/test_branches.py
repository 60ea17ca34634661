"""Networks whose path depends on the picture: right values for each, or a refusal that names layer and picture."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

import cnnwidgets as cw
from cnnwidgets import explain
from cnnwidgets.errors import LayerError, ModelError
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.subject import subject_of
from tests.explain import odd_nets as odd
from tests.explain.nets import noise, seeded

BRIGHT, DARK = noise(1, 3, 16, 16).abs(), -noise(1, 3, 16, 16, seed=3).abs()
BOTH = torch.cat([BRIGHT, DARK])


class Two(odd.Base):
    """Bright pictures go through `first`, dark ones through `other`; both call the same functions."""

    def __init__(self):
        super().__init__()
        self.other = nn.Conv2d(3, 6, 3, padding=1)

    def body(self, x):
        x = self.first(x) if x.mean() > 0 else self.other(x)
        return self.second(x.relu()).relu()


class WithoutWeights(odd.Base):
    """The branches differ in the module alone, which has no weights."""

    def __init__(self):
        super().__init__()
        self.bright, self.dark = nn.LeakyReLU(0.1), nn.LeakyReLU(0.5)

    def body(self, x):
        return self.second(self.bright(self.first(x)) if x.mean() > 0 else self.dark(self.first(x)))


class Twice(odd.Base):
    """Bright pictures go through `second` once, dark ones twice."""

    def body(self, x):
        times = 1 if x.mean().item() > 0 else 2
        x = self.first(x).relu()
        for _ in range(times):
            x = self.second(x)
        return x


KINDS = {"other weights": (Two, "first"), "no weights": (WithoutWeights, "bright"), "twice": (Twice, "second")}
IN_WORDS = r"cannot be shown for image 1: the model's forward pass depends on the values of the picture"


@pytest.fixture(params=KINDS)
def forked(request):
    kind, layer = KINDS[request.param]
    return seeded(kind()), layer


@pytest.mark.parametrize("chunk", [None, 1, 2])
def test_one_layers_values_never_come_under_anothers_name(forked, chunk):
    net, layer = forked
    for function in (explain.activations, explain.highlight):
        with pytest.raises(ModelError, match=f"'{layer}' {IN_WORDS}"):
            function(net, BOTH, layer, **({"channel": 0} if function is explain.highlight else {}), chunk=chunk)
    with pytest.raises(ModelError, match=f"'{layer}' {IN_WORDS}"):
        explain.grad_cam(net, BOTH, 1, layer=layer, chunk=chunk)
    with pytest.raises(ModelError, match=f"'{layer}' {IN_WORDS}"):
        explain.guided_backprop(net, BOTH, layer, 0, chunk=chunk)
    with pytest.raises(ModelError, match=r"'.*' " + IN_WORDS):
        explain.activations(net, BOTH, "all", chunk=chunk)


def test_each_picture_by_itself_has_layers_of_its_own():
    net = seeded(Two())
    for x, part, missing in ((BRIGHT, net.first, "other"), (DARK, net.other, "first"), (BRIGHT, net.first, "other")):
        name = "first" if missing == "other" else "other"
        np.testing.assert_allclose(explain.activations(net, x, name).values, part(x).detach().numpy(), atol=1e-6)
        assert missing not in [layer.name for layer in explain.layers(net, x)]
        with pytest.raises(LayerError, match=f"'{missing}' has no map"):
            explain.grad_cam(net, x, 1, layer=missing)


def gradient_alone(net, x):
    leaf = x.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)
    return slope.abs().amax(1).numpy()


@pytest.mark.parametrize("chunk", [None, 2])
def test_what_needs_no_layer_is_right_for_each_picture(forked, chunk):
    net, _ = forked
    expected = np.concatenate([gradient_alone(net, x) for x in (BRIGHT, DARK)])
    np.testing.assert_allclose(explain.saliency(net, BOTH, 1, chunk=chunk).values, expected, rtol=1e-4, atol=1e-7)
    scores = torch.cat([net(x) for x in (BRIGHT, DARK)]).detach().numpy()
    np.testing.assert_allclose(cw.Classifier(net).scores(BOTH)[0].numpy(), scores, rtol=1e-5, atol=1e-7)
    heatmap = explain.occlusion(net, BOTH, 1, window=8, stride=8, baseline=torch.zeros(3), chunk=chunk)
    assert "depends on the values of the picture" in heatmap.params["engine"]
    for image, x in enumerate((BRIGHT, DARK)):
        for row in range(2):
            for column in range(2):
                hidden = x.clone()
                hidden[:, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 0
                change = (net(x)[0, 1] - net(hidden)[0, 1]).item()
                np.testing.assert_allclose(heatmap.values[image, row, column], change, rtol=1e-3, atol=1e-6)


def test_smoothgrad_follows_each_noisy_copy():
    """The copies of a picture near the border take both paths."""
    net = seeded(Two())
    x = noise(1, 3, 16, 16, seed=7)
    x = x - x.mean() + 1e-4
    found = explain.smoothgrad(net, x, 1, samples=6, noise=0.2, signed=True).values
    generator = torch.Generator().manual_seed(0)
    sigma = 0.2 * (x.amax() - x.amin())
    slopes, paths = [], set()
    for _ in range(6):
        leaf = (x + sigma * torch.randn(x.shape[1:], generator=generator)).requires_grad_(True)
        paths.add(bool(leaf.mean() > 0))
        slopes.append(torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)[0])
    assert paths == {False, True}
    expected = torch.stack(slopes).mean(0).sum(1).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    with pytest.raises(ModelError, match=r"'first' cannot be shown for the noisy copy \d"):
        explain.smoothgrad(net, x, 1, of=explain.grad_cam, layer="first", samples=6, noise=0.2)


def test_an_index_names_layer_and_picture():
    net = seeded(Two())
    with pytest.raises(ModelError, match=r"'item 1'.*'first' cannot be shown.*'other.weight' instead of 'first"):
        cw.PatchIndex.build(net, BOTH, k=1, progress=False)
    alike = torch.cat([BRIGHT, BRIGHT * 0.5])
    index = cw.PatchIndex.build(net, alike, k=1, progress=False)
    assert index.layers[0].name == "first"


def test_pictures_of_a_quantile_take_the_path_too():
    net = seeded(Two())
    with pytest.raises(ModelError, match="'first' cannot be shown for item 0 of over=, image 1"):
        explain.highlight(net, BRIGHT, "first", 0, over=[BOTH])
    explain.highlight(net, BRIGHT, "first", 0, over=[torch.cat([BRIGHT, BRIGHT])])


def test_a_trunk_cannot_be_cut_off():
    with pytest.raises(ModelError, match="trunk cannot be cut off"):
        cw.gap_classifier(seeded(Two()), BOTH, [0, 1], epochs=2)


def test_an_early_exit():
    """What lies before the exit is the same for both pictures; what lies behind is one's alone."""
    net = seeded(odd.EarlyExit())
    sure, unsure = None, None
    for seed in range(60):
        x = (0.2 + seed / 4) * noise(1, 3, 16, 16, seed=seed)
        if net.fc(net.first(x).relu().mean((2, 3))).softmax(1).max() > 0.5:
            sure = x
        else:
            unsure = x
    both = torch.cat([sure, unsure])
    np.testing.assert_allclose(
        explain.activations(net, both, "first").values, net.first(both).detach().numpy(), atol=1e-5
    )
    with pytest.raises(ModelError, match=r"'second' cannot be shown for image 1"):
        explain.activations(net, torch.cat([unsure, sure]), "second")
    np.testing.assert_allclose(
        explain.saliency(net, both, 1).values,
        np.concatenate([gradient_alone(net, x) for x in (sure, unsure)]),
        rtol=1e-4,
        atol=1e-7,
    )


def test_experts_of_each_picture():
    """Each picture's expert is chosen for itself, whatever stands beside it."""
    net = seeded(odd.Experts())
    x = torch.cat([noise(1, 3, 16, 16, seed=seed) * scale for seed, scale in ((1, 0.2), (2, 3.0), (3, 0.3))])
    expected = np.concatenate([gradient_alone(net, one) for one in torch.split(x, 1)])
    np.testing.assert_allclose(explain.saliency(net, x, 1).values, expected, rtol=1e-4, atol=1e-7)


def test_chance_picks_the_same_path_for_a_picture_alone_and_beside_others():
    net = seeded(odd.StochasticDepth())
    alone = np.concatenate([explain.grad_cam(net, x, 1).values for x in (BRIGHT, DARK)])
    np.testing.assert_allclose(explain.grad_cam(net, BOTH, 1).values, alone, rtol=1e-5, atol=1e-8)


def test_a_path_that_changes_between_two_passes_is_noticed():
    """No value tells of it: the weights that a call is given do."""

    class Alternating(Two):
        calls = 0

        def body(self, x):
            type(self).calls += 1
            x = self.first(x) if type(self).calls % 2 else self.other(x)
            return self.second(x.relu()).relu()

    net = seeded(Alternating())
    explain.layers(net, BRIGHT)  # the first pass, with `first`
    with pytest.raises(ModelError, match=r"call 0 was 'conv2d' with 'first.weight', 'first.bias' and is now .*other"):
        explain.activations(net, BRIGHT, "second")


def test_networks_that_look_at_no_values_take_several_pictures_at_once():
    for kind in (odd.Base, odd.Counter, odd.Fourier, odd.Excited):
        network = Network(subject_of(seeded(kind()), BOTH))
        assert not network.trace.branches
        assert network.at_once(4) == 4
    for kind in (Two, Twice, WithoutWeights, odd.Experts, odd.Loop, odd.EarlyExit, odd.StochasticDepth):
        network = Network(subject_of(seeded(kind()), BOTH))
        assert network.trace.branches
        assert network.at_once(4) == 1


def test_the_remedy_works():
    net = seeded(Two())
    with pytest.raises(ModelError) as caught:
        explain.grad_cam(net, BOTH, 1)
    assert re.search("Explain pictures of different paths one by one", str(caught.value))
    assert {explain.grad_cam(net, x, 1).layer for x in (BRIGHT, DARK)} == {"relu()#1"}
