"""Items of a data set in batches, as the workers of a loader read and send them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cnnwidgets.errors import ImageError
from cnnwidgets.explain.pairs import pair_of
from cnnwidgets.patches.sources.reader import PASSED_ON, Reading, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cnnwidgets.patches.sources.dataset import DatasetSource, Taken


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Readings whose tensors are one, so that a worker sends one piece of shared memory and not many.

    Attributes:
        plain: the readings, without tensors.
        x: (n,C,H,W), the tensors of those that have one; a list of them where their shapes differ.

    """

    plain: list[Reading]
    x: Tensor | list[Tensor]

    @classmethod
    def of(cls, readings: list[Reading]) -> Batch:
        """Pack readings."""
        tensors = [reading.x for reading in readings if reading.x is not None]
        alike = len({(x.shape, x.dtype, x.device) for x in tensors}) == 1
        return cls([replace(reading, x=None) for reading in readings], torch.stack(tensors) if alike else tensors)

    def readings(self) -> list[Reading]:
        """Unpack the readings."""
        tensors = iter(self.x)
        return [replace(each, x=next(tensors)) if each.reason is None else each for each in self.plain]


class Batches:
    """A map-style data set of the batches of a source.

    Args:
        source: reads the items.
        size: items per batch.
        collate: makes a batch of elements where the loader has a way of its own; None takes the items as they are.

    """

    def __init__(self, source: DatasetSource, size: int, collate: Callable[[list[Any]], Any] | None = None) -> None:
        self._source, self.size, self.collate = source, size, collate

    def __len__(self) -> int:
        """Return the number of batches."""
        return (self._source.total + self.size - 1) // self.size

    def __getitem__(self, number: int) -> Batch | Exception:
        """Read a batch; what is not the fault of an item is returned, not raised: workers mangle what they raise."""
        try:
            return Batch.of(self._readings(self._items(number)))
        except PASSED_ON as error:
            return error

    def reading(self, number: int) -> Reading:
        """Read one item as it is in its batch."""
        items = self._items(number // self.size)
        return self._readings(items)[number - items.start]

    def _items(self, number: int) -> range:
        return range(number * self.size, min((number + 1) * self.size, self._source.total))

    def _readings(self, items: range) -> list[Reading]:
        """Read items; where they fail together they are read one by one."""
        if self.collate is None:
            return [self._source.read(item) for item in items]
        try:
            return [self._source.reading(self._source.name(item), *made) for item, made in self._made(items)]
        except PASSED_ON:
            raise
        except Exception as error:  # noqa: BLE001 - data sets and users' functions raise any type
            if len(items) == 1:
                return [Reading(self._source.name(items[0]), reason=words(error))]
            return [reading for item in items for reading in self._readings(range(item, item + 1))]

    def _made(self, items: range) -> Iterator[tuple[int, tuple[Taken, Any, Any]]]:
        """Yield what the loader's own function makes of each of some items: image and label, beside the element."""
        taken = [self._source.take(item) for item in items]
        elements = [one.element for one in taken]
        pairs = _apart(elements if self.collate is None else self.collate(elements), len(items))
        for item, one, pair in zip(items, taken, pairs, strict=True):
            yield item, (one, *pair)

    def image(self, number: int) -> tuple[Taken, Any]:
        """Return the element of an item and its image as it is in its batch; may raise anything."""
        items = self._items(number // self.size)
        try:
            return dict(self._made(items))[number][:2]
        except PASSED_ON:
            raise
        except Exception:
            if len(items) == 1:
                raise
            return dict(self._made(range(number, number + 1)))[number][:2]


def _apart(batch: Any, count: int) -> Iterable[tuple[Any, Any]]:
    """Return the pairs of image and label in what a collate_fn made."""
    if isinstance(batch, list) and len(batch) == count and not (isinstance(batch[0], Tensor) and batch[0].ndim == 4):
        return map(pair_of, batch)  # the elements as they were
    images, labels = pair_of(batch)
    if not hasattr(images, "__len__") or len(images) != count:
        got = f"{len(images)} images" if hasattr(images, "__len__") else f"a {type(images).__name__}"
        raise ImageError(f"The loader's collate_fn makes {got} of {count} item(s); it must give one for each.")
    if not isinstance(labels, list | tuple | Tensor) or len(labels) != count:
        labels = [None] * count
    return zip(images, labels, strict=True)
