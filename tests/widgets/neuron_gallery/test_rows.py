"""Rows of a gallery's overview: asked for by the page, answered once."""

from __future__ import annotations

import pytest

import cnnwidgets as cw
from tests.widgets.conftest import Browser, make_classifier
from tests.widgets.galleries import Gate, forget_pictures, sheet


def rows_of(browser):
    return [message for message in browser.messages if message["kind"] == "rows"]


def test_rows_are_answered_once_and_in_order(gallery, browser):
    numbers = [7, 2**40, 3]
    for number in numbers:
        browser.send(kind="rows", id=number, layer="second", channels=[1, 4], count=3)
    gallery.wait(20)
    found = rows_of(browser)
    assert [answer["id"] for answer in found] == numbers
    for answer in found:
        assert [row["channel"] for row in answer["rows"]] == [1, 4]
        top = gallery.index.top("second", 1, 3)
        assert [(p["value"], p["label"], p["missing"]) for p in answer["rows"][0]["patches"]] == [
            (patch.value, patch.label, "") for patch in top
        ]
        assert len(answer["sheet"]["places"]) == 6


def test_the_pictures_of_rows_come_as_a_buffer(gallery):
    sent = []
    gallery.send = lambda content, buffers=None: sent.append((content, buffers))
    gallery._rows._send = gallery.send
    gallery._rows.ask({"kind": "rows", "id": 1, "layer": "first", "channels": [0, 3], "count": 4})
    gallery.wait(20)
    ((content, buffers),) = sent
    tiles = sheet({**content["sheet"], "data": buffers[0]})
    assert len(tiles) == 8
    assert max(max(tile.size) for tile in tiles) <= 64


@pytest.mark.parametrize(
    "asked",
    [
        {"layer": "frist", "channels": [0], "count": 4},
        {"layer": "first", "channels": [99], "count": 4},
        {"layer": "first", "channels": list(range(9)), "count": 4},
        {"layer": "first", "channels": ["a"], "count": 4},
        {"layer": "first", "channels": [1], "count": 0},
        {"layer": "first", "channels": 3, "count": 2},
        {"layer": None, "channels": [1], "count": 2},
        {},
    ],
)
def test_rows_that_cannot_be_are_an_answer_too(gallery, browser, asked):
    before = gallery._status
    browser.send(kind="rows", id=5, **asked)
    browser.send(kind="rows", id=6, layer="first", channels=[0], count=2)
    gallery.wait(20)
    first, second = sorted(rows_of(browser), key=lambda answer: answer["id"])
    assert first["error"]["message"]
    assert second["rows"]
    assert gallery._status == before


def test_rows_and_the_wall_do_not_stop_each_other(data, gallery, browser):
    gate = Gate(data, 0)
    forget_pictures(gallery)
    browser.ask(channel=(gallery.channel + 1) % 6)
    assert gate.reached.wait(20)
    for number in range(3):
        browser.send(kind="rows", id=number, layer="first", channels=[number], count=2)
    gate.open.set()
    gallery.wait(20)
    assert [answer["id"] for answer in rows_of(browser)] == [0, 1, 2]
    assert all("rows" in answer for answer in rows_of(browser))
    assert gallery._wall["images"]
    assert gallery._status["state"] == "idle"


def test_too_many_rows_are_refused_each(data, gallery, browser):
    gate = Gate(data, 0)
    forget_pictures(gallery)
    for number in range(60):
        browser.send(kind="rows", id=number, layer="first", channels=[0], count=2)
    assert len(gallery._rows._waiting) <= 32
    gate.open.set()
    gallery.wait(20)
    assert sorted(answer["id"] for answer in rows_of(browser)) == list(range(60))
    assert sum("rows" in answer for answer in rows_of(browser)) >= 30


def test_rows_before_there_is_an_index_and_at_the_end(data):
    gate = Gate(data, 0)
    made = cw.NeuronGallery(make_classifier(), data, k=4)
    browser = Browser(made)
    assert gate.reached.wait(20)
    browser.send(kind="rows", id=1, layer="first", channels=[0], count=2)
    gate.open.set()
    made.wait(20)
    assert rows_of(browser)[0]["id"] == 1
    made.close()
