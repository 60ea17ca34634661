"""Merging the indexes of parts gives what one pass over everything gives."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cnnwidgets import Classifier, PatchIndex
from cnnwidgets.errors import IndexMismatchError, OptionError
from tests.explain.nets import Gap, seeded
from tests.patches.nets import EXACT, Fitful, dots, whole


def indexed(model, images, **options):
    return PatchIndex.build(model, images, **{"k": 4, "progress": False} | options)


def labelled(count, seed=0, odd=()):
    """Images with labels of three classes or none, and some that give NaN in `Fitful` or have another size."""
    x = dots(count, seed=seed)
    x[:, 0, 0, 0] = 0
    chance = random.Random(seed)
    images = []
    for number in range(count):
        one = x[number]
        if number in odd:
            one = one[:, :5] if number % 2 else one + 2 * torch.eye(9) * (torch.arange(9) == 0)
        images.append((one, chance.choice(["ant", "bee", "cat", None])))
    return images


def parted(images, cuts):
    ends = [0, *sorted(cuts), len(images)]
    return [images[start:stop] for start, stop in itertools.pairwise(ends)]


def check_same(merged, single):
    """Compare everything that two indexes say, but for the names of images that have none of their own."""
    assert len(merged) == len(single)
    assert merged.total == single.total
    assert merged.classes == single.classes
    assert merged.class_counts == single.class_counts
    assert merged.labels.tolist() == single.labels.tolist()
    assert [(one.number, one.reason) for one in merged.skipped] == [(one.number, one.reason) for one in single.skipped]
    np.testing.assert_array_equal(merged.features, single.features)
    for layer in single.layers:
        for kind in ("top", "bottom", "sample"):
            for mine, theirs in zip(merged.entries(layer, kind), single.entries(layer, kind), strict=True):
                np.testing.assert_array_equal(mine, theirs, err_msg=f"{layer.name} {kind}")
        for channel in range(layer.shape[0]):
            mine, theirs = merged.histogram(layer, channel), single.histogram(layer, channel)
            np.testing.assert_array_equal(mine.edges, theirs.edges)
            np.testing.assert_array_equal(mine.counts, theirs.counts)
            for kind in ("top", "bottom"):
                assert merged.ties(layer, channel, kind) == single.ties(layer, channel, kind)
        assert merged.dead(layer).tolist() == single.dead(layer).tolist()
        np.testing.assert_allclose(merged.mean(layer), single.mean(layer), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(merged.means(layer), single.means(layer), rtol=1e-6, atol=1e-9)
    for name in ("sums", "squares", "counts"):
        np.testing.assert_allclose(merged._tables[name], single._tables[name], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_random_parts(seed):
    chance = random.Random(seed)
    model = whole((EXACT["plain"], EXACT["block"], Fitful)[seed % 3](), seed)
    count = chance.randrange(20, 150)
    odd = set(chance.sample(range(1, count), 5))
    images = labelled(count, seed, odd)
    cuts = chance.sample(sorted(set(range(1, count)) - {number + 1 for number in odd} - odd), chance.randrange(1, 5))
    single = indexed(model, images)
    parts = [indexed(model, part) for part in parted(images, cuts)]
    merged = PatchIndex.merge(parts)
    check_same(merged, single)
    check_same(PatchIndex.merge([parts[0], PatchIndex.merge(parts[1:])]), single)
    assert seed % 3 < 2 or len(single.skipped) > 1


def test_parts_of_one_image():
    model, images = whole(EXACT["plain"]()), labelled(9)
    check_same(PatchIndex.merge([indexed(model, [image]) for image in images]), indexed(model, images))


def test_several_patches_of_one_image():
    model, images = whole(EXACT["plain"]()), labelled(30)
    options = {"per_image": 3, "k": 7}
    parts = [indexed(model, part, **options) for part in parted(images, [1, 11])]
    check_same(PatchIndex.merge(parts), indexed(model, images, **options))


def test_the_same_images_twice():
    model, images = whole(EXACT["plain"]()), labelled(20)
    part = indexed(model, images)
    check_same(PatchIndex.merge([part, part, part]), indexed(model, images * 3))


def test_one_part_is_itself():
    part = indexed(whole(EXACT["plain"]()), labelled(20))
    check_same(PatchIndex.merge([part]), part)


def test_arithmetic_that_rounds_changes_no_more_than_roundings():
    model = seeded(Gap())
    images = [(torch.randn(3, 12, 12, generator=torch.Generator().manual_seed(n)), "ab"[n % 2]) for n in range(150)]
    single = indexed(model, images)
    merged = PatchIndex.merge([indexed(model, part) for part in parted(images, [3, 70, 71])])
    for layer in single.layers:
        for kind in ("top", "bottom", "sample"):
            np.testing.assert_allclose(
                merged.entries(layer, kind).values, single.entries(layer, kind).values, atol=1e-5
            )
    np.testing.assert_allclose(merged.features, single.features, atol=1e-5)


def test_pictures_of_the_parts_are_found(tmp_path):
    clf = Classifier(seeded(Gap()), lambda picture: torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255)
    colours = {}
    for part, names in (("one", "cab"), ("two", "dca")):
        for number, label in enumerate(names):
            folder = tmp_path / part / label
            folder.mkdir(parents=True)
            colours[part, f"{label}/{number}.png"] = colour = (len(colours) * 40, number * 50, 7)
            Image.new("RGB", (12, 12), colour).save(folder / f"{number}.png")
    (tmp_path / "one" / "c" / "bad.png").write_bytes(b"bad")
    parts = [indexed(clf, tmp_path / part) for part in ("one", "two")]
    memory = [Image.new("RGB", (12, 12), (n, n, n)) for n in range(3)]
    parts.append(indexed(clf, memory))
    merged = PatchIndex.merge(parts)
    assert merged.classes == ("a", "b", "c", "d")
    assert [part["total"] for part in merged.facts["parts"]] == [4, 3, 3]
    known = {name: 0 for _, name in colours}
    for image in range(6):
        name = merged.name(image)
        assert merged.picture(image).getpixel((0, 0)) == colours[("one", "two")[image >= 3], name]
        assert merged.classes[merged.labels[image]] == name[0]
        known[name] += 1
    assert sum(known.values()) == 6
    assert merged.picture(-1).getpixel((0, 0)) == (2, 2, 2)
    assert merged.skipped[0].name == "c/bad.png"
    reopened = PatchIndex.open(merged.path, [None, tmp_path / "two", memory])
    assert [reopened.picture(image).tobytes() for image in range(9)] == [merged.picture(i).tobytes() for i in range(9)]
    with pytest.raises(OptionError, match="merged from 3 data sets"):
        PatchIndex.open(merged.path, [None])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"k": 5}, "another k="),
        ({"seed": 1}, "another seed="),
        ({"per_image": 2}, "per_image"),
        ({"layers": ["0"]}, "layers"),
    ],
)
def test_what_does_not_belong_together_is_refused(options, words, tmp_path):
    model, images = whole(EXACT["plain"]()), labelled(9)
    with pytest.raises(IndexMismatchError, match=words):
        PatchIndex.merge([indexed(model, images), indexed(model, images, **options)], tmp_path / "merged")
    with pytest.raises(IndexMismatchError, match="other weights"):
        PatchIndex.merge([indexed(model, images), indexed(whole(EXACT["plain"](), 5), images)], tmp_path / "merged")
    with pytest.raises(OptionError, match="empty"):
        PatchIndex.merge([], tmp_path / "merged")
    assert not any(tmp_path.iterdir())


def test_convolutions_read_off_their_normalisations_whose_values_lie_closer_together():
    """All patches of the convolution have the same rounded value; those of the normalisation behind it differ."""
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, eps=0)).eval()
    with torch.no_grad():
        model[0].weight.fill_(1)
        model[0].bias.fill_(2**20)
        model[1].running_mean.fill_(2**20)
        model[1].weight[1] = -1
    for seed in range(3):
        order = torch.randperm(40, generator=torch.Generator().manual_seed(seed))
        x = 1 + order[:, None, None, None] * 2**-20 + torch.tensor([[1, 0], [2, 3]]) * 2**-22
        for options in ({"k": 3}, {"k": 3, "per_image": 4}):
            single = indexed(model, x, **options)
            assert len(set(single.top("0", 0).values)) == 1 < len(set(single.top("1", 0).values))
            check_same(PatchIndex.merge([indexed(model, part, **options) for part in parted(x, [7, 19])]), single)
