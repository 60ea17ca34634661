"""NeuronGallery: what it shows is what the index holds, and its traits stay of one mind."""

from __future__ import annotations

import json

import numpy as np
import pytest

import cnnwidgets as cw
from cnnwidgets.errors import IndexMismatchError, LayerError, OptionError
from tests.widgets.conftest import make_classifier
from tests.widgets.galleries import Pictures, gallery_of, pictures, sheet


@pytest.fixture
def gallery(opened):
    return opened


def plain(packed):
    """What of a packed thing is JSON."""
    return {name: value for name, value in packed.items() if not isinstance(value, bytes | dict)}


def test_the_wall_is_what_the_index_holds(gallery):
    index, wall = gallery.index, gallery._wall
    assert (wall["layer"], wall["channel"]) == (gallery.layer, gallery.channel)
    kinds = {kind: getattr(index, kind)(gallery.layer, gallery.channel) for kind in ("top", "sample", "bottom")}
    patches = [patch for found in kinds.values() for patch in found]
    assert [(p["kind"], p["rank"], p["value"]) for p in wall["patches"]] == [(p.kind, p.rank, p.value) for p in patches]
    for packed, patch in zip(wall["patches"], patches, strict=True):
        picture = wall["pictures"][packed["picture"]]
        assert (picture["image"], picture["source"], picture["label"]) == (patch.image, patch.source, patch.label)
        assert (picture["size"], picture["seen"], picture["missing"]) == ([40, 60], [0, 0, 60, 40], "")
        assert packed["box"] == list(patch.box)
        assert packed["cell"] == [patch.row, patch.column]
    assert len({picture["image"] for picture in wall["pictures"]}) == len(wall["pictures"])
    assert sum(wall["histogram"]["counts"]) > 0
    assert len(wall["histogram"]["edges"]) == len(wall["histogram"]["counts"]) + 1
    json.dumps([plain(wall), wall["pictures"], wall["patches"], wall["histogram"], wall["alike"]], allow_nan=False)


def test_small_pictures_are_sent_as_they_are_and_only_once(gallery):
    wall = gallery._wall
    for tile, picture in zip(sheet(wall["images"]), wall["pictures"], strict=True):
        assert tile.size == (60, 40)
        # JPEG: the mean is off by little, whatever lies next to it
        expected = np.asarray(gallery.index.picture(picture["image"]), float)
        assert abs(np.asarray(tile, float) - expected).mean() < 8
    assert wall["crops"] == {}


def test_large_pictures_come_with_sharper_crops():
    large = [(picture.resize((900, 600)), label) for picture, label in pictures(6)]
    gallery = gallery_of(large, layer="first")
    wall = gallery._wall
    crops = sheet(wall["crops"])
    for patch, crop in zip(wall["patches"], crops, strict=True):
        left, top, right, bottom = patch["box"]
        assert max(crop.size) <= 192
        assert abs(crop.width / crop.height - (right - left) / (bottom - top)) < 0.1 * crop.width / crop.height
    assert all(max(tile.size) == 256 for tile in sheet(wall["images"]))
    gallery.close()


@pytest.mark.parametrize("name", ["first", "second"])
def test_layers_by_name_and_module(gallery, name):
    gallery.layer = getattr(gallery.clf.model, name)
    assert gallery.layer == name
    gallery.wait(20)
    assert gallery._wall["layer"] == name


def test_layer_channel_unit_and_selection_agree(gallery):
    gallery.layer, gallery.channel = "first", 2
    assert gallery.unit == {"layer": "first", "channel": 2, "y": None, "x": None}
    gallery.selection = {"kind": "bottom", "rank": 1}
    patch = gallery.index.bottom("first", 2)[1]
    assert gallery.unit == patch.unit
    assert gallery.selection == {
        "kind": "bottom", "rank": 1, "image": patch.image, "source": patch.source, **patch.unit,
    }  # fmt: skip
    gallery.wait(20)
    assert gallery.image.tobytes() == gallery.index.picture(patch).tobytes()
    gallery.selection = None
    assert gallery.unit == {"layer": "first", "channel": 2, "y": None, "x": None}
    gallery.selection = {"kind": "top", "rank": 0, "layer": "second", "channel": 5}
    assert (gallery.layer, gallery.channel) == ("second", 5)
    gallery.layer = "first"
    assert (gallery.channel, gallery.selection) == (2, None)  # what was last looked at there
    gallery.unit = {"layer": "second", "channel": 1, "y": 3, "x": 4}
    assert (gallery.layer, gallery.channel, gallery.selection) == ("second", 1, None)
    assert gallery.unit == {"layer": "second", "channel": 1, "y": 3, "x": 4}
    gallery.unit = None  # nothing is pinned elsewhere any more
    assert (gallery.layer, gallery.channel) == ("second", 1)


def test_observers_find_the_traits_in_agreement(gallery):
    seen = []

    def look(_change):
        seen.append((gallery.layer, gallery.channel, gallery.unit["layer"], gallery.unit["channel"]))

    gallery.observe(look, names=["layer", "channel", "unit", "selection"])
    gallery.layer = "first"
    gallery.selection = {"kind": "top", "rank": 0, "layer": "second", "channel": 3}
    gallery.unit = {"layer": "first", "channel": 1}
    assert len(seen) > 5
    assert all(layer == unit_layer and channel == unit_channel for layer, channel, unit_layer, unit_channel in seen)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("layer", "frist", r"no layer 'frist'.*'first'"),
        ("layer", 3.5, "no layer of the model"),
        ("layer", True, "no layer of the model"),
        ("channel", 6, "6 channels of layer"),
        ("channel", -1, "out of range"),
        ("channel", "a", "no whole number"),
        ("unit", {"layer": "first"}, "no unit"),
        ("unit", {"layer": "first", "channel": 0, "y": 3}, "go together"),
        ("unit", {"layer": "first", "channel": 9}, "4 channels"),
        ("selection", {"kind": "best", "rank": 0}, "no patch"),
        ("selection", {"kind": "top", "rank": 4}, "4 patches of the kind 'top', 0 to 3"),
        ("selection", {"kind": "top", "rank": None}, "4 patches"),
        ("selection", 7, "no patch"),
        ("label", "stripe", r"no class.*'stripes'"),
        ("target", 3, "no class"),
        ("alike", 99, "alike=99 is out of range"),
        ("mode", "patch", r"Did you mean 'patches'"),
        ("kind", "mean", "Known are"),
        ("view", "list", "Known are"),
        ("order", "size", "Known are"),
        ("patch_size", 20, "32 to 192"),
        ("quantile", 1.5, "from 0 to 1"),
        ("opacity", "a", "from 0 to 1"),
    ],
)
def test_bad_values_are_refused_in_words(gallery, browser, name, value, words):
    before = getattr(gallery, name)
    with pytest.raises((OptionError, LayerError), match=words):
        setattr(gallery, name, value)
    assert getattr(gallery, name) == before
    browser.ask(**{name: value})
    gallery.wait(20)
    assert getattr(gallery, name) == before
    assert gallery._wall["layer"] == gallery.layer


def test_what_a_browser_sends_amiss_is_said(gallery, browser):
    browser.set(layer="frist")
    assert gallery._status["state"] == "error"
    assert "frist" in gallery._status["message"]
    assert gallery.layer == gallery.index.feature_layer.name


def test_unknown_options_and_two_indexes(shared, tmp_path):
    with pytest.raises(OptionError, match=r"no option 'chanel'.*'channel'"):
        cw.NeuronGallery(shared.clf, shared.index, chanel=3)
    with pytest.raises(OptionError, match="both indexes"):
        cw.NeuronGallery(shared.clf, shared.index, index=shared.index)
    with pytest.raises(OptionError, match="PatchIndex or the path"):
        cw.NeuronGallery(shared.clf, index=3)
    with pytest.raises(OptionError, match="is a str"):
        cw.NeuronGallery("resnet18")
    with pytest.raises(LayerError, match="'frist'"):
        cw.NeuronGallery(shared.clf, shared.index, layer="frist")


def test_an_index_of_another_model_is_refused(shared):
    other = make_classifier()
    other.model.first.weight.data.add_(1)
    with pytest.raises(IndexMismatchError, match="another model"):
        cw.NeuronGallery(other, shared.index)


def test_an_index_is_taken_by_path(shared):
    for given in ({"images": shared.index.path}, {"index": str(shared.index.path), "images": Pictures()}):
        gallery = cw.NeuronGallery(shared.clf, **given)
        assert gallery.wait(20) == shared.index.top(gallery.layer, gallery.channel)
        gallery.close()


def test_patches_follow_kind_and_class(gallery):
    index, layer, channel = gallery.index, gallery.layer, gallery.channel
    assert gallery.patches == index.top(layer, channel)
    gallery.kind = "compare"
    assert [patch.kind for patch in gallery.patches] == ["top"] * 4 + ["sample"] * 4 + ["bottom"] * 4
    gallery.kind, gallery.label = "top", gallery.patches[0].label
    assert {patch.label for patch in gallery.patches} == {gallery.label}
    assert gallery.patches.picture().width > 50
