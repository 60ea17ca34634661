"""Messages of any form from a page: nothing escapes, nothing of the kernel's changes, and right ones are answered."""

from __future__ import annotations

import copy
import logging
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cnnwidgets as cw
from tests.widgets.conftest import make_classifier, make_picture
from tests.widgets.galleries import gallery_of

QUICK = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    st.integers(),
    st.sampled_from([10**30, 2**63, -1]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["grad_cam", "saliency", "first", "tabby", "top", "\ud800", "\u202e", "x" * 100_000]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(
            st.sampled_from(["layer", "channel", "y", "x", "kind", "rank", "width", "points", "id", "odd"]), inner
        ),
    ),
    max_leaves=12,
)
HUGE = st.sampled_from(
    [["a"] * 200_000, [[[[[[[[[[[[]]]]]]]]]]]], {str(i): i for i in range(70)}, [[0, 0, 5, 5]] * 5000]
)


def _view():
    return cw.HeatmapView(make_classifier(), make_picture(), samples=2)


def _canvas():
    return cw.OcclusionCanvas(make_classifier(), make_picture(), incremental=False)


def _grid():
    return cw.ActivationGrid(make_classifier(), make_picture())


def _update(widget, state, buffer_paths=(), buffers=()):
    data = {"method": "update", "state": state, "buffer_paths": list(buffer_paths)}
    widget._handle_msg({"content": {"data": data}, "buffers": list(buffers)})


def _custom(widget, content, buffers=()):
    widget._handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": list(buffers)})


def _right_view(widget):
    method = "saliency" if widget.method != "saliency" else "grad_cam"
    _update(widget, {"method": method, "_ask": 7})
    assert widget.wait(30).method == method
    assert (widget._status["state"], widget._status["ask"]) == ("idle", 7)


def _right_canvas(widget):
    widget.boxes = [[1, 1, 9, 9]]
    _custom(widget, {"kind": "place", "id": 3, "boxes": [[2, 2, 20, 20]], "active": 0})
    assert widget.wait(30).boxes == ((2, 2, 20, 20),)


def _right_grid(widget):
    layer = "first" if widget.layer != "first" else "second"
    _update(widget, {"layer": layer, "channel": None, "cell": None, "_ask": 7})
    assert widget.wait(30).name == layer
    assert (widget._status["state"], widget._status["ask"]) == ("idle", 7)


def _right_gallery(widget):
    layer = "first" if widget.layer != "first" else "second"
    _update(widget, {"layer": layer, "channel": None, "selection": None, "_ask": 7})
    assert len(widget.wait(30)) > 0
    assert (widget.layer, widget._status["state"], widget._status["ask"]) == (layer, "idle", 7)


CASES = {"view": _right_view, "canvas": _right_canvas, "grid": _right_grid, "gallery": _right_gallery}
MAKE = {"view": _view, "canvas": _canvas, "grid": _grid, "gallery": gallery_of}
KERNELS_OWN = ("_photo", "_methods", "_layers", "_class_names", "_classes", "_colormaps", "_seen", "_grain", "_esm")


@pytest.fixture(scope="module", params=list(CASES))
def fuzzed(request):
    """A widget with the check that it still answers."""
    logging.disable(logging.CRITICAL)
    name = request.param
    widget = MAKE[name]()
    widget.wait(30)
    yield widget, CASES[name]
    widget.close()
    logging.disable(logging.NOTSET)


def _own(widget):
    """Return what only the kernel sets."""
    return {name: copy.copy(getattr(widget, name)) for name in KERNELS_OWN if widget.has_trait(name)}


def _sound(widget):
    """Whether everything that a page may have set is of a form that it may have."""
    for name, rule in widget._page.traits.items():
        value = getattr(widget, name)
        assert rule.fits(value) or name == "region" or isinstance(value, list), (name, value)
        assert not (isinstance(value, float) and not math.isfinite(value)), name
    assert len(widget._status["message"]) <= 2100


def test_traits(fuzzed):
    widget, right = fuzzed
    before, layout = _own(widget), widget.layout
    names = st.sampled_from([*widget._page.traits, *widget.keys, "nothing", "wait"])

    @QUICK
    @given(st.dictionaries(names, VALUES | HUGE, max_size=4) | VALUES)
    def fuzz(state):
        _update(widget, state)
        widget.set_state(state)

    fuzz()
    _sound(widget)
    assert widget.layout is layout
    assert _own(widget) == before
    right(widget)


def test_messages(fuzzed):
    widget, right = fuzzed
    before = _own(widget)
    kinds = st.sampled_from([k for k in widget._page.messages if k != "resume"])
    keys = st.sampled_from(["id", "boxes", "active", "layer", "channels", "count", "odd"])
    told = st.builds(lambda kind, rest: {**rest, "kind": kind}, kinds | SCALARS, st.dictionaries(keys, VALUES | HUGE))

    @QUICK
    @given(told | VALUES)
    def fuzz(content):
        _custom(widget, content)
        widget._handle_custom_msg(content, [])

    fuzz()
    _sound(widget)
    assert _own(widget) == before
    right(widget)


def test_envelopes(fuzzed):
    widget, right = fuzzed
    before = _own(widget)

    @QUICK
    @given(
        VALUES
        | st.fixed_dictionaries({"content": VALUES, "buffers": VALUES})
        | st.fixed_dictionaries(
            {
                "content": st.fixed_dictionaries(
                    {
                        "data": st.fixed_dictionaries(
                            {"method": st.sampled_from(["update", "custom", "backbone", "", 3, None])},
                            optional={"state": VALUES, "content": VALUES, "buffer_paths": VALUES},
                        )
                    }
                )
            },
            optional={"buffers": VALUES | st.just([memoryview(b"abc")])},
        )
    )
    def fuzz(msg):
        widget._handle_msg(msg)

    fuzz()
    assert _own(widget) == before
    right(widget)


def test_the_parts_of_a_pad():
    logging.disable(logging.CRITICAL)
    pad = cw.SketchPad(make_classifier(), make_picture())
    pad.wait(30)
    controls, canvas = pad._controls, pad._surface.canvas
    parts = [pad, canvas, controls._tool, controls._brush, controls._undo, controls._target, controls.tally]
    before = pad.children, canvas.width, canvas.image_data, controls._tool.options, controls.tally.layout
    events = st.sampled_from([*canvas._page.messages, "click", "odd"])
    keys = st.sampled_from(["x", "y", "touches", "key", "shift_key", "ctrl_key", "meta_key", "event"])
    names = st.sampled_from(sorted({name for part in parts for name in part.keys}))

    @QUICK
    @given(
        st.sampled_from(parts),
        st.dictionaries(names, VALUES | HUGE, max_size=3),
        st.builds(lambda event, rest: {"event": event, **rest}, events, st.dictionaries(keys, VALUES)) | VALUES,
    )
    def fuzz(part, state, content):
        _update(part, state)
        _custom(part, content)

    fuzz()
    assert (pad.children, canvas.width, canvas.image_data is None, controls._tool.options, controls.tally.layout) == (
        before[0],
        before[1],
        False,
        before[3],
        before[4],
    )
    pad.brush, pad.target = 10, 1
    pad.strokes = [[(10, 10), (30, 30)]]
    assert len(pad.wait(30)) == 5
    _update(controls._brush, {"value": math.nan})
    _update(controls._brush, {"value": True})
    assert (pad.brush, controls._brush.value) == (10, 10)
    _update(controls._target, {"value": "x" * 10_000_000})
    assert pad.target == 1
    assert len(controls.tally.value) < 5000
    pad.close()
    logging.disable(logging.NOTSET)
