"""ActivationGrid in real JupyterLab: orders, colours, highlights, filters and two pictures, as Python has them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.browser.activations import CAPTION, GAP, MARGIN, open_grid, tiles_per_row

PINNED = "grid.layer = 'blocks.5'\ngrid.pin(136)"


def test_sorts(notebook):
    grid = open_grid(notebook, change="grid.layer = 'blocks.5'")
    assert grid.sort.locator("option").count() == 7  # there is no second picture to compare with
    for sort in ("mean", "active", "contribution", "maximum"):
        grid.sort.select_option(sort)
        grid.wait_python(f"grid.sort == {sort!r} and grid.ranking.by == {sort!r}")
        grid.wait_like_python(sort)
    grid.sort.select_option("channel")
    grid.wait_python("grid.ranking.by == 'channel'")
    assert grid.order() == list(range(20))

    grid.sort.select_option("contribution")
    field = grid.root.get_by_role("combobox", name="Contribution to")
    field.fill("tabby")
    field.press("Enter")
    grid.wait_python("clf.classes[grid.target].startswith('tabby') and 'tabby' in (grid.ranking.words or '')")
    grid.wait_like_python("contributions to another class")

    grid.nb.execute("grid.pin(136)")
    grid.sort.select_option("likeness")
    grid.wait_python("grid.ranking.by == 'likeness'")
    assert grid.wait_like_python("likeness")[0] == 136

    grid.root.get_by_role("button", name="Paint a region").click()
    grid.paint((158, 116), (184, 120))
    grid.wait_python("grid.sort == 'region' and grid.ranking.by == 'region'")
    grid.wait_like_python("one eye")
    grid.paint((305, 132), (325, 134))
    grid.wait_python("len(grid.region) == 2")
    assert 136 in grid.wait_like_python("both eyes", 4)
    strokes = grid.python("region")
    np.testing.assert_allclose(strokes[0]["points"][0], (158, 116), atol=1)
    np.testing.assert_allclose(strokes[1]["points"][-1], (325, 134), atol=1)
    grid.root.get_by_role("button", name="Undo").click()
    grid.wait_python("len(grid.region) == 1")
    grid.wait_like_python("one eye again")
    grid.root.get_by_role("button", name="Clear").click()
    grid.wait_python("grid.region == [] and grid.sort == 'likeness'")
    grid.nb.execute("grid.region = [{'width': 60, 'points': [[240, 200]]}]\ngrid.sort = 'region'")
    grid.wait_like_python("a region from Python")


def test_display(notebook):
    grid = open_grid(notebook, change=PINNED)
    grid.wait_map(136)
    before = grid.pixels()
    grid.slide("Opacity", 90)
    grid.wait_python("grid.opacity == 0.9")
    grid.wait_map(136)
    assert np.abs(grid.pixels().astype(int) - before).mean() > 3
    grid.root.get_by_role("radio", name="Shared").click()
    grid.wait_python("grid.scale == 'shared'")
    grid.wait_map(136)
    grid.nb.execute("grid.sign, grid.colormap = 'both', 'PuOr_r'")
    grid.wait_map(136)

    for quantile in (33, 50):
        grid.slide("Highlight", quantile)
        grid.wait_python(f"abs(grid.threshold - (1 - 10 ** (-3 * {quantile / 100}))) < 1e-6")
        grid.nb.wait_until(lambda: grid.highlighted() > 0.99, "what Python highlights is light, all else is dark")
    assert grid.nb.python("bool(grid.highlight.masks[0].any())")
    grid.nb.execute("grid.threshold = 0")
    grid.wait_map(136)

    grid.slide("Tiles", 80)
    grid.wait_python("grid.tile_size > 120")
    grid.point_at_tile(1)
    grid.wait_fact("overlay", grid.nb.python("int(grid.ranking.order[1])"))
    grid.away()

    grid.nb.execute("grid.layer = 'bn1'")
    grid.root.get_by_role("radio", name="Filters").click()
    grid.wait_python("grid.tab == 'filters'")
    grid.root.get_by_text("32 filters of conv_stem, 3×3").wait_for()
    size = grid.python("tile_size")
    canvas = grid.canvas(".cnnw-weights canvas")[..., :3].astype(int)
    pane = grid.root.get_by_role("application", name="Filters: 32 tiles")
    per_row, step = tiles_per_row(pane.evaluate("(pane) => pane.clientWidth"), size), size + CAPTION + GAP
    centres = MARGIN + np.arange(3)[:, None] * size // 3 + size // 6
    filters = grid.nb.python("[list(tile.getdata()) for tile in cw.explain.filters(clf, 'conv_stem').pictures()]")
    for row in range(2):
        seen = canvas[centres + row * step, centres.T]
        assert np.abs(seen - np.reshape(filters[row * per_row], (3, 3, 3))).max() <= 4, row
    pane.click(position={"x": MARGIN + 5, "y": MARGIN + step + 5})
    grid.wait_python(f"grid.unit == {{'layer': 'bn1', 'channel': {per_row}, 'y': None, 'x': None}}")
    grid.root.get_by_text("3 planes: its weights for each channel that it reads.").wait_for()
    grid.nb.execute("grid.layer = 'blocks.3'")
    grid.root.get_by_text("No convolution alone made this layer's map").wait_for()


def test_two_pictures(notebook):
    grid = open_grid(notebook, change="grid.layer = 'blocks.3'")
    grid.nb.execute("grid.other = cw.demo.photo('coffee')")
    grid.photo(1).wait_for()
    grid.wait_python("grid.activations is not None and len(grid.activations) == 2")
    grid.wait_painted("blocks.3")
    grid.sort.select_option("difference")
    grid.wait_python("grid.ranking.by == 'difference'")
    first = grid.wait_like_python("what differs")
    grid.point_at_tile(2)
    grid.wait_fact("overlay", first[2])
    for picture in (0, 1):
        grid.wait_map(first[2], picture)
    values = grid.nb.python(f"grid.activations.values[:, {first[2]}, 3, 4].tolist()")
    grid.point_at_tile(2, (3, 4), picture=1)
    grid.wait_place("cell row 3, column 4")
    read = [float(number.replace("−", "-")) for number in grid.value().split(" · ")]
    assert read == pytest.approx(values, rel=0.01, abs=0.01)
    grid.nb.page.mouse.move(*grid.at(300.5, 200.5, 1))
    grid.wait_place("pixel 300, 200 of the second picture")
    grid.away()
    grid.nb.execute(f"grid.pin({first[0]})\ngrid.threshold = 0.9")
    for picture in (0, 1):
        grid.nb.wait_until(lambda picture=picture: grid.highlighted(picture) > 0.99, "one threshold for both pictures")
    grid.nb.execute("grid.other = None")
    grid.photo(1).wait_for(state="detached")
    grid.wait_painted("blocks.3")
    grid.wait_python("grid.sort == 'maximum'")
    grid.wait_like_python("one picture")


def test_another_picture_from_python(notebook):
    grid = open_grid(notebook, change=PINNED)
    grid.wait_map(136)
    before = grid.pixels()
    grid.nb.execute("grid.region = [{'width': 30, 'points': [[170, 118]]}]\ngrid.image = cw.demo.photo('astronaut')")
    grid.wait_python("grid.activations is not None and grid.region == []")
    grid.wait_painted("blocks.5")
    grid.wait_map(136)
    assert grid.pixels().shape != before.shape
    grid.wait_like_python("another picture")
    assert (grid.python("layer"), grid.fact("overlay")) == ("blocks.5", "136")
