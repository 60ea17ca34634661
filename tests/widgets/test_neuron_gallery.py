"""NeuronGallery: what it shows is what the index holds, and its traits stay of one mind."""

from __future__ import annotations

import json

import numpy as np
import pytest
import traitlets

import cnnwidgets as cw
from cnnwidgets import explain
from cnnwidgets.errors import IndexMismatchError, LayerError, OptionError
from tests.widgets.conftest import Browser, make_classifier, make_picture
from tests.widgets.galleries import CLASSES, Pictures, gallery_of, pictures, sheet


@pytest.fixture(scope="module")
def shared():
    made = gallery_of()
    yield made
    made.close()


@pytest.fixture
def gallery(shared):
    found = cw.NeuronGallery(shared.clf, shared.index)
    found.wait(20)
    yield found
    found.close()


@pytest.fixture
def browser(gallery):
    return Browser(gallery)


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


def test_the_default_is_the_last_map_and_its_strongest_channel(gallery):
    index = gallery.index
    assert gallery.layer == index.feature_layer.name
    values = index.entries(gallery.layer).values[:, 0]
    assert values[gallery.channel] == values.max()


def test_a_cap_is_not_the_strongest_channel():
    from cnnwidgets.widgets._gallery_pinning import strongest

    class Capped:
        def entries(self, _layer):
            values = np.array([[6, 6, 6], [5, 4, 3], [5.5, 5.5, 1]], np.float32)
            return type("Entries", (), {"values": values, "images": np.zeros((3, 3), int)})

    assert strongest(Capped(), None) == 1


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
        ("alike", 99, "out of range"),
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


def test_highlight_is_the_channels_map_and_its_quantiles(gallery):
    gallery.layer, gallery.mode = "first", "highlight"
    gallery.wait(20)
    drawn, wall, index = gallery._drawn, gallery._wall, gallery.index
    maps = np.frombuffer(drawn["data"], "<f2").reshape(drawn["shape"]).astype(np.float32) * drawn["scale"]
    assert drawn["shape"] == [len(wall["pictures"]), 16, 16]
    for number, picture in enumerate(wall["pictures"]):
        found = explain.activations(gallery.clf, index.picture(picture["image"]), "first")["first"]
        np.testing.assert_allclose(maps[number], found.values[0, gallery.channel], atol=drawn["scale"] * 2**-10)
        rows, columns = found.grid.centres
        frame = found.frames[0]
        np.testing.assert_allclose(drawn["ys"][number], frame.rows_to_picture(rows))
        np.testing.assert_allclose(drawn["xs"][number], frame.columns_to_picture(columns))
    for level, value in zip(drawn["cuts"]["levels"], drawn["cuts"]["values"], strict=True):
        assert value == pytest.approx(index.quantile("first", gallery.channel, level))


def test_many_cells_are_merged_by_the_largest():
    from cnnwidgets.widgets._gallery_drawn import _largest

    values = np.arange(2 * 5 * 7, dtype=np.float32).reshape(2, 1, 5, 7)
    values[0, 0, 4, 6] = np.nan
    merged = _largest(values, 2)
    assert merged.shape == (2, 1, 3, 4)
    assert merged[0, 0, 0].tolist() == [8, 10, 12, 13]
    assert merged[0, 0, 2].tolist()[:3] == [29, 31, 33]


@pytest.mark.parametrize("mode", ["guided_backprop", "deconvnet"])
def test_projections_are_those_of_the_patches(gallery, mode):
    gallery.layer, gallery.mode = "second", mode
    gallery.wait(20)
    drawn = gallery._drawn
    tiles = sheet(drawn["sheet"])
    method = getattr(explain, mode)
    for patch, tile in zip(gallery._wall["patches"], tiles, strict=True):
        picture = gallery.index.picture(gallery._wall["pictures"][patch["picture"]]["image"])
        found = method(gallery.clf, picture, "second", gallery.channel, [tuple(patch["cell"])])
        left, top, right, bottom = found.box(0)
        left, top, right, bottom = max(left, 0), max(top, 0), min(right, 32), min(bottom, 32)
        expected = np.asarray(found.picture(0))[int(top) : int(bottom), int(left) : int(right)]
        assert np.array_equal(np.asarray(tile), expected)  # small tiles are exact
    assert "arXiv" in drawn["caption"]


def test_the_overview(gallery):
    gallery.view = "overview"
    gallery.wait(20)
    packed, index = gallery._overview, gallery.index
    entries = index.entries(gallery.layer)
    np.testing.assert_array_equal(np.frombuffer(packed["maximum"], "<f4"), entries.values[:, 0])
    labels = np.frombuffer(packed["labels"], "<i4").reshape(-1, packed["k"])
    for channel in range(6):
        assert [CLASSES[label] for label in labels[channel]] == [p.label for p in index.top(gallery.layer, channel)]
    assert np.flatnonzero(np.frombuffer(packed["dead"], np.uint8)).tolist() == index.dead(gallery.layer).tolist()


def test_orders(gallery):
    gallery.view, gallery.order = "overview", "class"
    gallery.wait(20)
    assert gallery._order == {}  # of which class?
    gallery.target = "dots"
    gallery.wait(20)
    found = gallery.index.for_class("dots", gallery.layer, top=None)
    assert np.frombuffer(gallery._order["channels"], "<i4").tolist() == [one.channel for one in found]
    np.testing.assert_allclose(np.frombuffer(gallery._order["scores"], "<f4"), [one.score for one in found], rtol=1e-6)
    assert (gallery._order["by"], gallery._order["of"]) == ("class", "dots")
    gallery.order = "likeness"
    gallery.wait(20)
    assert (gallery._order["by"], gallery._order["of"]) == ("likeness", gallery.channel)
    gallery.alike = 3
    gallery.wait(20)
    found = gallery.index.like(gallery.layer, 3, top=None)
    assert np.frombuffer(gallery._order["channels"], "<i4").tolist() == [one.channel for one in found]


def test_likeness_is_to_a_channel_of_the_layer_shown(gallery):
    gallery.layer, gallery.alike, gallery.view, gallery.order = "second", 5, "overview", "likeness"
    gallery.wait(20)
    gallery.layer = "first"  # has four channels
    assert gallery.alike is None
    gallery.wait(20)
    assert (gallery._order["layer"], gallery._order["of"]) == ("first", gallery.channel)


def test_linked_widgets_follow(gallery):
    grid = cw.ActivationGrid(gallery.clf, make_picture())
    view = cw.HeatmapView(gallery.clf, make_picture())
    gallery.link(grid, view)
    gallery.selection = {"kind": "top", "rank": 0}
    gallery.wait(20)
    assert grid.image is view.image is gallery.image
    assert grid.unit == gallery.unit
    grid.layer = "first"
    grid.pin(1, 3, 4)
    assert gallery.unit == {"layer": "first", "channel": 1, "y": 3, "x": 4}
    assert grid.unit == gallery.unit
    gallery.unlink(grid)
    grid.pin(2)
    assert gallery.channel == 1
    for widget in (grid, view):
        widget.wait(20)
        widget.close()
    with pytest.raises(OptionError, match="neither `image` nor `unit`"):
        gallery.link(traitlets.HasTraits())


def test_traitlets_link_works_too(gallery):
    grid = cw.ActivationGrid(gallery.clf, make_picture())
    link = traitlets.link((grid, "unit"), (gallery, "unit"))
    grid.layer = "first"
    grid.pin(3, 1, 2)
    assert gallery.unit == grid.unit == {"layer": "first", "channel": 3, "y": 1, "x": 2}
    gallery.channel = 0
    assert grid.unit == gallery.unit == {"layer": "first", "channel": 0, "y": None, "x": None}
    grid.channel = None
    assert (grid.unit, gallery.channel) == (None, 0)
    link.unlink()
    grid.wait(20)
    grid.close()


@pytest.mark.parametrize("mode", ["patches", "images", "highlight", "guided_backprop"])
@pytest.mark.parametrize("kind", ["top", "compare"])
def test_snapshot(gallery, mode, kind):
    gallery.mode, gallery.kind = mode, kind
    gallery.wait(20)
    still = gallery.snapshot()
    assert still.width > 200
    assert len(still.getcolors(1 << 20)) > 50


def test_still_of_the_overview_and_of_a_class_without_patches(gallery):
    gallery.view = "overview"
    gallery.wait(20)
    for order in ("channel", "maximum", "likeness", "class"):
        gallery.order, gallery.target = order, "noise"
        gallery.wait(20)
        assert len(gallery.snapshot().getcolors(1 << 20)) > 50
    gallery.view = "wall"
    for gallery.label in CLASSES:
        assert min(gallery.snapshot().size) > 50


def test_a_page_without_a_kernel_has_a_picture(gallery):
    data, _ = gallery._repr_mimebundle_()
    assert {"image/png", "text/html", "text/plain", "application/vnd.jupyter.widget-view+json"} <= data.keys()
    assert f"channel {gallery.channel}: strongest patches in 24 pictures" in data["text/html"]


def test_a_bare_module_with_tensors():
    import torch

    images = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    gallery = cw.NeuronGallery(make_classifier().model, images, k=3)
    assert len(gallery.wait(20)) == 3
    gallery.mode = "guided_backprop"
    gallery.wait(20)
    assert gallery._status["state"] == "idle"
    gallery.close()
