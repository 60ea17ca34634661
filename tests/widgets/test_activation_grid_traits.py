"""What an ActivationGrid takes and refuses, from Python and from the page; the unit and its parts agree."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
import traitlets
from traitlets import TraitError

import cnnwidgets as cw
from tests.widgets.conftest import Browser, kept, make_classifier, make_picture

LOOKING = ("layer", "channel", "cell", "unit")
NOTHING_CHANGED = (
    *LOOKING,
    *("sort", "target", "threshold", "region", "scale", "hide_dead", "tile_size", "tab", "sign", "opacity", "zoom"),
)
STROKE = {"width": 3, "points": [[1, 2]]}


@pytest.fixture
def grid(clf):
    yield from kept(cw.ActivationGrid(clf, make_picture(), layer="first"))


@pytest.fixture
def browser(grid):
    return Browser(grid)


def looking(grid):
    return tuple(getattr(grid, name) for name in LOOKING)


BAD = [
    ("layer", "frist", "Did you mean 'first'"),
    ("layer", True, "layer=True"),
    ("layer", 0, "index"),
    ("layer", "linear", "no map"),
    ("channel", 4, "channel=4 is out of range: there are 4 channels of layer 'first', 0 to 3"),
    ("channel", -1, "out of range"),
    ("channel", 10**30, "out of range"),
    ("channel", True, "whole number"),
    ("channel", 1.5, "whole number"),
    ("channel", math.nan, "whole number"),
    ("channel", "1", "whole number"),
    ("cell", [16, 0], "row 16 is out of range: there are 16 rows"),
    ("cell", [0, 16], "column 16"),
    ("cell", [0], "row, column"),
    ("cell", 3, "row, column"),
    ("cell", [True, 0], "whole number"),
    ("cell", [0, math.nan], "whole number"),
    ("cell", [10**40, 0], "out of range"),
    ("unit", {"layer": "first"}, "no unit"),
    ("unit", {"layer": "frist", "channel": 0}, "Did you mean 'first'"),
    ("unit", {"layer": "first", "channel": 9}, "out of range"),
    ("unit", {"layer": "first", "channel": None, "y": 0, "x": 0}, "no unit"),
    ("unit", {"layer": None, "channel": 1}, "names no layer"),
    ("unit", {"layer": "first", "channel": 0, "y": 1}, "go together"),
    ("unit", {"layer": "first", "channel": 0, "row": 1}, "no option 'row'"),
    ("unit", "first", "no unit"),
    ("sort", "maximun", "Did you mean 'maximum'"),
    ("sort", "difference", "two pictures"),
    ("sort", None, "not known"),
    ("target", 5, "out of range"),
    ("target", True, "bool"),
    ("target", "tyger cat", "Did you mean 'tiger cat'"),
    ("threshold", 1.5, "from 0 to 1"),
    ("threshold", math.nan, "from 0 to 1"),
    ("threshold", True, "from 0 to 1"),
    ("region", {"width": 3}, "no list"),
    ("region", [3], "no stroke"),
    ("region", [{"width": 3}], "no stroke"),
    ("region", [{**STROKE, "tool": "draw"}], "no stroke"),
    ("region", [{**STROKE, "width": 0}], "no width"),
    ("region", [{**STROKE, "width": math.inf}], "no width"),
    ("region", [{**STROKE, "width": 10**400}], "no width"),
    ("region", [{**STROKE, "points": []}], "no points"),
    ("region", [{**STROKE, "points": [[1, math.nan]]}], "no point"),
    ("region", [{**STROKE, "points": [[1, True]]}], "no point"),
    ("region", [{**STROKE, "points": [[1, 2, 3]]}], "no point"),
    ("region", [STROKE] * 257, "at most 256"),
    ("region", [{"width": 1, "points": [[1, 2]] * 20_001}], "at most 20000"),
    ("scale", "share", "Did you mean 'shared'"),
    ("hide_dead", 1, "True or False"),
    ("tile_size", 23, "24 to 256"),
    ("tile_size", 257, "24 to 256"),
    ("tile_size", 72.0, "whole number"),
    ("tile_size", True, "whole number"),
    ("tab", "weights", "activations, filters"),
    ("sign", "postive", "Did you mean 'positive'"),
    ("zoom", math.nan, "finite"),
]


@pytest.mark.parametrize(("trait", "value", "words"), BAD)
def test_bad_values_are_refused_and_change_nothing(grid, browser, trait, value, words):
    grid.pin(2, 3, 4)
    before = {name: getattr(grid, name) for name in NOTHING_CHANGED}
    with pytest.raises((cw.CnnWidgetsError, TraitError)) as refused:
        setattr(grid, trait, value)
    assert words in str(refused.value)
    assert isinstance(refused.value, cw.CnnWidgetsError)
    assert {name: getattr(grid, name) for name in NOTHING_CHANGED} == before

    browser.set(**{trait: value, "opacity": 0.123})
    assert {name: getattr(grid, name) for name in NOTHING_CHANGED} == before
    assert grid._status["state"] == "error"
    assert words in grid._status["message"]
    assert trait in browser.names  # the page gets the old value back
    assert grid.wait(20) is not None


def test_unknown_options_are_refused_with_the_nearest(clf):
    with pytest.raises(cw.CnnWidgetsError, match=r"ActivationGrid takes no option 'chanel'.*'channel'"):
        cw.ActivationGrid(clf, make_picture(), chanel=3)
    with pytest.raises(cw.CnnWidgetsError, match="list"):
        cw.ActivationGrid([1], make_picture())


def test_every_trait_can_be_given_at_once(clf):
    options = {
        "layer": "first", "channel": 2, "cell": (3, 4), "sort": "difference", "target": "lynx", "threshold": 0.5,
        "region": [{"width": 2, "points": ((1, 2), np.array([3, 4]))}], "scale": "shared", "hide_dead": True,
        "tile_size": 100, "tab": "filters", "sign": "both", "opacity": 0.2, "colormap": "viridis", "zoom": 2,
        "pan": [3, 4],
    }  # fmt: skip
    options["region"][0]["points"] = np.array([[1, 2], [3, 4]])
    grid = cw.ActivationGrid(clf, make_picture(), make_picture(30, 50), **options)
    assert looking(grid) == ("first", 2, [3, 4], {"layer": "first", "channel": 2, "y": 3, "x": 4})
    assert (grid.sort, grid.target, grid.region) == ("difference", 2, [{"width": 2.0, "points": [[1, 2], [3, 4]]}])
    assert (grid.scale, grid.hide_dead, grid.tile_size, grid.tab) == ("shared", True, 100, "filters")
    assert len(grid.wait(20)) == 2
    assert min(grid.snapshot().size) > 0


def test_numbers_of_numpy_are_numbers(grid):
    grid.channel, grid.cell = np.int64(2), np.array([1, 2])
    assert grid.unit == {"layer": "first", "channel": 2, "y": 1, "x": 2}
    assert type(grid.channel) is int
    assert [type(number) for number in grid.cell] == [int, int]


def test_the_unit_follows(grid):
    assert looking(grid) == ("first", None, None, None)
    grid.cell = [1, 2]
    assert looking(grid) == ("first", None, [1, 2], None)
    grid.channel = 3
    assert looking(grid) == ("first", 3, [1, 2], {"layer": "first", "channel": 3, "y": 1, "x": 2})
    grid.channel = 1
    assert looking(grid) == ("first", 1, [1, 2], {"layer": "first", "channel": 1, "y": 1, "x": 2})
    grid.cell = None
    assert looking(grid) == ("first", 1, None, {"layer": "first", "channel": 1, "y": None, "x": None})
    grid.pin(2, 5, 6)
    assert looking(grid) == ("first", 2, [5, 6], {"layer": "first", "channel": 2, "y": 5, "x": 6})
    grid.layer = "second"
    assert looking(grid) == ("second", None, None, None)
    grid.pin(5)
    grid.pin(None)
    assert looking(grid) == ("second", None, None, None)
    with pytest.raises(cw.CnnWidgetsError, match="go together"):
        grid.pin(1, row=2)


def test_the_unit_leads(grid):
    grid.unit = {"layer": "second", "channel": 5, "y": 7, "x": 0}
    assert looking(grid) == ("second", 5, [7, 0], {"layer": "second", "channel": 5, "y": 7, "x": 0})
    assert grid.wait(20).name == "second"
    grid.unit = {"layer": "second", "channel": 4}
    assert looking(grid) == ("second", 4, None, {"layer": "second", "channel": 4, "y": None, "x": None})
    grid.unit = None
    assert looking(grid) == ("second", None, None, None)


def test_a_unit_set_before_there_is_a_sheet(clf, gate):
    grid = cw.ActivationGrid(clf, make_picture())
    grid.wait(20)
    gate.clear()
    grid.other = make_picture(30, 30)
    grid.unit = {"layer": "first", "channel": 3, "y": 0, "x": 0}
    assert grid._sheet == {}
    assert grid.activations is None
    assert looking(grid)[:3] == ("first", 3, [0, 0])
    gate.set()
    assert grid.wait(20).name == "first"
    assert grid._sheet["layer"] == "first"


def test_the_page_pins_in_one_message(grid, browser):
    browser.set(channel=3, cell=[1, 2])
    assert grid.unit == {"layer": "first", "channel": 3, "y": 1, "x": 2}
    assert browser.names == {"unit"}  # what the page wrote is not sent back
    browser.ask(layer="second", channel=None, cell=None)
    assert looking(grid) == ("second", None, None, None)
    assert grid.wait(20).name == "second"
    browser.ask(layer="first", channel=2, cell=[15, 15])
    assert grid.unit == {"layer": "first", "channel": 2, "y": 15, "x": 15}


def test_the_page_hears_what_python_unpins(grid, browser):
    grid.pin(3, 1, 2)
    browser.updates.clear()
    grid.layer = "second"
    sent = {name: value for state in browser.updates for name, value in state.items()}
    assert {name: sent[name] for name in LOOKING} == dict(zip(LOOKING, ("second", None, None, None), strict=True))


def test_observers_find_all_four_in_agreement(grid):
    seen = []
    for name in LOOKING:
        grid.observe(lambda _change: seen.append(looking(grid)), name)
    grid.unit = {"layer": "second", "channel": 1, "y": 2, "x": 3}
    grid.pin(0)
    grid.layer = "first"
    agreeing = {
        ("second", 1, (2, 3)): {"layer": "second", "channel": 1, "y": 2, "x": 3},
        ("second", 0, None): {"layer": "second", "channel": 0, "y": None, "x": None},
        ("first", None, None): None,
    }
    assert seen
    for layer, channel, cell, unit in seen:
        assert agreeing[layer, channel, cell and tuple(cell)] == unit


def test_an_observer_may_wait(grid):
    found = []
    grid.observe(lambda _change: found.append(grid.wait(20).name), ["layer", "channel"])
    grid.pin(1)
    grid.layer = "second"
    assert found == ["first", "second", "second"]


def test_two_threads_that_pin_leave_one_mind(grid):
    units = [{"layer": "first", "channel": 1, "y": 2, "x": 3}, {"layer": "second", "channel": 5, "y": 7, "x": 0}]
    errors = []

    def pin(unit):
        try:
            for _ in range(100):
                grid.unit = unit
                grid.channel = 0
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=pin, args=(unit,)) for unit in units]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    grid.wait(20)
    layer, channel, cell, unit = looking(grid)
    assert unit == (None if channel is None else {"layer": layer, "channel": channel, **place(cell)})
    assert grid._sheet["layer"] == grid.activations.name == layer


def place(cell):
    y, x = cell or (None, None)
    return {"y": y, "x": x}


def test_two_grids_linked_by_their_units():
    one, other = (cw.ActivationGrid(make_classifier(), make_picture(size, 40)) for size in (60, 90))
    traitlets.link((one, "unit"), (other, "unit"))
    one.unit = {"layer": "first", "channel": 1, "y": 2, "x": 3}
    assert looking(other) == looking(one)
    other.pin(3, 4, 5)
    assert looking(one) == looking(other) == ("first", 3, [4, 5], {"layer": "first", "channel": 3, "y": 4, "x": 5})
    one.layer = "second"
    assert (one.unit, other.unit, other.channel) == (None, None, None)
    assert one.wait(20).name == "second"
    assert other.wait(20).name == "first"
