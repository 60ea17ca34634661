"""The harness itself: page, kernel and canvas answer each other, in JupyterLab and in Notebook 7."""

from __future__ import annotations

import pytest

PAINTER = """
import anywidget, traitlets

class Painter(anywidget.AnyWidget):
    _esm = '''
    export default { render({ model, el }) {
      const canvas = document.createElement("canvas");
      Object.assign(canvas, { className: "painter", width: 40, height: 30 });
      const paint = () => {
        const pen = canvas.getContext("2d");
        pen.fillStyle = model.get("colour");
        pen.fillRect(10, 0, 30, 30);
      };
      canvas.onclick = () => { model.set("clicks", model.get("clicks") + 1); model.save_changes(); };
      model.on("change:colour", paint);
      paint();
      el.append(canvas);
    } };'''
    colour = traitlets.Unicode("rgb(255, 0, 128)").tag(sync=True)
    clicks = traitlets.Int(0).tag(sync=True)

painter = Painter()
painter"""


def test_page_and_kernel_answer_each_other(anywhere):
    nb = anywhere(PAINTER)
    nb.page.locator("canvas.painter").wait_for()
    pixels = nb.canvas("canvas.painter")
    assert pixels.shape == (30, 40, 4)
    assert pixels[29, 39].tolist() == [255, 0, 128, 255]
    assert pixels[0, 9].tolist() == [0, 0, 0, 0]

    nb.page.locator("canvas.painter").click()
    nb.wait_python("painter.clicks == 1")
    nb.execute("painter.colour = 'rgb(0, 200, 0)'")
    nb.wait_until(lambda: nb.canvas("canvas.painter")[0, 10].tolist() == [0, 200, 0, 255], "green")
    assert nb.python("[painter.clicks, painter.colour]") == [1, "rgb(0, 200, 0)"]


def test_theme(notebook):
    nb = notebook("from IPython.display import HTML\nHTML('<p class=mark>&nbsp;</p>')")
    assert nb.seen("p.mark").mean() > 200
    nb.theme("dark")
    nb.wait_until(lambda: nb.seen("p.mark").mean() < 80, "dark after light")


def test_error_in_a_cell_fails(notebook):
    with pytest.raises(AssertionError, match="ZeroDivisionError: division by zero"):
        notebook("1 / 0")


def test_error_in_the_kernel_fails(notebook):
    nb = notebook("x = 1")
    with pytest.raises(AssertionError, match="NameError: name 'y' is not defined"):
        nb.python("x + y")
    with pytest.raises(AssertionError, match=r"the kernel did not answer within 0\.2 s"):
        nb.execute("import time; time.sleep(1)", timeout=0.2)


def test_error_in_the_page_is_noted(notebook):
    nb = notebook("x = 1")
    nb.page.evaluate("setTimeout(() => { throw new Error('thrown in the page'); })")
    nb.wait_until(lambda: nb.page_errors, "the error is noted")
    assert "thrown in the page" in nb.page_errors.pop()
