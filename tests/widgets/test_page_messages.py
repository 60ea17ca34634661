"""What a page may set and send is checked in one place; what it may not is answered in words and changes nothing."""

from __future__ import annotations

import json
import math
import time

import pytest
from torch import nn

import cnnwidgets as cw
from cnnwidgets import explain
from cnnwidgets.errors import brief, nearest
from cnnwidgets.widgets import _page_tables as tables
from cnnwidgets.widgets._page import FromPage, Items, Modest, Number, Strokes, Text, Whole, optional
from tests.widgets.conftest import Browser, Net, make_classifier, make_picture
from tests.widgets.galleries import gallery_of

KINDS = {
    "view": lambda: cw.HeatmapView(make_classifier(), make_picture()),
    "canvas": lambda: cw.OcclusionCanvas(make_classifier(), make_picture(), incremental=False),
    "grid": lambda: cw.ActivationGrid(make_classifier(), make_picture()),
    "gallery": gallery_of,
}


@pytest.fixture(params=list(KINDS))
def pair(request):
    widget = KINDS[request.param]()
    widget.wait(30)
    yield widget, Browser(widget)
    widget.close()


def test_a_page_may_set_what_a_person_can_choose_and_nothing_else(pair):
    widget, browser = pair
    for name in sorted(set(widget.keys) - set(widget._page.traits) - {"_views", "_status"}):
        before = widget.trait_values()[name]
        for value in ({}, [], "x", None, 1):
            browser.set(**{name: value})
            assert getattr(widget, name) is before or getattr(widget, name) == before, name
        assert f"cannot set '{name}'" in widget._status["message"]
        assert name in browser.names  # the page is sent what the kernel has
    said = widget._status
    browser.set(_status={})
    assert widget._status["state"] == said["state"] == "error"
    for name in widget._page.traits:
        assert name == "_ask" or not name.startswith("_")


def test_keys_that_nobody_knows_are_refused_with_all_that_came_with_them(pair):
    widget, browser = pair
    before = widget.opacity
    browser.set(opacity=before / 2, observe=3)
    assert widget.opacity == before
    assert "cannot set 'observe'" in widget._status["message"]
    browser.set(opacity=before / 2)
    assert widget.opacity == before / 2


def test_what_is_huge_is_refused_at_once_and_not_sent_back(pair):
    widget, browser = pair
    huge = "x" * 10_000_000
    began = time.perf_counter()
    for name in widget._page.traits:
        browser.set(**{name: huge})
        browser.set(**{name: [huge] * 3})
    browser.set(**{huge: 1})
    browser.send(kind=huge)
    browser.send(kind="place", id=1, boxes=huge)
    browser.send(kind="rows", id=1, layer=huge, channels=[0], count=1)
    assert time.perf_counter() - began < 60  # it was minutes
    assert len(json.dumps(widget._status)) < 2000
    assert len(json.dumps(browser.messages, default=str)) < 20_000


def test_equality_does_not_skip_the_check(pair):
    """True == 1 and 1.0 == 1: traitlets takes no note of a value that equals the one before."""
    widget, browser = pair
    if "channel" in widget._page.traits:
        widget.channel = 1
        for value in (True, 1.0):
            browser.set(channel=value)
            assert type(widget.channel) is int
            assert widget._status["state"] == "error"
    if "boxes" in widget._page.traits:
        widget.boxes = [[0, 0, 1, 1]]
        browser.set(boxes=[[0, 0, True, True]])
        assert [type(edge) for edge in widget.boxes[0]] == [float] * 4
        assert widget._status["state"] == "error"
    if "compare" in widget._page.traits:
        widget.target = 1
        for state in ({"target": True}, {"compare": 0}, {"zoom": True}):
            browser.set(**state)
            assert widget._status["state"] == "error"
        assert (type(widget.target), type(widget.compare), type(widget.zoom)) == (int, bool, float)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "0.5", None, [0.5]])
def test_numbers_are_finite_numbers(pair, value):
    widget, browser = pair
    before = widget.opacity
    browser.set(opacity=value)
    assert widget.opacity == before
    assert widget._status["state"] == "error"


def test_bytes_are_refused(pair):
    widget, _ = pair
    before = widget.opacity
    data = {"method": "update", "state": {"opacity": None}, "buffer_paths": [["opacity"]]}
    widget._handle_msg({"content": {"data": data}, "buffers": [memoryview(b"1")]})
    assert widget.opacity == before
    assert "bytes" in widget._status["message"]


def test_wrong_requests_with_a_number_are_answered_by_that_number():
    canvas = KINDS["canvas"]()
    canvas.wait(30)
    page = Browser(canvas)
    page.send(kind="place", id=5, boxes=[["x"] * 5000])
    page.send(kind="place", id=6, boxes=[[0, 0, 5, 5]], odd=1)
    assert [(message["id"], bool(message["error"])) for message in page.messages] == [(5, True), (6, True)]
    canvas.close()
    gallery = gallery_of()
    page = Browser(gallery)
    page.send(kind="rows", id=7, layer=3, channels=[0], count=1)
    page.send(kind="rows", id=8, layer="first", channels=[True], count=1)
    assert [(message["id"], "message" in message["error"]) for message in page.messages] == [(7, True), (8, True)]
    gallery.close()


def test_every_widget_checks_what_comes_from_its_page():
    for name in ("HeatmapView", "OcclusionCanvas", "ActivationGrid", "NeuronGallery", "SketchPad"):
        kind = getattr(cw, name)
        assert issubclass(kind, FromPage)
        for part in ("_handle_msg", "set_state", "_handle_custom_msg"):
            assert getattr(kind, part) is getattr(FromPage, part)
    pad = cw.SketchPad(make_classifier(), make_picture())
    parts = [pad._surface.canvas, pad._controls.side, *pad._controls.side.children]
    assert all(isinstance(part, FromPage) for part in parts)
    pad.close()


def test_the_words_of_rules():
    table = tables.HEATMAP_VIEW
    with pytest.raises(cw.CnnWidgetsError, match=r"show_box=1 came from the page; show_box is true or false"):
        table.check_state({"show_box": 1})
    with pytest.raises(cw.CnnWidgetsError, match=r"pan=\[1, nan\] came from the page; pan is null or a list of 2"):
        table.check_state({"pan": [1, math.nan]})
    with pytest.raises(cw.CnnWidgetsError, match="70 traits at once"):
        table.check_state({str(number): 0 for number in range(70)})
    with pytest.raises(cw.CnnWidgetsError, match="message 'cancel' is wrong: 'odd' is not known"):
        table.check_message({"kind": "cancel", "odd": 1})
    with pytest.raises(cw.CnnWidgetsError, match="message 'place' is wrong: id is missing"):
        tables.OCCLUSION_CANVAS.check_message({"kind": "place", "boxes": []})
    assert optional(Whole(0)).fits(None)
    assert not Whole(0).fits(-1)
    assert not Number().fits(10**400)
    assert not Text(3).fits("four")
    assert not Items(Number(), 2, 2).fits((1, 2))
    assert not Modest(10, 10).fits([[1] * 6, [2] * 6])
    assert not Modest(10, 10).fits({"a": "x" * 11})


def test_a_value_in_an_error_is_brief_whatever_it_is():
    loop = []
    loop.append(loop)
    values = ["x" * 10**7, b"x" * 10**7, 10**5000, [[1] * 10**6] * 3, {"x" * 10**6: loop}, loop, object(), math.nan]
    for value in values:
        assert len(brief(value)) <= 80
    assert brief({"a": [1, "b"]}) == "{'a': [1, 'b']}"
    began = time.perf_counter()
    assert nearest("x" * 10**7, ["abc", "y" * 10**7]) == ""
    assert time.perf_counter() - began < 20


# The model changes, or breaks.


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.act, self.slope = nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), 1.0
        self.gate = nn.functional.relu

    def forward(self, x):
        return self.slope * self.gate(self.act(self.conv(x)))


def _network():
    import torch

    torch.manual_seed(0)
    return nn.Sequential(Block(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)).eval()


CHANGES = {
    "activation": lambda net: setattr(net[0], "act", nn.Tanh()),
    "stride": lambda net: setattr(net[0].conv, "stride", (1, 1)),
    "padding": lambda net: setattr(net[0].conv, "padding", (0, 0)),
    "setting": lambda net: setattr(net[0], "slope", 3.0),
    "function": lambda net: setattr(net[0], "gate", nn.functional.elu),
    "hook": lambda net: net[0].register_forward_hook(lambda _module, _inputs, output: 2 * output),
    "forward": lambda net: setattr(net[1], "forward", lambda x: x.amax((2, 3), keepdim=True)),
    "module": lambda net: net.insert(1, nn.Sigmoid()),
    "weights": lambda net: net[-1].weight.mul_(-1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_model_that_changes_is_noticed_by_every_widget(change):
    import torch

    net = _network()
    clf, picture = cw.Classifier(net, cw.Preprocess(resize=(32, 32))), make_picture()
    view, canvas = cw.HeatmapView(clf, picture), cw.OcclusionCanvas(clf, picture, incremental=False)
    grid, pad = cw.ActivationGrid(clf, picture), cw.SketchPad(clf, picture)
    for widget in (view, canvas, grid, pad):
        widget.wait(30)
    with torch.no_grad():
        CHANGES[change](net)

    Browser(view).ask(method="saliency")
    shown = view.wait(30)
    now = clf.predict(picture)
    assert view.predictions[0].score == pytest.approx(now[0].score, abs=1e-5)
    assert shown.values == pytest.approx(explain.saliency(clf, picture, view.target).values, abs=1e-6)

    Browser(canvas).send(kind="place", id=1, boxes=[[0, 0, 1, 1]])
    canvas.wait(30)
    target = {item.index: item.probability for item in now}
    assert canvas.clean_score == pytest.approx(target[canvas.target], abs=1e-6)

    Browser(grid).ask(layer=grid.layer)
    found = grid.wait(30)
    assert found.values == pytest.approx(explain.activations(clf, picture, [found.name]).values, abs=1e-5)

    pad.strokes = [[(1, 1), (2, 2)]]
    pad.wait(30)
    assert pad._ground.clean.predictions[0].score == pytest.approx(now[0].score, abs=1e-5)
    for widget in (view, canvas, grid, pad):
        widget.close()


@pytest.mark.parametrize("kind", ["view", "canvas", "grid"])
def test_a_model_that_breaks_is_said_in_words_with_the_number_of_the_question(kind):
    clf = cw.Classifier(_network(), cw.Preprocess(resize=(32, 32)))
    make = {"view": cw.HeatmapView, "canvas": cw.OcclusionCanvas, "grid": cw.ActivationGrid}[kind]
    widget = make(clf, make_picture())
    widget.wait(30)
    page = Browser(widget)
    clf.model[0].conv = nn.Conv2d(5, 8, 3)
    if kind == "canvas":
        page.send(kind="place", id=9, boxes=[[0, 0, 9, 9]])
        with pytest.raises(RuntimeError, match="channels"):
            widget.wait(30)
        assert [(each["id"], "channels" in each["error"]) for each in page.messages] == [(9, True)]
    else:
        page.ask(**({"method": "saliency"} if kind == "view" else {"sort": "mean"}))
        with pytest.raises(RuntimeError, match="channels"):
            widget.wait(30)
        assert widget._status["state"] == "error"
        assert "channels" in widget._status["message"]
        assert widget._status["ask"] == widget._ask == 1
        page.send(kind="retry")
        with pytest.raises(RuntimeError, match="channels"):
            widget.wait(30)
        assert widget._status["state"] == "error"
    clf.model[0].conv = nn.Conv2d(3, 8, 3, 2, 1)
    if kind == "canvas":
        page.send(kind="place", id=10, boxes=[[0, 0, 9, 9]])
    else:
        page.ask(**({"method": "grad_cam"} if kind == "view" else {"sort": "maximum"}))
    assert widget.wait(30) is not None
    assert widget._status["state"] == "idle"
    widget.close()


def test_a_broken_model_is_said_when_a_layer_is_chosen_too():
    view = KINDS["view"]()
    view.wait(30)
    Net.fails = True
    view.clf.model.first.stride = (1, 1)
    page = Browser(view)
    page.ask(layer="first")
    assert view._status["state"] == "error"
    assert "third valve" in view._status["message"]
    Net.fails = False
    page.ask(layer="first")
    assert view.wait(30).layer == "first"
    view.close()


def test_a_region_is_bounded_in_all_its_strokes_together():
    rule = Strokes()
    stroke = {"width": 3, "points": [[1, 2]] * 5000}
    assert rule.fits([stroke] * 4)
    assert rule.fits([])
    assert not rule.fits([stroke] * 5)
    assert not rule.fits([{"width": 1e300, "points": [[1, 2]]}])
    assert not rule.fits([{"width": 3, "points": [[1e300, 2]]}])
    assert not rule.fits([{"width": 0, "points": [[1, 2]]}])
    assert not rule.fits([{"width": 3, "points": []}])
    assert not rule.fits([{"width": 3, "points": [[1, 2]], "more": 1}])
    assert not rule.fits([{"width": 3, "points": "x" * 10}])
