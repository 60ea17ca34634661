"""A gallery whose pictures are gone or whose model has changed; what it leaves behind."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import cnnwidgets as cw
from cnnwidgets.errors import IndexMismatchError, MissingDataError, ModelError
from tests.widgets import galleries
from tests.widgets.conftest import Browser, make_classifier, make_picture
from tests.widgets.galleries import Gate, forget_pictures, gallery_of, sheet, slow
from tests.widgets.probe import wait_until


def test_a_missing_picture_is_shown_as_missing(data, gallery, browser):
    wall = gallery._wall
    gone = wall["pictures"][0]
    data.gone = {gone["image"]}
    forget_pictures(gallery)
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
