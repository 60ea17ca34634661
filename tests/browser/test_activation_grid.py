"""ActivationGrid in real JupyterLab: what the browser shows, and what Python says of the same state, agree."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.browser.activations import MARGIN, open_grid

FINE = "grid.layer = 'blocks.2'"  # 40 channels of 28 x 28 cells, each of which sees 67 pixels


def whole(number: float) -> int:
    """Round as the page does."""
    return math.floor(number + 0.5)


def drawn_box(one: np.ndarray, two: np.ndarray) -> list[int]:
    """Return the box around what two pictures differ in: left, top, right, bottom."""
    changed = np.abs(one.astype(int) - two).sum(-1) > 60
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]


def test_pick_a_layer(notebook):
    grid = open_grid(notebook)
    assert grid.fact("painted") == grid.python("layer") == "bn2"
    names = grid.nb.python("[layer.name for layer in grid.layers]")

    def shown(name):
        grid.wait_painted(name)
        grid.wait_python(f"grid.layer == {name!r} and grid.activations is not None")
        assert grid.python("activations.name") == name
        grid.wait_like_python(f"the channels of {name}", 3)

    grid.layer_row("blocks").locator(".cnnw-twisty").click()
    grid.layer_row("5").click()
    shown("blocks.5")
    grid.root.get_by_role("searchbox").fill("blocks.1.1 relu6 144x56")
    grid.root.get_by_role("searchbox").press("Enter")
    shown(next(name for name in names if name.startswith("blocks.1.1") and name.endswith("act")))
    grid.strip.focus()
    grid.strip.press("Home")
    shown(names[0])
    for _ in range(3):
        grid.strip.press("ArrowRight")
    shown(names[3])
    box = grid.strip.bounding_box()
    grid.nb.page.mouse.click(box["x"] + box["width"] * (200.5 / len(names)), box["y"] + 10)
    shown(names[200])
    grid.nb.execute("grid.layer = grid.clf.model.blocks[3]")
    shown("blocks.3")
    grid.root.get_by_role("button", name="Clear the search").click()
    assert grid.layer_row("3").get_attribute("aria-selected") == "true"


def test_point(notebook):
    grid = open_grid(notebook, change=FINE)
    first = grid.wait_like_python("maximum", 5)
    grid.nb.execute("acts = grid.activations")
    plain = grid.pixels()

    for position in (0, 3):
        grid.point_at_tile(position)
        grid.wait_fact("overlay", first[position])
        grid.wait_map(first[position])
    without = grid.pixels()

    row, column = 12, 11
    grid.point_at_tile(3, (row, column))
    words = grid.wait_place(f"channel {first[3]} · cell row {row}, column {column}")
    true = grid.nb.python(f"float(acts.values[0, {first[3]}, {row}, {column}])")
    assert float(grid.value().replace("−", "-")) == pytest.approx(true, rel=0.01)
    field = grid.nb.python(f"list(acts.frames[0].box_to_picture(acts.grid.seen({row}, {column})))")
    left, top, right, bottom = map(whole, field)
    assert f"Sees columns {left}–{right}, rows {top}–{bottom} of the picture" in words
    scale = grid.photo().bounding_box()["width"] / grid.size()[0]
    grid.nb.wait_until(lambda: np.abs(grid.pixels().astype(int) - without).max() > 60, "the field is drawn")
    np.testing.assert_allclose(np.array(drawn_box(grid.pixels(), without)) / scale, field, atol=4)

    x, y = 200, 150
    grid.nb.page.mouse.move(*grid.at(x + 0.5, y + 0.5))
    words = grid.wait_place(f"pixel {x}, {y}")
    rows, columns = grid.nb.python(
        f"""(lambda seen, scale: [[cells.start, cells.stop] for cells in acts.grid.cells_seeing(
            int(({y}.5 - seen.top) / scale[0]), int(({x}.5 - seen.left) / scale[1]))
        ])(acts.frames[0].box, acts.frames[0].scale)"""
    )
    assert f"Seen by rows {rows[0]}–{rows[1] - 1}, columns {columns[0]}–{columns[1] - 1}" in words
    # The cell that lies there is outlined in every tile; those that can see the pixel are more, and not all around it.
    placed = grid.nb.python(
        f"""(lambda seen, scale: acts.grid.cell_at(
            ({y}.5 - seen.top) / scale[0] - 0.5, ({x}.5 - seen.left) / scale[1] - 0.5
        ))(acts.frames[0].box, acts.frames[0].scale)"""
    )
    assert words.startswith(f"pixel {x}, {y} · cell row {placed[0]}, column {placed[1]}")
    end = MARGIN + grid.python("tile_size")
    marks = grid.canvas(".cnnw-tiles > canvas", 1)[MARGIN:end, MARGIN:end, 3] > 0
    for cell, marked in zip(placed, (marks.any(1), marks.any(0)), strict=True):
        ends = np.flatnonzero(marked)[[0, -1]]
        assert ends == pytest.approx([edge * len(marked) / 28 for edge in (cell, cell + 1)], abs=3)

    grid.away()
    grid.wait_fact("overlay", "")
    grid.nb.wait_until(lambda: np.array_equal(grid.pixels(), plain), "the photograph alone")


def test_pin(anywhere):
    grid = open_grid(anywhere, change=f"{FINE}\nlog = []; grid.observe(lambda change: log.append(change.new), 'unit')")
    first = grid.wait_like_python("maximum", 5)
    grid.click_tile(2, (5, 9))
    unit = {"layer": "blocks.2", "channel": first[2], "y": 5, "x": 9}
    grid.wait_python(f"grid.unit == {unit}")
    grid.away()
    assert grid.fact("overlay") == str(first[2])
    grid.wait_place("cell row 5, column 9")
    grid.click_tile(2, (5, 9))
    grid.wait_python("grid.unit is None and grid.channel is None")
    grid.click_tile(4)
    grid.wait_python(f"(grid.channel, grid.cell) == ({first[4]}, None)")
    assert grid.nb.python("log") == [unit, None, {"layer": "blocks.2", "channel": first[4], "y": None, "x": None}]

    grid.nb.execute("grid.unit = {'layer': 'blocks.5', 'channel': 136, 'y': 2, 'x': 1}")
    grid.wait_painted("blocks.5")
    grid.away()
    grid.wait_place("channel 136 · cell row 2, column 1")
    grid.nb.execute("grid.pin(136)")
    grid.wait_fact("overlay", 136)
    grid.nb.wait_until(lambda: "80 of 192" in grid.place(), "the channel alone")
    grid.wait_map(136)
    grid.tiles.press("Escape")
    grid.wait_python("grid.unit is None")
    grid.wait_fact("overlay", "")


def test_by_keyboard_alone(notebook):
    grid = open_grid(notebook, change=FINE)
    names = grid.nb.python("[layer.name for layer in grid.layers]")
    press = grid.nb.page.keyboard.press

    def tab_to(element):
        for _ in range(40):
            if element.evaluate("(element) => element === document.activeElement"):
                return
            press("Tab")
        raise AssertionError("the Tab key does not lead there")

    grid.strip.focus()
    press("ArrowRight")
    after = names[names.index("blocks.2") + 1]
    grid.wait_painted(after)
    press("ArrowLeft")
    grid.wait_painted("blocks.2")
    tab_to(grid.sort)
    press("ArrowDown")  # "Mean" follows "Maximum"
    grid.wait_python("grid.sort == 'mean'")
    first = grid.wait_like_python("mean", 4)
    tab_to(grid.photo())
    press("ArrowRight")
    grid.wait_place("pixel ")
    tab_to(grid.tiles)
    for _ in range(4):
        press("ArrowRight")
    grid.wait_fact("overlay", first[3])
    press("Enter")
    row, column = grid.nb.python(f"[int(i) for i in divmod(abs(grid.activations.values[0, {first[3]}]).argmax(), 28)]")
    grid.wait_place(f"channel {first[3]} · cell row {row}, column {column}")
    step, now = ("ArrowUp", row - 1) if row else ("ArrowDown", 1)
    press(step)
    press(" ")
    grid.wait_python(f"grid.unit == {{'layer': 'blocks.2', 'channel': {first[3]}, 'y': {now}, 'x': {column}}}")
    press("Escape")
    press("Escape")
    grid.wait_python("grid.unit is None")


def test_reload_restores_the_grid(notebook):
    grid = open_grid(notebook, change=FINE)
    grid.nb.execute("grid.unit = {'layer': 'blocks.5', 'channel': 136, 'y': 2, 'x': 1}\ngrid.sort = 'likeness'")
    grid.wait_painted("blocks.5")
    grid.wait_fact("first", 136)
    grid.nb.save()
    grid.nb.reload()
    grid.wait_painted("blocks.5")
    grid.show()
    assert (grid.fact("first"), grid.fact("overlay"), grid.sort.input_value()) == ("136", "136", "likeness")
    grid.wait_place("channel 136 · cell row 2, column 1")
    grid.layer_row("4").click()
    grid.wait_painted("blocks.4")
    grid.wait_python("grid.layer == 'blocks.4' and grid.unit is None")
