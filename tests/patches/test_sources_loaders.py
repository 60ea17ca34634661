"""Data loaders: in batches, by workers, with functions of their own, and those that shuffle."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    default_collate,
)  # fmt: skip
from torchvision import transforms as T
from torchvision.datasets import ImageFolder

from cnnwidgets.errors import ImageError, MissingDataError, OptionError
from cnnwidgets.patches.sources import source_of

from .planted import Numbered, classifier, picture, save

CROP = T.Compose([T.Resize(20), T.CenterCrop(16), T.ToTensor()])


@pytest.fixture
def folder(tmp_path):
    for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png", "dog/3.png"):
        save(tmp_path / name, seed=sum(map(ord, name)))
    return tmp_path


def own_way(batch):
    return default_collate(batch)


def pictures_as_they_are(batch):
    return batch


def columns(batch):
    return tuple(zip(*batch, strict=True))


def without_missing(batch):
    return default_collate([element for element in batch if element is not None])


def same(one, other):
    """Whether two items are the same, but for the number of the class."""
    return (
        one.x.equal(other.x)
        and (one.number, one.name, one.label, one.frame, one.picture_size, one.reason)
        == (other.number, other.name, other.label, other.frame, other.picture_size, other.reason)
    )  # fmt: skip


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 2},
        {"batch_size": 2, "collate_fn": own_way},
        {"batch_size": 8},
        {"batch_size": None},
        {"batch_sampler": BatchSampler(SequentialSampler(range(5)), 2, drop_last=False)},
        {"batch_sampler": [[0, 1], [2, 3], [4]]},
        {"sampler": [0, 1, 2, 3, 4], "batch_size": 3},
    ],
    ids=["batches", "collate", "one batch", "no batches", "batch sampler", "list of batches", "list"],
)
def test_a_loader_gives_the_items_of_its_data_set(folder, options, workers):
    data = ImageFolder(folder, CROP)
    loader = source_of(classifier(), DataLoader(data, num_workers=workers, **options))
    plain = source_of(classifier(), data)
    assert loader.kind == "loader"
    assert loader.total == 5
    assert loader.classes == plain.classes
    for one, other in zip(loader.items(), plain.items(), strict=True):
        assert same(one, other)
        assert np.array_equal(loader.picture(one.number), plain.picture(one.number))
        assert same(loader.item(one.number), other)
    assert [item.number for item in loader.items(3)] == [3, 4]


@pytest.mark.parametrize("workers", [0, 2])
def test_pictures_are_prepared_by_the_workers(folder, workers):
    data = ImageFolder(folder)
    direct = list(source_of(classifier(), data).items())
    for collate in (None, pictures_as_they_are, columns):
        loader = DataLoader(data, batch_size=2, num_workers=workers, collate_fn=collate)
        source = source_of(classifier(), loader)
        assert all(same(one, other) for one, other in zip(source.items(), direct, strict=True))
        assert all(np.array_equal(source.picture(number), data[number][0]) for number in range(5))


def test_an_own_order_is_kept():
    x = torch.rand(4, 3, 8, 8)
    source = source_of(None, DataLoader(TensorDataset(x), sampler=[3, 1, 2], batch_size=2))
    assert torch.stack([item.x for item in source.items()]).equal(x[[3, 1, 2]])


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("collate", [None, own_way])
def test_what_does_not_fill_a_batch_is_dropped_where_the_loader_drops_it(workers, collate):
    loader = DataLoader(
        TensorDataset(torch.rand(7, 3, 8, 8)), batch_size=3, drop_last=True, num_workers=workers, collate_fn=collate
    )
    source = source_of(None, loader)
    assert source.total == 6
    assert [item.number for item in source.items()] == list(range(6))
    assert source.describe()["dropped"] == 1
    with pytest.raises(MissingDataError, match="no item 6"):
        source.picture(6)


@pytest.mark.parametrize(
    "options",
    [
        {"shuffle": True},
        {"sampler": SubsetRandomSampler([0, 1])},
        {"batch_sampler": BatchSampler(RandomSampler(range(3)), 2, drop_last=False)},
        {"sampler": torch.utils.data.WeightedRandomSampler([1.0] * 3, 3)},
    ],
)
def test_a_loader_that_shuffles_is_refused(options):
    loader = DataLoader(TensorDataset(torch.rand(3, 3, 8, 8)), **options)
    with pytest.raises(OptionError, match="shuffle=False"):
        source_of(None, loader)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("collate", [None, own_way])
def test_one_bad_item_does_not_take_its_batch_along(workers, collate):
    elements = [(torch.full((3, 8, 8), float(n)), n) for n in range(6)]
    elements[1] = ValueError("bad sector")
    elements[4] = (torch.zeros(3, 9, 9), 4)
    loader = DataLoader(Numbered(elements), batch_size=3, num_workers=workers, collate_fn=collate)
    items = list(source_of(None, loader).items())
    assert [item.reason for item in items] == [None, "ValueError: bad sector", None, None, None, None]
    assert [item.x[0, 0, 0].item() for item in items if item.x is not None] == [0, 2, 3, 0, 5]
    assert items[4].x.shape == (3, 9, 9)


def test_a_function_that_leaves_items_out():
    loader = DataLoader(
        Numbered([picture_tensor(0), None, picture_tensor(2)]), batch_size=3, collate_fn=without_missing
    )
    items = list(source_of(None, loader).items())
    assert [item.reason is None for item in items] == [True, False, True]


def picture_tensor(number):
    return torch.full((3, 8, 8), float(number))


def test_workers_want_a_classifier_too():
    loader = DataLoader(Numbered([picture()] * 3), num_workers=1, collate_fn=pictures_as_they_are)
    with pytest.raises(ImageError, match=r"Classifier\(model, preprocess"):
        list(source_of(None, loader).items())


class Dying(Numbered):
    def __getitem__(self, number):
        if number == 3:
            os._exit(1)
        return super().__getitem__(number)


def test_a_worker_that_dies_is_said_with_the_item():
    loader = DataLoader(Dying([torch.rand(3, 8, 8)] * 6), batch_size=1, num_workers=1, prefetch_factor=1)
    source = source_of(None, loader)
    read = []
    with pytest.raises(ImageError, match=r"broke off at item \d.*exited unexpectedly"):
        read.extend(item.number for item in source.items())


def test_random_numbers_go_on_as_if_nothing_had_been_read():
    data = TensorDataset(torch.rand(4, 3, 8, 8))
    before = torch.get_rng_state()
    for workers in (0, 1):
        list(source_of(None, DataLoader(data, batch_size=2, num_workers=workers)).items())
        list(source_of(None, DataLoader(Stream(), batch_size=2, num_workers=workers)).items())
    assert torch.get_rng_state().equal(before)


class Stream(IterableDataset):
    classes = ["even", "odd"]

    def __iter__(self):
        for number in range(5):
            yield torch.full((3, 8, 8), float(number)), number % 2


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_of_a_stream(workers):
    source = source_of(None, DataLoader(Stream(), batch_size=2, num_workers=workers))
    items = list(source.items(1))
    assert source.kind == "loader"
    assert source.total is None
    assert [item.number for item in items] == [1, 2, 3, 4]
    assert [item.x[0, 0, 0].item() for item in items] == [1, 2, 3, 4]
    assert [source.classes[item.label] for item in items] == ["odd", "even", "odd", "even"]
    with pytest.raises(MissingDataError, match="one after the other"):
        source.picture(0)


def test_the_stamp_is_that_of_the_data_set():
    data = TensorDataset(torch.rand(4, 3, 8, 8))
    assert source_of(None, DataLoader(data, batch_size=2)).stamp() == source_of(None, data).stamp()
    assert source_of(None, DataLoader(data, batch_size=3, drop_last=True)).stamp() != source_of(None, data).stamp()


def test_what_the_workers_read_can_be_sent_to_them(folder):
    """Where processes are not forked, the batches are pickled."""
    source = source_of(classifier(), DataLoader(ImageFolder(folder, CROP), batch_size=2, num_workers=1))
    sent = pickle.loads(pickle.dumps(source._batches))
    for one, other in zip(sent[1].readings(), source._batches[1].readings(), strict=True):
        assert one.x.equal(other.x)
        assert (one.name, one.label, one.frame) == (other.name, other.label, other.frame)
