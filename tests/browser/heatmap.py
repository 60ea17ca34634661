"""A HeatmapView in a notebook's page: its parts by role and class, its pixels in the picture's own coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator

    from tests.browser.notebook import NotebookPage

LOAD = """
import cnnwidgets as cw
clf, img = cw.demo.imagenet(), cw.demo.photo("chelsea")
"""
VIEW = LOAD + "view = cw.HeatmapView(clf, img, samples=8)"
# The picture is painted and the legend has a map to speak of.
PAINTED = """(number) => {
  const root = document.querySelectorAll('.cnnw')[number];
  const pane = root && [...root.querySelectorAll('.cnnw-pane')].find((each) => each.checkVisibility());
  const canvas = pane?.querySelector('canvas');
  if (!canvas || canvas.width < 100 || root.querySelector('.cnnw-legend').hasAttribute('data-empty')) return false;
  return canvas.getContext('2d').getImageData(canvas.width >> 1, canvas.height >> 1, 1, 1).data[3] === 255;
}"""
# The mean colour of one pane's canvas in each cell of a grid over it.
SAMPLE = """(canvas, [rows, columns]) => {
  const { width, height } = canvas;
  const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
  const sums = Array.from({ length: rows }, () => Array.from({ length: columns }, () => [0, 0, 0, 0]));
  for (let y = 0, i = 0; y < height; y++) {
    const row = sums[Math.floor(((y + 0.5) / height) * rows)];
    for (let x = 0; x < width; x++, i += 4) {
      const sum = row[Math.floor(((x + 0.5) / width) * columns)];
      for (let c = 0; c < 3; c++) sum[c] += data[i + c];
      sum[3]++;
    }
  }
  return sums.map((row) => row.map(([r, g, b, count]) => [r / count, g / count, b / count]));
}"""
GRID = (15, 22)
# What Python draws for the same state in the same cells, and which of them lie where the network looked.
EXPECTED = """
def _expected(view, rows={rows}, columns={columns}):
    import numpy as np
    from cnnwidgets.explain.drawing import overlay
    style = {{name: getattr(view, name) for name in ("opacity", "threshold", "sign", "colormap")}}
    drawn = np.asarray(overlay(view.heatmap, **style), float)
    y, x = (np.minimum(np.arange(size) * count // size, count - 1)
            for size, count in zip(drawn.shape[:2], (rows, columns)))
    means = [[drawn[np.ix_(y == i, x == j)].mean((0, 1)).tolist() for j in range(columns)] for i in range(rows)]
    height, width = drawn.shape[0] / rows, drawn.shape[1] / columns
    left, top, right, bottom = view._seen
    down = [top < i * height and (i + 1) * height < bottom for i in range(rows)]
    across = [left < j * width and (j + 1) * width < right for j in range(columns)]
    return [means, np.outer(down, across).tolist()]
"""


class HeatmapPage:
    """The `number`-th HeatmapView of a notebook; `name` is its variable in the kernel."""

    def __init__(self, nb: NotebookPage, name: str = "view", number: int = 0) -> None:
        self.nb = nb
        self.name = name
        self.number = number
        self.root: Locator = nb.page.locator(".cnnw").nth(number)

    def wait_painted(self, timeout: float = 60) -> None:
        """Wait until the picture and a map are on the canvas."""
        self.nb.page.wait_for_function(PAINTED, arg=self.number, polling=50, timeout=1000 * timeout)

    def python(self, expression: str) -> Any:
        """Return the value of an attribute of the view in the kernel."""
        return self.nb.python(f"{self.name}.{expression}")

    def wait_python(self, condition: str, timeout: float = 30) -> None:
        """Wait until an expression about `view` is true in the kernel."""
        self.nb.wait_python(f"(lambda view: {condition})({self.name})", timeout)

    def wait_map(self, method: str, target: str | None = None, timeout: float = 30) -> None:
        """Wait until the kernel has the map of this method (and this target, in words)."""
        wanted = f"view.heatmap.method == {method!r}" + (f" and view.heatmap.target == ({target!r},)" if target else "")
        self.wait_python(f"view.heatmap is not None and {wanted}", timeout)

    def wait_idle(self, timeout: float = 60) -> None:
        """Wait until the kernel has answered the latest question of the browser."""
        self.wait_python("view._status['state'] == 'idle' and view._status['ask'] == view._ask", timeout)

    def canvas(self, pane: int = 0) -> Locator:
        """Return the canvas of the `pane`-th visible picture."""
        return self.root.locator(".cnnw-pane:visible canvas").nth(pane)

    def sample(self, pane: int = 0) -> np.ndarray:
        """Return the mean colours of the canvas in 15 x 22 cells: (15,22,3), 0 to 255."""
        return np.array(self.canvas(pane).evaluate(SAMPLE, list(GRID)))

    def difference(self) -> float:
        """Return how far the canvas is from what Python draws: of 255, in all but the worst 5 % of the cells.

        The worst lie on a threshold, which the two sample at different places.
        """
        self.nb.execute(EXPECTED.format(rows=GRID[0], columns=GRID[1]))
        drawn, seen = self.nb.python(f"_expected({self.name})")
        return float(np.percentile(np.abs(self.sample() - np.array(drawn))[np.array(seen)], 95))

    def wait_like_python(self, timeout: float = 20) -> None:
        """Wait until the canvas shows what Python draws."""
        self.nb.wait_until(lambda: self.difference() < 4, "the canvas shows what Python draws", timeout)

    def wait_changed(self, before: np.ndarray, what: str, least: float = 1, timeout: float = 20) -> np.ndarray:
        """Wait until the canvas is another picture than `before`, by `least` in the mean; return the new one."""
        self.nb.wait_until(lambda: np.abs(self.sample() - before).mean() > least, what, timeout)
        return self.sample()

    def wait_panels(self, count: int, timeout: float = 20) -> list[np.ndarray]:
        """Wait until so many panels are painted; return what each shows."""
        painted = lambda: all(self.sample(i).min() > 0 for i in range(count))  # noqa: E731
        self.nb.wait_until(painted, f"{count} painted panels", timeout)
        return [self.sample(i) for i in range(count)]

    def method(self, name: str) -> Locator:
        """Return the button of a method."""
        return self.root.get_by_role("radio", name=name, exact=True)

    def status(self) -> str:
        """Return what the line below the picture says."""
        return self.root.locator(".cnnw-words").inner_text()

    def wait_status(self, words: str, timeout: float = 20) -> None:
        """Wait until the line below the picture says this."""
        self.root.locator(".cnnw-words", has_text=words).wait_for(timeout=1000 * timeout)

    def slide(self, label: str, value: int) -> None:
        """Move a slider to a value from 0 to 100, as dragging does."""
        self.root.get_by_label(label, exact=True).fill(str(value))


def open_view(opener: Callable[..., NotebookPage], *cells: str, **options: Any) -> HeatmapPage:
    """Open a notebook of these cells, else one with the view of a cat, and wait until its first view is painted."""
    options = {"shared": not cells, **options}
    view = HeatmapPage(opener(*(cells or (VIEW,)), *(() if len(cells) > 1 else ("view",)), **options))
    view.wait_painted()
    if not cells:
        view.wait_idle()  # the map is shown before it has been measured where its cells lie, and once more then
    return view
