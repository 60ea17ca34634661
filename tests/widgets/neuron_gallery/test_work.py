"""What a gallery's page asks for: every ask is answered, and the latest wins."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import cnnwidgets as cw
from tests.widgets.conftest import Net, make_classifier
from tests.widgets.galleries import Gate, forget_pictures
from tests.widgets.probe import wait_until


def test_every_ask_is_answered(gallery, browser):
    asks = [
        {"layer": "first", "channel": None},
        {"channel": 1},
        {"mode": "highlight"},
        {"mode": "guided_backprop"},
        {"mode": "patches"},
        {"view": "overview"},
        {"order": "likeness"},
        {"order": "class", "target": "dots"},
        {},
        {"view": "wall", "layer": "second", "channel": 5},
    ]
    for number, traits in enumerate(asks, start=1):
        browser.ask(**traits)
        gallery.wait(20)
        assert (gallery._status["state"], gallery._status["ask"], gallery._status["method"]) == (
            "idle", number, "gallery",
        )  # fmt: skip
    assert (gallery._wall["layer"], gallery._wall["channel"]) == ("second", 5)
    assert gallery._order["of"] == "dots"


def test_values_come_before_the_pictures(gallery, browser):
    browser.ask(channel=3 if gallery.channel != 3 else 2)
    gallery.wait(20)
    walls = [state["_wall"] for state in browser.updates if "_wall" in state]
    assert [bool(wall["images"]) for wall in walls] == [False, True]
    assert walls[0]["patches"] == walls[1]["patches"]


def test_what_is_known_comes_in_one_message(gallery, browser):
    channel = gallery.channel
    other = (channel + 1) % 6
    browser.ask(channel=other)
    gallery.wait(20)
    browser.updates.clear()
    browser.ask(channel=channel)
    assert gallery._wall["channel"] == channel
    assert gallery._wall["images"]
    assert "busy" not in [state for state, _ in browser.states()]


def test_what_the_browser_can_do_starts_no_work(gallery, browser):
    Net.passes = 0
    browser.set(
        mode="images", kind="compare", label="dots", patch_size=64, quantile=0.5, opacity=0.1, search="dots", alike=2
    )
    assert (gallery.mode, gallery.kind, gallery.label, gallery.patch_size) == ("images", "compare", "dots", 64)
    assert Net.passes == 0
    assert not {"_wall", "_drawn", "_layers", "_overview"} & browser.names
    assert "busy" not in [state for state, _ in browser.states()]


def test_the_latest_channel_wins(data, gallery, browser):
    gate = Gate(data, 0)
    forget_pictures(gallery)
    channels = [channel for channel in range(6) if channel != gallery.channel]
    for channel in (*channels, *reversed(channels)):
        browser.ask(channel=channel)
    gate.open.set()
    gallery.wait(20)
    assert gallery._wall["channel"] == gallery.channel == channels[0]
    assert browser.states()[-1] == ("idle", gallery._ask)


def test_cancel_and_retry(data, gallery, browser):
    gate = Gate(data, 0)
    forget_pictures(gallery)
    browser.ask(channel=(gallery.channel + 1) % 6)
    assert gate.reached.wait(20)
    browser.send(kind="cancel")
    gate.open.set()
    wait_until(lambda: gallery._status["state"] == "cancelled")
    browser.send(kind="retry")
    gallery.wait(20)
    assert gallery._status["state"] == "idle"
    assert gallery._wall["channel"] == gallery.channel
    assert gallery._wall["images"]


def test_an_error_of_the_model_is_said(gallery, browser):
    Net.fails = True
    browser.ask(mode="highlight")
    with pytest.raises(ValueError, match="third valve"):
        gallery.wait(20)
    assert (gallery._status["state"], gallery._status["ask"]) == ("error", 1)
    assert "third valve" in gallery._status["message"]
    Net.fails = False
    browser.send(kind="retry")
    gallery.wait(20)
    assert gallery._status["state"] == "idle"
    assert gallery._drawn["mode"] == "highlight"


@pytest.mark.parametrize("thread", ["worker", "many"])
def test_traits_may_be_set_from_any_thread(gallery, thread):
    errors = []

    def turn(seed):
        rng = np.random.default_rng(seed)
        try:
            for _ in range(15):
                what = rng.integers(4)
                if what == 0:
                    gallery.unit = {"layer": "second", "channel": int(rng.integers(6))}
                elif what == 1:
                    gallery.layer = ["first", "second"][rng.integers(2)]
                elif what == 2:
                    layer, channel = [("first", 3), ("second", 5)][rng.integers(2)]
                    gallery.selection = {
                        "kind": "top",
                        "rank": int(rng.integers(4)),
                        "layer": layer,
                        "channel": channel,
                    }
                else:
                    gallery.mode = ["patches", "highlight"][rng.integers(2)]
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            errors.append(error)

    threads = [threading.Thread(target=turn, args=(seed,)) for seed in range(1 if thread == "worker" else 3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
        assert not one.is_alive()
    assert errors == []
    gallery.wait(30)
    assert (gallery._wall["layer"], gallery._wall["channel"]) == (gallery.layer, gallery.channel)
    assert gallery._status["state"] == "idle"


def test_observers_of_results_are_called_without_the_lock(data):
    made = cw.NeuronGallery(make_classifier(), data, k=4)
    free = []

    def look(_change):
        def touch():
            with made._lock:
                free.append(True)

        other = threading.Thread(target=touch)
        other.start()
        other.join(10)

    made.observe(look, names=["index", "image"])
    made.wait(20)
    made.selection = {"kind": "top", "rank": 1}
    made.wait(20)
    assert len(free) >= 1
    assert made.image is not None
    made.close()
