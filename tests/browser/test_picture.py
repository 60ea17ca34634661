"""The README's pictures of the widgets, taken in real JupyterLab: `make picture` puts them in their places."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from tests.browser.activations import open_grid
from tests.browser.gallery import open_gallery
from tests.browser.heatmap import VIEW, HeatmapPage
from tests.browser.occlusion import open_canvas

MOST_BYTES = 400_000
WIDE = {"viewport": (1340, 1100)}


@pytest.fixture
def take(tmp_path):
    """Take a picture of an element and keep it under a name."""

    def taken(element, name):
        shot = Image.open(io.BytesIO(element.screenshot())).convert("RGB")
        path = Path(os.environ.get("PICTURES", tmp_path)) / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        # 256 colours are enough for the eye, and a third of the bytes.
        palette = shot.quantize(256, kmeans=4)
        shot.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
        assert path.stat().st_size < MOST_BYTES
        return shot

    return taken


def light(nb) -> None:
    """Have the page light, and all its width for the notebook."""
    nb.theme("light")
    nb.page.locator("#jupyterlab-splash").wait_for(state="detached")
    nb.page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")


def test_heatmap_view(notebook, take):
    view = HeatmapPage(notebook(VIEW, "view", **WIDE))
    light(view.nb)
    view.wait_painted()
    box = view.canvas().bounding_box()
    view.nb.page.mouse.move(box["x"] + box["width"] * 0.375, box["y"] + box["height"] * 0.62)
    view.root.locator(".cnnw-place", has_text="cell row").wait_for()
    shot = take(view.root, "heatmap-view")
    assert 1100 < shot.width < 1300
    assert shot.height < shot.width


def test_occlusion_canvas(notebook, take):
    rocket = "canvas = cw.OcclusionCanvas(cw.demo.imagenet(), cw.demo.photo('rocket'), fill='blur', stride=8)"
    canvas = open_canvas(notebook, f"import cnnwidgets as cw\n{rocket}", **WIDE)
    light(canvas.nb)
    canvas.nb.python("canvas._scorer.engines.wait(60)")  # a hand that drags later has more answers
    canvas.drag(240)
    canvas.wait_settled()
    canvas.root.get_by_role("button", name="Sweep the picture").click()
    canvas.nb.wait_python("canvas.heatmap is not None", 120)
    canvas.root.get_by_role("button", name="Hardest hit").click()
    canvas.wait_settled()
    canvas.nb.page.mouse.move(*canvas.at(0.455, 0.45))
    canvas.root.locator(".cnnw-place", has_text="pixel").wait_for()
    shot = take(canvas.root, "occlusion-canvas")
    assert 1100 < shot.width < 1300
    assert shot.height < shot.width


def test_activation_grid(notebook, take):
    grid = open_grid(notebook, change="grid.layer = 'blocks.5'\ngrid.pin(136)", **WIDE)
    light(grid.nb)
    grid.show()
    grid.root.get_by_role("button", name="Paint a region").click()
    grid.paint((158, 116), (184, 120))
    grid.paint((305, 132), (325, 134))
    grid.wait_python("len(grid.region) == 2")
    order = grid.wait_like_python("both eyes", 12)
    grid.root.get_by_role("button", name="Paint a region").click()
    grid.point_at_tile(order.index(136))
    grid.wait_place("channel 136 · ")
    shot = take(grid.root, "activation-grid")
    assert 1100 < shot.width < 1300
    assert shot.height < shot.width


def test_neuron_gallery(notebook, take):
    blocks = "[f'blocks.{number}' for number in range(6)]"
    options = f"layers={blocks}, layer='blocks.3', channel=62"
    made = f"gallery = cw.NeuronGallery(cw.demo.imagenet(), cw.demo.crops(), {options})\ngallery.wait(300)"
    gallery = open_gallery(notebook, f"import cnnwidgets as cw\n{made}", **WIDE)
    light(gallery.nb)
    gallery.wait_fact("columns", 3)
    gallery.show()
    gallery.patch(2).click()
    gallery.wait_python("gallery.image is not None")
    gallery.patch(2).hover()
    shot = take(gallery.root, "neuron-gallery")
    assert 1100 < shot.width < 1300
    assert shot.height < shot.width


def test_sketch_pad(notebook, take):
    cell = "pad = cw.SketchPad(cw.demo.digits())\npad.strokes = [[(80, 70), (240, 70), (150, 270)]]\npad.wait()"
    nb = notebook(f"import cnnwidgets as cw\n{cell}", "pad", viewport=(900, 800))
    light(nb)
    nb.page.locator(".cnnw-tally-name", has_text="7").wait_for()
    pad = nb.page.locator(".cnnw-sketch")
    nb.wait_until(lambda: nb.canvas(".cnnw-sketch canvas")[..., 0].max() == 255, "the digit is on the canvas")
    assert take(pad, "sketch-pad").height < 500
