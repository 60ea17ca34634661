"""Data sets that are gone through for a quantile: how long they are, and where they end."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

from cnnwidgets import explain
from tests.explain.nets import Gap, noise, seeded

X = noise(4, 3, 12, 12)


class Streamed(IterableDataset):
    def __iter__(self):
        return iter([(image, 0) for image in X])


class Endless(Dataset):
    """Has a length, but gives an image for any index, as data sets of random images do."""

    asked = 0

    def __len__(self):
        return len(X)

    def __getitem__(self, index):
        self.asked += 1
        assert self.asked <= len(X)
        return X[index % len(X)], 0


@pytest.mark.parametrize(
    ("over", "steps"),
    [
        (DataLoader(Streamed(), batch_size=3), [(1, 0), (2, 0)]),
        (Streamed(), [(1, 0), (2, 0), (3, 0), (4, 0)]),
        (Endless(), [(1, 4), (2, 4), (3, 4), (4, 4)]),
        (DataLoader(Endless(), batch_size=3), [(1, 2), (2, 2)]),
        (X, [(1, 1)]),
        (list(X), [(1, 4), (2, 4), (3, 4), (4, 4)]),
        ([{"pixel_values": image, "labels": 1} for image in X], [(1, 4), (2, 4), (3, 4), (4, 4)]),
    ],
)
def test_every_image_counts_once_and_progress_knows_the_length_where_there_is_one(over, steps):
    model, seen = seeded(Gap()), []
    found = explain.highlight(model, X, "features", 1, over=over, progress=lambda *step: seen.append(step))
    assert found.threshold == pytest.approx(explain.highlight(model, X, "features", 1).threshold, abs=1e-6)
    assert found.over == "4 images"
    assert seen == steps


def test_what_a_data_set_raises_comes_through():
    def broken():
        yield X
        raise KeyError("a file that is not there")

    with pytest.raises(KeyError, match="a file that is not there"):
        explain.highlight(seeded(Gap()), X, "features", 1, over=broken())


def test_a_mask_may_be_in_bfloat16():
    found = explain.highlight(seeded(Gap()), X[:1], "features", 1, quantile=0.5)
    mask = torch.from_numpy(found.masks[0].copy())
    assert found.iou(mask.to(torch.bfloat16)) == found.iou(mask) == 1.0
