"""The index of patches by brute force: plain hooks with clones, one image at a time, and loops over every cell.

Ties are settled as the index promises: the larger value, then the earlier image, then the first cell in reading order.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import torch


def maps_of(model, x):
    """What every call of every module gives for one image (C,H,W): arrays by "path" or, of several, "path#0"..."""
    model = copy.deepcopy(model).eval()
    calls = {}

    def keep(path):
        def hook(_module, _args, result):
            if isinstance(result, torch.Tensor) and result.ndim == 4:
                calls.setdefault(path, []).append(result.detach().clone()[0].double().numpy())

        return hook

    for path, module in model.named_modules():
        if path:
            module.register_forward_hook(keep(path))
    with torch.no_grad():
        output = model(x.clone()[None])
    found = {}
    for path, maps in calls.items():
        found |= {path: maps[0]} if len(maps) == 1 else {f"{path}#{n}": one for n, one in enumerate(maps)}
    return found, output


def best(maps, k, per_image=1, *, lowest=False):
    """The k patches of one channel as (value, image, row, column).

    Args:
        maps: of every image the channel's map (h,w).
        k: how many.
        per_image: of one image at most.
        lowest: whether the smallest are wanted.

    """
    sign = -1 if lowest else 1
    found = []
    for image, one in enumerate(maps):
        rows, columns = one.shape
        cells = [(-sign * one[row, column], row, column) for row in range(rows) for column in range(columns)]
        for value, row, column in sorted(cells)[:per_image]:
            found.append((float(np.float32(value)), image, row, column))
    found.sort(key=lambda entry: entry[0])  # stable: the order of images and of cells stays
    return [(-sign * value + 0.0, image, row, column) for value, image, row, column in found[:k]]


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
