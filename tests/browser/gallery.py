"""A NeuronGallery in a notebook's page: its patches by kind and rank, its overview by channel, compared with Python."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tests.browser.notebook import read_canvas

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator

    from tests.browser.notebook import NotebookPage

# The index is kept beside the notebook, in the test server's own folder: only the first test has to make it.
CACHE = """
import os
os.environ["CNNWIDGETS_CACHE"] = os.path.abspath("{folder}")
import cnnwidgets as cw
"""
DIGITS = f"""{CACHE.format(folder="cache")}
gallery = cw.NeuronGallery(cw.demo.digits())
gallery.wait(120)
"""
# Some of the demo's pictures, as files in folders of their classes.
FOLDER = """
import shutil
from pathlib import Path
import cnnwidgets as cw
import torch
from torch import nn
shutil.rmtree("crops", ignore_errors=True)
crops = cw.demo.crops()
for number in range(0, len(crops), len(crops) // 40):
    picture, label = crops[number]
    path = Path("crops", crops.classes[label], f"crop {number}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
"""
IMAGENET = f"""{FOLDER}
clf = cw.demo.imagenet()
img = cw.demo.photo("chelsea")
gallery = cw.NeuronGallery(clf, "crops", layers=["blocks.2", "blocks.5"], layer="blocks.5")
gallery.wait(120)
"""
# What Python makes of a patch, to be compared with its tile.
EXPECTED = """
def _png(picture):
    import base64, io
    kept = io.BytesIO()
    picture.convert("RGB").save(kept, "png")
    return base64.b64encode(kept.getvalue()).decode()
def _patch(kind, rank):
    patches = getattr(gallery.index, kind)(gallery.layer, gallery.channel)
    return sorted(patches, key=lambda patch: patch.value if kind == "bottom" else -patch.value)[rank]
def _crop(kind, rank):
    return _png(gallery.index.crop(_patch(kind, rank)))
def _whole(kind, rank):
    return _png(gallery.index.picture(_patch(kind, rank)))
def _projected(method, kind, rank):
    patch = _patch(kind, rank)
    given = gallery.index.prepared(patch.image, gallery.clf)
    found = getattr(cw.explain, method)(gallery.clf, given, patch.layer, patch.channel, (patch.row, patch.column))
    return _png(found.crop(0))
"""
# Presses a button and counts the frames until the wall is painted; at most a second's.
FRAMES = """async (root, [name, painted]) => {
  const radio = [...root.querySelectorAll('[role=radio]')].find((each) => each.textContent === name);
  const start = performance.now();
  radio.click();
  let frames = 0;
  while (root.dataset.painted !== painted && frames < 60) {
    await new Promise((done) => requestAnimationFrame(done));
    frames++;
  }
  return [frames, performance.now() - start];
}"""
RASTER = (12, 12)  # columns and rows that pictures are compared in


class GalleryPage:
    """The NeuronGallery of a notebook; `gallery` is its variable in the kernel."""

    def __init__(self, nb: NotebookPage) -> None:
        self.nb = nb
        self.root: Locator = nb.page.locator('.cnnw[data-view="gallery"]').first
        self.wall = self.root.get_by_role("listbox", name="Patches", exact=True)
        self.rows = self.root.locator(".cnnw-rows")
        self.tree = self.root.get_by_role("tree", name="Layers")
        self.channel = self.root.get_by_role("spinbutton")
        self.build = self.root.locator(".cnnw-build")
        self.search = self.root.get_by_role("searchbox", name="Find channels")

    def show(self) -> None:
        """Scroll the notebook to the gallery's upper edge."""
        self.root.evaluate("(root) => root.scrollIntoView({ block: 'start' })")

    def fact(self, name: str) -> str:
        """Return one of the root's data attributes."""
        return self.root.get_attribute(f"data-{name}") or ""

    def wait_fact(self, name: str, value: Any, timeout: float = 20) -> None:
        """Wait until one of the root's data attributes has a value."""
        try:
            self.nb.wait_until(lambda: self.fact(name) == str(value), f"{name} = {value}", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}, but {self.fact(name)!r}") from None

    def wait_painted(self, layer: str, channel: int, mode: str = "patches", timeout: float = 30) -> None:
        """Wait until the wall of a channel is on the screen in a mode."""
        self.wait_fact("painted", f"{layer}/{channel}/{mode}", timeout)

    def python(self, expression: str) -> Any:
        """Return the value of an attribute of the gallery in the kernel."""
        return self.nb.python(f"gallery.{expression}")

    def wait_python(self, condition: str, timeout: float = 30) -> None:
        """Wait until an expression about `gallery` is true in the kernel."""
        self.nb.wait_python(condition, timeout)

    def choose(self, name: str) -> None:
        """Press one of the buttons of which one is on."""
        self.root.get_by_role("radio", name=name, exact=True).click()

    # The wall.

    def patch(self, rank: int, kind: str = "top") -> Locator:
        """Return the tile of a patch."""
        return self.root.locator(f'.cnnw-patch[data-kind="{kind}"][data-rank="{rank}"]')

    def values(self, kind: str = "top") -> list[float]:
        """Return the values under the patches of a kind, in the order of the wall."""
        found = self.root.locator(f'.cnnw-patch[data-kind="{kind}"] .cnnw-patch-value').all_inner_texts()
        return [float(text.replace("−", "-")) for text in found]

    def ranks(self, kind: str = "top") -> list[int]:
        """Return the ranks of the patches of a kind that are on the wall."""
        tiles = self.root.locator(f'.cnnw-patch[data-kind="{kind}"]')
        return [int(rank) for rank in tiles.evaluate_all("(all) => all.map((tile) => tile.dataset.rank)")]

    def pixels(self, rank: int, kind: str = "top") -> np.ndarray:
        """Return what is on the canvas of a patch: (height, width, 4), 0 to 255."""
        return read_canvas(self.patch(rank, kind).locator("canvas"))

    def expected(self, expression: str) -> Image.Image:
        """Return the picture that one of the functions in EXPECTED gives."""
        self.nb.execute(EXPECTED)
        return Image.open(io.BytesIO(base64.b64decode(self.nb.python(expression))))

    def wait_like(self, picture: Image.Image, rank: int, *, kind: str = "top", half: int | None = None) -> None:
        """Wait until a patch, or the left or right half (0, 1) of its tile, shows a picture."""
        self.nb.wait_until(
            lambda: difference(picture, self.pixels(rank, kind), half) < 6, f"the picture of patch {rank} ({kind})"
        )

    # The overview.

    def wait_rows(self) -> None:
        """Wait until every row in view has its patches."""

        def all_there() -> bool:
            there, _, seen = self.fact("rows").partition("/")
            return seen not in ("", "0") and there == seen

        self.nb.wait_until(all_there, "the rows in view", 30)

    def channels(self) -> list[int]:
        """Return the channels of the rows in view, from the top."""
        script = """(rows) => rows
          .map((row) => [row.getBoundingClientRect().top, Number(row.dataset.channel)])
          .sort((a, b) => a[0] - b[0]).map(([, channel]) => channel)"""
        return self.root.locator(".cnnw-row").evaluate_all(script)

    # What it says.

    def read(self) -> str:
        """Return what is said of the patch pointed at."""
        return self.root.locator(".cnnw-readout").inner_text()

    def status(self) -> str:
        """Return what the line below the wall says."""
        return self.root.locator(".cnnw-words").inner_text()

    def wait_status(self, words: str, timeout: float = 20) -> None:
        """Wait until the line below the wall says this."""
        self.root.locator(".cnnw-words", has_text=words).wait_for(timeout=1000 * timeout)

    def alike(self) -> list[int]:
        """Return the channels, of the same layer, that are said to have alike patches."""
        chips = self.root.locator(".cnnw-chip").evaluate_all("(chips) => chips.map((chip) => chip.ariaLabel)")
        return [int(words.split()[1]) for words in chips]

    def layer_row(self, name: str) -> Locator:
        """Return the row of a layer in the tree, by its whole name."""
        return self.tree.locator(f'[role=treeitem][title^="{name} · "]')


def difference(picture: Image.Image, pixels: np.ndarray, half: int | None = None) -> float:
    """Return how far a tile, or the left or right half (0, 1) of it, is from a picture: of 255, in the mean.

    Args:
        picture: what should be there.
        pixels: of the tile, transparent around the picture.
        half: which half of the tile; None for all.

    """
    found = _drawn(pixels, half)
    if found is None:
        return 255.0
    one, two = (
        np.asarray(each.resize(RASTER, Image.Resampling.BOX), float) for each in (_shown(picture, found), found)
    )
    return float(np.abs(one - two).mean())


def likeness(picture: Image.Image, pixels: np.ndarray, half: int) -> float:
    """Return the correlation of a half of a tile with a picture whose lines are fine, -1 to 1."""
    found = _drawn(pixels, half)
    if found is None:
        return 0.0
    one, two = (np.asarray(each, float).ravel() for each in (_shown(picture, found), found))
    return float(np.corrcoef(one, two)[0, 1])


def _drawn(pixels: np.ndarray, half: int | None) -> Image.Image | None:
    """Return what is drawn on a tile or a half of it, without the transparent edges."""
    if half is not None:
        middle = pixels.shape[1] // 2
        pixels = pixels[:, middle + 1 :] if half else pixels[:, : middle - 1]
    drawn = pixels[..., 3] > 128
    if not drawn.any():
        return None
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    return Image.fromarray(pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, :3].copy())


def _shown(picture: Image.Image, found: Image.Image) -> Image.Image:
    """Return a picture as large as what was found; few pixels are shown as squares."""
    way = Image.Resampling.NEAREST if picture.width < found.width else Image.Resampling.LANCZOS
    return picture.convert("RGB").resize(found.size, way)


def open_gallery(
    opener: Callable[..., NotebookPage], cell: str = DIGITS, *cells: str, change: str = "", **options: Any
) -> GalleryPage:
    """Open a notebook with a gallery, by default that of the digits, and wait until its wall is painted.

    The gallery stands in the second cell; `change` are statements that are executed then.
    """
    gallery = GalleryPage(opener(cell, "gallery", *cells, **{"shared": True, **options}))
    if change:
        gallery.nb.execute(change)
    layer, channel, mode = gallery.nb.python("[gallery.layer, gallery.channel, gallery.mode]")
    gallery.wait_painted(layer, channel, mode, 60)
    gallery.show()
    return gallery
