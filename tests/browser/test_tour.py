"""The tour in real JupyterLab: it runs, the picture is painted; how long that takes is printed."""

from __future__ import annotations

import time

import nbformat

from tests.browser.heatmap import HeatmapPage
from tests.browser.server import NOTEBOOKS

CELLS = nbformat.read(NOTEBOOKS / "00-tour.ipynb", as_version=4).cells
NUMBERS = {cell.id: number for number, cell in enumerate(CELLS)}


def test_time_to_an_overlay(notebook, capsys):
    started = time.monotonic()
    nb = notebook(file="00-tour.ipynb", run=False)
    opened = time.monotonic()
    view = HeatmapPage(nb)
    nb.start(NUMBERS["load"], NUMBERS["view"])
    view.wait_painted()
    painted = time.monotonic()
    nb.wait_for_cells()
    view.wait_like_python()

    nb.execute("view.close()")
    view.root.wait_for(state="detached")
    again = time.monotonic()
    nb.start(NUMBERS["view"])
    view.wait_painted()
    with capsys.disabled():
        print(
            f"\nthe tour: open with its kernel after {opened - started:.1f} s, overlay painted after "
            f"{painted - started:.1f} s; the view's cell alone, libraries loaded: {time.monotonic() - again:.2f} s"
        )


def test_whole_tour(notebook):
    nb = notebook(file="00-tour.ipynb")
    shown = range(nb.page.locator(".cnnw").count())
    assert len(shown) == 4
    for number in shown:
        HeatmapPage(nb, number=number).wait_painted()
    assert nb.page.locator(".jp-RenderedImage img").count() >= 2  # view.wait() and heatmap.plot()
