"""What is left of a view without a kernel: in an HTML export, and in a page that has only the widget's state."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from nbconvert import HTMLExporter
from PIL import Image

from tests.browser.server import NOTEBOOKS

# Stands in for ipywidgets' HTML manager, which pages load from the network: it reads the exported state as the widget
# specification says, and gives the view a model without a kernel.
PAGE = """<!doctype html><body data-jp-theme-light="true"><div id="host" style="width: 1000px"></div>
<script type="application/json" id="state">%s</script>
<script type="module">
const { state, buffers = [] } = JSON.parse(document.getElementById('state').textContent);
for (const { path, data } of buffers) {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  let owner = state;
  for (const step of path.slice(0, -1)) owner = owner[step];
  owner[path.at(-1)] = new DataView(bytes.buffer);
}
const listeners = {};
const model = {
  get: (name) => state[name],
  set: (name, value) => {
    state[name] = value;
    for (const call of listeners[`change:${name}`] ?? []) call();
  },
  on: (event, call) => (listeners[event] ??= []).push(call),
  off: () => {},
  save_changes: () => {},
  send: () => {}, // messages without a kernel vanish
};
document.head.append(Object.assign(document.createElement('style'), { textContent: state._css }));
const code = URL.createObjectURL(new Blob([state._esm], { type: 'text/javascript' }));
const { default: widget } = await import(code);
await widget.initialize?.({ model });
await widget.render({ model, el: document.getElementById('host') });
</script>"""


@pytest.fixture
def page(browser):
    """A page that reaches nothing but what it is given; an uncaught error fails the test."""
    context = browser.new_context(viewport={"width": 1100, "height": 1000})
    context.route("**/*", lambda route: route.abort() if route.request.url.startswith("http") else route.continue_())
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(error.message))
    page.failures = errors
    yield page
    context.close()


def test_html_without_a_kernel_shows_the_pictures(page, tmp_path):
    html, _ = HTMLExporter().from_filename(NOTEBOOKS / "00-tour.ipynb")
    (tmp_path / "tour.html").write_text(html)
    page.goto(f"file://{tmp_path}/tour.html", wait_until="domcontentloaded")
    pictures = page.locator("figure img[alt^=HeatmapView]")
    assert pictures.count() == 4
    for i in range(4):
        picture = pictures.nth(i)
        picture.scroll_into_view_if_needed()
        assert picture.evaluate("image => image.complete && image.naturalWidth") >= 400
        pixels = np.asarray(Image.open(io.BytesIO(picture.screenshot())).convert("RGB"), int)
        assert pixels.std() > 30
    assert "Grad-CAM of tiger cat" in pictures.first.get_attribute("alt")
    assert page.locator("img[src^='data:image/png']").count() >= 2  # a heat map by itself, and a figure


def test_state_alone_paints_and_explores(page):
    from ipywidgets.embed import embed_data

    import cnnwidgets as cw

    view = cw.HeatmapView(cw.demo.imagenet(), cw.demo.photo("chelsea"), opacity=1.0)
    view.wait(60)
    exported = embed_data(views=[view], drop_defaults=False)["manager_state"]["state"][view.model_id]
    page.set_content(PAGE % json.dumps(exported).replace("</", "<\\/"))
    page.wait_for_function(
        """() => {
          const canvas = document.querySelector('.cnnw-pane canvas');
          if (!canvas || canvas.width < 100) return false;
          return canvas.getContext('2d').getImageData(canvas.width >> 1, canvas.height >> 1, 1, 1).data[3] === 255;
        }""",
        polling=50,
    )
    look = """canvas => {
      const { width, height } = canvas;
      return [0.4, 0.5, 0.6].map((x) =>
        [...canvas.getContext('2d').getImageData(Math.floor(x * width), height >> 1, 1, 1).data.slice(0, 3)]);
    }"""
    canvas = page.locator(".cnnw-pane canvas").first
    drawn = np.asarray(view.heatmap.overlay(opacity=1.0), int)
    wanted = [drawn[150, int(451 * x)] for x in (0.4, 0.5, 0.6)]
    np.testing.assert_allclose(canvas.evaluate(look), wanted, atol=12)
    page.get_by_label("Opacity").fill("0")
    photo = np.asarray(cw.demo.photo("chelsea"), int)
    page.wait_for_function("() => document.querySelector('.cnnw-slider-value').textContent.startsWith('0')")
    bare = np.array(canvas.evaluate(look))
    assert np.abs(bare - [photo[150, int(451 * x)] for x in (0.4, 0.5, 0.6)]).mean() < 20
    page.locator(".cnnw-class", has_text="tabby").click()
    page.locator(".cnnw-words", has_text="Waiting for the kernel").wait_for(timeout=5000)
    assert page.failures == []


def test_state_of_a_canvas_alone_paints_drags_and_shows_its_maps(page):
    from ipywidgets.embed import embed_data

    import cnnwidgets as cw

    canvas = cw.OcclusionCanvas(cw.demo.imagenet(), cw.demo.photo("chelsea"), incremental=False, show="sweep")
    for left in range(120, 260, 20):
        canvas.boxes = [[left, 80, left + 60, 140]]
        canvas.wait(60)
    canvas.window, canvas.stride = 64, 32
    canvas.sweep()
    score = canvas.wait(60)
    exported = embed_data(views=[canvas], drop_defaults=False)["manager_state"]["state"][canvas.model_id]
    page.set_content(PAGE % json.dumps(exported).replace("</", "<\\/"))
    root = page.locator('.cnnw[data-view="occlusion"]')
    root.wait_for()
    page.wait_for_function("""() => document.querySelector('.cnnw')?.dataset.box === '240.0,80.0,300.0,140.0'""")
    assert float(root.get_attribute("data-score")) == pytest.approx(score.score)
    assert root.locator(".cnnw-class").count() == 5
    pane = page.locator(".cnnw-occlusion-pane")

    def look():
        return np.asarray(Image.open(io.BytesIO(pane.screenshot())).convert("RGB"), int)

    shown = {"sweep": look()}
    for name, label in (("visited", "By hand"), ("photo", "None")):
        page.get_by_role("radio", name=label).click()
        page.wait_for_timeout(150)
        shown[name] = look()
    assert np.abs(shown["sweep"] - shown["photo"]).mean() > 2
    assert np.abs(shown["visited"] - shown["photo"]).mean() > 0.5

    box = pane.bounding_box()
    x, y = box["x"] + box["width"] * 270 / 451, box["y"] + box["height"] * 110 / 300
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 50, y + 10, steps=5)
    page.mouse.up()
    page.wait_for_function("""() => parseFloat(document.querySelector('.cnnw').dataset.box) < 220""")
    page.locator(".cnnw-words", has_text="aiting for the kernel").wait_for(timeout=5000)
    assert page.failures == []
