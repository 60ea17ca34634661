"""The lesson on layers in real JupyterLab: its grids answer to the hand as the text says."""

from __future__ import annotations

import nbformat

from tests.browser.activations import GridPage
from tests.browser.server import NOTEBOOKS

CELLS = nbformat.read(NOTEBOOKS / "02-layers.ipynb", as_version=4).cells
NUMBERS = {cell.id: number for number, cell in enumerate(CELLS)}


def test_by_hand(notebook):
    """What the text above the grid invites to, and the two cells that show grids again."""
    nb = notebook(file="02-layers.ipynb", run=False)
    grid = GridPage(nb)
    nb.start(NUMBERS["load"], NUMBERS["grid"])
    grid.wait_painted("bn2")
    nb.wait_for_cells()
    grid.show()
    grid.strip.focus()
    grid.strip.press("Home")
    grid.wait_painted(nb.python("grid.layers[0].name"))
    nb.execute("grid.layer = 'blocks.5'")
    grid.wait_painted("blocks.5")
    grid.point_at_tile(2, (3, 3))
    grid.wait_place("cell row 3, column 3")
    nb.page.mouse.move(*grid.at(171, 118))
    grid.wait_place("pixel 171, 118")
    grid.root.get_by_role("button", name="Paint a region").click()
    grid.paint((150, 118), (192, 118))
    grid.paint((294, 132), (336, 132))
    grid.wait_python("len(grid.region) == 2")
    painted = grid.wait_like_python("the eyes", 6)
    grid.slide("Highlight", 40)
    grid.wait_python("grid.threshold > 0.9")
    grid.root.get_by_role("radio", name="Filters").click()
    grid.wait_python("grid.tab == 'filters' and grid._status['state'] == 'idle'")
    grid.root.get_by_role("radio", name="Activations").click()

    nb.start(NUMBERS["eye"], NUMBERS["two"], NUMBERS["units"])
    two = GridPage(nb, number=1)
    two.wait_painted("blocks.4")
    assert two.photo(1).is_visible()
    assert two.sort.input_value() == "difference"
    nb.wait_for_cells()
    best = nb.python("best")
    assert best in painted  # by the brush as by the mask
    grid.wait_fact("overlay", best)
