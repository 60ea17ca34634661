"""HeatmapView in real JupyterLab and Notebook 7: what a hand does, what the canvas shows, what Python knows."""

from __future__ import annotations

import pytest

from tests.browser.heatmap import HeatmapPage

LOAD = """
import cnnwidgets as cw
clf, img = cw.demo.imagenet(), cw.demo.photo("chelsea")
view = cw.HeatmapView(clf, img, samples=8)
"""


@pytest.fixture
def opened(anywhere):
    """Open a notebook with the view of a cat."""

    def open_view(setup: str = LOAD, show: str = "view", **options) -> HeatmapPage:
        view = HeatmapPage(anywhere(setup, show, **options))
        view.wait_painted()
        return view

    return open_view


def test_every_method(opened):
    view = opened()
    view.slide("Opacity", 100)
    for label, name in (("Saliency", "saliency"), ("SmoothGrad", "smoothgrad"), ("CAM", "cam"), ("Grad-CAM", "grad_cam")):
        view.method(label).click()
        view.wait_python(f"view.method == '{name}' and view.heatmap is not None and view.heatmap.method == '{name}'")
        view.wait_idle()
        view.wait_like_python()
        assert view.method(label).get_attribute("aria-checked") == "true"
    assert view.python("opacity") == 1
