"""An ActivationGrid in a notebook's page: its tiles by position, its photographs in their own coordinates."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tests.browser.heatmap import LOAD
from tests.browser.notebook import read_canvas

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from playwright.sync_api import Locator

    from tests.browser.notebook import NotebookPage

GRID = LOAD + "grid = cw.ActivationGrid(clf, img)"
# What Python makes of a channel on a picture: drawn, or highlighted.
DRAWN = """
def _png(picture):
    import base64, io
    kept = io.BytesIO()
    picture.save(kept, "png")
    return base64.b64encode(kept.getvalue()).decode()
def _drawn(grid, channel, index=0):
    from cnnwidgets.explain.drawing import overlay
    from cnnwidgets.images.compose import largest
    heatmap = grid.activations.heatmap(channel)
    style = {name: getattr(grid, name) for name in ("opacity", "sign", "colormap")}
    top = largest(grid.activations.values if grid.scale == "shared" else heatmap.values, grid.sign)
    return _png(overlay(heatmap, index, vmax=top, **style))
def _mask(grid, index=0):
    from PIL import Image
    return _png(Image.fromarray(grid.highlight.masks[index]))
"""
READY = """([number, layer]) => {
  const root = document.querySelectorAll('.cnnw[data-view="activations"]')[number];
  const canvas = root?.querySelector('.cnnw-pane canvas');
  if (!canvas || canvas.width < 50 || !root.dataset.painted) return false;
  if (layer && root.dataset.painted !== layer) return false;
  return canvas.getContext('2d').getImageData(canvas.width >> 1, canvas.height >> 1, 1, 1).data[3] === 255;
}"""
# Walks along the first tiles with the arrow keys, and notes which channel each shows.
WALK = """async (pane, count) => {
  const root = pane.closest('.cnnw');
  const press = (key) => pane.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
  const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  pane.focus({ preventScroll: true });
  press('Home');
  press('Home');
  const found = [];
  for (let i = 0; i < count; i++) {
    await painted();
    found.push(Number(root.dataset.overlay));
    press('ArrowRight');
  }
  press('Home');
  pane.blur();
  await painted();
  return found;
}"""
# Space around and below the tiles, in CSS pixels.
MARGIN, GAP, CAPTION, SEAM, NARROWEST = 4, 6, 14, 2, 24
CELLS = (22, 15)  # columns and rows that drawn pictures are compared in


def tiles_per_row(width: float, tile: float) -> int:
    """Return how many tiles of a width stand beside each other in a pane, in CSS pixels."""
    return max(1, int((width - 2 * MARGIN + GAP) // (tile + GAP)))


class GridPage:
    """The `number`-th ActivationGrid of a notebook; `grid` is its variable in the kernel."""

    def __init__(self, nb: NotebookPage, number: int = 0) -> None:
        self.nb = nb
        self.number = number
        self.root: Locator = nb.page.locator('.cnnw[data-view="activations"]').nth(number)
        self.tiles = self.root.locator(".cnnw-tiles-scroll")
        self.tree = self.root.get_by_role("tree", name="Layers")
        self.strip = self.root.get_by_role("slider", name="Layers in order of execution")
        self.sort = self.root.get_by_label("Sort by", exact=True)

    def wait_painted(self, layer: str = "", timeout: float = 60) -> None:
        """Wait until the photograph and the tiles of a layer, or of any, are on their canvases."""
        self.nb.page.wait_for_function(READY, arg=[self.number, layer], polling=50, timeout=1000 * timeout)

    def fact(self, name: str) -> str:
        """Return one of the root's data attributes."""
        return self.root.get_attribute(f"data-{name}") or ""

    def wait_fact(self, name: str, value: Any, timeout: float = 10) -> None:
        """Wait until one of the root's data attributes has a value."""
        self.nb.wait_until(lambda: self.fact(name) == str(value), f"{name} = {value}", timeout)

    def python(self, expression: str) -> Any:
        """Return the value of an attribute of the grid in the kernel."""
        return self.nb.python(f"grid.{expression}")

    def wait_python(self, condition: str, timeout: float = 30) -> None:
        """Wait until an expression about `grid` is true in the kernel."""
        self.nb.wait_python(condition, timeout)

    def show(self) -> None:
        """Scroll the notebook to the grid's upper edge."""
        self.root.evaluate("(root) => root.scrollIntoView({ block: 'start' })")

    def away(self) -> None:
        """Take the pointer off the widget."""
        self.nb.page.mouse.move(2, 2)

    # The tiles.

    def order(self, count: int = 20) -> list[int]:
        """Return the channels of the first tiles."""
        return self.tiles.evaluate(WALK, count)

    def wait_like_python(self, what: str, count: int = 20) -> list[int]:
        """Wait until the tiles stand in the order of `grid.ranking`, the first of them; return these.

        The browser has the activations at half precision: channels may change places whose scores are that close.
        """
        ranking = self.nb.python("[grid.ranking.order.tolist(), grid.ranking.scores.tolist()]")
        order, scores = np.array(ranking[0]), np.array(ranking[1])
        wanted = scores[order[:count]]
        close = 2e-3 * np.abs(scores).max()

        def agrees() -> bool:
            found = self.order(min(count, len(order)))
            return len(set(found)) == len(found) and bool(np.all(np.abs(scores[found] - wanted) <= close))

        self.nb.wait_until(agrees, f"the order of {what}")
        return [int(channel) for channel in order[:count]]

    def tile_at(self, position: int, cell: tuple[int, int] | None = None, picture: int = 0) -> tuple[float, float]:
        """Return where a cell of a tile is in the page, else the tile's caption."""
        pictures, _, rows, columns = self.python("_sheet['shape']")
        size, box = self.python("tile_size"), self.tiles.bounding_box()
        width, top = self.tiles.evaluate("(pane) => [pane.clientWidth, pane.scrollTop]")
        across, down = (max(1, round(count * size / max(rows, columns))) for count in (columns, rows))
        tile = max(NARROWEST, pictures * across + (pictures - 1) * SEAM)
        row, column = divmod(position, tiles_per_row(width, tile))
        x, y = MARGIN + column * float(self.fact("step")), MARGIN + row * (down + CAPTION + GAP) - top
        if cell is None:
            return box["x"] + x + across / 2, box["y"] + y + down + CAPTION / 2
        x += picture * (across + SEAM) + (cell[1] + 0.5) * across / columns
        return box["x"] + x, box["y"] + y + (cell[0] + 0.5) * down / rows

    def point_at_tile(self, position: int, cell: tuple[int, int] | None = None, picture: int = 0) -> None:
        """Move the pointer to a cell of a tile, else to its caption."""
        self.nb.page.mouse.move(*self.tile_at(position, cell, picture))

    def click_tile(self, position: int, cell: tuple[int, int] | None = None) -> None:
        """Click a cell of a tile, else its caption."""
        self.nb.page.mouse.click(*self.tile_at(position, cell))

    # The photographs.

    def photo(self, picture: int = 0) -> Locator:
        """Return the pane of a photograph."""
        return self.root.locator(".cnnw-photos > .cnnw-pane:visible").nth(picture)

    def size(self, picture: int = 0) -> tuple[int, int]:
        """Return the width and height of a photograph."""
        photo = ("_photo", "_other_photo")[picture]
        width, height = self.nb.python(f"[grid.{photo}[side] for side in ('width', 'height')]")
        return width, height

    def at(self, x: float, y: float, picture: int = 0) -> tuple[float, float]:
        """Return where a point of a photograph, in its own pixels, lies in the page."""
        width, height = self.size(picture)
        box = self.photo(picture).bounding_box()
        scale = min(box["width"] / width, box["height"] / height)
        left, top = (box["width"] - scale * width) / 2, (box["height"] - scale * height) / 2
        return box["x"] + left + scale * x, box["y"] + top + scale * y

    def paint(self, *points: tuple[float, float]) -> None:
        """Paint a stroke on the photograph with the mouse; points in the picture's own pixels."""
        mouse = self.nb.page.mouse
        mouse.move(*self.at(*points[0]))
        mouse.down()
        for point in points[1:]:
            mouse.move(*self.at(*point), steps=5)
        mouse.up()

    def pixels(self, picture: int = 0) -> np.ndarray:
        """Return what is on a photograph's canvas: (height, width, 3), 0 to 255."""
        return read_canvas(self.photo(picture).locator("canvas").first)[..., :3]

    def canvas(self, selector: str, number: int = 0) -> np.ndarray:
        """Return the pixels of the `number`-th canvas of the grid that matches: (height, width, 4), 0 to 255."""
        return read_canvas(self.root.locator(selector).nth(number))

    def _from_python(self, expression: str) -> Image.Image:
        self.nb.execute(DRAWN)
        return Image.open(io.BytesIO(base64.b64decode(self.nb.python(expression))))

    def seen(self, shape: Sequence[int], picture: int = 0) -> np.ndarray:
        """Return which points of a raster over a photograph lie where the network looked: bool (rows, columns)."""
        width, height = self.size(picture)
        left, top, right, bottom = self.python(("_seen", "_other_seen")[picture])
        down, across = height / shape[0], width / shape[1]
        y, x = np.arange(shape[0]), np.arange(shape[1])
        inside = (y * down > top) & ((y + 1) * down < bottom), (x * across > left) & ((x + 1) * across < right)
        return np.outer(*inside)

    def difference(self, channel: int, picture: int = 0) -> float:
        """Return how far a photograph's canvas is from what Python draws of a channel: of 255, in the mean."""
        drawn = self._from_python(f"_drawn(grid, {channel}, {picture})").convert("RGB")
        found = Image.fromarray(self.pixels(picture))
        one, two = (np.asarray(each.resize(CELLS, Image.Resampling.BOX), float) for each in (drawn, found))
        return float(np.abs(one - two)[self.seen(one.shape, picture)].mean())

    def wait_map(self, channel: int, picture: int = 0) -> None:
        """Wait until a photograph shows the map of a channel as Python draws it."""
        self.nb.wait_until(lambda: self.difference(channel, picture) < 4, f"the map of channel {channel}")

    def highlighted(self, picture: int = 0) -> float:
        """Return at which share of the pixels the page and `grid.highlight` agree, where the network looked.

        What the page has not highlighted is far darker than in the photograph.
        """
        found = self.pixels(picture).astype(float).sum(-1)
        size = found.shape[::-1]
        photo = self._from_python(f"_png(grid.activations.pictures[{picture}].convert('RGB'))").resize(size)
        mask = self._from_python(f"_mask(grid, {picture})").resize(size, Image.Resampling.NEAREST)
        plain = np.asarray(photo, float).sum(-1)
        tells = (plain > 120) & self.seen(found.shape, picture)
        return float(np.mean((found > 0.64 * plain)[tells] == np.asarray(mask)[tells]))

    # What it says.

    def place(self) -> str:
        """Return where the pointer is, in words, and what is seen there."""
        return " | ".join(self.root.locator(".cnnw-readout .cnnw-place").all_inner_texts())

    def value(self) -> str:
        """Return the number that is read out."""
        return self.root.locator(".cnnw-readout .cnnw-value").inner_text()

    def wait_place(self, words: str) -> str:
        """Wait until the readout says this; return all of it."""
        self.nb.wait_until(lambda: words in self.place(), f"the readout says {words!r}")
        return self.place()

    def status(self) -> str:
        """Return what the line below the tiles says."""
        return self.root.locator(".cnnw-words").inner_text()

    def wait_status(self, words: str, timeout: float = 20) -> None:
        """Wait until the line below the tiles says this."""
        self.root.locator(".cnnw-words", has_text=words).wait_for(timeout=1000 * timeout)

    def wait_idle(self, timeout: float = 60) -> None:
        """Wait until the kernel has measured where the cells lie and has no more to send."""
        self.wait_python("grid._status['state'] == 'idle'", timeout)

    def layer_row(self, name: str) -> Locator:
        """Return the row of a layer in the tree."""
        return self.tree.get_by_role("treeitem").filter(has=self.nb.page.get_by_text(name, exact=True))

    def slide(self, label: str, value: int) -> None:
        """Move a slider to a value from 0 to 100, as dragging does."""
        self.root.get_by_label(label, exact=True).filter(visible=True).fill(str(value))


def open_grid(opener: Callable[..., NotebookPage], *cells: str, change: str = "", **options: Any) -> GridPage:
    """Open a notebook of these cells, else with the grid of a cat, and wait until its tiles are painted.

    The grid stands in the second cell; `change` are statements that are executed then.
    """
    first, *rest = cells or (GRID,)
    grid = GridPage(opener(first, "grid", *rest, **{"shared": not cells, **options}))
    grid.wait_painted()
    if not cells:
        grid.wait_idle()
    if change:
        grid.nb.execute(change)
        grid.wait_painted(grid.python("layer"))
    grid.show()
    return grid
