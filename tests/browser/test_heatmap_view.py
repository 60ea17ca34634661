"""HeatmapView in real JupyterLab and Notebook 7: what a hand does, what the canvas shows, what Python knows."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.browser.heatmap import VIEW, HeatmapPage

METHODS = {"Saliency": "saliency", "SmoothGrad": "smoothgrad", "CAM": "cam", "Grad-CAM": "grad_cam"}


def test_every_method(opened):
    view = opened()
    view.slide("Opacity", 100)
    for label, name in METHODS.items():
        view.method(label).click()
        view.wait_map(name)
        view.wait_like_python()
        assert view.method(label).get_attribute("aria-checked") == "true"
    assert view.python("opacity") == 1


def test_class_by_click_and_by_search(opened):
    view = opened()
    before = view.sample()
    view.root.locator(".cnnw-class", has_text="tabby").click()
    view.wait_map("grad_cam", "tabby")
    assert view.python("target") == 281
    before = view.wait_changed(before, "the map of another class")

    search = view.root.get_by_role("combobox", name="Explain")
    search.click()
    search.press_sequentially("lynx")
    view.root.get_by_role("option", name="lynx").first.wait_for()
    assert re.search(r"\d+ of 1000", view.root.locator(".cnnw-count:visible").inner_text())
    search.press("Enter")
    view.wait_map("grad_cam", "lynx")
    view.wait_changed(before, "the map of the class that was searched for")
    view.wait_like_python()


def test_keys_in_the_search_are_not_commands_of_the_notebook(opened):
    view = opened()
    cells = view.nb.page.locator(".jp-Cell").count()
    search = view.root.get_by_role("combobox", name="Explain")
    search.click()
    search.press_sequentially("bad mxxddcv 00")  # commands: cells above and below, deleted, restarted
    assert search.input_value() == "bad mxxddcv 00"
    search.press("Escape")
    view.root.locator(".cnnw-pane:visible").focus()
    for key in ("ArrowRight", "ArrowDown", "+", "+", "0", "0"):
        view.nb.page.keyboard.press(key)
    assert view.nb.page.locator(".jp-Cell").count() == cells
    assert view.nb.page.locator(".jp-Dialog").count() == 0
    assert view.nb.python("1 + 1") == 2


def test_instead_of(opened):
    view = opened()
    before = view.sample()
    search = view.root.get_by_role("combobox", name="Instead of")
    search.click()
    view.root.get_by_role("option", name="tabby").click()
    view.wait_map("grad_cam", "tiger cat instead of tabby")
    assert view.python("instead_of") == 281
    before = view.wait_changed(before, "the map of the difference")
    assert "Why tiger cat instead of tabby?" in view.root.inner_text()
    view.root.get_by_label("Clear: Instead of").click()
    view.wait_map("grad_cam", "tiger cat")
    assert view.python("instead_of") is None
    view.wait_changed(before, "the map without contrast")


def test_layer(opened):
    view = opened()
    before = view.sample()
    chosen = view.python("_layers[40]['name']")
    view.root.get_by_label("Layer").select_option(chosen)
    view.wait_python(f"view.layer == {chosen!r} and view.heatmap is not None and view.heatmap.layer == {chosen!r}")
    view.wait_changed(before, "the map of another layer")
    view.root.get_by_label("Layer").select_option("")
    view.wait_python("view.layer is None and view.heatmap is not None and view.heatmap.layer == 'bn2'")
    view.nb.wait_until(lambda: np.abs(view.sample() - before).max() < 1, "the first map again")


def test_display_is_drawn_in_the_browser_and_known_to_python(opened):
    view = opened()
    ask = view.python("_ask")
    frame = """([input, value, canvas]) => new Promise((done) => {
      input.value = value;
      input.dispatchEvent(new Event('input', { bubbles: true }));
      requestAnimationFrame(() => requestAnimationFrame(() => {
        const { width, height } = canvas;
        done([...canvas.getContext('2d').getImageData(width >> 1, height >> 1, 1, 1).data]);
      }));
    })"""
    slider = view.root.get_by_label("Opacity", exact=True).element_handle()
    canvas = view.canvas().element_handle()
    low, high = (view.nb.page.evaluate(frame, [slider, value, canvas]) for value in ("0", "100"))
    assert low != high  # in the next frame, whatever the kernel does
    view.wait_python("view.opacity == 1")

    view.root.get_by_label("Sign").select_option("both")
    view.root.get_by_label("Colour map").select_option("PuOr_r")
    view.slide("Threshold", 30)
    view.wait_python("(view.sign, view.colormap, view.threshold) == ('both', 'PuOr_r', 0.3)")
    view.wait_like_python()
    before = view.sample()
    view.root.get_by_role("checkbox").check()
    view.wait_changed(before, "the box", least=0.2)
    view.wait_python("view.show_box")
    assert view.python("_ask") == ask


def test_python_is_followed(opened):
    view = opened()
    view.nb.execute("view.method, view.sign, view.opacity, view.threshold = 'saliency', 'absolute', 0.8, 0.2")
    view.wait_map("saliency")
    view.wait_like_python()
    assert view.method("Saliency").get_attribute("aria-checked") == "true"
    assert view.root.get_by_label("Threshold").input_value() == "20"
    view.nb.execute("view.image = cw.demo.photo('coffee')")
    view.wait_python("view.heatmap is not None and view.predictions[0].name == 'espresso'")
    view.root.locator(".cnnw-class", has_text="espresso").wait_for()
    view.wait_like_python()


def test_zoom(opened):
    view = opened()
    before = view.sample()
    view.root.get_by_label(re.compile("Zoom in")).click()
    before = view.wait_changed(before, "a larger picture")
    view.wait_python("view.zoom == 1.5")
    box = view.canvas().bounding_box()
    mouse = view.nb.page.mouse
    mouse.move(box["x"] + 300, box["y"] + 200)
    mouse.down()
    mouse.move(box["x"] + 200, box["y"] + 150, steps=4)
    mouse.up()
    view.wait_changed(before, "another part of the picture")
    view.wait_python("view.pan is not None and view.pan[0] > 451 / 2 and view.pan[1] > 150")
    view.canvas().dblclick()
    view.wait_python("view.zoom == 1 and view.pan is None")


def test_value_under_the_pointer(opened):
    view = opened()
    box = view.canvas().bounding_box()
    view.nb.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    view.root.locator(".cnnw-place", has_text="pixel 225, 15").wait_for()
    value = float(view.root.locator(".cnnw-value").inner_text())
    x, y = 225, 150
    true = view.nb.python(f"float(view.heatmap.on_picture()[{y}, {x}])")
    assert value == pytest.approx(true, rel=0.02)
    view.nb.page.mouse.move(box["x"] + 3, box["y"] + 3)
    view.root.locator(".cnnw-readout", has_text="not seen by the network").wait_for()


def test_compare(opened):
    view = opened()
    view.root.get_by_role("button", name="Compare").click()
    view.wait_python("view.compare and len(view._maps) == 4 and view._status['state'] == 'idle'")
    view.nb.wait_until(lambda: view.root.locator(".cnnw-pane:visible").count() == 4, "four panels")
    panels = view.wait_panels(4)
    for i in range(4):
        for j in range(i):
            # CAM and Grad-CAM of this network differ by a factor, so their shares of the maximum are the same.
            same = (j, i) == (2, 3)
            assert (np.abs(panels[i] - panels[j]).mean() < 1) == same, (i, j)
    assert "share of each map's maximum" in view.root.inner_text()


def test_two_views_in_step(opened):
    first = opened(VIEW, "view", "view")
    second = HeatmapPage(first.nb, number=1)
    second.wait_painted()
    before = second.sample()
    first.method("Saliency").click()
    second.wait_changed(before, "the method of the other view")
    assert second.method("Saliency").get_attribute("aria-checked") == "true"
    before = first.sample()
    second.slide("Opacity", 10)
    first.wait_changed(before, "the opacity of the other view")
    assert first.root.get_by_label("Opacity").input_value() == "10"


def test_reload_restores_the_view(opened):
    view = opened()
    view.method("Saliency").click()
    view.slide("Opacity", 90)
    view.wait_python("view.opacity == 0.9 and view.heatmap is not None and view.heatmap.method == 'saliency'")
    view.wait_like_python()
    view.nb.save()
    view.nb.reload()
    view.wait_painted()
    view.wait_like_python()
    assert view.root.get_by_label("Opacity").input_value() == "90"
    before = view.sample()
    view.method("CAM").click()
    view.wait_changed(before, "the view still answers")
