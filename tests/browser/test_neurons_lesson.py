"""The lesson on neurons in real JupyterLab: its gallery and its grid answer to the hand, and to each other."""

from __future__ import annotations

import nbformat

from tests.browser.activations import GridPage
from tests.browser.gallery import GalleryPage
from tests.browser.server import NOTEBOOKS

CELLS = nbformat.read(NOTEBOOKS / "03-neurons.ipynb", as_version=4).cells
NUMBERS = {cell.id: number for number, cell in enumerate(CELLS)}


def test_by_hand(notebook):
    """What the text above the gallery invites to."""
    nb = notebook(file="03-neurons.ipynb", run=False)
    gallery, grid = GalleryPage(nb), GridPage(nb)
    nb.start(*(NUMBERS[name] for name in ("load", "digits", "folder", "gallery")))
    nb.wait_for_cells(300)
    gallery.wait_painted("blocks.5", 51)
    grid.wait_painted("blocks.5")
    gallery.show()
    for name, mode in (("Images", "images"), ("Highlight", "highlight"), ("Patches", "patches")):
        gallery.choose(name)
        gallery.wait_painted("blocks.5", 51, mode)
    gallery.choose("Compare")
    gallery.wait_python("gallery.kind == 'compare'")
    gallery.patch(0, "bottom").hover()
    gallery.wait_fact("read", "bottom/0")
    assert "chelsea" in gallery.read()  # a cat's face, as the text says

    gallery.patch(0).click()
    grid.wait_python("grid.unit == gallery.unit and grid.unit['channel'] == 51 and grid.image is gallery.image")
    nb.execute("grid.pin(136)")
    gallery.wait_painted("blocks.5", 136)
