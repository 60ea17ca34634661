"""Heatmap: values lie where the network looked, keep their units, and survive saving."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import pickle

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn

import cnnwidgets as cw
from cnnwidgets import explain
from cnnwidgets.errors import CnnWidgetsError, OptionError
from cnnwidgets.explain.archive import ArchiveError
from cnnwidgets.explain.components import largest_box
from cnnwidgets.explain.frame import Box
from cnnwidgets.explain.geometry import interpolate, interpolation
from cnnwidgets.images.compose import hatch


def net(classes: int = 2) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, classes),
    ).eval()  # fmt: skip


@pytest.fixture
def heatmap():
    return explain.grad_cam(net(), torch.randn(2, 3, 32, 40, generator=torch.Generator().manual_seed(1)), 1)


def spike(heatmap: cw.Heatmap, row: int, column: int) -> cw.Heatmap:
    values = np.zeros_like(heatmap.values)
    values[:, row, column] = 1
    return dataclasses.replace(heatmap, values=values)


@pytest.mark.parametrize("cell", [(1, 2), (3, 5), (6, 7)])
def test_a_cell_is_drawn_at_its_own_centre(cell):
    x = torch.randn(1, 3, 224, 224)
    at = spike(explain.grad_cam(torchvision.models.resnet18(), x, 0), *(min(c, 6) for c in cell))
    row, column = (min(c, 6) for c in cell)
    drawn = at.upsampled()[0]
    assert np.unravel_index(drawn.argmax(), drawn.shape) == (32 * row, 32 * column)  # not 32 i + 15.5
    assert drawn[32 * row - 16, 32 * column] == pytest.approx(0.5)


def test_interpolation_against_a_loop():
    centres, positions = np.array([3.0, 7.0, 13.0]), np.arange(20.0)
    values = np.array([1.0, -2.0, 5.0])
    wanted = np.interp(positions, centres, values)
    assert np.allclose(interpolation(centres, positions) @ values, wanted)
    doubled = interpolation(np.array([3.0, 3.0, 7.0]), positions) @ np.array([1.0, 3.0, 5.0])
    assert np.allclose(doubled, np.interp(positions, [3, 7], [2, 5]))


@pytest.mark.parametrize("size", [(640, 400), (300, 700), (250, 250)])
def test_a_blob_is_found_where_it_was_planted(size):
    """A net that answers to white: its map must lie on the white spot of the original picture."""
    width, height = size
    probe = nn.Sequential(nn.AvgPool2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2, bias=False))
    nn.init.ones_(probe[3].weight)
    clf = cw.Classifier(probe, cw.Preprocess(resize=128, crop=112))
    x, y = width // 2 + 40, height // 2 - 50
    picture = Image.new("RGB", size)
    picture.paste((255, 255, 255), (x - 12, y - 12, x + 12, y + 12))
    found = explain.cam(clf, picture, 0)
    lying = np.nan_to_num(found.on_picture())
    rows, columns = np.mgrid[:height, :width]
    cell = 8 * found.frames[0].scale[0]
    assert abs((rows * lying).sum() / lying.sum() - y) < cell / 4
    assert abs((columns * lying).sum() / lying.sum() - x) < cell / 4
    (box,) = found.boxes()
    assert box.left < x < box.right
    assert box.top < y < box.bottom
    outside = found.on_picture()
    left, top, right, bottom = found.frames[0].box
    assert np.isnan(outside).any() == (left > 0.5 or top > 0.5)
    assert not np.isnan(outside[int(top) + 1 : int(bottom) - 1, int(left) + 1 : int(right) - 1]).any()


def slow_box(field: np.ndarray, threshold: float) -> tuple[float, ...] | None:
    """The largest component by flood fill, pixel by pixel."""
    if field.max() <= 0:
        return None
    left = {(int(r), int(c)) for r, c in zip(*np.nonzero(field > threshold * field.max()), strict=True)}
    best: set[tuple[int, int]] = set()
    for start in sorted(left):
        if start not in left:
            continue
        todo, part = [start], set()
        while todo:
            r, c = todo.pop()
            if (r, c) in left:
                left.discard((r, c))
                part.add((r, c))
                todo += [(r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)]
        if len(part) > len(best):
            best = part
    rows, columns = [r for r, _ in best], [c for _, c in best]
    return (min(columns), min(rows), max(columns) + 1, max(rows) + 1)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.7])
def test_boxes_against_a_flood_fill(seed, threshold):
    field = np.random.default_rng(seed).normal(size=(17, 23)).astype(np.float32)
    assert largest_box(field, threshold) == slow_box(field, threshold)


def test_boxes_of_nothing_and_bad_thresholds(heatmap):
    assert dataclasses.replace(heatmap, values=-np.abs(heatmap.values)).boxes() == (None, None)
    assert all(isinstance(box, Box | None) for box in heatmap.boxes(0.5, space="input"))
    for bad in (-0.1, 1.0, float("nan")):
        with pytest.raises(OptionError, match="threshold="):
            heatmap.boxes(bad)
    with pytest.raises(OptionError, match="picture"):
        heatmap.boxes(space="original")


def test_it_is_frozen(heatmap):
    with pytest.raises(ValueError, match="read-only"):
        heatmap.values[0, 0, 0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        heatmap.units = "apples"
    with pytest.raises(TypeError):
        heatmap.params["relu"] = True
    assert heatmap.values.dtype == np.float32
    assert "Grad-CAM" in repr(heatmap)
    assert "logit" in repr(heatmap)


def test_overlay_and_plot(heatmap):
    drawn = heatmap.overlay(1, sign="both", box=True)
    assert drawn.size == (40, 32)
    figure = heatmap.plot(sign="absolute")
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels.count("logit") == 2
    assert heatmap._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(OptionError, match="index=2"):
        heatmap.overlay(2)


def test_save_and_load(heatmap, tmp_path):
    folder = heatmap.save(tmp_path / "a" / "b")
    loaded = cw.Heatmap.load(folder)
    assert np.array_equal(loaded.values, heatmap.values)
    assert np.array_equal(loaded.upsampled(), heatmap.upsampled())
    assert loaded.boxes() == heatmap.boxes()
    assert [loaded.grid.seen(i, -1) for i in range(3)] == [heatmap.grid.seen(i, -1) for i in range(3)]
    for name in ("method", "units", "layer", "target", "frames", "score_units", "image_hashes"):
        assert getattr(loaded, name) == getattr(heatmap, name)
    assert dict(loaded.params) == dict(heatmap.params)
    heatmap.save(folder)  # over itself
    assert (folder / "overlay-1.png").is_file()


def test_the_manifest_knows_model_and_image(tmp_path):
    model, x = net(), torch.randn(1, 3, 16, 16)

    def manifest(name: str, *, before_saving=lambda: None) -> dict:
        found = explain.saliency(model, x, 0)
        before_saving()
        return json.loads((found.save(tmp_path / name) / "manifest.json").read_text())

    first = manifest("1")
    assert first["versions"]["torch"] == importlib.metadata.version("torch")
    assert manifest("2")["model"]["sha256"] == first["model"]["sha256"]
    x[0, 0, 0, 0] += 1
    changed = manifest("3")
    assert changed["image_sha256"] != first["image_sha256"]
    assert changed["model"]["sha256"] == first["model"]["sha256"]
    with torch.no_grad():
        model[0].weight[0] += 1
    assert manifest("4")["model"]["sha256"] != first["model"]["sha256"]
    late = manifest("5", before_saving=lambda: model.requires_grad_(False)[0].weight.mul_(2))
    assert late["model"]["sha256"] is None


def test_other_folders_are_refused_and_left_alone(heatmap, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ArchiveError, match="not empty"):
        heatmap.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(ArchiveError, match=r"no manifest\.json"):
        cw.Heatmap.load(tmp_path)


@pytest.mark.parametrize("damage", ["truncate", "empty", "missing", "pickle", "json", "later"])
def test_broken_folders(heatmap, tmp_path, damage):
    folder = heatmap.save(tmp_path / "x")
    arrays, manifest = folder / "arrays.npz", folder / "manifest.json"
    if damage == "truncate":
        arrays.write_bytes(arrays.read_bytes()[:300])
    elif damage == "empty":
        arrays.write_bytes(b"")
    elif damage == "missing":
        arrays.unlink()
    elif damage == "pickle":
        arrays.write_bytes(pickle.dumps({"values": 1}))
    elif damage == "json":
        manifest.write_text("{")
    else:
        manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 99'))
    with pytest.raises(CnnWidgetsError, match="later version" if damage == "later" else "broken"):
        cw.Heatmap.load(folder)


# Values that were not computed.


def slow_value(centres: tuple[np.ndarray, np.ndarray], values: np.ndarray, y: float, x: float) -> float:
    """What lies at a point, cell by cell: linear among the cells with a value, none where the nearest cell has none."""
    weights: dict[tuple[int, int], float] = {}
    for row, part in slow_weights(centres[0], y).items():
        for column, other in slow_weights(centres[1], x).items():
            weights[row, column] = part * other
    nearest = tuple(int(np.abs(axis - at).argmin()) for axis, at in zip(centres, (y, x), strict=True))
    if np.isnan(values[nearest]):
        return np.nan
    present = {cell: weight for cell, weight in weights.items() if not np.isnan(values[cell])}
    return sum(weight * values[cell] for cell, weight in present.items()) / sum(present.values())


def slow_weights(axis: np.ndarray, at: float) -> dict[int, float]:
    if at <= axis[0]:
        return {0: 1.0}
    for cell in range(len(axis) - 1):
        if at < axis[cell + 1]:
            share = (at - axis[cell]) / (axis[cell + 1] - axis[cell])
            return {cell: 1 - share, cell + 1: share}
    return {len(axis) - 1: 1.0}


@pytest.mark.parametrize("seed", range(6))
def test_what_was_not_computed_against_a_loop(seed):
    random = np.random.default_rng(seed)
    centres = np.array([2.5, 6.0, 9.25, 19.0]), np.array([1.0, 4.0, 12.5])
    values = np.where(random.random((4, 3)) < 0.4, np.nan, random.normal(size=(4, 3)))
    ys, xs = np.linspace(-1, 21, 41) + 0.01, np.linspace(0, 14, 33) + 0.01
    drawn = interpolate(interpolation(centres[0], ys), values, interpolation(centres[1], xs))
    wanted = [[slow_value(centres, values, y, x) for x in xs] for y in ys]
    np.testing.assert_allclose(drawn, wanted, atol=1e-12)
    whole = np.nan_to_num(values)
    plain = interpolate(interpolation(centres[0], ys), whole, interpolation(centres[1], xs))
    np.testing.assert_allclose(plain, [[slow_value(centres, whole, y, x) for x in xs] for y in ys], atol=1e-12)


def test_cells_at_one_place_of_which_some_have_no_value():
    positions = np.array([3.0, 4.9, 5.1, 7.0])
    down, across = interpolation(np.array([3.0, 3.0, 7.0]), positions), interpolation(np.array([0.0]), np.array([0.0]))
    assert interpolate(down, np.array([[np.nan], [2.0], [np.nan]]), across)[:2].tolist() == [[2], [2]]
    assert np.isnan(interpolate(down, np.array([[np.nan], [2.0], [np.nan]]), across)[2:]).all()
    assert np.isnan(interpolate(down, np.array([[np.nan], [np.nan], [2.0]]), across)[:2]).all()


@pytest.fixture
def begun():
    """Nine cells of 8 x 8 pixels, three of which were computed."""
    x = torch.randn(1, 3, 24, 24, generator=torch.Generator().manual_seed(2))
    found = explain.occlusion(net(), x, 1, window=8, stride=8)
    values = np.full((1, 3, 3), np.nan, dtype=np.float32)
    values[0, 0, 0], values[0, 0, 1], values[0, 2, 2] = 1, 3, -2
    params = {**found.params, "done": 3, "unfinished": "3 of 9 places"}
    return dataclasses.replace(found, values=values, params=params)


def test_a_cell_that_was_computed_has_its_own_part_of_the_picture_and_no_more(begun):
    drawn = begun.upsampled()[0]
    computed = np.zeros((24, 24), dtype=bool)
    computed[:8, :16] = computed[16:, 16:] = True
    np.testing.assert_array_equal(np.isnan(drawn), ~computed)
    np.testing.assert_array_equal(drawn[16:, 16:], -2)
    assert (drawn[:8, :4] == 1).all()
    assert drawn[0, 7] == pytest.approx(1 + 2 * 3.5 / 8)  # half-way from 1 at 3.5 to 3 at 11.5
    np.testing.assert_array_equal(begun.on_picture(), drawn)
    assert begun.boxes() == (Box(0, 0, 16, 8),)


def test_what_was_not_computed_is_hatched_and_what_was_is_as_in_the_whole_map(begun):
    whole = dataclasses.replace(begun, values=np.nan_to_num(begun.values))
    drawn, plain = (np.asarray(each.overlay(sign="both", vmax=3.0), int) for each in (begun, whole))
    bare = np.asarray(begun.pictures[0].convert("RGB"), int)
    hatched = np.asarray(hatch(begun.pictures[0], np.ones((24, 24), dtype=bool)), int)
    for corner in (np.s_[20:, 20:], np.s_[:4, :4]):
        np.testing.assert_array_equal(drawn[corner], plain[corner])
    unknown = np.s_[8:16, :16]
    assert (drawn[unknown] == hatched[unknown]).all()
    assert np.abs(drawn[unknown] - plain[unknown]).mean() > 5
    np.testing.assert_array_equal(np.asarray(begun.overlay(opacity=0.0)), bare)
    assert begun.plot().axes[0].get_title().startswith("Occlusion, 3 of 9 places")
    assert begun._repr_png_().startswith(b"\x89PNG")


def test_a_margin_that_the_network_does_not_see_is_not_hatched():
    clf = cw.Classifier(net(), cw.Preprocess(resize=24, crop=24))
    found = explain.occlusion(clf, Image.new("RGB", (48, 24), "white"), 1, window=8, stride=8)
    begun = dataclasses.replace(found, values=np.full((1, 3, 3), np.nan))
    drawn = np.asarray(begun.overlay(), int)
    assert (drawn[:, :12] == 255).all()
    assert (drawn[:, 36:] == 255).all()
    assert (drawn[:, 12:36] < 255).all()
    assert begun.boxes() == (None,)
    assert "no value" in repr(begun)


def test_a_map_with_gaps_is_saved_and_read_again(begun, tmp_path):
    again = cw.Heatmap.load(begun.save(tmp_path / "begun"))
    np.testing.assert_array_equal(again.values, begun.values)
    np.testing.assert_array_equal(again.upsampled(), begun.upsampled())
    assert again.unfinished == "3 of 9 places"
    assert again.params["done"] == 3
    assert repr(again) == repr(begun)
    assert "-2 to 3 logit, 3 of 9 places" in repr(again)
    saved = Image.open(tmp_path / "begun" / "overlay-0.png")
    np.testing.assert_array_equal(np.asarray(saved), np.asarray(begun.overlay()))
