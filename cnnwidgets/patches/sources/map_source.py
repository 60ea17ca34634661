"""Data sets whose items are found by their number."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from cnnwidgets.errors import MissingDataError
from cnnwidgets.patches.sources.reader import PASSED_ON, Reader, Reading, words
from cnnwidgets.patches.sources.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from PIL import Image

    from cnnwidgets.patches.sources.item import Item


class MapSource(Source):
    """A source that reads any of its items by its number.

    Args:
        reader: prepares the images.
        classes: names that the data set lists.

    """

    def __init__(self, reader: Reader, classes: Sequence[str] = ()) -> None:
        super().__init__(classes)
        self.reader = reader

    @property
    @abstractmethod
    def total(self) -> int:
        """Number of items."""

    @abstractmethod
    def name(self, number: int) -> str:
        """Return the name of an item without reading it."""

    def read(self, number: int) -> Reading:
        """Read one item; this is what runs in the workers of a data loader."""
        try:
            return self._read(number)
        except PASSED_ON:
            raise
        except Exception as error:  # noqa: BLE001 - data sets raise any type
            return Reading(self.name(number), reason=words(error))

    @abstractmethod
    def _read(self, number: int) -> Reading:
        """Read one item; may raise anything."""

    def items(self, start: int = 0, classes: Iterable[str] = ()) -> Iterator[Item]:
        """Read the items one by one."""
        self._names.recall(classes)
        for number in range(start, self.total):
            yield self.numbered(number, self.read(number))

    def item(self, number: int) -> Item:
        """Read one item."""
        self._check(number)
        return self._there(number, self.read(number))

    def _there(self, number: int, reading: Reading) -> Item:
        if reading.reason is not None:
            raise self._missing(number, reading.reason)
        return self.numbered(number, reading)

    def picture(self, number: int) -> Image.Image:
        """Read the picture of one item."""
        self._check(number)
        try:
            return self._picture(number)
        except (MissingDataError, *PASSED_ON):
            raise
        except Exception as error:
            raise self._missing(number, words(error)) from error

    @abstractmethod
    def _picture(self, number: int) -> Image.Image:
        """Read the picture of one item; may raise anything."""

    def _check(self, number: int) -> None:
        if not 0 <= number < self.total:
            raise MissingDataError(
                f"There is no item {number} in the {self.kind} any more: it has {self.total}. Give the data that was "
                "indexed, or index it anew."
            )

    def _missing(self, number: int, reason: str) -> MissingDataError:
        return MissingDataError(f"The picture of {self.name(number)!r} is missing: {reason}{self._looked_for()}")

    def _looked_for(self) -> str:
        """Return a sentence that says where pictures are looked for, with a leading space."""
        return ""
