"""What an index asks of a data set."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from cnnwidgets.patches.sources.class_names import ClassNames
from cnnwidgets.patches.sources.item import Item

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from PIL import Image

    from cnnwidgets.patches.sources.reader import Reading


class Source(ABC):
    """A data set of images in an order that stays the same, read one at a time and kept nowhere.

    Attributes:
        kind: "folder", "paths", "pictures", "tensor", "dataset", "loader" or "iterable".

    """

    kind: str

    def __init__(self, classes: Sequence[str] = ()) -> None:
        self._names = ClassNames(classes)

    @property
    @abstractmethod
    def total(self) -> int | None:
        """Number of items; None for a stream that does not say."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes: those that the data set lists, and others met in the items so far."""
        return self._names.known

    @abstractmethod
    def items(self, start: int = 0, classes: Iterable[str] = ()) -> Iterator[Item]:
        """Read the items in their order; what cannot be read comes with its reason instead of an image.

        Args:
            start: number of the first item.
            classes: names that an earlier part of the same pass has met, in its order, so that labels keep their
                numbers.

        Raises:
            ImageError: pictures without a Classifier that prepares them, or a stream that breaks off; the item is
                numbered.

        """

    def numbered(self, number: int, reading: Reading) -> Item:
        """Return a reading as an item."""
        label, frame = self._names.number(reading.label), reading.frame
        size = None if frame is None else frame.picture_size
        return Item(number, reading.name, label, reading.x, size, frame, reading.reason)

    @abstractmethod
    def item(self, number: int) -> Item:
        """Return one item as `items` gave it.

        Raises:
            MissingDataError: it is gone, or lies in a stream that cannot be read anew.

        """

    @abstractmethod
    def picture(self, number: int) -> Image.Image:
        """Return the picture of one item, as `Item.frame` means it, in mode RGB.

        Raises:
            MissingDataError: it is gone, or lies in a stream that cannot be read anew.

        """

    def stamp(self) -> str:
        """Return a SHA-256 over what is known without decoding pictures: kind, names, sizes in bytes, labels.

        It stays the same when a folder is moved or copied.
        """
        digest = hashlib.sha256()
        for part in self._facts():
            digest.update(part if isinstance(part, bytes) else f"{part};".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    @abstractmethod
    def _facts(self) -> Iterator[str | bytes]:
        """Yield what is known without decoding pictures."""

    def describe(self) -> dict[str, Any]:
        """Return what `reopened` needs to find the pictures again, fit for JSON."""
        return {"kind": self.kind, "total": self.total}
