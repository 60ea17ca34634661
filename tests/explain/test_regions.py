"""Regions as cells see them: exact shares of territories, and the eight by eight points of painted strokes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image

from cnnwidgets import explain
from cnnwidgets.errors import OptionError
from cnnwidgets.explain import regions
from cnnwidgets.explain.axis import Axis
from cnnwidgets.explain.frame import Box, Frame
from cnnwidgets.explain.geometry import Grid, Placement


def axis(centres, stride):
    array = np.asarray(centres, dtype=np.float64)
    return Axis(array, array.copy(), stride)


GRIDS = {
    "as a ResNet: centres on the border": Grid(axis([0, 4, 8], 4), axis([0, 4, 8, 12], 4)),
    "as a VGG: centres in the middle": Grid(axis([1.5, 5.5, 9.5], 4), axis([1.5, 5.5, 9.5, 13.5], 4)),
    "uneven, and one row": Grid(axis([5], 12), axis([1, 2, 9.25], 3)),
    "cells at the same place": Grid(axis([2, 2, 8], 6), axis([3, 3, 12, 12], 4)),
    "a cell beside the picture": Grid(axis([-9, 3, 9], 6), axis([4, 12, 30], 8)),
}
FRAMES = {
    "whole": Frame.whole(12, 16),
    "a crop of a larger picture": Frame(Box(3.5, 2.25, 27.5, 20.25), (12, 16), (23, 31)),
    "padded": Frame(Box(-4.0, -3.0, 28.0, 21.0), (12, 16), (18, 24)),
}


def territory(grid, frame, row, column):
    """Return a cell's territory in the picture, (top, bottom, left, right), by the definition.

    It ends halfway to the neighbours; that of an outermost cell reaches to the edge of the input, or half a stride
    from a place beside it.
    """
    ends = []
    for dim, (centred, cell) in enumerate(((grid.y, row), (grid.x, column))):
        low, high, pixels = frame.box[1 - dim], frame.box[3 - dim], frame.picture_size[dim]
        places = sorted(set(centred.places.tolist()))
        at, half = places.index(centred.places[cell]), centred.stride / 2
        start = (places[at - 1] + places[at]) / 2 if at else min(-0.5, places[0] - half)
        inner = at + 1 < len(places)
        last = frame.input_size[dim] - 0.5
        stop = (places[at + 1] + places[at]) / 2 if inner else max(last, places[-1] + half)
        edges = [low + (pixel + 0.5) * frame.scale[dim] for pixel in (start, stop)]
        ends += [min(max(edge, low, 0.0), high, float(pixels)) for edge in edges]
    return ends


def literal(grid, frame, mask):
    result = np.zeros(grid.shape)
    for row, column in np.ndindex(*grid.shape):
        top, bottom, left, right = territory(grid, frame, row, column)
        covered = 0.0
        for y in range(math.floor(top), math.ceil(bottom)):
            for x in range(math.floor(left), math.ceil(right)):
                part = (min(bottom, y + 1) - max(top, y)) * (min(right, x + 1) - max(left, x))
                covered += part * float(mask[y, x])
        area = (bottom - top) * (right - left)
        result[row, column] = covered / area if area > 0 else 0.0
    return result


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_shares_are_exact_means_over_the_territories(grid, frame):
    random = np.random.default_rng(0)
    for mask in (random.random(frame.picture_size), random.random(frame.picture_size) > 0.6):
        found = regions.cell_shares(grid, frame, mask)
        np.testing.assert_allclose(found, literal(grid, frame, mask), atol=1e-12)
    everything = regions.cell_shares(grid, frame, np.ones(frame.picture_size, dtype=bool))
    assert set(np.round(everything, 12).reshape(-1)) <= {0.0, 1.0}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_a_box_covers_what_its_mask_covers(grid, frame):
    mask = np.zeros(frame.picture_size, dtype=bool)
    mask[3:11, 5:14] = True
    found = regions.region_shares(grid, frame, Box(5, 3, 14, 11))
    np.testing.assert_allclose(found, regions.cell_shares(grid, frame, mask), atol=1e-12)


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_points_are_counted_eight_by_eight(grid, frame):
    def inside(x, y):
        return (x - 9) ** 2 + (y - 7) ** 2 < 30

    expected = np.zeros(grid.shape)
    for row, column in np.ndindex(*grid.shape):
        top, bottom, left, right = territory(grid, frame, row, column)
        for i in range(8):
            for j in range(8):
                y, x = top + (bottom - top) * (i + 0.5) / 8, left + (right - left) * (j + 0.5) / 8
                expected[row, column] += inside(x, y)
    np.testing.assert_array_equal(regions.cell_shares_of(grid, frame, inside), expected / 64)


def test_a_speck_falls_to_the_cell_that_holds_it():
    grid, frame = GRIDS["as a VGG: centres in the middle"], Frame.whole(12, 16)

    def nowhere(xs, _ys):
        return np.zeros_like(xs, dtype=bool)

    found = regions.cell_shares_of(grid, frame, nowhere, (8.0, 3.999))
    assert found[0, 2] == 1 / 64
    assert np.count_nonzero(found) == 1
    assert not regions.cell_shares_of(grid, frame, nowhere, (99.0, 3.0)).any()
    assert not regions.cell_shares_of(grid, frame, nowhere).any()


def test_territories_of_a_resnet_tile_the_seen_part():
    rows, columns = regions.territories(GRIDS["as a ResNet: centres on the border"], Frame.whole(12, 16))
    np.testing.assert_allclose(rows, [0, 2.5, 6.5, 12])
    np.testing.assert_allclose(columns, [0, 2.5, 6.5, 10.5, 16])


def test_territories_follow_the_places_where_these_were_measured():
    grid = GRIDS["as a ResNet: centres on the border"].with_placement(Placement("mirror test", (1.0, -0.5), (0.1, 0.1)))
    rows, columns = regions.territories(grid, Frame.whole(12, 16))
    np.testing.assert_allclose(rows, [0, 3.5, 7.5, 12])
    np.testing.assert_allclose(columns, [0, 2, 6, 10, 16])
    assert grid.field(0, 0) == GRIDS["as a ResNet: centres on the border"].field(0, 0)
    assert grid.cell_at(3.6, 1.4) == (1, 0)


def test_the_shape_of_a_mask_tells_what_it_lies_on():
    grid, frame = GRIDS["as a VGG: centres in the middle"], FRAMES["a crop of a larger picture"]
    mask = np.zeros((12, 16))
    mask[:4, 4:8] = 1
    found = regions.region_shares(grid, frame, mask)
    assert found[0, 1] == pytest.approx(1)
    assert found.sum() == pytest.approx(1)
    for same in (torch.from_numpy(mask), torch.from_numpy(mask) > 0, Image.fromarray((mask * 255).astype(np.uint8))):
        np.testing.assert_allclose(regions.region_shares(grid, frame, same), found)
    with pytest.raises(OptionError, match=r"\(12, 15\).*\(23, 31\).*\(12, 16\)"):
        regions.region_shares(grid, frame, mask[:, :15])


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.zeros((12, 16, 3)), "12, 16, 3"),
        (np.full((12, 16), 255), "other values"),
        (np.full((12, 16), np.nan), "other values"),
        (np.full((12, 16), "x"), "bool or numbers"),
    ],
)
def test_what_is_no_mask_is_refused(mask, words):
    with pytest.raises(OptionError, match=words):
        regions.region_shares(GRIDS["as a VGG: centres in the middle"], Frame.whole(12, 16), mask)


def test_the_channel_that_answers_to_a_region_comes_first():
    """A net whose channels copy quarters of the picture: a painted quarter finds its channel."""
    model = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 1, bias=False), torch.nn.AvgPool2d(2), torch.nn.ReLU())
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(4)[:, :, None, None])
    x = torch.zeros(1, 4, 12, 12)
    for channel, (row, column) in enumerate(np.ndindex(2, 2)):
        x[0, channel, 6 * row : 6 * row + 6, 6 * column : 6 * column + 6] = 1
    one = explain.activations(model, x, "2")["2"]
    for channel, (row, column) in enumerate(np.ndindex(2, 2)):
        ranking = one.rank("region", region=Box(6 * column, 6 * row, 6 * column + 6, 6 * row + 6))
        assert ranking.order[0] == channel
        assert ranking.scores[channel] == pytest.approx(1)
