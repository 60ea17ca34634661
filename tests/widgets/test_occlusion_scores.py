"""What OcclusionCanvas hides and what it says: against pixels that are put together by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import cnnwidgets as cw
from cnnwidgets.explain.frame import Box
from tests.widgets.occlusion import NAMES, SIDE, Page, brightness, canvas, gradient, logits


def x_of(made: cw.OcclusionCanvas) -> torch.Tensor:
    return made.clf.prepare(made.image).x


def grey(value: float = 128 / 255) -> torch.Tensor:
    return torch.full((3, 1, 1), value)


@pytest.mark.parametrize("measure", ["probability", "output"])
@pytest.mark.parametrize("keep", [False, True])
def test_a_rectangle_of_grey(measure, keep):
    made = canvas(fill="grey", keep=keep, measure=measure, target="red")
    made.boxes = [[10, 20, 30, 52]]  # picture pixels; the input has half of them
    score = made.wait(20)
    x = x_of(made)
    under = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    under[10:26, 5:15] = True
    wanted = logits(made, torch.where(under != keep, grey(), x))
    clean = logits(made, x)
    if measure == "probability":
        wanted, clean = wanted.softmax(0), clean.softmax(0)
    assert score.score == pytest.approx(float(wanted[2]), abs=1e-5)
    assert score.clean == made.clean_score == pytest.approx(float(clean[2]), abs=1e-5)
    assert score.change == pytest.approx(float(wanted[2] - clean[2]), abs=2e-5)
    assert score.units == {"probability": "probability", "output": "logit"}[measure]
    assert score.hidden == (Box(10, 20, 30, 52),)
    assert score.name == "red"
    assert made.score == score.score
    assert made.region == Box(10, 20, 30, 52)


def test_an_ellipse_hides_its_inscribed_pixels():
    made = canvas(fill="grey", shape="ellipse", measure="output", target="bright")
    made.boxes = [[10, 20, 30, 52]]
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    under = torch.tensor(((x + 0.5 - 10) / 5) ** 2 + ((y + 0.5 - 18) / 8) ** 2 <= 1)
    wanted = logits(made, torch.where(under, grey(), x_of(made)))
    assert made.wait(20).score == pytest.approx(float(wanted[0]), abs=1e-5)


def test_several_boxes_at_once_whichever_is_held():
    made = canvas(fill="mean", measure="output", target="bright")
    boxes = [[0, 0, 16, 16], [40, 40, 64, 64], [8, 8, 48, 48]]
    x = x_of(made)
    under = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    for left, top, right, bottom in boxes:
        under[top // 2 : bottom // 2, left // 2 : right // 2] = True
    wanted = float(logits(made, torch.where(under, x.mean((2, 3), keepdim=True), x))[0])
    page = Page(made)
    for active in range(3):
        page.place(active, *boxes, active=active)
        answer = page.answer(active)
        assert answer["score"] == pytest.approx(wanted, abs=1e-5)
        assert answer["active"] == active
        assert answer["hidden"] == answer["boxes"] == boxes
    made.keep = True
    kept = float(logits(made, torch.where(under, x, x.mean((2, 3), keepdim=True)))[0])
    assert made.wait(20).score == pytest.approx(kept, abs=1e-5)


def test_fills_are_those_of_the_backend():
    made = canvas(measure="output", target="red", color="#ff8000")
    made.boxes = [[10, 20, 30, 52]]
    x, box = x_of(made), (slice(None), slice(None), slice(10, 26), slice(5, 15))
    colour = torch.tensor([1.0, 128 / 255, 0.0])[:, None, None]
    expected = {
        "grey": grey(),
        "mean": x.mean((2, 3), keepdim=True),
        "local_mean": x[box].mean((2, 3), keepdim=True),
        "colour": colour,
    }
    scores = {}
    for fill, value in expected.items():
        made.fill = fill
        pixels = x.clone()
        pixels[box] = value
        scores[fill] = made.wait(20).score
        assert scores[fill] == pytest.approx(float(logits(made, pixels)[2]), abs=1e-5), fill
    for fill in ("blur", "noise"):
        made.fill = fill
        again = made.wait(20).score
        hidden = made.snapshot()
        assert hidden.size[0] > 100
        made.boxes = [[10, 20, 32, 52]]
        made.boxes = [[10, 20, 30, 52]]
        assert made.wait(20).score == again, "the same noise every time"


def test_what_the_browser_draws_is_what_the_network_gets():
    import io

    from PIL import Image

    made = canvas(color="#ff8000")
    fills = made._fills
    assert fills["grey"]["rgb"] == [128, 128, 128]
    assert fills["colour"]["rgb"] == [255, 128, 0]
    mean = (x_of(made).mean((0, 2, 3)) * 255).round().int().tolist()
    assert fills["mean"]["rgb"] == mean
    assert fills["local_mean"] == {"local": True}
    for name in ("blur", "noise"):
        drawn = np.asarray(Image.open(io.BytesIO(fills[name]["data"])).convert("RGB"), float)
        assert drawn.shape == (SIDE, SIDE, 3)
        made.fill, made.boxes, made.measure, made.target = name, [[0, 0, 64, 64]], "output", "bright"
        assert made.wait(20).score == pytest.approx(4 * drawn.mean() / 255, abs=0.05)
    made.color = "#0000ff"
    assert made._fills["colour"]["rgb"] == [0, 0, 255]
    assert made._fills["noise"]["data"] == fills["noise"]["data"]


def test_scores_of_the_incremental_engine_are_those_of_whole_passes(clf):
    from tests.widgets.conftest import make_picture

    fast = cw.OcclusionCanvas(clf, make_picture())
    slow = cw.OcclusionCanvas(clf, make_picture(), incremental=False)
    fast.wait(20)
    assert fast._scorer.engines.wait(60)
    for pinned in ([], [[40, 3, 55, 20]]):
        for box in ([0, 0, 20, 20], [13, 7, 31, 26], [50, 30, 60, 40]):
            for made in (fast, slow):
                made.boxes = [box, *pinned]
            assert fast.wait(20).score == pytest.approx(slow.wait(20).score, abs=1e-5)
        assert fast._scorer.engines.wait(60)


def test_boxes_are_rounded_to_pixels_of_the_input_and_keep_their_size_while_they_move():
    made = canvas(image=gradient(320, 320))  # ten picture pixels for one of the input
    assert made._grain == [10, 10]
    page = Page(made)
    sizes = set()
    for number, shift in enumerate(np.linspace(0, 20, 23)):
        page.place(number, [50 + shift, 60, 107 + shift, 133])
        ((left, top, right, bottom),) = page.answer(number)["hidden"]
        sizes.add((right - left, bottom - top))
        assert left % 10 == top % 10 == 0
        assert abs(left - (50 + shift)) <= 7
    assert sizes == {(60, 70)}


@pytest.mark.parametrize(
    ("box", "hidden"),
    [
        ([-20, -20, 20, 20], [0, 0, 20, 20]),  # cut at the border
        ([3.2, 3.2, 3.4, 3.4], [2, 2, 4, 4]),  # never less than a pixel of the input
        ([-50, -50, 500, 500], [0, 0, 64, 64]),
        ([-50, 10, 500, 20], [0, 10, 64, 20]),
        ([60, 58, 70, 90], [60, 58, 64, 64]),
    ],
)
def test_boxes_at_the_border(box, hidden):
    made = canvas()
    made.boxes = [box]
    assert [list(each) for each in made.wait(20).hidden] == [hidden]


def test_a_box_where_the_network_does_not_look_hides_nothing():
    clf = cw.Classifier(brightness().model, cw.Preprocess(resize=SIDE, crop=(SIDE, SIDE)), NAMES)
    made = canvas(clf, gradient(128, 64))
    assert made._seen == [32, 0, 96, 64]
    before = len(made.visited)
    made.boxes = [[2, 2, 20, 20]]
    score = made.wait(20)
    ((left, _, right, _),) = score.hidden
    assert left == right
    assert score.change == pytest.approx(0, abs=1e-6)
    assert len(made.visited) == before
    made.boxes = [[20, 2, 50, 20]]
    assert made.wait(20).hidden[0] == Box(32, 2, 50, 20)
    assert len(made.visited) == before + 1


def test_bars_and_top_change():
    made = canvas(fill="colour", color="#000000")
    made.boxes = [[0, 0, 64, 64]]
    score = made.wait(20)
    assert [p.name for p in score.predictions] == ["bright", "dark", "red"]  # all logits zero
    assert score.probability == pytest.approx(1 / 3)
    clean = logits(made, x_of(made)).softmax(0)
    assert score.before == pytest.approx([float(clean[p.index]) for p in score.predictions], abs=1e-5)
    assert made.target == int(clean.argmax())
    made.color = "#ff0000"
    score = made.wait(20)
    assert score.predictions[0].name == "red"
    assert score.top_changed == (NAMES[int(clean.argmax())] != "red")
    assert score.packed()["predictions"][0]["clean"] == pytest.approx(float(clean[2]), abs=1e-5)


def test_grey_pictures_tensors_and_padding():
    one = cw.Classifier(
        torch.nn.Sequential(torch.nn.Conv2d(1, 3, 32), torch.nn.Flatten()), cw.Preprocess(resize=(32, 32), channels=1)
    )
    made = canvas(one, gradient(), fill="colour", color="#ffffff")
    assert made._fills["colour"]["rgb"] == [255, 255, 255]
    assert made._fills["mean"]["rgb"][0] == made._fills["mean"]["rgb"][2]
    made = canvas(brightness(), torch.rand(3, 24, 40))
    made.boxes = [[0, 0, 12, 12]]
    assert made.wait(20).hidden == (Box(0, 0, 12, 12),)
    assert min(made.snapshot().size) > 0
