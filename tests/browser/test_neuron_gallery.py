"""NeuronGallery in real JupyterLab: one channel's wall, as the browser paints it and as Python knows it."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from tests.browser.gallery import FRAMES, IMAGENET, open_gallery

KEPT = "features.2.5"


def test_the_wall_is_that_of_python(anywhere):
    gallery = open_gallery(anywhere)
    assert gallery.python("layer") == KEPT
    channel = gallery.python("channel")
    values = gallery.nb.python("[patch.value for patch in gallery.patches]")
    assert gallery.values() == pytest.approx(values, rel=0.01)
    assert gallery.fact("count") == str(len(values))
    for rank in (0, 7, 15):
        gallery.wait_like(gallery.expected(f"_crop('top', {rank})"), rank)
    assert difference_between(gallery, 0, 7) > 10  # they are told apart

    gallery.patch(7).hover()
    gallery.wait_fact("read", "top/7")
    source, label, box = gallery.nb.python(
        "(lambda patch: [patch.source, patch.label, list(patch.box)])(gallery.patches[7])"
    )
    words = gallery.read()
    assert source in words
    assert f"{label} (the model" in words
    assert "8 of 16" in words
    left, top, right, bottom = math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3])
    assert f"columns {left}–{right - 1}, rows {top}–{bottom - 1} of the picture" in words
    gallery.wait_status(f"Channel {channel} of {KEPT}, out of 1,797 images.")


def difference_between(gallery, one, two):
    return np.abs(gallery.pixels(one).astype(int) - gallery.pixels(two))[..., :3].mean()


def test_browse_by_mouse_and_keys(notebook):
    gallery = open_gallery(notebook, change="gallery.channel = 7")
    press = gallery.nb.page.keyboard.press
    gallery.root.get_by_role("button", name="Next channel").click()
    gallery.wait_painted(KEPT, 8)
    gallery.wait_python("gallery.channel == 8")
    gallery.channel.focus()
    press("ArrowDown")
    press("ArrowDown")
    gallery.wait_painted(KEPT, 6)
    press("PageUp")
    gallery.wait_painted(KEPT, 16)
    gallery.channel.fill("3")
    press("Enter")
    gallery.wait_painted(KEPT, 3)
    gallery.wait_python(
        "gallery.channel == 3 and gallery.unit == {'layer': 'features.2.5', 'channel': 3, 'y': None, 'x': None}"
    )
    assert gallery.values() == pytest.approx(gallery.nb.python("[patch.value for patch in gallery.patches]"), rel=0.01)

    gallery.layer_row("features.1").click()
    gallery.wait_python("gallery.layer == 'features.1' and gallery.channel is not None")
    gallery.wait_painted("features.1", gallery.python("channel"))
    gallery.wait_like(gallery.expected("_crop('top', 0)"), 0)

    gallery.patch(0).focus()
    gallery.wait_fact("read", "top/0")
    press("ArrowRight")
    press("ArrowDown")
    gallery.nb.wait_until(lambda: gallery.fact("read") not in ("top/0", "top/1"), "the row below")
    below = int(gallery.fact("read").partition("/")[2])
    press("Enter")
    gallery.wait_python(f"gallery.selection is not None and gallery.selection['rank'] == {below}")
    assert gallery.nb.python("gallery.unit == gallery.patches[gallery.selection['rank']].unit")
    assert gallery.patch(below).get_attribute("aria-selected") == "true"
    press("Escape")
    gallery.wait_python("gallery.selection is None")


def test_kinds_and_classes(notebook):
    gallery = open_gallery(notebook, change="gallery.channel = 2")
    for name, kind in (("Random sample", "sample"), ("Smallest", "bottom")):
        gallery.choose(name)
        gallery.wait_python(f"gallery.kind == {kind!r}")
        values = gallery.nb.python("[patch.value for patch in gallery.patches]")
        assert sorted(gallery.values(kind)) == pytest.approx(sorted(values), rel=0.01, abs=1e-3)
        assert gallery.ranks("top") == []
        gallery.wait_like(gallery.expected(f"_crop({kind!r}, 3)"), 3, kind=kind)
    gallery.choose("Compare")
    gallery.wait_python("gallery.kind == 'compare'")
    assert [len(gallery.ranks(kind)) for kind in ("top", "sample", "bottom")] == [16, 16, 16]
    assert gallery.root.locator(".cnnw-tick").count() == 48
    gallery.choose("Strongest")

    labels = gallery.nb.python("[patch.label for patch in gallery.index.top(gallery.layer, 2)]")
    label, count = Counter(labels).most_common(1)[0]
    assert count < 16
    gallery.root.get_by_label("Class", exact=True).first.select_option(label)
    gallery.wait_python(f"gallery.label == {label!r}")
    gallery.wait_fact("count", count)
    assert gallery.ranks() == [rank for rank, each in enumerate(labels) if each == label]
    assert gallery.nb.python("len(gallery.patches)") == count
    assert gallery.root.locator(".cnnw-tick").count() == count
    gallery.nb.execute("gallery.label = None")
    gallery.wait_fact("count", 16)


def test_the_histogram_and_the_patches_point_at_each_other(notebook):
    gallery = open_gallery(notebook, change="gallery.channel = 7")
    ticks = gallery.root.locator(".cnnw-tick")
    assert ticks.count() == 16
    gallery.patch(5).hover()
    gallery.wait_fact("read", "top/5")
    assert ticks.nth(5).get_attribute("data-pointed") is not None
    box = ticks.nth(2).bounding_box()  # the two before it are almost the same
    gallery.nb.page.mouse.move(box["x"] + 1, box["y"] + 5)
    gallery.wait_fact("read", "top/2")
    assert gallery.patch(2).get_attribute("data-pointed") is not None
    gallery.nb.page.mouse.click(box["x"] + 1, box["y"] + 5)
    gallery.wait_python("gallery.selection is not None and gallery.selection['rank'] == 2")
    numbers = gallery.root.locator(".cnnw-histogram-numbers").inner_text()
    assert f"{gallery.values()[0]:.2f} activation" in numbers


def test_alike_channels_are_a_press_away(notebook):
    gallery = open_gallery(notebook, change="gallery.channel = 7")
    best = gallery.nb.python(
        "[[a.channel, a.score] for a in gallery.index.like(gallery.layer, 7, top=12) if a.score > 0]"
    )
    assert gallery.alike() == [channel for channel, _ in best]
    gallery.root.locator(".cnnw-chip").first.click()
    gallery.wait_painted(KEPT, best[0][0])
    gallery.wait_python(f"gallery.channel == {best[0][0]}")
    gallery.root.get_by_role("button", name="Sort the layer by likeness").click()
    gallery.wait_rows()
    gallery.wait_python(f"(gallery.view, gallery.order, gallery.alike) == ('overview', 'likeness', {best[0][0]})")
    wanted = gallery.nb.python("[a.channel for a in gallery.index.like(gallery.layer, gallery.alike, top=3)]")
    gallery.nb.wait_until(lambda: gallery.channels()[:4] == [best[0][0], *wanted], "the channels by likeness")


def test_what_is_there_answers_in_the_next_frames(notebook):
    gallery = open_gallery(notebook, IMAGENET)
    layer, channel = gallery.python("layer"), gallery.python("channel")
    for name, mode in (("Images", "images"), ("Patches", "patches"), ("Images", "images")):
        frames, took = gallery.root.evaluate(FRAMES, [name, f"{layer}/{channel}/{mode}"])
        print(f"{name}: painted in frame {frames} after {took:.1f} ms")
        assert frames <= 3
