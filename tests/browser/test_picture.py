"""The README's picture of HeatmapView, taken in real JupyterLab: `make picture` puts it in its place."""

from __future__ import annotations

import io
import os
from pathlib import Path

from PIL import Image

from tests.browser.heatmap import VIEW, HeatmapPage

MOST_BYTES = 400_000


def test_picture_for_the_readme(notebook, tmp_path):
    view = HeatmapPage(notebook(VIEW, "view", viewport=(1340, 1000)))
    view.nb.theme("light")
    view.nb.page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    view.wait_painted()
    box = view.canvas().bounding_box()
    view.nb.page.mouse.move(box["x"] + box["width"] * 0.375, box["y"] + box["height"] * 0.62)
    view.root.locator(".cnnw-place", has_text="cell row").wait_for()

    shot = Image.open(io.BytesIO(view.root.screenshot())).convert("RGB")
    assert 1100 < shot.width < 1300
    assert shot.height < shot.width
    path = Path(os.environ.get("PICTURE", tmp_path / "heatmap-view.png"))
    path.parent.mkdir(parents=True, exist_ok=True)
    # 256 colours are enough for the eye, and a third of the bytes.
    shot.quantize(palette=shot.quantize(256, kmeans=4), dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
    assert path.stat().st_size < MOST_BYTES
