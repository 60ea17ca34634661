"""A NeuronGallery's work: built in the background, stopped and gone on with, every ask and every row answered once."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import numpy as np
import pytest
import torch

import cnnwidgets as cw
from cnnwidgets.errors import ImageError, IndexMismatchError, MissingDataError, ModelError, OptionError
from tests.widgets import galleries
from tests.widgets.conftest import Browser, Net, make_classifier, make_picture
from tests.widgets.galleries import Pictures, gallery_of, sheet
from tests.widgets.probe import wait_until


@pytest.fixture
def data():
    return Pictures()


@pytest.fixture
def gallery(data):
    made = gallery_of(data)
    yield made
    made.close()


@pytest.fixture
def browser(gallery):
    return Browser(gallery)


class Gate:
    """Lets a data set give its pictures up to a number, and then waits."""

    def __init__(self, data, number):
        self.open = threading.Event()
        self.reached = threading.Event()

        def before(asked):
            if asked >= number:
                self.reached.set()
                assert self.open.wait(30)

        data.before = before


# Building.


def test_it_is_built_in_the_background_with_progress(data):
    gate = Gate(data, 20)
    made = cw.NeuronGallery(make_classifier(), data, k=4)
    browser = Browser(made)
    assert gate.reached.wait(20)
    assert (made.index, made.patches, made._wall, made._build["state"]) == (None, None, {}, "building")
    assert "goes on" in made._described()
    assert min(made.snapshot().size) > 20
    with pytest.raises(TimeoutError, match=r"gallery\.cancel\(\)"):
        made.wait(0.01)
    gate.open.set()
    assert len(made.wait(20)) == 4
    builds = [state["_build"] for state in browser.updates if "_build" in state]
    assert builds[-1]["state"] == made._build["state"] == "done"
    assert (made._build["done"], made._build["total"], made._build["skipped"]) == (24, 24, 0)
    assert made._generation == 1
    assert made._classes == list(galleries.CLASSES)
    assert [layer["name"] for layer in made._layers] == [layer.name for layer in made.index.layers]
    made.close()


def slow(monkeypatch, stop_after):
    """Have every build wait after some steps until the event is set."""
    reached, go_on = threading.Event(), threading.Event()
    building = cw.PatchIndex.building.__func__

    def steps(cls, *args, **options):
        inner = building(cls, *args, chunk=1, **options)
        for number in range(10**6):
            try:
                yield next(inner)
            except StopIteration as end:
                return end.value
            if number == stop_after:
                reached.set()
            while number >= stop_after and not go_on.is_set():
                time.sleep(0.001)
                yield _same
        raise AssertionError

    from cnnwidgets.patches.progress import BuildProgress

    _same = BuildProgress(1, 24, (), 1.0)
    monkeypatch.setattr(cw.PatchIndex, "building", classmethod(steps))
    return reached, go_on


@pytest.mark.parametrize("by", ["python", "browser"])
def test_stop_and_resume(monkeypatch, data, by):
    reached, go_on = slow(monkeypatch, 0)
    made = cw.NeuronGallery(make_classifier(), data, k=4)
    browser = Browser(made)
    assert reached.wait(20)
    if by == "browser":
        browser.send(kind="stop")
    else:
        made.cancel()
    assert made.wait(20) is None
    assert made._build["state"] == "stopped"
    assert "is stopped" in made._described()
    go_on.set()
    if by == "browser":
        browser.send(kind="resume")
    else:
        made.resume()
    assert len(made.wait(20)) == 4
    assert made._build["state"] == "done"
    made.resume()  # there is nothing to go on with
    assert made._build["state"] == "done"
    made.close()


def test_what_was_done_before_a_process_ended_is_not_done_again(tmp_path):
    path, data, asked = tmp_path / "all.patches", Pictures(150), []
    steps = cw.PatchIndex.building(make_classifier(), data, "all", 4, path)
    done = next(progress.done for progress in steps if progress.done)
    steps.close()
    data.before = asked.append
    made = gallery_of(data, path=path)
    assert done >= 64
    assert len(set(asked) & set(range(1, 64))) <= 12  # those that the wall shows
    assert (made.index.path, len(made.index)) == (path, 150)
    made.close()
    again = gallery_of(data, path=path)
    assert np.array_equal(again.index.entries("second").values, made.index.entries("second").values)
    again.close()


def test_the_path_of_another_model_is_said(data, tmp_path):
    path = tmp_path / "all.patches"
    gallery_of(data, path=path).close()
    other = make_classifier()
    other.model.first.weight.data.add_(1)
    made = cw.NeuronGallery(other, data, k=4, path=path)
    with pytest.raises(IndexMismatchError, match="another model"):
        made.wait(20)
    assert made._build["state"] == "error"
    assert "another model" in made._build["message"]
    assert "no index" in made._described()
    made.close()


def test_pictures_that_cannot_be_read_are_listed(data):
    data.gone = {3, 5}
    made = gallery_of(data)
    assert made._build["skipped"] == 2
    assert [item["name"] for item in made._build["skipped_list"]] == ["item 3", "item 5"]
    assert "picture 3 is not there" in made._build["skipped_list"][0]["reason"]
    made.close()


def test_nothing_to_look_at_is_said():
    made = cw.NeuronGallery(make_classifier(), [])
    with pytest.raises((ImageError, OptionError)):
        made.wait(20)
    assert made._build["state"] == "error"
    assert made._build["message"]
    made.close()


def test_wishes_from_before_there_is_an_index(data):
    gate = Gate(data, 0)
    made = cw.NeuronGallery(make_classifier(), data, k=4, layer="first", channel=2, label="dots")
    assert gate.reached.wait(20)
    assert (made.layer, made.channel, made.label) == ("first", 2, "dots")
    with pytest.raises(OptionError, match="0 or more"):
        made.channel = -3
    made.unit = {"layer": "second", "channel": 1}
    assert (made.layer, made.channel) == ("second", 1)
    gate.open.set()
    assert all(patch.label == "dots" for patch in made.wait(20))
    assert (made.layer, made.channel, made.label) == ("second", 1, "dots")
    assert made.unit == {"layer": "second", "channel": 1, "y": None, "x": None}
    made.close()


def test_wishes_that_the_index_does_not_have_are_said(data):
    made = cw.NeuronGallery(make_classifier(), data, k=4, layer="frist", label="dogs")
    made.wait(20)
    assert made.layer == made.index.feature_layer.name
    assert made.label is None
    assert "no layer 'frist'" in made._build["message"]
    assert "no class 'dogs'" in made._build["message"]
    assert made._wall["layer"] == made.layer
    made.close()


def test_a_widget_that_was_thrown_away_leaves_no_folder(data):
    made = gallery_of(data)
    folder = made.index.path.parent
    assert folder.is_dir()
    made.close()
    ref = weakref.ref(made)
    del made
    gc.collect()
    assert ref() is None
    assert not folder.exists()


# Asks.


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
    gallery._known.tiles._read.clear()
    gallery._known.tiles._cut.clear()
    channels = [channel for channel in range(6) if channel != gallery.channel]
    for channel in (*channels, *reversed(channels)):
        browser.ask(channel=channel)
    gate.open.set()
    gallery.wait(20)
    assert gallery._wall["channel"] == gallery.channel == channels[0]
    assert browser.states()[-1] == ("idle", gallery._ask)


def test_cancel_and_retry(data, gallery, browser):
    gate = Gate(data, 0)
    gallery._known.tiles._read.clear()
    gallery._known.tiles._cut.clear()
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


# Rows of the overview.


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
    gallery._known.tiles._read.clear()
    gallery._known.tiles._cut.clear()
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
    gallery._known.tiles._read.clear()
    gallery._known.tiles._cut.clear()
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


# Pictures that are gone, and models that have changed.


def test_a_missing_picture_is_shown_as_missing(data, gallery, browser):
    wall = gallery._wall
    gone = wall["pictures"][0]
    data.gone = {gone["image"]}
    gallery._known.tiles._read.clear()
    gallery._known.tiles._cut.clear()
    gallery.layer = "first"
    gallery.layer = "second"
    fresh = cw.NeuronGallery(gallery.clf, gallery.index, layer=wall["layer"], channel=wall["channel"])
    fresh.wait(20)
    found = fresh._wall
    assert "is not there" in found["pictures"][0]["missing"]
    assert found["pictures"][0]["source"] == gone["source"]
    tiles = sheet(found["images"])
    assert tiles[0] is None
    assert all(tile is not None for tile in tiles[1:])
    assert min(fresh.snapshot().size) > 50
    for mode in ("highlight", "deconvnet"):
        fresh.mode = mode
        fresh.wait(20)
        assert fresh._status["state"] == "idle"
        assert min(fresh.snapshot().size) > 50
    tiles = sheet(fresh._drawn["sheet"])
    assert [tile is None for tile in tiles] == [patch["picture"] == 0 for patch in found["patches"]]
    place = next(patch for patch in found["patches"] if patch["picture"] == 0)
    fresh.selection = {"kind": place["kind"], "rank": place["rank"]}
    with pytest.raises(MissingDataError, match="is not there"):
        fresh.wait(20)
    assert fresh._status["state"] == "error"
    assert "is not there" in fresh._status["message"]
    assert fresh.image is None
    data.gone = set()
    fresh.selection = None
    fresh.selection = {"kind": place["kind"], "rank": place["rank"]}
    fresh.wait(20)
    assert fresh.image.size == (60, 40)
    fresh.close()


def test_a_changed_model_is_noticed(data, gallery, browser):
    before = gallery.index
    gallery.clf.model.first.weight.data.mul_(1)  # not counted by PyTorch, and nothing is changed
    browser.ask(channel=0)
    gallery.wait(20)
    assert gallery._build["state"] == "done"
    with torch.no_grad():
        gallery.clf.model.first.weight.add_(1)
    browser.ask(channel=1)
    gallery.wait(20)
    assert gallery._build["state"] == "error"
    assert "changed since" in gallery._build["message"]
    assert gallery._wall["channel"] == 1  # what was found is still shown
    browser.ask(mode="highlight")
    with pytest.raises(ModelError, match="changed since"):
        gallery.wait(20)
    browser.send(kind="resume")
    gallery.wait(30)
    assert gallery._build["state"] == "done"
    assert gallery.index is not before
    assert gallery._generation == 2
    assert gallery._status["state"] == "idle"
    assert gallery._drawn["mode"] == "highlight"
    assert not np.array_equal(gallery.index.entries("first").values, before.entries("first").values)


def test_the_making_of_the_next_index_can_be_stopped_and_gone_on_with(monkeypatch, gallery, browser):
    before = gallery.index
    with torch.no_grad():
        gallery.clf.model.first.weight.add_(1)
    reached, go_on = slow(monkeypatch, 0)
    gallery.resume()
    assert reached.wait(20)
    browser.send(kind="stop")
    gallery.wait(20)
    assert gallery._build["state"] == "stopped"
    assert gallery.index is before
    browser.ask(channel=2)
    gallery.wait(20)
    assert gallery._wall["channel"] == 2  # the old one is still there
    go_on.set()
    browser.send(kind="resume")
    gallery.wait(20)
    assert gallery._build["state"] == "done"
    assert gallery.index is not before
    assert gallery.channel == 2


def test_a_gallery_of_a_given_index_says_that_it_cannot_make_another(gallery):
    other = cw.NeuronGallery(gallery.clf, gallery.index)
    other.wait(20)
    with torch.no_grad():
        gallery.clf.model.first.weight.add_(1)
    browser = Browser(other)
    browser.ask(channel=0)
    other.wait(20)
    assert other._build["state"] == "error"
    browser.send(kind="resume")
    assert "Make one of the model as it is" in other._build["message"]
    with pytest.raises(IndexMismatchError, match="as it is"):
        other.resume()
    other.close()


def test_memory_is_bounded(monkeypatch, data):
    from cnnwidgets.widgets import _gallery_known, _gallery_tiles

    monkeypatch.setattr(_gallery_known, "_PACKED", 40_000)
    monkeypatch.setattr(_gallery_tiles, "_READ", 3 * 60 * 40 * 5)
    monkeypatch.setattr(_gallery_tiles, "_CUT", 20_000)
    made = gallery_of(data)
    for layer in ("first", "second"):
        for channel in range(4):
            made.unit = {"layer": layer, "channel": channel}
            made.wait(20)
            assert made._wall["images"]
    known = made._known
    assert known._packed._held <= 40_000 or len(known._packed._kept) == 1
    assert known.tiles._read._held <= 3 * 60 * 40 * 5
    assert known.tiles._cut._held <= 20_000
    made.close()


def test_the_model_and_its_chance_are_left_as_found(gallery):
    model = gallery.clf.model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(3)
    state = torch.get_rng_state()
    for mode in ("highlight", "guided_backprop", "deconvnet"):
        gallery.mode = mode
        gallery.wait(20)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_closing_in_the_middle(data):
    gate = Gate(data, 5)
    made = cw.NeuronGallery(make_classifier(), data, k=4)
    grid = cw.ActivationGrid(made.clf, make_picture())
    made.link(grid)
    assert gate.reached.wait(20)
    made.close()
    gate.open.set()
    wait_until(lambda: not made._building.busy)
    assert made.index is None
    grid.wait(20)
    grid.close()


def test_the_picture_of_a_stream_cannot_be_had_again():
    made = cw.NeuronGallery(make_classifier(), iter(galleries.pictures(6)), k=2)
    assert len(made.wait(20)) == 2
    assert all(picture["missing"] for picture in made._wall["pictures"])
    assert made._wall["images"] == {}
    with pytest.raises(MissingDataError):
        made.index.picture(0)
    assert min(made.snapshot().size) > 50
    made.close()
