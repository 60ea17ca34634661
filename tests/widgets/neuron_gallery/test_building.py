"""Building the index in a gallery: progress, stopping, going on, what goes wrong."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import cnnwidgets as cw
from cnnwidgets.errors import ImageError, IndexMismatchError, OptionError
from tests.widgets import galleries
from tests.widgets.conftest import Browser, make_classifier
from tests.widgets.galleries import Gate, Pictures, gallery_of, slow


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
