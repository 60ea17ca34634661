"""What goes over the wire and into the notebook file: packed maps, pictures, the still picture."""

from __future__ import annotations

import base64
import dataclasses
import gc
import io
import weakref

import numpy as np
import pytest
from PIL import Image

import cnnwidgets as cw
from cnnwidgets.widgets._protocol import pack_map
from tests.widgets.conftest import make_classifier, make_picture


@pytest.mark.parametrize("method", ["saliency", "grad_cam"])
def test_packed_map(view, method):
    view.method = method
    heatmap = view.wait(20)
    packed = view._maps[method]
    values = np.frombuffer(packed["data"], "<f2").reshape(packed["shape"]).astype(np.float32) * packed["scale"]
    largest = np.abs(heatmap.values).max()
    np.testing.assert_allclose(values, heatmap.values[0], atol=largest * 2**-11)
    assert packed["scale"] == pytest.approx(largest)
    assert packed["units"] == heatmap.units
    assert not packed["partial"]
    assert packed["score"].startswith(f"logit of {heatmap.target[0]} = ")


def test_tiny_values_survive_half_precision(clf):
    clf.model.linear.weight.data.mul_(1e-9)
    view = cw.HeatmapView(clf, make_picture(), method="cam")
    heatmap = view.wait(20)
    packed = view._maps["cam"]
    values = np.frombuffer(packed["data"], "<f2").astype(np.float64).reshape(packed["shape"]) * packed["scale"]
    np.testing.assert_allclose(values, heatmap.values[0], atol=np.abs(heatmap.values).max() * 2**-11)
    assert 0 < np.abs(values).max() < 1e-6


@pytest.mark.parametrize("known", [0, 1, 5])
def test_what_was_not_computed_goes_over_the_wire_as_no_number(view, known):
    heatmap = view.wait(20)
    values = heatmap.values.copy()
    values.reshape(-1)[known:] = np.nan
    packed = pack_map(dataclasses.replace(heatmap, values=values), partial=True)
    sent = np.frombuffer(packed["data"], "<f2").reshape(packed["shape"]).astype(np.float32) * packed["scale"]
    np.testing.assert_allclose(sent, values[0], atol=packed["scale"] * 2**-11)
    assert np.isfinite(packed["scale"])
    assert (packed["box"] is None) == (not (values > 0).any())


def test_cells_lie_where_they_look(view):
    """Two convolutions of stride 2, kernel 3, padding 1: cell i looks at input pixel 4 i, a picture scaled anew."""
    packed = view._maps["grad_cam"]
    assert packed["shape"] == [8, 8]
    pixels = 4 * np.arange(8) + 0.5  # centres in edge coordinates of the 32 x 32 input
    np.testing.assert_allclose(packed["xs"], pixels * 60 / 32, atol=1e-4)
    np.testing.assert_allclose(packed["ys"], pixels * 40 / 32, atol=1e-4)
    assert view._seen == [0, 0, 60, 40]


def test_a_crop_leaves_a_margin_unseen(clf):
    cropping = cw.Classifier(clf.model, cw.Preprocess(resize=32, crop=(32, 32)), clf.classes)
    view = cw.HeatmapView(cropping, make_picture(80, 40))
    view.wait(20)
    left, top, right, bottom = view._seen
    assert (left, top, right, bottom) == pytest.approx((20, 0, 60, 40))
    packed = view._maps["grad_cam"]
    np.testing.assert_allclose(packed["xs"], 20 + (4 * np.arange(8) + 0.5) * 40 / 32, atol=1e-4)


def test_photo_and_colour_maps(view):
    photo = view._photo
    assert (photo["width"], photo["height"]) == (60, 40)
    decoded = Image.open(io.BytesIO(photo["data"]))
    np.testing.assert_array_equal(np.asarray(decoded.convert("RGB")), np.asarray(make_picture()))
    assert all(len(table["data"]) == 256 * 3 for table in view._colormaps.values())
    assert {table["kind"] for table in view._colormaps.values()} == {"sequential", "diverging"}


def test_only_what_changed_is_sent(view, browser):
    browser.ask(method="saliency")
    view.wait(20)
    assert "_photo" not in browser.names
    assert "_class_names" not in browser.names
    sent = [state["_maps"] for state in browser.updates if "_maps" in state]
    assert set(sent[-1]) == {"saliency", "grad_cam"}


def test_the_cell_holds_a_picture_without_widgets(view):
    data, metadata = view._repr_mimebundle_()
    assert {"application/vnd.jupyter.widget-view+json", "image/png", "text/html", "text/plain"} <= set(data)
    still = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert metadata["image/png"] == {"width": still.width, "height": still.height}
    assert len(np.unique(np.asarray(still.convert("RGB")).reshape(-1, 3), axis=0)) > 50
    assert '<img src="data:image/jpeg;base64,' in data["text/html"]
    assert "<script" not in data["text/html"]
    assert view.predictions[0].name in data["text/plain"]


def test_class_names_are_text_not_markup():
    names = ("<b>bold</b>", '"quoted"', "c", "d", "e")
    view = cw.HeatmapView(make_classifier(names=names), make_picture())
    for target in (0, 1):
        view.target = target
        view.wait(20)
        html = view._repr_mimebundle_()[0]["text/html"]
        assert "<b>" not in html
        assert 'alt="HeatmapView' in html


def test_displaying_waits_for_the_first_map(clf):
    view = cw.HeatmapView(clf, make_picture())
    assert "no map" not in view._repr_mimebundle_()[0]["text/plain"]


@pytest.mark.parametrize("sign", ["positive", "negative", "absolute", "both"])
def test_snapshot(view, sign):
    view.sign = sign
    view.wait(20)
    drawn = np.asarray(view.snapshot().convert("RGB"), int)
    view.opacity = 0
    bare = np.asarray(view.snapshot().convert("RGB"), int)
    assert drawn.shape == bare.shape
    assert np.abs(drawn - bare).mean() > 3


def test_snapshot_compares_zooms_and_boxes(view):
    one = view.snapshot()
    view.show_box = True
    assert np.asarray(view.snapshot()).tobytes() != np.asarray(one).tobytes()
    view.show_box = False
    view.zoom, view.pan = 2.0, [10.0, 10.0]
    near = view.snapshot()
    assert near.size == one.size
    assert np.abs(np.asarray(near, int) - np.asarray(one, int)).mean() > 3
    view.zoom, view.pan = 1.0, None
    assert np.asarray(view.snapshot()).tobytes() == np.asarray(one).tobytes()
    view.samples = 3
    view.compare = True
    view.wait(20)
    panels = view.snapshot()
    assert panels.width > panels.height * 0.9  # two rows of two
    assert panels.width >= 2 * 360


def test_a_closed_view_is_collected(clf):
    view = cw.HeatmapView(clf, make_picture(), method="smoothgrad", samples=100_000)
    alive = weakref.ref(view)
    view.close()
    with pytest.raises(cw.CnnWidgetsError):
        view.wait(10)
    del view
    gc.collect()
    assert alive() is None


def test_an_export_keeps_code_and_maps_even_where_it_drops_defaults(view):
    from ipywidgets.embed import embed_data

    exported = embed_data(views=[view], drop_defaults=True)["manager_state"]["state"]
    state = exported[view.model_id]["state"]
    assert "render" in state["_esm"]
    assert ".cnnw" in state["_css"]
    assert {"_photo", "_maps", "_colormaps"} <= set(state)
