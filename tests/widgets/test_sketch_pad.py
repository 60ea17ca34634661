"""SketchPad under a scripted hand: what it draws, what the network gets, and in which order."""

from __future__ import annotations

import gc
import io
import threading
import time
import weakref

import numpy as np
import pytest
import torch
import traitlets
from PIL import Image

import cnnwidgets as cw
from cnnwidgets.images.strokes import Stroke
from cnnwidgets.widgets._tally import points
from tests.widgets.conftest import Net, make_classifier, make_picture
from tests.widgets.sketch import Page

SEVEN = ((80, 64), (160, 64), (240, 64), (200, 170), (150, 280))


def pixels(picture) -> np.ndarray:
    return np.asarray(picture.convert("RGB"))


@pytest.fixture
def pad():
    made = cw.SketchPad(make_classifier(channels=1))
    yield made
    made.close()


@pytest.fixture
def photo():
    return make_picture(320, 240)


@pytest.fixture
def painted(clf, photo):
    made = cw.SketchPad(clf, photo)
    yield made
    made.close()


@pytest.fixture
def gate(monkeypatch):
    """Holds the model before its answer until it is set."""
    opened, answer = threading.Event(), Net.forward

    def forward(self, x):
        assert opened.wait(20)
        return answer(self, x)

    opened.set()
    monkeypatch.setattr(Net, "forward", forward)
    yield opened
    opened.set()


def test_a_seven_is_named_seven():
    pad = cw.SketchPad(cw.demo.digits())
    page = Page(pad)
    assert pad.predictions == ()
    page.draw(*SEVEN)
    assert pad.wait(20)[0].name == "7"
    assert pad.score == pad.predictions[0].probability > 0.5
    assert "7" in pad._described()
    assert pad.clf.predict(pad.image) == pad.predictions


def test_the_page_shows_what_the_network_got(pad):
    page = Page(pad)
    page.draw((50, 50), (200, 90), (120, 260))
    pad.tool = "erase"
    pad.brush = 40
    page.draw((10, 120), (300, 120.5))
    for step in (lambda: None, pad.undo, pad.redo, pad.clear, pad.undo):
        step()
        pad.wait(20)
        np.testing.assert_array_equal(page.rgb, pixels(pad.image))
        np.testing.assert_array_equal(pixels(pad.snapshot())[:320, :320], page.rgb)
    assert page.rgb.max() == 255
    assert page.rgb[120].max() == 0


def test_ink_appears_before_the_brush_is_lifted(pad):
    page = Page(pad)
    page.down(100, 100)
    page.move(140, 100)
    page.move(180, 100)
    pad.wait(20)
    assert page.rgb[100, 150].tolist() == [255] * 3
    assert [stroke.is_open for stroke in pad.strokes] == [True]
    page.up(180, 100)
    assert [stroke.is_open for stroke in pad.strokes] == [False]


def test_only_what_changed_is_sent(pad):
    page = Page(pad)
    page.down(100, 100)
    pad.wait(20)
    before = page.pixels.copy()
    page.pixels[:] = 0
    page.move(110, 100)
    pad.wait(20)
    touched = np.argwhere(page.pixels[..., 3] > 0)
    assert (touched.max(0) - touched.min(0)).max() < 60
    assert before[..., 3].min() == 255


def test_hovering_draws_nothing(pad):
    page = Page(pad)
    sent = page.messages
    page.move(100, 100)
    page.send(event="mouse_out", x=10, y=10)
    pad.wait(20)
    assert (pad.strokes, page.messages) == ((), sent)


def test_leaving_the_canvas_lifts_the_brush(pad):
    page = Page(pad)
    page.down(100, 100)
    page.move(300, 100)
    page.send(event="mouse_out", x=330, y=100)
    page.move(200, 300)
    pad.wait(20)
    assert len(pad.strokes) == 1
    assert page.rgb[100, 319].tolist() == [255] * 3
    assert page.rgb[300, 200].tolist() == [0] * 3


def test_touch_with_one_finger(pad):
    page = Page(pad)
    finger = [{"x": 100, "y": 100}, {"x": 200, "y": 100}]
    page.send(event="touch_start", touches=finger[:1])
    page.send(event="touch_move", touches=finger[1:])
    page.send(event="touch_start", touches=finger)  # a second finger
    page.send(event="touch_move", touches=[{"x": 150, "y": 300}, finger[1]])
    page.send(event="touch_end", touches=[])
    pad.wait(20)
    assert [stroke.points for stroke in pad.strokes] == [((100, 100), (200, 100))]
    np.testing.assert_array_equal(page.rgb, pixels(pad.image))


def test_a_page_that_is_loaded_again_gets_everything(pad):
    page = Page(pad)
    page.draw(*SEVEN)
    pad.wait(20)
    again = Page(pad)
    np.testing.assert_array_equal(again.rgb, page.rgb)
    again.draw((20, 300), (300, 300))
    pad.wait(20)
    np.testing.assert_array_equal(again.rgb, pixels(pad.image))


def test_undo_redo_and_clear(pad):
    page = Page(pad)
    for y in (60, 120, 180):
        page.draw((50, y), (250, y))
    states = [pad.strokes[:count] for count in range(4)]
    pad.undo()
    assert pad.strokes == states[2]
    pad.clear()
    assert pad.strokes == ()
    pad.undo()
    pad.undo()
    assert pad.strokes == states[1]
    page.send(event="key_down", key="y", shift_key=False, ctrl_key=True, meta_key=False)
    page.send(event="key_down", key="Z", shift_key=True, ctrl_key=False, meta_key=True)
    assert pad.strokes == ()
    page.send(event="key_down", key="z", shift_key=False, ctrl_key=True, meta_key=False)
    assert pad.strokes == states[2]
    page.draw((50, 250), (250, 250))
    pad.redo()  # a new stroke has taken the place of what was undone
    assert len(pad.strokes) == 3
    for _ in range(9):
        pad.undo()
    assert pad.strokes == ()
    assert pad.wait(20) == ()


def test_the_network_is_asked_about_the_latest_only_and_the_ink_does_not_wait(pad, gate):
    page = Page(pad)
    Net.passes = 0
    gate.clear()
    page.down(20, 20)
    for step in range(1, 201):
        page.move(20 + step, 20 + step)
    page.up(220, 220)
    assert pad._work._ink.wait(20)
    assert page.rgb[150, 150].tolist() == [255] * 3
    with pytest.raises(TimeoutError):
        pad.wait(0.05)
    assert pad.predictions == ()
    gate.set()
    pad.wait(20)
    assert 1 <= Net.passes <= 2
    np.testing.assert_array_equal(page.rgb, pixels(pad.image))
    assert pad.predictions == pad.clf.predict(pad.image)


def test_a_slow_network_says_that_it_computes(pad, gate, monkeypatch):
    page = Page(pad)
    monkeypatch.setattr(pad._work, "_seconds", 1.0)
    gate.clear()
    page.draw((20, 20), (200, 20))
    wait_until(lambda: "Computing" in pad._controls.tally.value)
    gate.set()
    pad.wait(20)
    assert "Computing" not in pad._controls.tally.value


def wait_until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_an_error_is_said_in_words_and_the_next_stroke_works(pad):
    page = Page(pad)
    page.draw((20, 20), (200, 20))
    pad.wait(20)
    Net.fails = True
    page.draw((20, 60), (200, 60))
    with pytest.raises(ValueError, match="third valve"):
        pad.wait(20)
    assert "ValueError: the third valve is stuck" in pad._controls.tally.value
    assert 'role="alert"' in pad._controls.tally.value
    assert pad.predictions == ()
    np.testing.assert_array_equal(page.rgb, pixels(pad.image))
    Net.fails = False
    page.draw((20, 100), (200, 100))
    assert pad.wait(20) == pad.clf.predict(pad.image)
    assert "valve" not in pad._controls.tally.value


def test_painting_over_a_photograph(painted, photo):
    page = Page(painted)
    clean = painted.clf.predict(photo)
    assert painted.wait(20) == clean
    assert painted.target == clean[0].index
    assert painted.score == clean[0].probability
    np.testing.assert_array_equal(page.rgb, pixels(photo))
    page.draw((60, 120), (260, 120))
    painted.tool = "blur"
    page.draw((60, 60), (260, 60))
    now = painted.wait(20)
    assert now == painted.clf.predict(painted.image)
    assert painted.score != clean[0].probability
    image = pixels(painted.image)
    np.testing.assert_array_equal(page.rgb, image)
    assert image[120, 160].tolist() == [128] * 3
    assert 0 < image[50:70, 100:200].std() < pixels(photo)[50:70, 100:200].std() / 3
    painted.tool, painted.brush = "erase", 400
    page.draw((0, 120), (320, 120))
    painted.wait(20)
    np.testing.assert_array_equal(pixels(painted.image), pixels(photo))
    assert painted.score == clean[0].probability


def test_the_target_is_watched_against_the_untouched_photograph(painted):
    with torch.no_grad():
        painted.clf.model.linear.weight.mul_(4)  # so that the probabilities differ
    photo = painted.image = Image.new("RGB", (320, 240), (255, 60, 0))
    page = Page(painted)
    painted.brush = 220
    page.draw((60, 120), (260, 120))
    painted.target = "lynx"
    painted.wait(20)
    share = {item.name: item.probability for item in painted.clf.predict(painted.image)}["lynx"]
    clean = {item.name: item.probability for item in painted.clf.predict(photo)}["lynx"]
    assert painted.target == 2
    assert painted.score == share
    assert abs(share - clean) > 0.001
    change = f"{100 * (share - clean):+.1f}".replace("-", "−")
    assert f"lynx {100 * share:.1f} %, {change} points against" in painted._described()
    assert change in painted._controls.tally.value
    painted.target = None
    assert painted.target == painted.clf.predict(photo)[0].index
    with pytest.raises(cw.CnnWidgetsError, match="tabby"):
        painted.target = "taby"
    assert painted.target == painted.clf.predict(photo)[0].index
    painted._controls._target.value = "taby"  # typed on the page
    assert "tabby" in painted._controls.tally.value
    painted._controls._target.value = "tabby"
    assert painted.target == 1


@pytest.mark.parametrize(
    ("change", "words"), [(0, "±0.0"), (0.0004, "±0.0"), (-0.0004, "±0.0"), (0.0006, "+0.1"), (-0.234, "−23.4")]
)
def test_a_change_has_its_sign(change, words):
    assert points(change) == words


def test_weights_that_have_changed_count_for_the_untouched_photograph_too(painted, photo):
    Page(painted)
    with torch.no_grad():
        painted.clf.model.linear.weight.mul_(-1)
    painted.strokes = [[(10, 10), (20, 10)]]
    painted.wait(20)
    best = painted.clf.predict(photo)
    target = next(item for item in best if item.index == painted.target)
    assert painted._work.tally.clean.share(painted.target) == pytest.approx(target.probability)


@pytest.mark.parametrize("size", [(1200, 700), (8, 8), (1, 30)])
def test_the_network_gets_the_picture_at_its_own_size(clf, size):
    photo = make_picture(*size)
    pad = cw.SketchPad(clf, photo, brush=4)
    page = Page(pad)
    assert 320 <= max(page.rgb.shape) <= 480
    across = page.canvas.width / 2
    page.draw((across, 0), (across, page.canvas.height))
    pad.wait(20)
    assert pad.image.size == size
    np.testing.assert_allclose(pad.strokes[0].points[0], (size[0] / 2, 0), atol=0.02)
    assert pixels(pad.image)[size[1] // 2, size[0] // 2].tolist() == [128] * 3
    outside = np.abs(np.arange(size[0]) + 0.5 - size[0] / 2) > pad.brush / 2 + 1
    np.testing.assert_array_equal(pixels(pad.image)[:, outside], pixels(photo)[:, outside])
    pad.close()


def test_another_picture_replaces_what_is_drawn(painted):
    page = Page(painted)
    page.draw((60, 120), (260, 120))
    other = make_picture(640, 480)
    painted.image = other
    assert painted.strokes == ()
    assert painted.brush == 48
    assert painted.wait(20) == painted.clf.predict(other)
    np.testing.assert_array_equal(pixels(painted.image), pixels(other))
    assert (page.canvas.width, page.canvas.height) == (480, 360)
    painted.undo()
    assert painted.strokes == ()


@pytest.mark.parametrize("bad", ["no-such-file.png", np.zeros((3, 4, 7), np.uint8), None, 7])
def test_a_bad_picture_changes_nothing(painted, bad):
    page = Page(painted)
    page.draw((60, 120), (260, 120))
    painted.wait(20)
    before = painted.image, painted.strokes, painted.predictions
    with pytest.raises(cw.CnnWidgetsError):
        painted.image = bad
    page.draw((60, 20), (260, 20))
    painted.undo()
    assert painted.wait(20) == before[2]
    assert (painted.image, painted.strokes) == before[:2]


def test_a_picture_on_a_pad_is_what_is_drawn(pad):
    page = Page(pad)
    digit = np.zeros((8, 8), np.uint8)
    digit[2:6, 3:5] = 255
    pad.image = digit
    assert pad.image.size == (8, 8)
    assert pad.wait(20) == pad.clf.predict(digit)
    pad.clear()
    assert pad.wait(20) == ()
    assert pad.image.size == (320, 320)
    page.draw((60, 120), (260, 120))
    assert pad.wait(20) == pad.clf.predict(pad.image)


def test_a_heatmap_view_follows(painted):
    view = cw.HeatmapView(painted.clf, painted.image)
    traitlets.dlink((painted, "image"), (view, "image"))
    page = Page(painted)
    page.draw((60, 120), (260, 120))
    painted.wait(20)
    view.wait(20)
    np.testing.assert_array_equal(pixels(view.image), page.rgb)
    assert view.predictions == painted.predictions
    assert view.heatmap is not None


def test_a_follower_that_fails_is_said_in_words(painted):
    def fail(change):
        raise ValueError("the follower fell")

    painted.wait(20)
    painted.observe(fail, "image")
    page = Page(painted)
    page.draw((60, 120), (260, 120))
    with pytest.raises(ValueError, match="fell"):
        painted.wait(20)
    assert "the follower fell" in painted._controls.tally.value
    painted.unobserve(fail, "image")
    page.draw((60, 20), (260, 20))
    assert painted.wait(20) == painted.clf.predict(painted.image)


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
    pad.brush = 900
    assert controls._brush.value == 900
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
