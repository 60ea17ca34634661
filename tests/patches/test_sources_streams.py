"""Iterables and generators: in order, from a place in the middle, and what breaks them off."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import IterableDataset

from cnnwidgets.errors import ImageError, MissingDataError
from cnnwidgets.patches.sources import source_of

from .planted import classifier, picture, save


def tensors(count, fails_at=None, error=None):
    for number in range(count):
        if number == fails_at:
            raise error
        yield torch.full((3, 8, 8), float(number)), number


class Sized(IterableDataset):
    """An iterable data set that knows its length."""

    def __len__(self):
        return 4

    def __iter__(self):
        return tensors(4)


def values(items):
    return [item.x[0, 0, 0].item() for item in items]


def test_a_generator_is_read_in_its_order():
    source = source_of(None, tensors(4))
    assert (source.kind, source.total) == ("iterable", None)
    items = list(source.items())
    assert values(items) == [0, 1, 2, 3]
    assert [item.name for item in items] == ["item 0", "item 1", "item 2", "item 3"]
    assert source.classes == ("0", "1", "2", "3")


def test_a_pass_begins_in_the_middle_without_preparing_what_lies_before():
    def preprocess(image):
        seen.append(image.size)
        return torch.zeros(3, 8, 8)

    seen = []
    source = source_of(classifier(preprocess), (picture(width=40 + n) for n in range(6)))
    next(source.items(4))
    assert set(seen) == {(44, 24)}


def test_a_generator_is_read_only_once():
    source = source_of(None, tensors(3))
    next(source.items())
    with pytest.raises(ImageError, match="only once"):
        next(source.items())


def test_an_iterable_data_set_is_read_as_often_as_one_likes():
    source = source_of(None, Sized())
    assert source.total == 4
    assert values(source.items()) == values(source.items()) == [0, 1, 2, 3]
    assert values(source.items(3)) == [3]


@pytest.mark.parametrize("start", [0, 1, 3])
def test_one_that_raises_in_the_middle_is_said_with_the_item(start):
    source = source_of(None, tensors(5, fails_at=3, error=OSError("connection lost")))
    read = []
    with pytest.raises(ImageError, match=r"generator broke off at item 3: OSError: connection lost\. What came before"):
        read.extend(item.number for item in source.items(start))
    assert read == list(range(start, 3))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError()])
def test_ctrl_c_and_no_memory_are_passed_on(error):
    items = source_of(None, tensors(5, fails_at=1, error=error)).items()
    next(items)
    with pytest.raises(type(error)):
        next(items)


def test_one_that_does_not_begin():
    class Closed(IterableDataset):
        def __iter__(self):
            raise ConnectionError("closed")

    with pytest.raises(ImageError, match=r"Closed broke off at item 0: ConnectionError: closed"):
        next(source_of(None, Closed()).items())


def test_batches_are_taken_apart():
    x, y = torch.rand(5, 3, 8, 8), torch.tensor([2, 0, 1, 2, 0])
    source = source_of(None, [(x[:3], y[:3]), (x[3:], y[3:])].__iter__())
    items = list(source.items(2))
    assert torch.stack([item.x for item in items]).equal(x[2:])
    assert [source.classes[item.label] for item in items] == ["1", "2", "0"]
    mapped = source_of(None, iter([{"pixel_values": x, "labels": y}]))
    assert [mapped.classes[item.label] for item in mapped.items()] == ["2", "0", "1", "2", "0"]
    bare = source_of(None, iter([x]))
    assert [item.label for item in bare.items()] == [None] * 5


def test_a_total_of_batches_is_no_total_of_images():
    class Batched(Sized):
        def __iter__(self):
            return iter([torch.rand(2, 3, 8, 8)] * 4)

    source = source_of(None, Batched())
    assert len(list(source.items())) == 8
    assert source.total is None


def test_paths_keep_their_names(tmp_path):
    for name in "ab":
        save(tmp_path / f"{name}.png")
    source = source_of(classifier(), (path for path in sorted(tmp_path.glob("*.png"))))
    assert [item.name for item in source.items()] == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    with pytest.raises(MissingDataError, match="generator, which gives its items one after the other"):
        source.picture(0)
    with pytest.raises(MissingDataError):
        source.item(0)


def test_a_class_with_numbers_and_no_length_is_read_to_its_end():
    class Endless:
        def __getitem__(self, number):
            if number == 3:
                raise IndexError
            return torch.full((3, 8, 8), float(number))

    assert values(source_of(None, Endless()).items()) == [0, 1, 2]


def test_stamps_tell_iterables_apart():
    assert source_of(None, Sized()).stamp() == source_of(None, Sized()).stamp()
    assert source_of(None, Sized()).stamp() != source_of(None, tensors(4)).stamp()
