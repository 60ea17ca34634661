"""NeuronGallery on photographs: what the network has to draw, and other widgets that follow."""

from __future__ import annotations

import numpy as np

from tests.browser.activations import GridPage
from tests.browser.gallery import IMAGENET, likeness, open_gallery

LINKED = f"{IMAGENET}\ngrid = cw.ActivationGrid(clf, img)\ngallery.link(grid)"


def test_modes(notebook):
    gallery = open_gallery(notebook, LINKED, "grid")
    layer, channel = gallery.python("layer"), gallery.python("channel")
    gallery.wait_like(gallery.expected("_crop('top', 1)"), 1)
    gallery.choose("Images")
    gallery.wait_painted(layer, channel, "images")
    plain = gallery.pixels(1)[..., :3].astype(int)
    left, top, _, bottom = (edge * len(plain) / 256 for edge in gallery.nb.python("list(gallery.patches[1].box)"))
    side = plain[round(top) + 8 : round(bottom) - 8, round(left) - 1 : round(left) + 2]
    assert side.max(1).min() > 190  # the outline is white, beside black
    assert side.min(1).max() < 150

    gallery.choose("Highlight")
    gallery.wait_painted(layer, channel, "highlight")
    gallery.wait_python("gallery.mode == 'highlight'")
    gallery.nb.execute("gallery.quantile = 0.9")
    gallery.nb.wait_until(lambda: light(gallery) > 0.02, "what is above the quantile")
    some = light(gallery)
    gallery.nb.execute("gallery.quantile = 0.5")
    gallery.nb.wait_until(lambda: light(gallery) > some + 0.1, "more of it")
    gallery.nb.execute("gallery.quantile = 0")
    gallery.nb.wait_until(lambda: light(gallery) > 0.95, "all of it")

    for name, mode in (("Guided backprop", "guided_backprop"), ("Deconvnet", "deconvnet")):
        gallery.choose(name)
        gallery.wait_painted(layer, channel, mode)
        gallery.wait_like(gallery.expected("_crop('top', 2)"), 2, half=0)
        wanted = gallery.expected(f"_projected({mode!r}, 'top', 2)")
        gallery.nb.wait_until(lambda w=wanted: likeness(w, gallery.pixels(2), 1) > 0.8, f"the pixels that {name} shows")
        if mode == "guided_backprop":  # a deconvnet shows much the same for every picture
            assert likeness(wanted, gallery.pixels(3), 1) < 0.4


def light(gallery, rank=0):
    """Return the share of the pixels that are as light as in the picture itself, where the network looked."""
    found = gallery.pixels(rank)[..., :3].astype(float).sum(-1)
    whole = gallery.expected(f"_whole('top', {rank})").convert("RGB").resize(found.shape[::-1])
    plain, edge = np.asarray(whole, float).sum(-1), len(found) // 10
    inside = np.s_[edge:-edge, edge:-edge]
    return float((found > 0.7 * plain)[inside].mean())


def test_a_click_changes_the_linked_picture_and_a_pin_shows_its_patches(notebook):
    gallery = open_gallery(notebook, LINKED, "grid")
    grid = GridPage(gallery.nb)
    grid.wait_painted()
    gallery.patch(3).click()
    gallery.wait_python("gallery.image is not None and grid.image is gallery.image")
    unit = gallery.nb.python("gallery.patches[3].unit")
    gallery.wait_python(f"gallery.unit == {unit} == grid.unit")
    assert gallery.nb.python("[gallery.image.size, gallery.selection['source']]") == [
        [256, 256],
        gallery.nb.python("gallery.patches[3].source"),
    ]
    grid.wait_painted("blocks.5")
    grid.wait_fact("overlay", unit["channel"])
    gallery.nb.wait_until(lambda: grid.size() == (256, 256), "the picture in the grid")

    gallery.nb.execute("grid.layer = 'blocks.2'")
    grid.wait_painted("blocks.2")
    first = grid.wait_like_python("maximum", 5)
    grid.root.evaluate("(root) => root.scrollIntoView({ block: 'start' })")
    grid.click_tile(2)
    gallery.wait_python(f"gallery.unit == {{'layer': 'blocks.2', 'channel': {first[2]}, 'y': None, 'x': None}}")
    gallery.wait_painted("blocks.2", first[2])
    gallery.wait_like(gallery.expected("_crop('top', 0)"), 0)
