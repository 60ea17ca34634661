"""The digits network reads digits that it was not trained on, and drawings."""

from __future__ import annotations

import math
from importlib import resources

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from cnnwidgets import demo
from cnnwidgets.demo import digit_net, digit_strokes, train_digits


@pytest.fixture(scope="module")
def classifier():
    return demo.digits()


@pytest.fixture(scope="module")
def data():
    return demo.digits_data()


def arc(middle, radii, start, stop):
    """Return points on an ellipse, from `start` to `stop` degrees, clockwise from the right."""
    turns = [math.radians(start + (stop - start) * step / 24) for step in range(25)]
    return [(middle[0] + radii[0] * math.cos(turn), middle[1] + radii[1] * math.sin(turn)) for turn in turns]


#: How a hand writes each digit: strokes as points in a unit square.
STROKES = {
    "0": [arc((0.5, 0.5), (0.3, 0.45), 0, 360)],
    "1": [[(0.3, 0.25), (0.55, 0.05), (0.55, 0.95)]],
    "2": [[*arc((0.5, 0.3), (0.3, 0.25), -170, 30), (0.2, 0.95), (0.85, 0.95)]],
    "3": [arc((0.45, 0.28), (0.3, 0.23), -150, 90) + arc((0.45, 0.73), (0.33, 0.22), -90, 150)],
    "4": [[(0.6, 0.05), (0.15, 0.65), (0.85, 0.65)], [(0.65, 0.35), (0.65, 0.95)]],
    "5": [[(0.8, 0.05), (0.25, 0.05), (0.22, 0.45), *arc((0.48, 0.67), (0.3, 0.26), -140, 140)]],
    "6": [[(0.7, 0.05), (0.4, 0.3), (0.22, 0.6), *arc((0.5, 0.7), (0.28, 0.24), 180, 540)]],
    "7": [[(0.15, 0.08), (0.85, 0.08)], [(0.85, 0.08), (0.4, 0.95)]],
    "8": [arc((0.5, 0.28), (0.24, 0.22), 90, 450) + arc((0.5, 0.73), (0.3, 0.23), -90, 270)],
    "9": [[*arc((0.5, 0.3), (0.27, 0.25), 0, 360), (0.72, 0.95)]],
}


def drawn(digit, pen=14, scale=0.7, move=(0.0, 0.0), side=200):
    """Return white strokes on black: `pen` pixels wide, the digit `scale` of the side tall."""
    picture = Image.new("RGB", (side, side))
    draw = ImageDraw.Draw(picture)
    for stroke in STROKES[digit]:
        points = [
            (side * (0.5 + move[0] + 0.8 * scale * (x - 0.5)), side * (0.5 + move[1] + scale * (y - 0.5)))
            for x, y in stroke
        ]
        draw.line(points, fill="white", width=pen, joint="curve")
    return picture


def test_held_out_accuracy(classifier, data):
    images = [Image.fromarray(image) for image in data.images[data.test]]
    scores, _ = classifier.scores(images)
    named = np.array([int(classifier.classes[best]) for best in scores.argmax(1)])
    assert (named == data.labels[data.test]).mean() >= 0.98


def test_training_never_sees_the_test_images(data):
    assert len(data.images) == len(data.labels) == 1797
    assert (data.images.dtype, data.images.shape, data.images.max()) == (np.uint8, (1797, 8, 8), 255)
    assert not set(data.train) & set(data.test)
    assert set(data.train) | set(data.test) == set(range(1797))
    share = np.bincount(data.labels[data.test]) / np.bincount(data.labels)
    assert np.allclose(share, 0.25, atol=0.01)


def test_training_reads_only_the_training_images(monkeypatch, data):
    seen = []
    monkeypatch.setattr(
        digit_strokes, "vary", lambda images, _: seen.append(images) or torch.zeros(len(images), 1, 32, 32)
    )
    train_digits.train(epochs=1)
    known = {image.tobytes() for image in (data.images[data.train] / np.float32(255)).astype(np.float32)}
    assert {image.numpy().tobytes() for image in torch.cat(seen)} <= known


@pytest.mark.parametrize("digit", STROKES)
def test_drawings(classifier, digit):
    for pen in (8, 14, 20):
        best = classifier.predict(drawn(digit, pen), top=1)[0]
        assert best.name == digit, f"pen of {pen} pixels"
        assert best.probability > 0.5


@pytest.mark.parametrize("scale", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("move", [(0, 0), (0.08, 0), (-0.08, 0), (0, 0.05), (0, -0.05)])
def test_a_seven_of_two_strokes_anywhere(classifier, scale, move):
    assert classifier.predict(drawn("7", scale=scale, move=move), top=1)[0].name == "7"


@pytest.mark.parametrize("side", [64, 200, 500])
def test_drawings_of_any_size(classifier, side):
    assert classifier.predict(drawn("3", pen=side // 14, side=side), top=1)[0].name == "3"


def test_it_is_built_as_vgg_is(classifier):
    kinds = [[type(layer).__name__ for layer in block] for block in classifier.model.features]
    assert kinds == [["Conv2d", "BatchNorm2d", "ReLU"] * 2 + ["MaxPool2d"]] * 3
    head = [type(layer).__name__ for layer in classifier.model.classifier]
    assert head == ["Flatten", "Linear", "ReLU", "Dropout", "Linear"]
    assert classifier.classes == tuple("0123456789")
    assert tuple(classifier.prepare(drawn("7")).x.shape) == (1, 1, 32, 32)


def test_each_call_gives_a_new_model_and_leaves_the_random_state():
    before = torch.get_rng_state()
    one, other = demo.digits().model, demo.digits().model
    assert torch.equal(before, torch.get_rng_state())
    with torch.no_grad():
        for tensor in one.state_dict().values():
            tensor.zero_()
    assert all(parameter.abs().sum() > 0 for parameter in other.parameters())
    assert not any(module.training for module in other.modules())


def test_the_weights_are_small_and_safe():
    path = resources.files("cnnwidgets.demo") / "digits.npz"
    assert len(path.read_bytes()) < 1_000_000
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        assert {archive[name].dtype for name in archive.files} == {np.dtype(np.float16)}


def test_training_is_repeatable_and_leaves_the_random_state(monkeypatch):
    monkeypatch.setattr(train_digits, "BATCH", 256)
    before = torch.get_rng_state()
    first, second, third = (train_digits.train(epochs=1, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    weights = [torch.cat([p.detach().flatten() for p in net.parameters()]) for net in (first, second, third)]
    torch.testing.assert_close(weights[0], weights[1])
    assert not torch.allclose(weights[0], weights[2])
    assert not first.training


def test_the_script_trains_judges_and_saves(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(train_digits, "BATCH", 256)
    file = tmp_path / "weights"
    monkeypatch.setattr("sys.argv", ["train_digits", "--epochs", "1", "--save", str(file)])
    train_digits.main()
    said = capsys.readouterr().out
    assert "held-out accuracy: " in said
    with np.load(file) as archive:
        shipped = digit_net._weights()
        assert {name: archive[name].shape for name in archive} == {
            name: values.shape for name, values in shipped.items()
        }


def test_other_hands_keep_the_digit_within_the_picture(data):
    images = torch.from_numpy(data.images[:256]).float() / 255
    varied = digit_strokes.vary(images, torch.Generator().manual_seed(0))
    again = digit_strokes.vary(images, torch.Generator().manual_seed(0))
    assert torch.equal(varied, again)
    assert varied.shape == (256, 1, 32, 32)
    assert varied.min() >= 0
    assert varied.max() <= 1
    ink = varied.sum((1, 2, 3))
    assert ink.min() > 5
    assert ink.max() > 5 * ink.min()
