"""ActivationGrid where there is a lot, where something goes wrong or takes long; all else goes on answering."""

from __future__ import annotations

import numpy as np

from tests.browser.activations import GRID, open_grid
from tests.browser.notebook import busy_cell

# 2,048 channels of 7 x 7 cells, the first hundred of which are dead; it fails when it is told to.
MANY = """
import cnnwidgets as cw
import torch
from torch import nn

class Many(nn.Module):
    fails = False
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(3, 2048, 32, stride=32), nn.Linear(2048, 4)
        with torch.no_grad():
            self.conv.weight[:100], self.conv.bias[:100] = 0, -1
    def forward(self, x):
        if self.fails:
            raise ValueError("the third valve is stuck")
        return self.head(self.conv(x).relu().mean((2, 3)))

img, model = cw.demo.photo("chelsea"), Many().eval()
clf = cw.Classifier(model, cw.demo.imagenet().preprocess, ["one", "two", "three", "four"], output="logits")
grid = cw.ActivationGrid(clf, img)
"""


def test_two_thousand_channels_and_an_error(notebook):
    grid = open_grid(notebook, MANY)
    relu = grid.python("layer")
    first = grid.wait_like_python("2,048 channels")
    grid.root.get_by_label("Hide dead channels").check()
    grid.wait_python("grid.hide_dead")
    shown = "(pane) => pane.getAttribute('aria-label')"
    alive = grid.nb.python("int((~grid.activations.statistics.dead).sum())")
    assert 1800 < alive <= 1948
    grid.nb.wait_until(lambda: f"{alive} of 2048 channels" in grid.tiles.evaluate(shown), "the dead are hidden")
    assert grid.order() == first
    grid.tiles.focus()
    grid.tiles.press("Home")
    grid.tiles.press("End")
    last = grid.nb.python("[int(c) for c in grid.ranking.order if not grid.activations.statistics.dead[c]][-1]")
    grid.wait_fact("overlay", last)
    assert grid.tiles.evaluate("(pane) => pane.scrollTop + pane.clientHeight >= pane.scrollHeight - 8")

    grid.nb.execute("model.fails = True\nwith torch.no_grad(): model.conv.bias += 1")  # what is known has gone
    grid.strip.press("Home")
    grid.wait_status("the third valve is stuck")
    grid.wait_fact("painted", "")
    grid.nb.execute("model.fails = False")
    grid.root.get_by_role("button", name="Retry").click()
    grid.wait_painted("conv")
    grid.wait_status("conv: 2048 channels of 7×7 cells.")
    grid.wait_like_python("the weights as they are now", 5)
    grid.strip.press("End")
    grid.wait_painted(relu)


def test_busy_kernel_then_a_dead_one(notebook):
    grid = open_grid(notebook, GRID, busy_cell("grid", "tile_size"))
    grid.wait_idle()
    orders = grid.nb.python("[grid.activations.rank(by).order[:1].tolist() for by in ('maximum', 'mean')]")
    with grid.nb.busy_kernel(2):
        assert grid.fact("first") == str(orders[0][0])
        grid.sort.select_option("mean")
        grid.wait_fact("first", orders[1][0], timeout=1)
        plain = grid.pixels()
        grid.tiles.hover(position={"x": 10, "y": 10})
        grid.wait_fact("overlay", orders[1][0], timeout=1)
        grid.nb.wait_until(lambda: np.abs(grid.pixels().astype(int) - plain).max() > 30, "its map", 1)
        grid.layer_row("blocks").click()
        grid.wait_status("Waiting for the kernel…", timeout=4)
        assert grid.root.locator(".cnnw-tiles", has_text="Waiting for blocks").count() == 1
    grid.wait_painted("blocks")
    grid.wait_python("(grid.layer, grid.sort, grid.ranking.by) == ('blocks', 'mean', 'mean')")
    grid.wait_like_python("what was asked for meanwhile", 5)

    grid.nb.execute("grid.layer = 'blocks.5'")
    grid.wait_painted("blocks.5")
    orders = grid.nb.python("{by: grid.activations.rank(by).order[:2].tolist() for by in ('mean', 'active')}")
    grid.nb.close()  # shuts the kernel down; the page stays
    grid.sort.select_option("mean")
    grid.wait_fact("first", orders["mean"][0])
    grid.layer_row("3").click()
    grid.wait_status("The kernel does not answer: it is busy or stopped.", timeout=15)
    grid.layer_row("5").click()  # its tiles are still here
    grid.sort.select_option("active")
    grid.wait_fact("first", orders["active"][0])
    plain = grid.pixels()
    grid.tiles.hover(position={"x": 10, "y": 10})
    grid.wait_fact("overlay", orders["active"][0])
    grid.nb.wait_until(lambda: np.abs(grid.pixels().astype(int) - plain).max() > 30, "its map")
    shown = grid.pixels()
    grid.slide("Highlight", 40)
    grid.nb.wait_until(lambda: not np.array_equal(grid.pixels(), shown), "what is above the threshold")
