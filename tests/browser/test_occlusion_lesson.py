"""The lesson on occlusion in real JupyterLab: it runs, and its widgets answer to the hand as the text says."""

from __future__ import annotations

import nbformat

from tests.browser.heatmap import HeatmapPage
from tests.browser.occlusion import OcclusionPage
from tests.browser.server import NOTEBOOKS

CELLS = nbformat.read(NOTEBOOKS / "01-occlusion.ipynb", as_version=4).cells
NUMBERS = {cell.id: number for number, cell in enumerate(CELLS)}


def test_by_hand(notebook):
    """What the text above the canvas invites to."""
    nb = notebook(file="01-occlusion.ipynb", run=False)
    canvas = OcclusionPage(nb)
    nb.start(NUMBERS["load"], NUMBERS["canvas"])
    canvas.wait_ready()
    nb.wait_for_cells()
    before = canvas.box
    canvas.drag(60)
    canvas.wait_settled()
    assert canvas.box != before
    press = lambda role, name: canvas.root.get_by_role(role, name=name, exact=True).click()  # noqa: E731
    press("radio", "By hand")
    nb.wait_python("canvas.show == 'visited' and len(canvas.visited) > 1")
    press("radio", "Blur")
    press("radio", "Ellipse")
    press("button", "Keep only this")
    press("button", "Pin")
    nb.wait_python("(canvas.fill, canvas.shape, canvas.keep, len(canvas.boxes)) == ('blur', 'ellipse', True, 2)")
    canvas.wait_settled()
    press("button", "Sweep the picture")
    nb.wait_python("canvas.heatmap is not None", 60)
    for name in ("Hardest hit", "Most helped"):
        before = canvas.box
        press("button", name)
        nb.wait_until(lambda before=before: canvas.box != before, name)
        canvas.wait_settled()


def test_whole_lesson(notebook):
    nb = notebook(file="01-occlusion.ipynb")
    canvas = OcclusionPage(nb)
    canvas.wait_ready()
    HeatmapPage(nb, number=1).wait_painted()
    assert nb.page.locator(".cnnw").count() == 2
    assert nb.page.locator(".cnnw-sketch").count() == 2
    assert nb.page.locator(".jp-RenderedImage img").count() == 6
    # The canvas above prepares its own fast passes at the same time.
    assert nb.python("[sweep.params['engine'], fast.params['engine']]") == ["incremental", "incremental"]
    assert nb.python("pad.predictions[0].name") == "7"

    tally = nb.page.locator(".cnnw-sketch").nth(1).locator(".cnnw-tally")
    nb.execute("painted, brush.tool = view.image, 'erase'\nbrush.strokes = [*brush.strokes, [(230, 140), (360, 140)]]")
    nb.wait_python("brush.wait(20) and view.image == brush.image and view.image != painted")
    nb.wait_until(lambda: f"{100 * nb.python('brush.score'):.1f} %" in tally.inner_text(), "the new score")
