"""The index of patches by brute force: plain hooks with clones, one image at a time, and loops over every cell.

Ties are settled as the index promises: the larger value, then the larger value before a module that clips, then chance
drawn from what the image is, from the channel's number, from the cell's column, and then from its row.
"""

from __future__ import annotations

import copy
import hashlib
import math

import numpy as np
import torch


def maps_of(model, x):
    """What every call of every module gives for one image (C,H,W), what it is given, and what the model gives.

    The former two are arrays by "path" or, of several calls, "path#0"...; of what has no maps as its only argument, or
    maps of another shape, None.
    """
    model = copy.deepcopy(model).eval()
    calls, given = {}, {}

    def before(path):
        def hook(_module, args):
            plain = len(args) == 1 and isinstance(args[0], torch.Tensor) and args[0].ndim == 4
            given.setdefault(path, []).append(args[0].detach().clone()[0].double().numpy() if plain else None)

        return hook

    def keep(path):
        def hook(_module, _args, result):
            argument = given[path].pop()
            if isinstance(result, torch.Tensor) and result.ndim == 4:
                maps = result.detach().clone()[0].double().numpy()
                fits = argument is not None and argument.shape == maps.shape
                calls.setdefault(path, []).append((maps, argument if fits else None))

        return hook

    for path, module in model.named_modules():
        if path:
            module.register_forward_pre_hook(before(path))
            module.register_forward_hook(keep(path))
    with torch.no_grad():
        output = model(x.clone()[None])
    found = {}
    for path, maps in calls.items():
        found |= {path: maps[0]} if len(maps) == 1 else {f"{path}#{n}": one for n, one in enumerate(maps)}
    return {path: maps for path, (maps, _) in found.items()}, {path: one for path, (_, one) in found.items()}, output


BITS = 2**64


def mixed(bits):
    """The last step of SplitMix64 (Steele et al. 2014)."""
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9 % BITS
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB % BITS
    return bits ^ (bits >> 31)


def image_key(x, seed=0):
    """What an image (C,H,W) is known by: 64 bits of the SHA-256 of its values in single precision, and of the seed."""
    digest = int.from_bytes(hashlib.sha256(x.float().contiguous().numpy().tobytes()).digest()[:8], "little")
    return mixed((digest + mixed(seed ^ 0x9E3779B97F4A7C15)) % BITS)


def chance(key, number):
    """What decides between equal values of a channel, a column, or (numbered behind the columns) a row.

    The smaller one comes first.
    """
    return mixed(((key ^ 0x8CB92BA72F3D8DD7) + (number + 1) * 0xD1B54A32D192ED03) % BITS)


def best(maps, k, per_image=1, *, before, keys, channel, lowest=False):
    """The k patches of one channel as (value, image, row, column).

    Args:
        maps: of every image the channel's map (h,w).
        k: how many.
        per_image: of one image at most.
        before: of every image the map before a module that clips; None where none does.
        keys: of every image its `image_key`.
        channel: number of the channel.
        lowest: whether the smallest are wanted.

    """
    sign = -1 if lowest else 1
    found = []
    for image, one in enumerate(maps):
        rows, columns = one.shape
        decides = one if before is None else before[image]
        key = chance(keys[image], channel)
        cells = []
        for row in range(rows):
            for column in range(columns):
                drawn = chance(key, column), chance(key, columns + row)
                cells.append((-sign * one[row, column], -sign * decides[row, column], drawn, row, column))
        for value, first, _, row, column in sorted(cells)[:per_image]:
            found.append((float(np.float32(value)), float(np.float32(first)), key, image, row, column))
    found.sort(key=lambda entry: entry[:4])  # stable: the order of an image's cells stays
    return [(-sign * value + 0.0, image, row, column) for value, _, _, image, row, column in found[:k]]


def ties(maps, *, lowest=False):
    """How many images reach the largest value of a channel, or the smallest."""
    highest = [float(np.float32(one.min() if lowest else one.max())) for one in maps]
    return highest.count(min(highest) if lowest else max(highest))


def mean(one):
    """The mean of a map (h,w)."""
    total = 0.0
    for row in range(one.shape[0]):
        for column in range(one.shape[1]):
            total += float(one[row, column])
    return total / one.size


def separation(means, labels, label):
    """How a channel tells a class: (mean inside - mean elsewhere) / standard deviation over all images.

    Args:
        means: of every image the mean of the channel's map.
        labels: of every image its class.
        label: the class.

    """
    inside = [mean for mean, own in zip(means, labels, strict=True) if own == label]
    outside = [mean for mean, own in zip(means, labels, strict=True) if own != label]
    centre = sum(means) / len(means)
    deviation = math.sqrt(sum((mean - centre) ** 2 for mean in means) / len(means))
    difference = sum(inside) / len(inside) - sum(outside) / len(outside)
    return difference / deviation if deviation > 1e-9 else 0.0


def overlap(one, other):
    """Intersection over union of two boxes (left, top, right, bottom)."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (areas[0] + areas[1] - width * height)


def alike(mine, theirs):
    """The Jaccard index of two lists of (image, box): overlaps are shares of a match, and a patch matches once."""
    shared, left = 0.0, list(theirs)
    for image, box in mine:
        same = [(overlap(box, other_box), number) for number, (other, other_box) in enumerate(left) if other == image]
        share, number = max(same, key=lambda pair: pair[0], default=(0.0, None))
        if share > 0:
            shared += share
            del left[number]
    return shared / (len(mine) + len(theirs) - shared)


def counts(values, edges):
    """How many of some values lie in each bin, its lower edge included."""
    found = [0] * (len(edges) - 1)
    for value in values:
        for number in range(len(found)):
            if edges[number] <= value < edges[number + 1]:
                found[number] += 1
    return found
