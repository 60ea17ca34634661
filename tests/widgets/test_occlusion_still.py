"""What is left of an OcclusionCanvas without a kernel: pictures, exports; and nothing once it is closed."""

from __future__ import annotations

import gc
import time
import weakref

import numpy as np
import torch
from PIL import Image

import cnnwidgets as cw
from tests.widgets.conftest import make_picture
from tests.widgets.occlusion import canvas


def test_snapshot_shows_the_occluders_the_map_and_the_bars(made):
    made.boxes = [[10, 10, 40, 40]]
    made.wait(20)
    drawn = np.asarray(made.snapshot(), int)
    made.boxes = [[30, 10, 60, 40]]
    made.wait(20)
    moved = np.asarray(made.snapshot(), int)
    assert drawn.shape == moved.shape
    side = 640 // 64
    top = drawn.shape[0] - moved.shape[0] + 26  # below the line of text
    grey = moved[top + 25 * side, 45 * side]
    np.testing.assert_allclose(grey, [128, 128, 128], atol=2)
    assert np.abs(drawn - moved).mean() > 1
    for show in ("visited", "sweep"):
        made.show = show
        if show == "sweep":
            made.window = made.stride = 8
            made.sweep()
            made.wait(20)
        assert made.snapshot().height > moved.shape[0], "the legend"
    made.show = "photo"
    for shape in ("ellipse", "rectangle"):
        made.shape, made.keep = shape, True
        made.wait(20)
        assert made.snapshot().size == (640, moved.shape[0])


def test_the_cell_holds_a_picture_and_the_score(made):
    data, metadata = made._repr_mimebundle_()
    assert {"application/vnd.jupyter.widget-view+json", "image/png", "text/html", "text/plain"} <= set(data)
    assert metadata["image/png"]["width"] > 100
    assert data["text/plain"].startswith(f"OcclusionCanvas: {made.scores.name} ")
    assert "points" in data["text/plain"] or "as on the whole" in data["text/plain"]


def test_an_export_has_the_places_and_the_last_answer(made, page):
    from ipywidgets.embed import embed_data

    page.place(5, [10, 10, 20, 20])
    page.answer(5)
    made.sweep()
    made.wait(20)
    state = embed_data(views=[made], drop_defaults=True)["manager_state"]["state"][made.model_id]["state"]
    assert state["_history"]["count"] == len(made.visited) > 0
    assert state["_answer"]["boxes"] == [[10, 10, 20, 20]]
    assert state["_sweep"]["shape"]
    assert {"_photo", "_clean", "_fills", "_grain", "boxes"} <= set(state)


def test_a_closed_canvas_is_collected():
    made = canvas()
    made.boxes = [[1, 1, 20, 20]]
    alive = weakref.ref(made)
    made.close()
    made._live.wait(10)
    del made
    gc.collect()
    end = time.monotonic() + 5
    while alive() is not None and time.monotonic() < end:
        time.sleep(0.01)
        gc.collect()
    assert alive() is None


def test_the_model_is_left_as_it_was(clf):
    model = clf.model.train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    made = cw.OcclusionCanvas(clf, make_picture())
    for fill in ("mean", "blur"):
        made.fill = fill
        made.wait(20)
    made.sweep()
    made.wait(20)
    assert made._scorer.engines.wait(60)
    assert all(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_pictures_of_every_kind(clf):
    for image in (
        make_picture(9, 200),
        make_picture(1, 1),
        np.full((12, 10, 4), 200, np.uint8),
        Image.new("L", (9, 9)),
    ):
        made = cw.OcclusionCanvas(clf, image, incremental=False)
        assert np.isfinite(made.wait(20).score)
        assert min(made.snapshot().size) > 0
