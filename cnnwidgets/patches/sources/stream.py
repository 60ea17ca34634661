"""Iterables, whose items come one after the other and are kept by nobody."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from torch import Tensor

from cnnwidgets.errors import ImageError, MissingDataError
from cnnwidgets.explain.pairs import image_of, pair_of
from cnnwidgets.explain.randomness import PrivateRandomness
from cnnwidgets.patches.sources.dataset_facts import facts_of, length_of
from cnnwidgets.patches.sources.folder import printable
from cnnwidgets.patches.sources.listed_classes import listed_classes
from cnnwidgets.patches.sources.reader import Reading, UnpreparedError, broken_off
from cnnwidgets.patches.sources.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from PIL import Image

    from cnnwidgets.patches.sources.item import Item
    from cnnwidgets.patches.sources.reader import Reader

_END = object()


class StreamSource(Source):
    """The items of an iterable data set, a generator, or a loader of such; batches are taken apart.

    Args:
        reader: prepares the images.
        images: gives images, (image, label, ...), or mappings, one by one or in batches (N,C,H,W).
        data: the data set behind a loader; None for `images` itself.

    """

    def __init__(self, reader: Reader, images: Iterable[Any], data: Any = None) -> None:
        self.reader = reader
        self.kind = "iterable" if data is None else "loader"
        self._images, self._data = images, images if data is None else data
        self._total, self._begun = length_of(self._data), False
        super().__init__(listed_classes(self._data))

    @property
    def total(self) -> int | None:
        """Number of items, where the iterable tells; None as soon as it gives batches of its own."""
        return self._total

    def items(self, start: int = 0, classes: Iterable[str] = ()) -> Iterator[Item]:
        """Read the items one by one; those before `start` are gone through without being prepared."""
        self._names.recall(classes)
        if isinstance(self._images, Iterator) and self._begun:
            raise ImageError(
                f"The {type(self._images).__name__} has been read already, and gives its items only once. Make a new "
                "one, or give a list or a data set."
            )
        self._begun = True
        number = 0
        elements = self._next(number, self._start)
        while (element := self._next(number, lambda: next(elements, _END))) is not _END:
            for one in self._apart(element):
                if number >= start:
                    yield self._item(number, one)
                number += 1

    def _start(self) -> Iterator[Any]:
        with PrivateRandomness():  # a loader draws the seed of its workers
            return iter(self._images)

    def _next(self, number: int, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except MemoryError:
            raise
        except Exception as error:
            raise broken_off(self._data, number, error) from error

    def _apart(self, element: Any) -> Iterator[Any]:
        """Yield the images of a batch with their labels, and what is no batch as it is."""
        image = image_of(element)
        if not isinstance(image, Tensor) or image.ndim != 4:
            yield element
            return
        if self.kind == "iterable" and len(image) != 1:
            self._total = None
        label = pair_of(element)[1]
        labels = label if isinstance(label, list | tuple | Tensor) and len(label) == len(image) else [None] * len(image)
        yield from zip(image, labels, strict=True)

    def _item(self, number: int, element: Any) -> Item:
        image = image_of(element)
        name = printable(str(fspath(image))) if isinstance(image, str | PathLike) else f"item {number}"
        try:
            reading = self.reader.read(name, *pair_of(element))
        except UnpreparedError:
            raise
        except ImageError as error:  # no image in it
            reading = Reading(name, reason=str(error))
        return self.numbered(number, reading)

    def item(self, number: int) -> Item:
        """Refuse: a stream is not read anew for one item."""
        raise self._kept_by_nobody(number)

    def picture(self, number: int) -> Image.Image:
        """Refuse: a stream is not read anew for one picture."""
        raise self._kept_by_nobody(number)

    def _kept_by_nobody(self, number: int) -> MissingDataError:
        return MissingDataError(
            f"The picture of 'item {number}' is missing: it came from a {type(self._data).__name__}, which gives its "
            "items one after the other. Index a folder, a list, or a data set with numbered items to see its pictures."
        )

    def _facts(self) -> Iterator[str | bytes]:
        yield self.kind
        yield from facts_of(self._data)
