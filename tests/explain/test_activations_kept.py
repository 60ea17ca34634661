"""What activations cost and what they keep: passes, memory, precision, tensors that are written over."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from cnnwidgets import explain
from cnnwidgets.errors import ModelError
from tests.explain.hooked import hooked
from tests.explain.nets import Gap, Vgg, noise, seeded

X = noise(3, 3, 12, 12)


COUNT = {"stem": 0, "head": 0}  # in no network: every private copy has state of its own


class Counted(nn.Module):
    """A network that counts the passes of its stem and of its head, over all of its twins."""

    count = property(lambda self: COUNT)

    def __init__(self):
        super().__init__()
        self.stem = Gap().features
        self.head = nn.Conv2d(6, 5, 1)

    def forward(self, x):
        COUNT["stem"] += 1
        x = self.stem(x)
        COUNT["head"] += 1
        return self.head(x).mean((2, 3))


def counted():
    """Return such a network, whose trace has been made."""
    model = seeded(Counted())
    explain.layers(model, X)
    model.count.update(stem=0, head=0)
    return model


def test_one_pass_serves_all_layers():
    model = counted()
    acts = explain.activations(model, X, chunk=3)
    for one in (acts[name] for name in acts):
        assert one.values.shape[0] == 3
    assert model.count["stem"] == 1
    acts.contributions()  # for the top class: one more, and none for the layers after the first
    for name in acts:
        acts[name].rank("contribution")
    assert model.count["stem"] == 2


def test_a_target_is_answered_by_the_same_pass():
    model = counted()
    acts = explain.activations(model, X, target=lambda out: out[:, 1], chunk=3)
    acts.contributions()
    assert model.count["stem"] == 1
    later = explain.activations(model, X).contributions(1)
    for name, values in acts.contributions().items():
        np.testing.assert_allclose(values, later[name], atol=1e-6)


def test_contributions_are_remembered_for_any_form_of_a_target():
    model = counted()
    acts = explain.activations(model, X, "stem", chunk=3)

    @dataclasses.dataclass
    class Compared:  # compares by its values, so it has no hash
        index: int

        def __call__(self, output):
            return output[:, self.index]

    for target in (1, [1, 2, 3], np.array([1, 2, 3]), torch.tensor([3, 2, 1]), lambda out: out[:, 0], Compared(2)):
        first = acts.contributions(target)["stem"]
        model.count.update(stem=0)
        assert acts.contributions(target)["stem"] is first
        assert model.count["stem"] == 0
    other = acts.contributions(Compared(0))["stem"]
    np.testing.assert_allclose(other, acts.contributions(0)["stem"], atol=1e-7)


def test_a_pass_ends_at_the_last_layer_that_was_asked_for():
    model = counted()
    explain.activations(model, X, "stem")
    assert model.count == {"stem": 1, "head": 0}


def test_what_does_not_fit_into_the_memory_is_computed_again_and_equal():
    model = counted()
    everything = explain.activations(model, X)
    first = everything[everything.layers[0]].values.nbytes
    model.count.update(stem=0)
    acts = explain.activations(model, X, memory=first)
    assert model.count["stem"] == 1
    for name in [*acts, *acts]:
        np.testing.assert_array_equal(acts[name].values, everything[name].values)
        assert sum(value.nbytes for value in acts.kept._kept.values()) <= first
    assert model.count["stem"] > 2
    none = explain.activations(model, X, memory=0)
    np.testing.assert_array_equal(none["stem.3"].values, everything["stem.3"].values)


def test_layers_are_kept_in_the_order_asked_for():
    model = counted()
    sizes = {name: one.values.nbytes for name, one in explain.activations(model, X).items()}
    model.count.update(stem=0)
    acts = explain.activations(model, X, ["head", "stem"], memory=sizes["head"])
    _ = acts["head"].values
    assert model.count["stem"] == 1
    _ = acts["stem"].values
    assert model.count["stem"] == 2


def test_a_changed_model_is_noticed_before_anything_is_mixed():
    model = seeded(Gap())
    acts = explain.activations(model, X, ["features.0", "features.3"], memory=3 * 4 * 36 * 4)
    before = acts["features.0"].values.copy()
    with torch.no_grad():
        model.features[0].weight.mul_(2)
    np.testing.assert_array_equal(acts["features.0"].values, before)  # kept: as it was
    with pytest.raises(ModelError, match="weights have been changed"):
        _ = acts["features.3"].values
    with pytest.raises(ModelError, match="weights have been changed"):
        acts.contributions()


@pytest.mark.parametrize("kept", [torch.float16, torch.bfloat16])
def test_kept_at_half_precision_given_out_as_float32(kept):
    model = seeded(Gap())
    full, half = explain.activations(model, X), explain.activations(model, X, dtype=kept)
    for name in full:
        assert half[name].values.dtype == np.float32
        expected = torch.from_numpy(full[name].values.copy()).to(kept).float().numpy()
        np.testing.assert_array_equal(half[name].values, expected)
    assert str(kept).removeprefix("torch.") in repr(half)
    assert half.params["dtype"] == str(kept).removeprefix("torch.")
    needed = sum(one.values.nbytes for _, one in full.items()) // 2
    assert len(explain.activations(model, X, dtype=kept, memory=needed).kept._kept) == len(full)


def test_doubles_stay_doubles():
    model = seeded(Gap(), dtype=torch.float64)
    one = explain.activations(model, X.double(), "features.0")
    assert one.values.dtype == np.float64
    np.testing.assert_allclose(one.values, hooked(model, X.double())["features.0"][0], atol=1e-14)


def test_values_beyond_half_precision_are_said():
    model = seeded(Gap())
    with torch.no_grad():
        model.features[0].weight.mul_(1e6)
        model.features[1].running_mean.mul_(1e6)
        model.features[1].running_var.mul_(1e12)  # brings them back into the range
    acts = explain.activations(model, X, dtype=torch.float16)
    with pytest.raises(ModelError, match=r"features\.0.*bfloat16"):
        _ = acts["features.0"].values
    assert np.isfinite(acts["features"].values).all()


def test_nan_is_local_to_its_layer():
    model = seeded(Vgg())
    with torch.no_grad():
        model.features[2].bias[1] = float("nan")
    acts = explain.activations(model, X)
    assert np.isfinite(acts["features.1"].values).all()
    with pytest.raises(ModelError, match=r"features\.2.*NaN"):
        acts["features.2"].rank()


class Assigning(nn.Module):
    """Assigns to a map and then writes over it, also through a view."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.other = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = self.conv(x)
        x[:, 0] = 1.0
        x = x.relu_() * 2
        x.reshape(len(x), -1).add_(1.0)  # a view where channels come before rows in memory, else a copy
        return self.other(x).mean((2, 3))


@pytest.mark.parametrize("light", [True, False])
def test_assignments_and_views_do_not_spoil_what_is_kept(monkeypatch, light):
    monkeypatch.setattr("cnnwidgets.explain.network._FEW_WEIGHTS", 8_000_000 if light else 0)
    model = seeded(Assigning())
    acts = explain.activations(model, X)
    assigned = model.conv(X).detach()
    np.testing.assert_allclose(acts["conv"].values, assigned, rtol=1e-5, atol=1e-6)
    assigned[:, 0] = 1.0
    np.testing.assert_allclose(acts["setitem()"].values, assigned, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(acts["relu()"].values, assigned.relu(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(acts["mul()"].values, assigned.relu() * 2, rtol=1e-5, atol=1e-6)
    assert "setitem()" not in acts.contributions()
    with pytest.raises(ModelError, match=r"No gradient can be taken of the layer 'setitem\(\)'"):
        acts["setitem()"].rank("contribution")
    assert len(acts["conv"].rank("contribution")) == 4


class Held(nn.Module):
    """Hands on a buffer that the next pass fills anew."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.register_buffer("held", torch.zeros(3, 4, 12, 12))

    def forward(self, x):
        return self.held[: len(x)].copy_(self.conv(x)).mean((2, 3))


def test_a_buffer_that_the_next_pass_fills_is_copied():
    acts = explain.activations(seeded(Held()), X)
    before = acts["copy()"].values.copy()
    acts.kept.network.run(-acts.kept.network.x)
    np.testing.assert_array_equal(acts["copy()"].values, before)
    np.testing.assert_array_equal(before, acts["conv"].values)
