"""The layer and the channel that a gallery opens on, and the number of pictures with the same value."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import cnnwidgets as cw
from cnnwidgets.widgets._gallery_opening import opening_channel, opening_layer, saturated
from cnnwidgets.widgets._gallery_still import _first_channels
from tests.widgets.galleries import gallery_of

LABELS = "abc"


def net(*gains, first=nn.ReLU6):
    """Two layers of channels that give a picture's brightness times a gain each, clipped."""
    made = nn.Sequential(
        nn.Conv2d(1, len(gains), 1, bias=False), first(), nn.Conv2d(len(gains), len(gains), 1, groups=len(gains)),
        nn.ReLU6(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip
    with torch.no_grad():
        made[0].weight.fill_(0.01)
        made[2].weight.copy_(torch.tensor(gains)[:, None, None, None] * 100)
        made[2].bias.zero_()
    return made.eval()


def images(labelled=True):
    """Thirty images; those of a class are about as bright."""
    levels = [1 + 0.01 * number + number % 3 for number in range(30)]
    x = torch.ones(30, 1, 4, 4) * torch.tensor(levels)[:, None, None, None]
    x[:, 0, 0, 0] = 0
    return [(one, LABELS[n % 3] if labelled else None) for n, one in enumerate(x)]


def indexed(model, labelled=True, **options):
    return cw.PatchIndex.build(model, images(labelled), **{"k": 8, "progress": False} | options)


def test_it_opens_on_the_last_feature_map():
    index = indexed(net(0.1, 0.2, 9.0))
    assert index.feature_layer.name == "3"
    assert saturated(index, index.layer("3")).tolist() == [False, False, True]
    assert opening_layer(index).name == "3"


def test_or_on_the_nearest_layer_with_weights_that_is_not_at_its_cap():
    index = indexed(net(0.1, 8.0, 9.0))
    assert saturated(index, index.layer("3")).tolist() == [False, True, True]
    assert opening_layer(index).name == "2"
    assert opening_layer(indexed(net(0.1, 8.0, 9.0), layers=["1"])).name == "3"  # none there has weights


def test_it_opens_on_a_channel_that_separates_the_classes():
    model = net(0.5, 0.3, 0.2)
    with torch.no_grad():
        model[2].bias[0] = -1.2  # zero for all but the brightest
        model[2].weight[1] = -1
        model[2].bias[1] = 4
    index = indexed(model)
    layer = index.layer("2")
    scores = index.separation(layer)
    assert opening_channel(index, layer) == int(np.argmax(scores))
    assert scores.max() > 0.5


def test_neither_a_dead_nor_a_saturated_channel():
    index = indexed(net(9.0, -1.0, 0.3, 0.1))
    assert index.dead("3").tolist() == [1]
    assert saturated(index, index.layer("3")).tolist() == [True, True, False, False]
    assert opening_channel(index, index.layer("3")) in (2, 3)


def test_where_all_are_saturated_one_that_is_not_dead():
    index = indexed(net(-1.0, 9.0, 8.0))
    assert opening_channel(index, index.layer("3")) in (1, 2)
    dead = indexed(net(-1.0, -1.0))
    assert dead.dead("3").tolist() == [0, 1]
    assert opening_channel(dead, dead.layer("3")) == 0


def test_without_classes_the_highest_value():
    index = indexed(net(9.0, 0.1, 0.3, 0.2), labelled=False)
    assert opening_channel(index, index.layer("3")) == 2


def test_one_patch_of_a_channel_is_no_saturation():
    index = indexed(net(9.0, 0.3), k=1)
    assert not saturated(index, index.layer("3")).any()


@pytest.fixture
def capped():
    made = cw.NeuronGallery(net(9.0, 0.3, 8.0), images(), k=8)
    made.wait(60)
    yield made
    made.close()


def test_a_gallery_does(capped):
    index = capped.index
    assert capped.layer == opening_layer(index).name == "2"
    assert capped.channel == opening_channel(index, index.layer("2"))
    capped.layer = "3"
    assert capped.channel == 1
    capped.layer = None
    assert capped.layer == "2"


def test_ties_are_said_in_the_wall_in_python_and_in_the_still(capped):
    capped.layer, capped.channel = "3", 0
    capped.wait(20)
    assert capped._wall["ties"]["top"] == {"images": 30, "value": 6.0, "place": "cap"}
    assert capped.patches.ties_words == "30 pictures at the cap, 8 shown"
    assert "30 pictures at the cap, 8 shown" in repr(capped.patches)
    with_words = capped.snapshot()
    capped.channel = 1
    capped.wait(20)
    assert "top" not in capped._wall["ties"]
    assert capped.patches.ties_words == ""
    assert capped.snapshot().height < with_words.height  # a line of words less
    capped.channel, capped.kind = 0, "compare"
    capped.wait(20)
    assert capped.patches.ties is None
    assert min(capped.snapshot().size) > 50


def test_the_overview_orders_channels_at_the_cap_by_the_values_before_it(capped):
    capped.layer, capped.view, capped.order = "3", "overview", "maximum"
    capped.wait(20)
    before = np.frombuffer(capped._overview["preactivation"], "<f4")
    np.testing.assert_allclose(before, [29.61, 0.987, 26.32], rtol=1e-3)  # of the brightest image, 3.29 above 0
    assert _first_channels(capped) == [0, 2, 1]
    assert min(capped.snapshot().size) > 50
    np.testing.assert_array_equal(capped.index.preactivation("2"), capped.index.entries("2").values[:, 0])


def test_the_default_of_what_has_no_cap_is_the_last_map():
    gallery = gallery_of()
    assert gallery.layer == gallery.index.feature_layer.name
    assert gallery.channel == opening_channel(gallery.index, gallery.index.feature_layer)
    gallery.close()
