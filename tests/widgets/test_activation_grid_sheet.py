"""What goes to the page: sheets of activations and where their cells lie, layers, filters, kernels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import cnnwidgets as cw
from cnnwidgets.explain.regions import cell_shares_of, territories
from cnnwidgets.widgets._grid_region import Inside
from cnnwidgets.widgets._grid_sheet import MOST, Lines, halves
from tests.widgets.conftest import make_picture
from tests.widgets.grids import Enlarged, Shuffled, Squeezed, Wide, classifier, decoded, grid_of, vgg


@pytest.mark.parametrize("other", [None, make_picture(20, 70)])
def test_a_sheet_holds_the_activations(other):
    grid = grid_of(vgg(), other=other)
    for layer in grid.layers:
        grid.layer = layer.name
        values = grid.wait(20).values
        sheet = grid._sheet
        assert sheet["shape"] == list(values.shape) == [1 if other is None else 2, *layer.shape]
        assert sheet["scale"] == pytest.approx(np.abs(values).max())
        np.testing.assert_allclose(decoded(sheet), values, atol=sheet["scale"] * 2**-11)
        assert (sheet["layer"], sheet["merged"], sheet["units"]) == (layer.name, 1, "activation")
        assert (sheet["sees_all"], sheet["measured"]) == (False, False)
        assert sheet["cell_rows"] == list(range(layer.shape[1]))
        assert sheet["cell_columns"] == list(range(layer.shape[2]))


@pytest.mark.parametrize("inplace", [False, True])
def test_a_sheet_says_what_was_before_a_cap(inplace):
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU6(inplace=inplace), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    torch.manual_seed(0)
    with torch.no_grad():
        net[0].weight.normal_(std=3)
    grid = grid_of(net, layer="1", other=make_picture(20, 70))
    sheet, x = grid._sheet, torch.cat([grid.clf.prepare(picture).x for picture in grid.activations.pictures])
    before = net[0](x).detach().amax((2, 3))
    preactivation = np.frombuffer(sheet["preactivation"], "<f4").reshape(2, 6)
    np.testing.assert_allclose(preactivation, before, rtol=1e-4, atol=1e-4)
    assert sheet["cap"] == 6
    assert (before > 6).sum() > 3
    order = [int(channel) for channel in grid.ranking.order]
    assert order == sorted(range(6), key=lambda channel: -preactivation[0, channel])
    grid.layer = "0"
    grid.wait(20)
    assert grid._sheet["cap"] is None
    np.testing.assert_array_equal(
        np.frombuffer(grid._sheet["preactivation"], "<f4").reshape(2, 6), grid.activations.statistics.maximum
    )


def test_cells_lie_where_the_network_looks():
    pictures = [make_picture(60, 40), make_picture(20, 70)]
    net = nn.Sequential(nn.Conv2d(3, 4, 5, stride=3, padding=1, dilation=2), nn.Flatten(), nn.Linear(4 * 81, 3))
    clf = cw.Classifier(net.eval(), cw.Preprocess(resize=40, crop=32))
    grid = cw.ActivationGrid(clf, *pictures)
    one, sheet = grid.wait(20), grid._sheet
    for index, frame in enumerate(one.frames):
        rows, columns = one.grid.centres
        np.testing.assert_allclose(sheet["xs"][index], frame.columns_to_picture(columns))
        np.testing.assert_allclose(sheet["ys"][index], frame.rows_to_picture(rows))
        y_edges, x_edges = territories(one.grid, frame)
        np.testing.assert_allclose(sheet["x_edges"][index], x_edges)
        np.testing.assert_allclose(sheet["y_edges"][index], y_edges)
        for row in range(9):
            for column in range(9):
                box = frame.box_to_picture(one.grid.seen(row, column))
                found = [sheet[name][index] for name in ("lefts", "tops", "rights", "bottoms")]
                np.testing.assert_allclose([found[0][column], found[1][row], found[2][column], found[3][row]], box)
    left, top, right, bottom = grid._seen
    assert min(sheet["lefts"][0]) >= left
    assert max(sheet["bottoms"][0]) <= bottom
    assert max(sheet["rights"][0]) == right
    assert min(sheet["tops"][0]) == top + 1  # the first cell's kernel steps over the first row


@pytest.mark.parametrize(
    ("channels", "side", "pictures", "merged"), [(64, 112, 1, 1), (300, 128, 1, 2), (300, 128, 2, 2), (1100, 127, 1, 4)]
)
def test_no_sheet_is_larger_than_its_bound(channels, side, pictures, merged):
    other = make_picture(30, 30) if pictures == 2 else None
    grid = grid_of(Wide(channels), side, other=other)
    sheet, values = grid._sheet, grid.activations.values
    assert sheet["merged"] == merged
    assert len(sheet["data"]) <= MOST < 2 * values.size or merged == 1
    found = decoded(sheet)
    for row, column in ((0, 0), (5, 3), (found.shape[2] - 1, found.shape[3] - 1)):
        block = values[:, :, row * merged : (row + 1) * merged, column * merged : (column + 1) * merged]
        flat = block.reshape(*block.shape[:2], -1)
        wanted = np.take_along_axis(flat, np.abs(flat).argmax(2)[..., None], 2)[..., 0]
        np.testing.assert_allclose(found[:, :, row, column], wanted, atol=sheet["scale"] * 2**-11)
        assert (sheet["cell_rows"][row], sheet["cell_columns"][column]) == (row * merged, column * merged)
    edges = sheet["x_edges"][0]
    assert len(edges) == found.shape[3] + 1
    assert edges[0] == 0
    assert edges[-1] == 60
    assert np.all(np.diff(edges) > 0)
    assert np.all(np.diff(sheet["xs"][0]) > 0)
    np.testing.assert_allclose(edges[1], 60 / side * merged)
    grid.pin(2, values.shape[2] - 1, 1)  # cells are counted as the layer has them


def test_cells_that_look_at_one_place_are_averaged():
    grid = grid_of(Enlarged())
    grid.layer = "up"
    values, sheet = grid.wait(20).values, grid._sheet
    assert values.shape == (1, 4, 16, 16)
    assert sheet["shape"] == [1, 4, 8, 8]
    assert sheet["cell_rows"] == sheet["cell_columns"] == list(range(0, 16, 2))
    np.testing.assert_allclose(decoded(sheet), values[:, :, ::2, ::2], atol=sheet["scale"] * 2**-11)
    assert len(sheet["x_edges"][0]) == 9
    assert np.all(np.diff(sheet["ys"][0]) > 0)


def test_mirrored_maps_are_sent_from_left_to_right():
    from cnnwidgets.explain.axis import Axis

    mirrored = Axis(np.array([6.0, 3.0, 3.0, 0.0]), np.array([8.0, 5.0, 5.0, 2.0]), 3.0)
    lines = Lines.of(mirrored)
    values = np.arange(8, dtype=np.float32).reshape(1, 1, 2, 4)
    np.testing.assert_array_equal(lines.averaged(values, 3), [[[[3, 1.5, 0], [7, 5.5, 4]]]])
    assert lines.first.tolist() == [3, 1, 0]
    assert lines.low.tolist() == [0, 3, 6]
    assert lines.high.tolist() == [2, 5, 8]


def test_what_is_measured_or_sees_all_says_so():
    grid = grid_of(Shuffled())
    assert (grid._sheet["measured"], grid._sheet["filters"]) == (True, "")
    assert grid._layers[-1]["stride"] is None
    assert grid._layers[-1]["field"] is None
    grid = grid_of(Squeezed())
    assert (grid._sheet["measured"], grid._sheet["sees_all"]) == (False, True)
    assert [layer["sees_all"] for layer in grid._layers] == [False, True, True]


def test_numbers_that_are_not_finite_travel_as_nan():
    data, scale = halves(np.array([1.0, -4.0, np.nan, np.inf, -np.inf], np.float32))
    assert scale == 4
    found = np.frombuffer(data, "<f2").astype(np.float32)
    np.testing.assert_array_equal(found, [0.25, -1, np.nan, np.nan, np.nan])
    assert halves(np.zeros(2, np.float32)) == (bytes(4), 1.0)
    assert halves(np.full(2, np.nan, np.float32))[1] == 1.0
    data, scale = halves(np.array([1e-30, 5e-31], np.float32))
    np.testing.assert_allclose(np.frombuffer(data, "<f2"), [1, 0.5])


def test_layers_are_those_of_explain():
    grid = grid_of(vgg())
    first = grid._layers[0]
    assert first == {
        "name": "0", "kind": "Conv2d", "shape": [4, 32, 32], "parameters": 112, "stride": [1, 1], "field": [3, 3],
        "sees_all": False, "call": grid.layers[0].call,
    }  # fmt: skip
    assert [layer["name"] for layer in grid._layers] == [layer.name for layer in grid.layers]


def test_filters_in_colour_planes_and_strength():
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=6), nn.Conv2d(6, 4, 1),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 14 * 14, 3),
    )  # fmt: skip
    grid = grid_of(net, layer="2", tab="filters")
    packed, weight = grid._filters, net[0].weight.detach().numpy()
    assert (packed["layer"], packed["module"], packed["view"], packed["units"]) == ("2", "0", "rgb", "weight")
    np.testing.assert_allclose(decoded(packed), weight.transpose(0, 2, 3, 1), atol=packed["scale"] * 2**-11)
    assert packed["labels"] == [f"channel {number}" for number in range(6)]
    assert grid._kernel == {}

    grid.channel = 4
    grid.wait(20)
    kernel = grid._kernel
    assert (kernel["module"], kernel["channel"], kernel["inputs"]) == ("0", 4, [0, 1, 2])
    np.testing.assert_allclose(decoded(kernel), weight[4], atol=kernel["scale"] * 2**-11)

    grid.layer = "3"
    grid.wait(20)
    packed = grid._filters
    assert (packed["view"], packed["shape"], packed["labels"][3]) == ("planes", [6, 3, 3], "channel 3, input 3")
    assert grid._kernel == {}  # the channel was of the other layer
    grid.channel = 5
    grid.wait(20)
    assert (grid._kernel["shape"], grid._kernel["inputs"]) == ([1, 3, 3], [5])

    grid.layer = "4"
    grid.wait(20)
    packed = grid._filters
    assert packed["view"] == "strength"
    wanted = np.sqrt(np.square(net[4].weight.detach().numpy()).sum(1))
    np.testing.assert_allclose(decoded(packed), wanted, atol=packed["scale"] * 2**-10)

    grid.layer = "5"  # a pooling: no single convolution is behind it
    grid.wait(20)
    assert (grid._filters, grid._sheet["filters"]) == ({}, "")
    grid.layer, grid.tab = "0", "activations"
    grid.wait(20)
    assert (grid._filters, grid._kernel) == ({}, {})


def test_a_stroke_covers_what_lies_within_half_its_width():
    inside = Inside(
        [{"width": 4.0, "points": [[2.0, 2.0], [8.0, 2.0], [8.0, 9.0]]}, {"width": 1.0, "points": [[0, 9]]}]
    )
    xs = np.array([2, 0, -0.1, 5, 5, 9.9, 10.1, 6.1, 5.9, 8, 0.4, 0.6])
    ys = np.array([2, 2, 2, 3.9, 4.1, 5, 5, 6, 6, 11, 9, 9])
    assert inside(xs, ys).tolist() == [True, True, False, True, False, True, False, True, False, True, True, False]


def test_a_region_is_shared_out_by_territory():
    grid = grid_of(vgg(), layer="13")
    one = grid.wait(20)
    region = [{"width": 10.0, "points": [[30.0, 0.0], [30.0, 40.0]]}]
    shares = cell_shares_of(one.grid, one.frames[0], Inside(region))
    # Columns of 7.5 pixels; the stroke goes from 25 to 35: two thirds of the fourth one and of the fifth.
    np.testing.assert_allclose(shares[4, 2:6], [0, 0.625, 0.625, 0], atol=0.13)


def test_a_model_in_double_precision():
    net = vgg().double()
    clf = cw.Classifier(
        net, lambda picture: torch.from_numpy(np.asarray(picture.resize((32, 32))) / 255.0).permute(2, 0, 1)
    )
    grid = cw.ActivationGrid(clf, make_picture())
    assert grid.wait(20).values.dtype == np.float64
    np.testing.assert_allclose(decoded(grid._sheet), grid.activations.values, atol=grid._sheet["scale"] * 2**-11)


def test_a_transposed_convolution_in_a_bare_module():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2), nn.ConvTranspose2d(4, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 17 * 17, 3)
    )
    grid = cw.ActivationGrid(classifier(net).model, torch.rand(3, 32, 32), tab="filters", layer=2, channel=1)
    grid.wait(20)
    assert grid._filters["module"] == "1"
    np.testing.assert_allclose(
        decoded(grid._kernel), net[1].weight.detach().numpy()[:, 1], atol=grid._kernel["scale"] * 2**-11
    )
    assert grid._photo["width"] == 32
