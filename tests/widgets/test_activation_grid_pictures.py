"""Pictures in an ActivationGrid: another one, a second one, of every size and kind; those that cannot be taken."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import cnnwidgets as cw
from tests.widgets.conftest import Browser, kept, make_classifier, make_picture
from tests.widgets.grids import decoded

SHOWN = ("image", "other", "layer", "channel", "cell", "unit", "sort", "target", "region", "activations")
SENT = ("_photo", "_seen", "_other_photo", "_other_seen", "_layers", "_sheet", "_status")


@pytest.fixture
def grid(clf):
    yield from kept(cw.ActivationGrid(clf, make_picture(), layer="first"))


def bare() -> nn.Module:
    """Takes pictures of any size."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    ).eval()


def test_another_picture_keeps_what_is_pinned(grid):
    browser = Browser(grid)
    grid.pin(2, 3, 4)
    grid.target, grid.region = "lynx", [{"width": 3, "points": [[1, 2]]}]
    before = grid.activations
    grid.image = make_picture(20, 70)
    assert grid.wait(20) is not before
    assert grid.unit == {"layer": "first", "channel": 2, "y": 3, "x": 4}
    assert grid.region == []
    assert grid.target == grid.clf.predict(grid.image)[0].index
    assert (grid._photo["width"], grid._photo["height"]) == (20, 70)
    assert {"_photo", "_seen", "_sheet", "region"} <= browser.names
    np.testing.assert_allclose(decoded(grid._sheet), grid.activations.values, atol=grid._sheet["scale"] * 2**-11)


def test_a_picture_of_another_size_unpins_what_is_gone():
    grid = cw.ActivationGrid(bare(), torch.rand(3, 40, 60), layer="0", channel=1, cell=[19, 3])
    grid.wait(20)
    heard = []
    grid.observe(lambda change: heard.append((change.new, grid.wait(20).values.shape)), "cell")
    grid.image = torch.rand(3, 60, 40)
    assert (grid.layer, grid.channel, grid.cell) == ("0", 1, [19, 3])
    grid.image = torch.rand(3, 20, 40)
    assert (grid.layer, grid.channel, grid.cell) == ("0", 1, None)
    assert grid.unit == {"layer": "0", "channel": 1, "y": None, "x": None}
    assert grid.wait(20).values.shape == (1, 4, 10, 20)
    assert grid._layers[0]["shape"] == [4, 10, 20]
    assert heard == [(None, (1, 4, 10, 20))]


def test_a_second_picture(grid):
    browser = Browser(grid)
    other = make_picture(20, 70)
    first = grid.activations.values
    grid.other = other
    both = grid.wait(20).values
    np.testing.assert_allclose(both[0], first[0], atol=1e-6)
    np.testing.assert_allclose(both[1], cw.explain.activations(grid.clf, other, "first").values[0], atol=1e-6)
    assert grid._sheet["shape"] == [2, 4, 16, 16]
    assert (grid._other_photo["width"], grid._other_photo["height"]) == (20, 70)
    assert grid._other_seen == [0, 0, 20, 70]
    assert len(grid._sheet["xs"]) == 2
    assert max(grid._sheet["ys"][1]) > 60
    assert "_photo" not in browser.names
    grid.sort = "difference"
    difference = np.abs(both[0].mean((1, 2)) - both[1].mean((1, 2)))
    np.testing.assert_allclose(grid.ranking.scores, difference, rtol=1e-4, atol=1e-6)
    grid.channel, grid.threshold = 1, 0.5
    assert [mask.shape for mask in grid.highlight.masks] == [(40, 60), (70, 20)]
    grid.other = None
    assert grid.sort == "maximum"
    assert grid.wait(20).values.shape[0] == 1
    assert (grid._other_photo, grid._other_seen) == ({}, [])


@pytest.mark.parametrize(
    "bad",
    ["no-such-file.png", np.zeros((3, 4, 7), np.uint8), b"not a picture", 7, [make_picture()] * 2, torch.rand(3, 9, 9)],
    ids=["file", "array", "bytes", "number", "two", "tensor of another size"],
)
@pytest.mark.parametrize("name", ["image", "other"])
@pytest.mark.parametrize("second", [False, True])
def test_a_bad_picture_changes_nothing(clf, name, bad, second):
    grid = cw.ActivationGrid(clf, make_picture(), make_picture(50, 50) if second else None, channel=1)
    grid.wait(20)
    if name == "image" and isinstance(bad, torch.Tensor) and not second:
        bad = torch.rand(5, 9, 9)  # alone, one of another size is welcome
    browser = Browser(grid)
    before = {trait: getattr(grid, trait) for trait in (*SHOWN, *SENT)}
    with pytest.raises((cw.CnnWidgetsError, RuntimeError)):
        setattr(grid, name, bad)
    for trait, value in before.items():
        now = getattr(grid, trait)
        assert now is value or now == value, trait
    assert not set(SENT) & browser.names
    setattr(grid, name, make_picture(30, 30))
    assert len(grid.wait(20)) == (2 if second or name == "other" else 1)


def test_pictures_of_two_sizes_say_what_to_do():
    grid = cw.ActivationGrid(bare(), torch.rand(3, 40, 60))
    with pytest.raises(cw.CnnWidgetsError, match=r"\(3, 40, 60\) and \(3, 30, 30\).*one size"):
        grid.other = torch.rand(3, 30, 30)
    assert grid.other is None
    grid.other = torch.rand(3, 40, 60)
    with pytest.raises(cw.CnnWidgetsError, match=r"\(3, 30, 30\) and \(3, 40, 60\).*other = None"):
        grid.image = torch.rand(3, 30, 30)
    assert grid.image.shape == (3, 40, 60)
    with pytest.raises(cw.CnnWidgetsError, match="cannot be compared"):
        cw.ActivationGrid(bare(), torch.rand(3, 40, 60), torch.rand(3, 30, 30))


def test_a_picture_too_small_for_any_map_is_refused():
    grid = cw.ActivationGrid(bare(), torch.rand(3, 40, 60))
    with pytest.raises(cw.CnnWidgetsError, match="1 x 1 pixels"):
        grid.image = torch.rand(3, 1, 1)
    assert grid.image.shape == (3, 40, 60)
    assert grid.wait(20).values.shape == (1, 4, 20, 30)


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
    for grid in (cw.ActivationGrid(clf, image), cw.ActivationGrid(clf, image, image, channel=1, cell=[0, 0])):
        assert np.isfinite(grid.wait(20).values).all()
        left, top, right, bottom = grid._seen
        assert 0 <= left < right <= grid._photo["width"]
        assert 0 <= top < bottom <= grid._photo["height"]
        assert min(grid.snapshot().size) > 0


def test_one_channel():
    grid = cw.ActivationGrid(make_classifier(channels=1), Image.new("L", (28, 28), 90), Image.new("RGB", (9, 9)))
    assert grid.wait(20).values.shape == (2, 6, 8, 8)
