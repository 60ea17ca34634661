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
from cnnwidgets.explain.geometry import interpolation


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
