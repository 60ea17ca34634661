"""A bright blob at a known place of a picture gives a patch whose box, in the picture's own pixels, holds it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from cnnwidgets import Classifier, PatchIndex
from cnnwidgets.errors import OptionError
from cnnwidgets.preprocess import Preprocess
from tests.explain.nets import noise, seeded

BLOB = 10  # pixels of a side


def bright():
    """Two layers with stride whose weights are all 1: a cell of the last sees 15 pixels, 4 i - 7 to 4 i + 7."""
    net = nn.Sequential(
        nn.Conv2d(3, 2, 3, stride=2, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(2, 2, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3),
    ).eval()  # fmt: skip
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1.0 if parameter.ndim > 1 else 0.0)
        net[3].weight[1] *= -1  # answers most negatively to what is bright
    return net


def planted(row, column, height, width, seed=0):
    """A dark picture with a white square of `BLOB` pixels centred at a place."""
    values = np.random.default_rng(seed).integers(0, 40, (height, width, 3), dtype=np.uint8)
    values[row - BLOB // 2 : row + BLOB // 2, column - BLOB // 2 : column + BLOB // 2] = 255
    return Image.fromarray(values)


def blank(number, height, width):
    return Image.fromarray(np.random.default_rng(number).integers(0, 40, (height, width, 3), dtype=np.uint8))


def transforms(name):
    if name == "own function":
        return lambda picture: torch.from_numpy(np.array(picture.resize((48, 48)))).permute(2, 0, 1) / 255
    if name == "preprocess":
        return Preprocess(resize=64, crop=48)
    if name == "squeezed":
        return Preprocess(resize=(48, 48))
    if name == "crop":
        return Preprocess(crop=48)
    v2 = pytest.importorskip("torchvision.transforms.v2")
    return v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Resize(64), v2.CenterCrop(48)])


def looked_at(name, height, width):
    """The part of a picture that each of them looks at: left, top, and picture pixels per input pixel, by hand."""
    if name in {"own function", "squeezed"}:
        return 0.0, 0.0, width / 48, height / 48
    if name == "crop":
        return (width - 48) / 2, (height - 48) / 2, 1.0, 1.0
    scale = min(height, width) / 64
    return (width - 48 * scale) / 2, (height - 48 * scale) / 2, scale, scale


SIZES = [(160, 240), (240, 160), (128, 128), (96, 192)]
NAMES = ["own function", "preprocess", "squeezed", "crop", "torchvision"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_the_patch_holds_the_blob(name, size):
    height, width = size
    left, top, across, down = looked_at(name, height, width)
    clf = Classifier(bright(), transforms(name))
    generator = np.random.default_rng(3)
    for number in range(4):
        row = int(top + down * generator.uniform(10, 38))
        column = int(left + across * generator.uniform(10, 38))
        picture = planted(row, column, height, width)
        pictures = [blank(1, height, width), picture, blank(2, height, width)]
        index = PatchIndex.build(clf, pictures, k=3, progress=False)
        for patch in (index.top("3", 0)[0], index.bottom("3", 1)[0], index.top("0", 0)[0], index.top("2", 0)[0]):
            assert patch.image == 1
            assert patch.picture_size == size
            reach = 0 if patch.layer == "3" else BLOB // 2  # what sees less than the blob lies somewhere in it
            assert patch.box.left - reach <= column <= patch.box.right + reach
            assert patch.box.top - reach <= row <= patch.box.bottom + reach
            crop = index.crop(patch)
            assert crop.size == (
                np.ceil(patch.box.right - 1e-6) - np.floor(patch.box.left + 1e-6),
                np.ceil(patch.box.bottom - 1e-6) - np.floor(patch.box.top + 1e-6),
            )
            assert np.array(crop).max() == 255
        patch = index.top("3", 0)[0]
        field = [
            left + across * max(0, 4 * patch.column - 7), top + down * max(0, 4 * patch.row - 7),
            left + across * min(48, 4 * patch.column + 8), top + down * min(48, 4 * patch.row + 8),
        ]  # fmt: skip
        tolerance = 0.51 * max(across, down) if name == "own function" else 1e-6
        np.testing.assert_allclose(patch.box, field, atol=tolerance, err_msg=f"{number}")
        white = (np.array(index.crop(patch)) == 255).all(2)
        inside = np.array(picture.crop(tuple(round(edge) for edge in patch.box)))
        assert white.sum() >= (inside == 255).all(2).sum() - 4 * BLOB > 0


def test_the_strongest_patch_is_centred_where_the_blob_fills_a_cell():
    clf = Classifier(bright())
    for row, column in ((20, 24), (28, 16), (40, 40)):
        index = PatchIndex.build(clf, [planted(row, column, 64, 64)], k=1, progress=False)
        patch = index.top("3", 0)[0]
        assert abs(4 * patch.row + 0.5 - row) <= 4
        assert abs(4 * patch.column + 0.5 - column) <= 4
        assert patch.unit == {"layer": "3", "channel": 0, "y": patch.row, "x": patch.column}


def test_blobs_at_the_edges_are_clipped_to_the_picture():
    clf = Classifier(bright(), Preprocess(resize=64, crop=64))
    for row, column in ((5, 5), (5, 123), (123, 5), (123, 123)):
        index = PatchIndex.build(clf, [planted(row, column, 128, 128)], k=1, progress=False)
        box = index.top("3", 0)[0].box
        assert box.left <= column <= box.right
        assert box.top <= row <= box.bottom
        assert 0 <= box.left < box.right <= 128
        assert 0 <= box.top < box.bottom <= 128


def test_what_is_padded_around_a_small_picture_is_in_no_box():
    clf = Classifier(bright(), Preprocess(crop=48))
    index = PatchIndex.build(clf, [planted(10, 12, 20, 30)], k=1, progress=False)
    for layer in index.layers:
        for kind in ("top", "bottom", "sample"):
            box = getattr(index, kind)(layer, 0)[0].box
            assert 0 <= box.left <= box.right <= 30
            assert 0 <= box.top <= box.bottom <= 20
            crop = index.crop(getattr(index, kind)(layer, 0)[0])
            assert min(crop.size) >= 1
    assert index.top("3", 0)[0].box.left <= 12 <= index.top("3", 0)[0].box.right


def test_crops_have_the_size_that_is_asked_for():
    index = PatchIndex.build(Classifier(bright()), [planted(20, 24, 64, 48)], k=1, progress=False)
    patch = index.top("3", 0)[0]
    own = index.crop(patch)
    large, small = index.crop(patch, 60), index.crop(patch, 5)
    assert max(large.size) == 60
    assert max(small.size) == 5
    assert large.getpixel((0, 0)) == own.getpixel((0, 0))
    assert index.top("3", 0).crops() == [own]
    assert index.top("3", 0).picture().size[0] >= 96
    with pytest.raises(OptionError, match="size=0"):
        index.crop(patch, 0)


def test_folders_give_the_same_boxes_as_pictures(tmp_path):
    clf = Classifier(bright(), Preprocess(resize=64, crop=48))
    pictures = [planted(60, 100, 160, 240, seed) for seed in range(3)]
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / f"{number}.png")
    one = PatchIndex.build(clf, pictures, k=3, progress=False)
    other = PatchIndex.build(clf, tmp_path, k=3, progress=False)
    for layer in one.layers:
        assert [patch.box for patch in one.top(layer, 0)] == [patch.box for patch in other.top(layer, 0)]
        assert one.top(layer, 0).values == other.top(layer, 0).values
    assert other.crop(other.top("3", 0)[0]).tobytes() == one.crop(one.top("3", 0)[0]).tobytes()


def test_a_picture_that_was_turned_by_its_camera(tmp_path):
    """The box is in pixels of the picture as it is shown: Exif's orientation is undone first."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    planted(30, 180, 160, 240).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    index = PatchIndex.build(Classifier(bright(), Preprocess(resize=64)), tmp_path, k=1, progress=False)
    patch = index.top("3", 0)[0]
    assert patch.picture_size == (160, 240)
    assert patch.box.left <= 180 <= patch.box.right
    assert patch.box.top <= 30 <= patch.box.bottom
    assert np.array(index.crop(patch)).max() > 240


def written_over(y):
    return F.relu6(F.relu(y), inplace=True).flip(3)


@pytest.mark.parametrize("turned", [lambda y: (y > 0).flip(3).float(), lambda y: y.round().flip(3), written_over])
def test_layers_where_no_gradient_tells_where_they_look_share_the_picture(turned):
    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 2, stride=2), nn.Conv2d(4, 5, 1)

        def forward(self, x):
            return self.second(turned(self.first(x))).mean((2, 3))

    index = PatchIndex.build(seeded(Turned()), noise(7, 3, 8, 12), k=2, progress=False)
    assert [index.layer(name).grid.measured for name in ("first", "second")] == [False, True]
    for patch in index.top("second", 0):
        left, top = 2 * patch.column, 2 * patch.row
        assert patch.box == pytest.approx((left, top, left + 2, top + 2))


def test_a_single_row_that_was_measured_has_the_whole_height():
    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, (8, 3), padding=(0, 1)), nn.Conv2d(4, 5, 1)

        def forward(self, x):
            return self.second(self.first(x).flip(3)).mean((2, 3))

    index = PatchIndex.build(seeded(Turned()), noise(7, 3, 8, 12), k=2, progress=False)
    assert index.layer("second").grid.measured
    assert all(patch.box.bottom - patch.box.top > 6 for patch in index.top("second", 0))
