"""Pictures and models of every kind in a HeatmapView, and another picture while it is on show."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import cnnwidgets as cw
from tests.widgets.conftest import Net, make_classifier, make_picture


def test_another_picture(view, browser):
    before = view.heatmap
    view.target, view.instead_of = "lynx", "tabby"
    view.wait(20)
    view.image = make_picture(20, 70)
    shown = view.wait(20)
    assert shown is not before
    assert (view._photo["width"], view._photo["height"]) == (20, 70)
    assert view.target == view.predictions[0].index
    assert view.instead_of is None
    assert {"_photo", "_seen", "_predictions", "_maps"} <= browser.names
    assert shown.frames[0].picture_size == (70, 20)


@pytest.mark.parametrize("bad", ["no-such-file.png", np.zeros((3, 4, 7), np.uint8), b"not a picture", None, 7])
def test_a_bad_picture_changes_nothing(view, browser, bad):
    names = ("image", "target", "method", "predictions", "heatmap", "_photo", "_seen", "_maps", "_status")
    before = {name: getattr(view, name) for name in names}
    with pytest.raises(cw.CnnWidgetsError):
        view.image = bad
    assert all(getattr(view, name) is value or getattr(view, name) == value for name, value in before.items())
    assert not {"_photo", "_seen", "_maps"} & browser.names
    view.image = make_picture(30, 30)
    assert view.wait(20).frames[0].picture_size == (30, 30)


def test_several_pictures_are_refused(clf):
    with pytest.raises(cw.CnnWidgetsError, match="one picture, but 2"):
        cw.HeatmapView(clf, [make_picture(), make_picture()])


def test_a_picture_chosen_while_the_old_one_is_computed(clf):
    view = cw.HeatmapView(clf, make_picture(), method="smoothgrad", samples=100_000)
    view.samples = 3
    view.image = make_picture(50, 90)
    assert view.wait(20).frames[0].picture_size == (90, 50)
    assert view._status["state"] == "idle"


@pytest.mark.parametrize(
    "image",
    [
        make_picture(9, 200),
        make_picture(1, 1),
        np.zeros((12, 10), np.uint8),
        np.full((12, 10, 4), 200, np.uint8),
        torch.rand(3, 32, 48),
        torch.rand(1, 3, 17, 31),
    ],
    ids=["portrait", "one pixel", "grey array", "rgba array", "tensor", "batch of one"],
)
def test_pictures_of_every_kind(clf, image):
    view = cw.HeatmapView(clf, image)
    for method in ("saliency", "cam", "grad_cam"):
        view.method = method
        assert np.isfinite(view.wait(20).values).all()
    left, top, right, bottom = view._seen
    assert 0 <= left < right <= view._photo["width"]
    assert 0 <= top < bottom <= view._photo["height"]
    assert min(view.snapshot().size) > 0


def test_a_tensor_is_shown_as_a_picture_of_its_size():
    view = cw.HeatmapView(Net().eval(), torch.rand(3, 32, 48))
    view.wait(20)
    assert (view._photo["width"], view._photo["height"]) == (48, 32)
    assert view._seen == [0, 0, 48, 32]
    assert view._class_names == []
    assert view.heatmap.target == (view.predictions[0].name,) == (f"class {view.target}",)


def test_one_channel():
    view = cw.HeatmapView(make_classifier(channels=1), Image.new("L", (28, 28), 90))
    assert view.wait(20).values.shape == (1, 8, 8)


@pytest.mark.parametrize("names", [None, ("cat", "dog")])
def test_two_classes_with_and_without_names(names):
    view = cw.HeatmapView(make_classifier(classes=2, names=names), make_picture())
    view.wait(20)
    assert len(view.predictions) == 2
    view.target, view.instead_of = 0, 1
    wanted = "cat instead of dog" if names else "class 0 instead of class 1"
    assert view.wait(20).target == (wanted,)
    with pytest.raises(cw.CnnWidgetsError):
        view.target = 2


def test_the_model_is_left_as_it_was(clf):
    model = clf.model.train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    view = cw.HeatmapView(clf, make_picture(), samples=3)
    for method in ("saliency", "smoothgrad", "cam", "grad_cam"):
        view.method = method
        view.wait(20)
    assert all(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
