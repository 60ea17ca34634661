"""The traits that a page may set and the messages that it may send, widget by widget."""

from __future__ import annotations

from cnnwidgets.widgets._page import (
    Either,
    Fields,
    Flag,
    Items,
    Modest,
    Number,
    PageTable,
    Rule,
    Strokes,
    Text,
    Whole,
    optional,
)

_WORD = Text(100)  # one of a few words of ours
_NAME = Text(20_000)  # of a class, a layer or a file: they are the user's, and may be long
_COUNT = Whole(0)
_FLAG, _NUMBER = Flag(), Number()
_CLASS = Either((_COUNT, _NAME))
_PAIR = Items(_NUMBER, 2, 2)
_UNIT = Fields({"layer": _NAME, "channel": _COUNT}, {"y": optional(_COUNT), "x": optional(_COUNT)})
_BOXES = Items(Items(Number(1e6), 4, 4), 32, 1)

_CHECKED = Modest()

_ASK: dict[str, Rule] = {"_ask": _COUNT}
_OVERLAY: dict[str, Rule] = {
    "opacity": _NUMBER,
    "threshold": _NUMBER,
    "sign": _WORD,
    "colormap": _WORD,
    "zoom": _NUMBER,
    "pan": optional(_PAIR),
}
_WORK = {"cancel": Fields(), "retry": Fields()}

HEATMAP_VIEW = PageTable(
    {
        **_ASK,
        **_OVERLAY,
        "method": _WORD,
        "target": optional(_CLASS),
        "instead_of": optional(_CLASS),
        "layer": optional(_NAME),
        "compare": _FLAG,
        "show_box": _FLAG,
    },
    _WORK,
)

OCCLUSION_CANVAS = PageTable(
    {
        **_OVERLAY,
        "target": optional(_CLASS),
        "boxes": _BOXES,
        "active": _COUNT,
        "shape": _WORD,
        "fill": _WORD,
        "color": _WORD,
        "keep": _FLAG,
        "measure": _WORD,
        "window": _COUNT,
        "stride": _COUNT,
        "show": _WORD,
    },
    {
        **_WORK,
        "place": Fields({"id": _COUNT, "boxes": _CHECKED}, {"active": _CHECKED}),
        "rest": Fields(),
        "sweep": Fields(),
        "forget": Fields(),
    },
)

ACTIVATION_GRID = PageTable(
    {
        **_ASK,
        **_OVERLAY,
        "layer": _NAME,
        "channel": optional(_COUNT),
        "cell": optional(Items(_COUNT, 2, 2)),
        "unit": optional(_UNIT),
        "sort": _WORD,
        "target": optional(_CLASS),
        "region": Strokes(),
        "scale": _WORD,
        "hide_dead": _FLAG,
        "tile_size": _COUNT,
        "tab": _WORD,
    },
    _WORK,
)

NEURON_GALLERY = PageTable(
    {
        **_ASK,
        "layer": _NAME,
        "channel": optional(_COUNT),
        "unit": optional(_UNIT),
        "selection": optional(
            Fields(
                {"kind": _WORD, "rank": _COUNT},
                {
                    "image": _COUNT,
                    "source": _NAME,
                    "layer": _NAME,
                    "channel": _COUNT,
                    "y": optional(_COUNT),
                    "x": optional(_COUNT),
                },
            )
        ),
        "view": _WORD,
        "mode": _WORD,
        "kind": _WORD,
        "label": optional(_NAME),
        "patch_size": _COUNT,
        "quantile": _NUMBER,
        "opacity": _NUMBER,
        "order": _WORD,
        "search": Text(1000),
        "alike": optional(_COUNT),
        "target": optional(_NAME),
    },
    {
        **_WORK,
        "stop": Fields(),
        "resume": Fields(),
        "rows": Fields({"id": _COUNT, "layer": _NAME, "channels": Items(_COUNT, 64), "count": _COUNT}),
    },
)

# The parts of a SketchPad, which are plain widgets of ipywidgets and ipycanvas.

BUTTON = PageTable({}, {"click": Fields()}, "event")
CHOICE = PageTable({"index": optional(_COUNT)})
SLIDER = PageTable({"value": _NUMBER})
FIELD = PageTable({"value": _NAME})

_POINT = Fields({"x": _NUMBER, "y": _NUMBER})
_TOUCHES = Fields({"touches": Items(_POINT, 64)})
CANVAS = PageTable(
    {},
    {
        "client_ready": Fields(),
        **dict.fromkeys(("mouse_move", "mouse_down", "mouse_up", "mouse_out", "mouse_wheel"), _POINT),
        **dict.fromkeys(("touch_start", "touch_end", "touch_move", "touch_cancel"), _TOUCHES),
        "key_down": Fields({"key": _WORD, "shift_key": _FLAG, "ctrl_key": _FLAG, "meta_key": _FLAG}),
    },
    "event",
)
