"""Activations: as they were made, one pass for all layers, bounded memory, the model left as found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cnnwidgets import Classifier, explain
from cnnwidgets.errors import Cancelled, LayerError, ModelError, OptionError, TargetError
from tests.explain.hooked import hooked
from tests.explain.nets import Gap, Residual, Vgg, noise, seeded
from tests.explain.state import same, state_of, surroundings

X = noise(3, 3, 12, 12)


class Counted(nn.Module):
    """A network that counts the passes of its stem and of its head, over all of its twins."""

    def __init__(self):
        super().__init__()
        self.count = {"stem": 0, "head": 0}
        counts = self.count
        self.stem = Gap().features
        self.head = nn.Conv2d(6, 5, 1)
        self.tally = lambda name: counts.__setitem__(name, counts[name] + 1)

    def forward(self, x):
        self.tally("stem")
        x = self.stem(x)
        self.tally("head")
        return self.head(x).mean((2, 3))


def counted():
    """Return such a network, whose trace has been made."""
    model = seeded(Counted())
    explain.layers(model, X)
    model.count.update(stem=0, head=0)
    return model


def textbook():
    """A VGG-style Sequential as a notebook writes it: module 30 is the last convolution, 31 its BatchNorm."""
    parts, channels = [], 3
    for block, width in enumerate((8, 8, 12, 12, 16)):
        for _ in range(1 if block else 2):
            parts += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            channels = width
        parts += [nn.MaxPool2d(2), nn.Dropout(0.3), nn.Identity()] if block < 4 else []
    parts += [nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
    parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 10), nn.LogSoftmax(dim=1)]
    return seeded(nn.Sequential(*parts))


def test_the_textbook_case_works_as_written():
    model = textbook()
    x = noise(2, 3, 32, 32)
    acts = explain.activations(model, x, [0, 30])
    expected = hooked(model, x)
    assert isinstance(model[0], nn.Conv2d)
    assert (expected["0"][0] < 0).any()  # the ReLU behind has not written over it
    for index in (0, 30):
        np.testing.assert_allclose(acts[index].values, expected[str(index)][0], atol=1e-5)
    assert list(acts) == ["0", "30"]
    assert acts[0].rank("contribution").units == "log-probability"


@pytest.mark.parametrize("model", [Residual(), Gap(), Vgg(), textbook()], ids=["residual", "gap", "vgg", "textbook"])
def test_every_call_of_every_module_is_as_a_hook_with_a_clone_sees_it(model):
    size = 32 if isinstance(model, nn.Sequential) else 12
    model = seeded(model)
    x = noise(3, 3, size, size)
    expected = hooked(model, x)
    acts = explain.activations(model, x, list(explain.layers(model, x)), chunk=2)
    compared = 0
    for name, one in acts.items():
        path, _, nth = name.partition("#")
        if path in expected:
            np.testing.assert_allclose(one.values, expected[path][int(nth or 0)], atol=1e-5, err_msg=name)
            compared += 1
    maps = sum(value.ndim == 4 and value[0, 0].size > 1 for values in expected.values() for value in values)
    assert compared == maps > 4


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


def test_results_cannot_be_written_to():
    one = explain.activations(seeded(Gap()), X, "features.0")
    ranking = one.rank()
    contributions = one.contributing().values[one.layer.call]
    for array in (one.values, one.statistics.mean, ranking.order, ranking.scores, contributions):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_layers_are_found_by_any_name():
    model = seeded(Vgg())
    acts = explain.activations(model, X, [model.features[0], "features"])
    assert acts["features.0"] is acts[model.features[0]]
    assert acts["features.4"] is acts["features"]  # the same value under its inner name
    assert acts[explain.layers(model, X)[0]] is acts["features.0"]
    assert [layer.name for layer in acts.layers] == list(acts) == [name for name, _ in acts.items()]
    with pytest.raises(LayerError, match=r"'features\.1' is not among"):
        acts["features.1"]
    with pytest.raises(LayerError, match=r"no layer 'featres'.*features"):
        acts["featres"]
    with pytest.raises(LayerError, match="2 layers"):
        _ = acts.values
    assert np.asarray(acts["features"]).shape == (3, 5, 6, 6)
    assert len(acts["features"]) == 3


def test_with_a_classifier_pictures_and_frames_come_along():
    clf = Classifier(seeded(Gap()), classes=list("abcde"))
    picture = np.random.default_rng(0).integers(0, 255, (12, 14, 3), dtype=np.uint8)
    one = explain.activations(clf, picture, None, target="b")["features"]
    assert one.frames[0].picture_size == (12, 14)
    assert one.rank("contribution").words == "contribution to b"
    heatmap = one.heatmap(-1)
    assert heatmap.params["channel"] == 5
    assert heatmap.layer == "features"
    np.testing.assert_array_equal(heatmap.values, one.values[:, 5])
    assert heatmap.on_picture().shape == (12, 14)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"layers": []}, LayerError, "empty"),
        ({"layers": "features.9"}, LayerError, "no layer 'features.9'"),
        ({"memory": -1}, OptionError, "memory=-1"),
        ({"dtype": torch.int8}, OptionError, "dtype=torch.int8"),
        ({"chunk": 0}, OptionError, "chunk=0"),
        ({"target": 9}, TargetError, "9"),
        ({"layer": "features"}, OptionError, "layers"),
    ],
)
def test_what_means_nothing_is_refused(options, error, words):
    with pytest.raises(error, match=words):
        explain.activations(seeded(Gap()), X, **options)


@pytest.mark.parametrize("train", [False, True])
def test_the_model_is_left_as_found_also_after_a_failure(train):
    model = seeded(Residual()).train(train)
    model.conv1.register_forward_hook(lambda *_: None)
    before, around = state_of(model), surroundings()
    acts = explain.activations(model, X, memory=0)
    for name in acts:
        acts[name].rank("contribution")
    explain.highlight(model, X, None, 0, over=[X, X[0]])
    token = explain.CancelToken()
    with pytest.raises(Cancelled):
        explain.activations(model, X, chunk=1, progress=lambda *_: token.cancel(), cancel=token)
    with pytest.raises(ZeroDivisionError):
        explain.activations(model, X, target=lambda out: out[:, 0] / (1 // 0))
    same(before, state_of(model))
    same(around, surroundings())


def test_figures_show_the_first_channels():
    model = seeded(Gap())
    acts = explain.activations(model, X)
    figure = acts["features"].plot(4, "mean", scale="shared", sign="both")
    titles = [axes.get_title() for part in figure.subfigs for axes in part.axes]
    order = acts["features"].rank("mean").order
    assert [title.split(":")[0] for title in titles if title] == [str(channel) for channel in order[:4]]
    assert acts._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(OptionError, match="top=0"):
        acts.plot(top=0)


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
    np.testing.assert_allclose(acts["conv"].values, assigned, atol=1e-6)
    assigned[:, 0] = 1.0
    np.testing.assert_allclose(acts["setitem()"].values, assigned, atol=1e-6)
    np.testing.assert_allclose(acts["relu()"].values, assigned.relu(), atol=1e-6)
    np.testing.assert_allclose(acts["mul()"].values, assigned.relu() * 2, atol=1e-6)
    assert "setitem()" not in acts.contributions()
    with pytest.raises(ModelError, match=r"'setitem\(\)' is an assignment"):
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
