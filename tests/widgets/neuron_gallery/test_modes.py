"""How a gallery shows patches: modes, the overview, orders, links, stills."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import traitlets
from torch import nn

import cnnwidgets as cw
from cnnwidgets import explain
from cnnwidgets.errors import OptionError
from tests.widgets.conftest import make_classifier, make_picture
from tests.widgets.galleries import CLASSES, sheet


@pytest.fixture
def gallery(opened):
    return opened


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
    highest = index.top("first", gallery.channel)[0].value
    for level, value in zip(drawn["cuts"]["levels"], drawn["cuts"]["values"], strict=True):
        assert value == pytest.approx(min(index.quantile("first", gallery.channel, level), 0.9 * highest))


def test_a_highlight_shows_what_stands_at_a_cap():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 4, 3)
    model = nn.Sequential(conv, nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    with torch.no_grad():
        conv.weight.mul_(50)
    gallery = cw.NeuronGallery(model, torch.rand(6, 3, 24, 24), k=3, layer="1", mode="highlight")
    gallery.wait(20)
    assert gallery.index.quantile("1", gallery.channel, 0.995) >= 6  # so nothing exceeds it
    drawn = gallery._drawn
    maps = np.frombuffer(drawn["data"], "<f2").reshape(drawn["shape"]).astype(np.float32) * drawn["scale"]
    cut = np.interp(0.995, drawn["cuts"]["levels"], drawn["cuts"]["values"])
    assert 0 < (maps > cut).mean() < 1
    assert "90% of that" in drawn["caption"]
    gallery.close()


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


def test_a_still_says_how(gallery):
    gallery.mode, gallery.kind = "deconvnet", "bottom"
    gallery.wait(20)
    patches = gallery.patches
    which = "most negative" if patches[0].value < 0 else "smallest"
    assert gallery._described().endswith(f": {which} patches in 24 pictures, deconvnet.")
    both = gallery.snapshot().width
    gallery.mode = "patches"
    assert both > gallery.snapshot().width  # four patches, each beside its pixels


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
    images = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    gallery = cw.NeuronGallery(make_classifier().model, images, k=3)
    assert len(gallery.wait(20)) == 3
    gallery.mode = "guided_backprop"
    gallery.wait(20)
    assert gallery._status["state"] == "idle"
    gallery.close()
