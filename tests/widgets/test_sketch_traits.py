"""SketchPad from Python: strokes, options, and what is left of it without a kernel."""

from __future__ import annotations

import gc
import io
import weakref

import numpy as np
import pytest
from PIL import Image

import cnnwidgets as cw
from cnnwidgets.images.strokes import Stroke
from tests.widgets.conftest import Net, make_classifier, make_picture
from tests.widgets.sketch import SEVEN, Page, pixels


def test_strokes_may_be_given_and_taken(pad, painted):
    page = Page(pad)
    page.draw((50, 50), (200, 90), (120, 260))
    drawn = pad.strokes
    assert drawn == (Stroke("draw", 24, ((50, 50), (200, 90), (120, 260))),)
    image = pad.wait(20), pad.image
    pad.clear()
    pad.strokes = [[(50, 50), (200, 90), (120, 260)]]
    assert (pad.wait(20), pad.image) == image
    assert pad.strokes == drawn
    painted.strokes = [Stroke("blur", 9, ((5, 5),)), np.array([[1, 2], [3, 4]])]
    assert painted.strokes == (Stroke("blur", 9, ((5, 5),)), Stroke("grey", 24, ((1, 2), (3, 4))))


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (7, "no list of strokes"),
        ("draw", "no list of strokes"),
        ([[]], r"strokes\[0\]"),
        ([[(1, 2), (3, np.nan)]], r"strokes\[0\]"),
        ([[(1, 2)], [(1, 2, 3)]], r"strokes\[1\]"),
        ([["a", "b"]], r"strokes\[0\]"),
        ([Stroke("gray", 5, ((1, 2),))], "This pad has: draw, erase"),
        ([Stroke("draw", 0, ((1, 2),))], "above 0"),
    ],
)
def test_bad_strokes_change_nothing(pad, bad, words):
    pad.strokes = [[(50, 50), (200, 90)]]
    before = pad.strokes
    with pytest.raises(cw.CnnWidgetsError, match=words):
        pad.strokes = bad
    assert pad.strokes == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"brsh": 3}, "brush"),
        ({"tool": "erode"}, "Did you mean 'erase'"),
        ({"tool": "blur"}, "This pad has: draw, erase"),
        ({"brush": 0}, "brush=0"),
        ({"brush": 0.5}, "1 or more"),
        ({"brush": 1e308}, r"brush=1e\+308: give 1 to 320 pixels"),
        ({"brush": "wide"}, "brush='wide'"),
        ({"target": "tabbi"}, "tabby"),
        ({"target": 5}, "5"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(cw.CnnWidgetsError, match=words):
        cw.SketchPad(make_classifier(channels=1), **options)


def test_options_and_controls(photo):
    pad = cw.SketchPad(make_classifier(), photo, tool="blur", brush=17, target="crane")
    assert (pad.tool, pad.brush, pad.target) == ("blur", 17, 4)
    controls = pad._controls
    assert (controls._tool.value, controls._brush.value, controls._target.value) == ("blur", 17, "crane")
    controls._tool.value, controls._brush.value = "grey", 50
    assert (pad.tool, pad.brush) == ("grey", 50)
    for wide in (0.5, 320.5, float("inf")):
        with pytest.raises(cw.CnnWidgetsError, match="pixels"):
            pad.brush = wide
        assert pad.brush == controls._brush.value == 50
    pad.brush = 300
    assert controls._brush.value == 300
    pad.strokes = [[(5, 5)]]
    assert (controls._undo.disabled, controls._redo.disabled) == (False, True)
    controls._undo.click()
    assert pad.strokes == ()
    assert (controls._undo.disabled, controls._redo.disabled) == (True, False)
    controls._redo.click()
    controls._clear.click()
    assert pad.strokes == ()
    pad.close()


@pytest.mark.parametrize("model", [None, "resnet18", make_picture()])
def test_no_model(model):
    with pytest.raises(cw.CnnWidgetsError, match="Classifier"):
        cw.SketchPad(model)


def test_a_model_that_cannot_read_the_pad_says_so_at_once():
    Net.fails = True
    with pytest.raises(ValueError, match="valve"):
        cw.SketchPad(Net().eval())


def test_class_names_are_text_not_markup(photo):
    pad = cw.SketchPad(make_classifier(names=("<b>bold</b>", '"quoted"', "c", "d", "e")), photo, target=0)
    pad.wait(20)
    assert "<b>bold" not in pad._controls.tally.value
    assert "&lt;b&gt;bold" in pad._controls.tally.value
    assert "<b>bold" not in pad._repr_mimebundle_()[0]["text/html"]
    pad.close()


def test_the_cell_holds_a_picture_without_widgets(painted):
    data, metadata = painted._repr_mimebundle_()
    assert {"application/vnd.jupyter.widget-view+json", "image/png", "text/html", "text/plain"} <= set(data)
    assert metadata["image/png"]["width"] > 400
    assert painted.predictions[0].name in data["text/plain"]


def test_an_export_shows_the_drawing(pad):
    from ipywidgets.embed import embed_data

    Page(pad).draw(*SEVEN)
    pad.wait(20)
    exported = embed_data(views=[pad], drop_defaults=True)["manager_state"]["state"]
    canvas = exported[pad._surface.canvas.model_id]
    assert [path["path"] for path in canvas["buffers"]] == [["image_data"]]
    kept = np.asarray(Image.open(io.BytesIO(pad._surface.canvas.image_data)).convert("RGB"))
    np.testing.assert_array_equal(kept, pixels(pad.image))


def test_a_closed_pad_is_collected():
    from ipywidgets.widgets.widget import _instances

    before = set(_instances)
    pad = cw.SketchPad(make_classifier(channels=1))
    pad.wait(20)
    alive = weakref.ref(pad)
    pad.close()
    left = [type(_instances[key]).__name__ for key in set(_instances) - before]
    assert set(left) <= {
        "Layout",
        "Style",
        "SliderStyle",
        "ButtonStyle",
        "TextStyle",
        "HTMLStyle",
        "ToggleButtonsStyle",
    }
    del pad
    gc.collect()
    assert alive() is None
