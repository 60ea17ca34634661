"""Activations of odd networks, and of odd things that are asked for."""

from __future__ import annotations

import gc
import math
import weakref

import numpy as np
import pytest
import torch
from torch import fx, nn

from cnnwidgets import explain
from cnnwidgets.errors import LayerError, ModelError, OptionError
from cnnwidgets.explain import tap
from tests.explain.nets import Gap, noise, seeded

X = noise(2, 3, 12, 12)


class Masked(nn.Module):
    """Uses maps of truth values and of whole numbers."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        x = self.conv(x)
        steps = (x * 4).long()
        return (torch.where(x > 0, x, x * 0.1) + steps).mean((2, 3))


class Fourier(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        return torch.fft.irfft2(torch.fft.rfft2(self.conv(x)) * 0.5).mean((2, 3))


def test_maps_without_floating_point_numbers_have_values_but_no_contributions():
    model = seeded(Masked())
    acts = explain.activations(model, X, target=1)
    conv = model.conv(X).detach().numpy()
    np.testing.assert_array_equal(acts["gt()"].values, conv > 0)
    assert set(acts) - set(acts.contributions()) == {"gt()", "long()"}
    assert np.isfinite(acts["conv"].rank("contribution").scores).all()
    for failing in (
        lambda: acts["gt()"].rank("contribution"),
        lambda: explain.activations(model, X, "gt()").contributions(),
        lambda: explain.grad_cam(model, X, 1, layer="gt()"),
    ):
        with pytest.raises(ModelError, match="no floating point numbers"):
            failing()


def test_complex_values_are_no_layers():
    assert [layer.name for layer in explain.layers(seeded(Fourier()), X)] == ["conv", "fft_irfft2()"]


def test_dropout_that_hands_on_its_input_is_listed_once():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(), nn.Dropout2d(inplace=True), nn.Flatten())
    assert [layer.name for layer in explain.layers(model, X)] == ["0", "1", "2"]


@pytest.fixture
def without_gc():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_gc")
def test_memory_is_free_as_soon_as_nobody_holds_it(monkeypatch):
    """Hundreds of megabytes in a circle would wait for Python's search for circles, which counts objects."""
    taps, begin = [], tap.Tap.__init__

    def watched(self, *given, **options):
        taps.append(weakref.ref(self))
        begin(self, *given, **options)

    monkeypatch.setattr(tap.Tap, "__init__", watched)
    model = seeded(Gap())
    acts = explain.activations(model, X, target=1)
    acts["features"].rank("contribution", target=2)
    explain.receptive_field(model, X, "features", (1, 1), effective=True)
    kept = weakref.ref(acts.kept)
    del acts
    assert kept() is None
    assert taps
    assert all(one() is None for one in taps)


def test_a_hooks_owner_may_write_over_what_was_shown_to_the_hook():
    model, shown = seeded(Gap()), []
    model.features[0].register_forward_hook(lambda module, given, out: shown.append(out))
    acts = explain.activations(model, X, ["features.0", "features.3"])
    expected = model.features[0].forward(X).detach().numpy()
    for tensor in shown:
        tensor.detach().zero_()
    np.testing.assert_allclose(acts["features.0"].values, expected, atol=1e-6)


def test_a_layer_too_large_to_keep_does_not_push_out_the_others():
    model = seeded(nn.Sequential(nn.Conv2d(3, 2, 3), nn.Conv2d(2, 64, 1), nn.Flatten()))
    small = 2 * 2 * 10 * 10 * 4
    acts = explain.activations(model, X, [0, 1], memory=2 * small)
    assert acts[1].values.nbytes > acts.kept.memory
    with torch.no_grad():
        model[0].weight.zero_()
    assert acts[0].values.any()  # kept: what is missing could not be computed any more
    acts.kept.fill([])
    acts.fill()
    assert acts.kept._bytes == small


def test_nothing_is_computed_again_in_inference_mode():
    acts = explain.activations(seeded(Gap()), X, memory=0)
    with torch.inference_mode():
        for failing in (lambda: acts["features"].values, acts.contributions):
            with pytest.raises(ModelError, match="inference_mode"):
                failing()
    assert acts["features"].values.any()


def test_hooks_on_the_backward_pass_are_left_alone():
    model, called = seeded(Gap()), []
    model.features[3].register_full_backward_hook(lambda *given: called.append(given))
    model.features.register_full_backward_pre_hook(lambda *given: called.append(given))
    found = explain.activations(model, X, target=1).contributions()
    for name, values in explain.activations(seeded(Gap()), X, target=1).contributions().items():
        np.testing.assert_array_equal(found[name], values)
    np.testing.assert_array_equal(explain.grad_cam(model, X, 1).values, explain.grad_cam(seeded(Gap()), X, 1).values)
    assert not called
    model(X).sum().backward()
    assert len(called) == 2


def test_a_graph_module_is_looked_into():
    model = seeded(Gap())
    found = explain.activations(fx.symbolic_trace(model), X, "features.3").values
    np.testing.assert_array_equal(found, explain.activations(model, X, "features.3").values)


def test_a_torchscript_module_is_one_layer():
    with pytest.warns(FutureWarning):
        scripted = torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
    assert [layer.name for layer in explain.layers(nn.Sequential(nn.Conv2d(3, 3, 3), scripted), X)] == ["0", "1"]
    found = explain.activations(scripted, X)
    np.testing.assert_allclose(found["TorchScript.forward()"].values, scripted(X).detach().numpy(), rtol=1e-6)


def test_the_meta_device_has_no_values():
    for ask in (lambda model: explain.layers(model, X), lambda model: explain.filters(model, "features.0")):
        with pytest.raises(ModelError, match=r"no values.*meta device. Load the weights"):
            ask(Gap().to("meta"))


class PerImage(nn.Module):
    """Goes through its batch image by image, as detection networks do, and mirrors each."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        return torch.cat([self.conv(one[None].flip(3)) for one in x]).mean((2, 3))


def test_a_network_that_takes_its_images_one_by_one_is_measured():
    grid = explain.activations(seeded(PerImage()), X[:1], "conv").grid
    assert grid.measured
    assert abs(grid.y.centres - np.arange(12)).max() < 0.5


@pytest.mark.parametrize(
    "layers", [range(0, 4, 3), (index for index in (0, 3)), np.array([0, 3]), {"0": 1, "3": 2}.keys()]
)
def test_layers_may_be_any_iterable(layers):
    assert set(explain.activations(seeded(Gap()).features, X, layers)) == {"0", "3"}


def test_an_index_may_be_numpys():
    model = seeded(Gap()).features
    assert explain.activations(model, X, np.int64(-3)).layer.name == "3"
    with pytest.raises(LayerError, match="no layer 'True'"):
        explain.activations(model, X, True)


def test_memory_may_be_without_bound_or_numpys():
    model = seeded(Gap())
    for memory in (math.inf, np.int64(2**20), 1e6):
        acts = explain.activations(model, X, memory=memory)
        assert len(acts.kept._kept) == len(acts)
    for memory in (math.nan, -1, True, "1G", None):
        with pytest.raises(OptionError, match="give the bytes to keep"):
            explain.activations(model, X, memory=memory)


def test_a_network_without_maps_says_so():
    with pytest.raises(LayerError, match="no layer with rows and columns"):
        explain.activations(nn.Sequential(nn.Flatten(), nn.Linear(432, 3)), X)


def test_what_an_order_needs_can_be_given_for_all_layers():
    acts = explain.activations(seeded(Gap()), X, ["features.0", "features.3"])
    assert "contribution to class 2" in acts.plot(top=2, by="contribution", target=2).get_suptitle()
    with pytest.raises(OptionError, match=r"by=\['mean'\] is not known"):
        acts["features.0"].rank(["mean"])
