"""gap_classifier: a fully connected head becomes one on which CAM is exact."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn

import cnnwidgets as cw
from cnnwidgets import explain
from cnnwidgets.errors import Cancelled, ImageError, ModelError, OptionError, TargetError


def vgg_style(classes: int = 3) -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(12 * 4 * 4, 16),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(16, classes),
        nn.LogSoftmax(1),
    )


def patterned(count: int, seed: int) -> tuple[torch.Tensor, list[int]]:
    """Red, green and blue noise: a task that a random trunk's averages can solve."""
    x = torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 0.3
    labels = [i % 3 for i in range(count)]
    for i, label in enumerate(labels):
        x[i, label] += 0.5
    return x, labels


@pytest.fixture(scope="module")
def digits():
    clf, data = cw.demo.digits(), cw.demo.digits_data()
    retrained = cw.gap_classifier(clf, list(data.images[data.train]), data.labels[data.train])
    return clf, retrained, data


def test_digits_stay_readable(digits):
    _, retrained, data = digits
    scores, _ = retrained.scores(list(data.images[data.test]))
    assert (scores.argmax(1).numpy() == data.labels[data.test]).mean() >= 0.97


def test_cam_is_refused_before_and_exact_after(digits):
    clf, retrained, data = digits
    image = data.images[data.test[0]]
    with pytest.raises(ModelError, match=r"relu.*classifier\.2.*gap_classifier"):
        explain.cam(clf, image, "3")
    heatmap = explain.cam(retrained, image, "3")
    bias = retrained.model.linear.bias[3].item()
    assert heatmap.values.shape == (1, 8, 8)
    assert heatmap.values.mean() + bias == pytest.approx(heatmap.scores[0], rel=1e-4, abs=1e-4)


def test_the_cut_is_before_the_last_pooling():
    x, labels = patterned(12, 0)
    retrained = cw.gap_classifier(vgg_style(), x, labels)
    assert explain.cam(retrained, x[:1], 0).values.shape == (1, 8, 8)
    other = cw.gap_classifier(vgg_style(), x, labels, layer="6")
    assert explain.cam(other, x[:1], 0).values.shape == (1, 4, 4)


def test_a_net_with_a_log_softmax_learns_the_task():
    x, labels = patterned(60, 0)
    retrained = cw.gap_classifier(cw.Classifier(vgg_style()), x, labels)
    unseen, truth = patterned(30, 1)
    assert [int(i) for i in retrained.scores(unseen)[0].argmax(1)] == truth
    assert retrained.output == "logits"


def test_fit_minimises_what_the_docstring_says():
    x, labels = patterned(30, 0)
    net = vgg_style()
    retrained = cw.gap_classifier(net, x, labels, epochs=500, weight_decay=1e-2)
    with torch.no_grad():
        averages = net.eval()[:6](x).mean((2, 3)).double()
    mean, deviation = averages.mean(0), averages.std(0, correction=0).clamp_min(1e-6)
    linear = retrained.model.linear
    weight = (linear.weight.double() * deviation).detach().requires_grad_(True)
    bias = (linear.bias.double() + linear.weight.double() @ mean).detach().requires_grad_(True)
    z = (averages - mean) / deviation
    loss = nn.functional.cross_entropy(z @ weight.T + bias, torch.tensor(labels)) + 1e-2 * weight.square().sum()
    slopes = torch.autograd.grad(loss, (weight, bias))
    assert max(s.abs().max().item() for s in slopes) < 2e-3


def test_names_of_classes():
    x, labels = patterned(12, 0)
    words = [("red", "green", "blue")[label] for label in labels]
    fresh = cw.gap_classifier(cw.Classifier(vgg_style()), x, words)
    assert fresh.classes == ("blue", "green", "red")
    kept = cw.gap_classifier(cw.Classifier(vgg_style(), classes=["red", "green", "blue"]), x, words)
    assert kept.classes == ("red", "green", "blue")
    assert kept.predict(x[0])[0].name == fresh.predict(x[0])[0].name == "red"


def test_shares_nothing_and_changes_nothing():
    x, labels = patterned(12, 0)
    net = vgg_style().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = torch.get_rng_state()
    retrained = cw.gap_classifier(net, x, labels)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(module.training for module in net.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in net.parameters())
    scores = retrained.scores(x)[0]
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    assert torch.equal(retrained.scores(x)[0], scores)


def test_same_seed_same_result_and_it_can_be_stored(tmp_path):
    x, labels = patterned(12, 0)
    first, second = (cw.gap_classifier(vgg_style(), x, labels, seed=5) for _ in range(2))
    assert torch.equal(first.model.linear.weight, second.model.linear.weight)
    torch.save(first.model.state_dict(), tmp_path / "weights.pt")
    second.model.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert torch.equal(first.scores(x)[0], second.scores(x)[0])


def test_progress_ends_at_its_total_and_never_goes_back():
    x, labels = patterned(40, 0)
    seen: list[tuple[int, int]] = []
    cw.gap_classifier(vgg_style(), x, labels, epochs=20, progress=lambda done, total: seen.append((done, total)))
    assert {total for _, total in seen} == {60}
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (60, 60)


@pytest.mark.parametrize("after", [1, 45])
def test_cancel(after):
    x, labels = patterned(40, 0)
    cancel, calls = threading.Event(), []

    def progress(done: int, total: int) -> None:
        calls.append(done)
        if done >= after:
            cancel.set()

    with pytest.raises(Cancelled):
        cw.gap_classifier(vgg_style(), x, labels, epochs=50, weight_decay=0.0, progress=progress, cancel=cancel)
    assert calls[-1] <= max(after + 1, 16)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"labels": [0]}, TargetError, "1 labels were given for"),
        ({"labels": []}, TargetError, "no labels"),
        ({"labels": [0, 1, -1]}, TargetError, "out of range"),
        ({"images": []}, ImageError, "no images"),
        ({"epochs": 0}, OptionError, "epochs=0"),
    ],
)
def test_bad_input(change, error, words):
    x, labels = patterned(3, 0)
    given = {"images": x, "labels": labels, **change}
    with pytest.raises(error, match=words):
        cw.gap_classifier(vgg_style(), given.pop("images"), given.pop("labels"), **given)


def test_works_in_float64_and_from_a_generator():
    x, labels = patterned(12, 0)
    retrained = cw.gap_classifier(vgg_style().double(), (image for image in x), np.array(labels))
    assert retrained.model.linear.weight.dtype == torch.float64
    assert int(retrained.scores(x)[0][0].argmax()) == 0
