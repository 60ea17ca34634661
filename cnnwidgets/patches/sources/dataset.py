"""A map-style data set: torchvision's, Hugging Face's, or anything with a length and numbered items."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from cnnwidgets.images.modes import to_rgb
from cnnwidgets.patches.sources.class_names import distinct
from cnnwidgets.patches.sources.dataset_facts import facts_of, path_of
from cnnwidgets.patches.sources.folder import printable
from cnnwidgets.patches.sources.leaf import Leaf, part_of
from cnnwidgets.patches.sources.map_source import MapSource
from cnnwidgets.patches.sources.pairs import pair_of
from cnnwidgets.patches.sources.reader import Reading, words
from cnnwidgets.patches.sources.unread import unread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

    from cnnwidgets.explain.frame import Frame
    from cnnwidgets.patches.sources.reader import Reader


class DatasetSource(MapSource):
    """The items of a data set by their numbers, through `Subset` and `ConcatDataset` where it is such.

    Where the data set itself makes tensors of pictures by its attribute `transform`, frames and pictures are those of
    the pictures before it.

    Args:
        reader: prepares the images.
        data: the data set.

    """

    kind = "dataset"

    def __init__(self, reader: Reader, data: Any) -> None:
        leaves: dict[int, Leaf] = {}
        self._data, self._part = data, part_of(data, leaves)
        self._leaves = list(leaves.values())
        lists = {leaf.classes for leaf in self._leaves}
        self._renamed = len(lists) > 1  # one number then means several classes
        names = dict.fromkeys(name for leaf in self._leaves for name in leaf.classes)
        super().__init__(reader, tuple(names) if self._renamed else distinct(next(iter(lists))))
        self._length = len(data)

    @property
    def total(self) -> int:
        """Number of items."""
        return self._length

    def name(self, number: int) -> str:
        """Return the name of an item without reading it."""
        leaf, inner = self._part.find(number)
        path = path_of(leaf.data, inner)
        return f"item {number}" if path is None else printable(path)

    def element(self, number: int) -> Any:
        """Return what the data set itself gives for a number."""
        leaf, inner = self._part.find(number)
        return leaf.noted.get(inner)[0]

    def _get(self, number: int) -> tuple[Any, Any]:
        return pair_of(self.element(number))

    def read(self, number: int) -> Reading:
        """Read one item."""
        name, (leaf, inner) = self.name(number), self._part.find(number)
        try:
            element, given, made = leaf.noted.get(inner)
            image, label = pair_of(element)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - data sets raise any type
            return Reading(name, reason=words(error))
        reading = self.reader.read(name, unread(image), label)
        if self._renamed and isinstance(reading.label, int):
            known = reading.label < len(leaf.classes)
            reading = replace(reading, label=leaf.classes[reading.label] if known else str(reading.label))
        frame = _frame(leaf, given) if image is made else None
        if frame is not None and reading.x is not None and frame.input_size == tuple(reading.x.shape[1:]):
            return replace(reading, frame=frame)
        return reading

    def _picture(self, number: int) -> Image.Image:
        leaf, inner = self._part.find(number)
        element, given, made = leaf.noted.get(inner)
        image = pair_of(element)[0]
        frame = _frame(leaf, given) if image is made and isinstance(image, Tensor) else None
        if given is not None and frame is not None and frame.input_size == tuple(image.shape[-2:]):
            return to_rgb(given, f"The picture of {self.name(number)!r}", turn=False)
        return self.reader.picture(unread(image))

    def _facts(self) -> Iterator[str | bytes]:
        yield f"{self.kind}:{self.total}"
        yield from facts_of(self._data)


def _frame(leaf: Leaf, given: Image.Image | None) -> Frame | None:
    """Return where a transform looks in the picture that it was given; it sees it as stored, not turned upright."""
    if given is None or leaf.noted.frames is None:
        return None
    return leaf.noted.frames(given.height, given.width)
