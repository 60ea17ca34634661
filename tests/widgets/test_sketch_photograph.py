"""SketchPad over a photograph: what is hidden, the score against the untouched picture, what follows it."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
import traitlets
from PIL import Image

import cnnwidgets as cw
from cnnwidgets.widgets._tally import points
from tests.widgets.conftest import make_picture
from tests.widgets.sketch import Page, pixels


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
    painted.tool, painted.brush = "erase", 320
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


def test_weights_that_the_model_fails_with_never_fail_the_hand(painted):
    Page(painted)
    painted.wait(20)
    threads = set()
    painted.clf.model.register_forward_pre_hook(lambda *_: threads.add(threading.current_thread()))
    weight = painted.clf.model.linear.weight
    kept = weight.detach().clone()

    def stroke(y):  # past ipycanvas, which would catch an exception and only log it
        painted._on_down(60, y)
        painted._on_move(260, y)
        painted._on_up()

    with torch.no_grad():
        weight.fill_(torch.nan)
    stroke(60)
    with pytest.raises(cw.CnnWidgetsError, match="NaN"):
        painted.wait(20)
    assert 'role="alert"' in painted._controls.tally.value
    assert "NaN" in painted._controls.tally.value
    painted.undo()
    painted.target = "lynx"
    assert painted._controls._target.value == "lynx"
    with torch.no_grad():
        weight.copy_(kept)
    stroke(120)
    painted.wait(20)
    assert threading.current_thread() not in threads
    assert painted.wait(20) == painted.clf.predict(painted.image)
    assert [stroke.points for stroke in painted.strokes] == [((60, 120), (260, 120))]
    assert "NaN" not in painted._controls.tally.value


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
    painted.brush = 300
    painted.image = make_picture(64, 48)
    assert painted.brush == painted._controls._brush.value == 30
    painted.image = make_picture(60, 2)
    painted.brush = 60
    painted.image = make_picture(64, 48)  # as thick would be 1440
    assert painted.brush == painted._controls._brush.value == 64


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
    painted.strokes = painted.strokes  # answered anew, as when the hand lets go: the same picture
    with pytest.raises(ValueError, match="fell"):
        painted.wait(20)
    painted.unobserve(fail, "image")
    page.draw((60, 20), (260, 20))
    assert painted.wait(20) == painted.clf.predict(painted.image)
