"""Activations: as they were made, found by any name, with their pictures; the model left as found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cnnwidgets import Classifier, explain
from cnnwidgets.errors import Cancelled, LayerError, OptionError, TargetError
from tests.explain.hooked import hooked
from tests.explain.nets import Gap, Residual, Vgg, noise, seeded
from tests.explain.state import same, state_of, surroundings

X = noise(3, 3, 12, 12)


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
