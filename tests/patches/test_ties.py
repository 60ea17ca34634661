"""Patches of equal value are ordered by what is behind them, and not by the order of the files."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cnnwidgets import PatchIndex
from cnnwidgets.errors import IndexMismatchError, OptionError
from cnnwidgets.patches import plan
from cnnwidgets.patches.tops import Entries, Peaks, Tops
from tests.explain.nets import Gap, Residual, noise, seeded
from tests.patches.brute import Brute
from tests.patches.nets import EXACT, dots, whole
from tests.reference import patches as reference

EARLIER = Path(__file__).parent / "data" / "file_order.patches"  # made by a version that ordered equal values by image


def capped():
    return whole(nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.ReLU6(inplace=True)))


def indexed(model, images, **options):
    return PatchIndex.build(model, images, **{"k": 4, "progress": False} | options)


def planted(levels, activation):
    """A network that gives the first pixel, clipped, and an image for each level; a second pixel is always 0."""
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), activation, nn.Conv2d(1, 2, 1)).eval()
    with torch.no_grad():
        model[0].weight.fill_(1)
    x = torch.zeros(len(levels), 1, 1, 2)
    x[:, 0, 0, 0] = torch.tensor(levels)
    return model, x


CAPPED = [3.0, 7, 40, 6, 9, 8, 100, 6.5, 2, 12]


@pytest.mark.parametrize("activation", [nn.ReLU6(), nn.ReLU6(inplace=True), nn.Hardtanh(-6, 6, inplace=True)])
@pytest.mark.parametrize("layers", ["all", ["1"]])
def test_at_the_cap_the_value_before_it_decides(activation, layers):
    model, x = planted(CAPPED, activation)
    for seed in range(3):
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
        top = indexed(model, x[order], layers=layers, k=5).top("1", 0)
        assert [CAPPED[order[patch.image]] for patch in top] == [100, 40, 12, 9, 8]
        assert set(top.values) == {6.0}
        assert {(patch.row, patch.column) for patch in top} == {(0, 0)}
        assert top.ties == (8, 6.0, "cap")
        assert top.origin.preactivation("1").tolist() == [100]
        assert repr(top).startswith(
            "Strongest patches of channel 0 in '1' — 8 pictures at the cap, 5 shown:\n<Patch 6 "
        )


def test_at_the_floor_the_smallest_value_before_it_comes_first():
    levels = [-3.0, 2, -40, 5, -9, -100]
    model, x = planted(levels, nn.ReLU())
    bottom = indexed(model, x, k=3).bottom("1", 0)
    assert [levels[patch.image] for patch in bottom] == [-100, -40, -9]
    assert bottom.ties == (6, 0.0, "floor")
    assert bottom.ties_words == "6 pictures at the floor, 3 shown"


def test_a_hardswish_is_0_in_two_ways():
    """Above its plateau a smaller value gives less than on it: what is largest before it says nothing."""
    levels = [-1.5, -20, -3, -1, -4, -100, -8]
    model, x = planted(levels, nn.Hardswish(inplace=True))
    x[:, 0, 0, 1] = -2
    top = indexed(model, x, k=4).top("1", 0)
    assert [levels[patch.image] for patch in top] == [-3, -4, -8, -20]
    assert top.ties.images == 5


@pytest.mark.parametrize("name", EXACT)
def test_shuffled_images_give_the_same_patches(name):
    model, x = whole(EXACT[name](), 1), dots(40).unique(dim=0)
    index = indexed(model, x)
    for seed in range(2):
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
        other = indexed(model, x[order])
        for layer in index.layers:
            for kind in ("top", "bottom"):
                mine, theirs = index.entries(layer, kind), other.entries(layer, kind)
                np.testing.assert_array_equal(theirs.values, mine.values)
                np.testing.assert_array_equal(order.numpy()[theirs.images], mine.images, f"{layer.name} {kind}")
                np.testing.assert_array_equal(theirs.cells, mine.cells)
                ties = [[one.ties(layer, channel, kind) for channel in range(len(mine[0]))] for one in (index, other)]
                assert ties[0] == ties[1]


def test_another_seed_draws_others():
    model, x = planted([50.0] * 64, nn.ReLU6())
    x[:, 0, 0, 1] = torch.arange(64) / 100  # tells them apart
    drawn = [[patch.image for patch in indexed(model, x, seed=seed).top("1", 0)] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] != [0, 1, 2, 3]


def test_channels_draw_for_themselves():
    """Channels of which nothing is known draw different patches; else all of them would look alike."""
    model = nn.Sequential(nn.Conv2d(1, 16, 1), nn.BatchNorm2d(16)).eval()
    with torch.no_grad():
        model[1].weight.zero_()
    index = indexed(model, noise(200, 1, 3, 3), k=2)
    assert len({tuple(row) for row in index.entries("1").images.tolist()}) > 8
    assert len(set(index.entries("1").cells.ravel().tolist())) > 4


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_any_size_of_batch(batch, monkeypatch):
    model, x = whole(EXACT["clipped"](), 2), dots(30)
    monkeypatch.setattr(plan, "_MOST", batch)
    Brute(model, x).check(indexed(model, x), least=32)


@pytest.mark.parametrize("name", ["clamped", "clipped"])
@pytest.mark.parametrize("per_image", [1, 3])
def test_parts_that_are_merged(name, per_image):
    model, x = whole(EXACT[name](), 1), dots(50)
    single = indexed(model, x, per_image=per_image)
    for cuts in ([1, 20], [7, 8, 33]):
        parts = [indexed(model, part, per_image=per_image) for part in torch.tensor_split(x, cuts)]
        for merged in (PatchIndex.merge(parts), PatchIndex.merge([parts[0], PatchIndex.merge(parts[1:])])):
            Brute(model, x).check(merged, least=9, per_image=per_image, of_means=1e-4)
            for table in ("top_before", "bottom_before", "top_clipped", "bottom_clipped"):
                np.testing.assert_array_equal(merged._tables[table], single._tables[table])


def test_interrupted_again_and_again(tmp_path):
    model, x = whole(EXACT["clamped"](), 1), dots(50)
    indexed(model, x, path=tmp_path / "whole")
    path = tmp_path / "index"
    for steps in (1, 1, 2):
        generator = PatchIndex.building(model, x, k=4, path=path, chunk=1)
        for _ in range(steps):
            next(generator, None)
        generator.close()
    indexed(model, x, path=path)
    assert path.read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_table_sorts_as_python_does():
    generator = random.Random(3)
    for k, count, several in ((1, 9, 3), (4, 60, 2), (16, 10, 4)):
        table, kept = Tops(5, k), [[] for _ in range(5)]
        for image in range(count):
            one = [[], []]
            for channel in range(5):
                found = [[generator.randrange(3), generator.randrange(2), 0] for _ in range(several)]
                key = generator.randrange(4)
                for cell, (value, before, _) in enumerate(sorted(found, reverse=True)):
                    one[0].append(channel)
                    one[1].append((value, before, key, image, cell))
                    kept[channel].append((-value, -before, key, image, cell))
            types = ("f4", "f4", "u8", "i4", "i4")
            columns = [np.array(c, t) for c, t in zip(zip(*one[1], strict=True), types, strict=True)]
            table.add(np.array(one[0]), Entries(*columns))
        for channel in range(5):
            expected = sorted(kept[channel])[:k]
            places = range(len(expected))
            got = [[int(column[channel, place]) for column in table.tables] for place in places]
            assert [(-value, -before, *rest) for value, before, *rest in got] == expected


def test_peaks_are_counted():
    peaks, values = Peaks(3), np.random.default_rng(0).integers(0, 3, (40, 3)).astype(np.float32)
    for part in np.split(values, [1, 2, 9, 9, 30]):
        peaks.add(part)
    assert peaks.values.tolist() == values.max(0).tolist()
    assert peaks.counts.tolist() == (values == values.max(0)).sum(0).tolist()


def test_convolutions_are_counted_with_what_is_read_off_them():
    model, x = seeded(Residual()), noise(40, 3, 24, 24)
    x[3] *= 5
    x[7], x[9] = x[3], x[3]
    index, brute, found = indexed(model, x), Brute(model, x), 0
    for layer in brute.layers(index):
        for channel in range(layer.shape[0]):
            for kind in ("top", "bottom"):
                first = getattr(index, kind)(layer, channel)[0]
                if first.image == 3 and first.value != 0:  # what is equal is the same picture to the last bit
                    found += 1
                    assert index.ties(layer, channel, kind).images == 3
                    assert index.entries(layer, kind).images[channel, :3].tolist() == [3, 7, 9]
    assert found > 20


def test_what_is_asked_amiss():
    index = indexed(capped(), dots(12), k=3)
    with pytest.raises(OptionError, match="kind='sample': give 'top' or 'bottom'"):
        index.ties("1", 0, "sample")
    with pytest.raises(OptionError, match="channel=6"):
        index.ties("1", 6)
    assert index.sample("1", 0).ties is None
    assert index.sample("1", 0).ties_words == ""
    assert index.ties("1", -1) == index.ties("1", 5)


def test_words_for_ties():
    model, x = planted([7.0, 8, 5], nn.ReLU6())
    index = indexed(model, x)
    assert index.top("1", 0).ties_words == "2 pictures at the cap"
    assert index.top("1", 0, 1).ties_words == "2 pictures at the cap, 1 shown"
    assert index.bottom("0", 0).ties_words == "3 pictures at the same value, 0"
    assert index.top("0", 0).ties == (1, 8.0, "extreme")
    assert index.top("0", 0).ties_words == ""


# Files of earlier versions.


def test_a_file_of_an_earlier_version_answers_as_it_did():
    index = PatchIndex.open(EARLIER)
    maps = [reference.maps_of(capped(), image)[0]["1"] for image in dots(12)]
    for channel in range(6):
        for kind, sign in (("top", -1), ("bottom", 1)):
            cells = [(sign * one[channel]).ravel() for one in maps]
            first = sorted((float(cell.min()), image, int(cell.argmin())) for image, cell in enumerate(cells))[:3]
            patches = getattr(index, kind)("1", channel)
            assert [(sign * p.value, p.image, 4 * p.row + p.column) for p in patches] == first
            assert patches.ties is index.ties("1", channel, kind) is None
            assert "pictures at" not in repr(patches)
    assert not index.ordered
    np.testing.assert_array_equal(index.preactivation("1"), index.entries("1").values[:, 0])


def test_files_of_earlier_versions_are_merged_as_they_were(tmp_path):
    index = PatchIndex.open(EARLIER)
    merged = PatchIndex.merge([index, index], tmp_path / "merged")
    assert not merged.ordered
    for channel in range(6):
        one, both = index.top("1", channel), merged.top("1", channel)
        twice = sorted((-p.value, p.image + n) for p in one for n in (0, 12))[:3]
        assert [(-p.value, p.image) for p in both] == twice
    with pytest.raises(IndexMismatchError, match="made by an earlier version"):
        PatchIndex.merge([index, indexed(capped(), dots(12), k=3)])


def test_a_finished_file_of_an_earlier_version_is_opened_and_its_work_is_not_gone_on_with(tmp_path):
    path = tmp_path / "index"
    shutil.copy(EARLIER, path)
    assert not indexed(capped(), dots(12), k=3, path=path).ordered
    assert indexed(capped(), dots(12), k=3, path=path, restart=True).ordered


def test_work_begun_by_an_earlier_version_is_refused(tmp_path, monkeypatch):
    from cnnwidgets.patches.tally import Tally

    options = {"model": capped(), "images": dots(80), "k": 3, "path": tmp_path / "index"}
    monkeypatch.setattr(Tally, "state", Tally.arrays)  # without what orders equal values
    generator = PatchIndex.building(**options, chunk=1)
    next(generator)
    generator.close()
    monkeypatch.undo()
    with pytest.raises(IndexMismatchError, match=r"another version of cnnwidgets.*restart=True"):
        PatchIndex.build(**options, progress=False)
    assert PatchIndex.build(**options, restart=True, progress=False).ordered


# Which channels separate classes.


def test_separation_is_the_share_of_the_variance_between_classes():
    model, x = seeded(Gap()), noise(30, 3, 12, 12)
    images = [(one, "abc"[number % 3] if number < 24 else None) for number, one in enumerate(x)]
    index = indexed(model, images, layers=["features"])
    means = [reference.maps_of(model, one)[0]["features"].mean((1, 2)) for one in x]
    for channel, share in enumerate(index.separation("features")):
        values = [float(mean[channel]) for mean in means]
        groups = [values[label:24:3] for label in range(3)]
        centre = sum(values[:24]) / 24
        between = sum(len(group) * (sum(group) / len(group) - centre) ** 2 for group in groups) / 24
        middle = sum(values) / 30
        whole_variance = sum((value - middle) ** 2 for value in values) / 30
        assert share == pytest.approx(between / whole_variance if whole_variance > 1e-12 else 0.0, rel=1e-3, abs=1e-6)
    assert not indexed(model, x, layers=["features"]).separation("features").any()
