"""A cell of a grid: its box, and the cells that see a pixel."""

from __future__ import annotations

import numpy as np
import pytest

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.axis import Axis
from cnnwidgets.explain.geometry import Grid

# Rows: kernel 3, stride 2, padding 1 on 7 pixels: 4 cells. Columns: kernel 2, stride 3 on 8 pixels: 3 cells.
GRID = Grid(Axis.of_input(7).convolved(4, 3, 2, 1, 1), Axis.of_input(8).convolved(3, 2, 3, 0, 1))


def test_a_box_is_unclipped_and_what_is_seen_is_clipped():
    assert GRID.field(0, 0) == (0, -1, 2, 2)
    assert GRID.seen(0, 0) == (0, 0, 2, 2)
    assert GRID.field(-1, -1) == GRID.field(3, 2) == (6, 5, 8, 8)
    assert GRID.seen(3, 2) == (6, 5, 8, 7)


def test_the_cells_that_see_a_pixel():
    assert GRID.cells_seeing(0, 0) == (range(1), range(1))
    assert GRID.cells_seeing(1, 3) == (range(2), range(1, 2))
    assert GRID.cells_seeing(6, 2) == (range(3, 4), range(0))  # the stride steps over column 2
    assert GRID.cells_seeing(1.4, 3.4) == GRID.cells_seeing(1, 3)  # anywhere in the pixel
    assert GRID.cells_seeing(-1, 0) == (range(0), range(1))  # padding is no pixel


def test_a_cell_that_sees_padding_only_sees_nothing():
    grid = Grid(Axis.of_input(3).convolved(5, 1, 1, 1, 1), Axis.of_input(3))
    assert grid.seen(0, 1) is None
    assert grid.field(0, 1) == (1, -1, 2, 0)
    assert np.isnan(grid.y.first).tolist() == [True, False, False, False, True]


@pytest.mark.parametrize("ask", [GRID.field, GRID.seen, GRID.cell])
@pytest.mark.parametrize(
    ("row", "column", "said"),
    [(4, 0, "row=4 is out of range: the map has 4 row"), (0, -4, "column=-4 is out of range: the map has 3 column")],
)
def test_a_cell_that_is_not_there(ask, row, column, said):
    with pytest.raises(OptionError, match=said):
        ask(row, column)


def test_of_a_measured_grid_the_nearest_cells_count():
    grid = Grid.at([4.0, 12.0, 20.0], [3.0, 9.0])
    assert grid.cells_seeing(7, 8) == (range(1), range(1, 2))
    assert grid.cells_seeing(8.5, 40) == (range(1, 2), range(0))
