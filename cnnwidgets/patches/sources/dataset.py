"""A map-style data set: torchvision's, Hugging Face's, or anything with a length and numbered items."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.pairs import pair_of
from cnnwidgets.images.modes import to_rgb
from cnnwidgets.patches.sources.dataset_facts import facts_of, name_of
from cnnwidgets.patches.sources.folder import printable
from cnnwidgets.patches.sources.leaf import Leaf, part_of
from cnnwidgets.patches.sources.map_source import MapSource
from cnnwidgets.patches.sources.unread import unread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

    from cnnwidgets.explain.frame import Frame
    from cnnwidgets.patches.sources.reader import Reader, Reading


class Taken(NamedTuple):
    """What a data set gave for a number.

    Attributes:
        leaf: the innermost data set that holds it.
        element: what it gave.
        given: the picture that its transform was given, if any.
        made: what the transform made of it.

    """

    leaf: Leaf
    element: Any
    given: Image.Image | None
    made: Any


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
        lists = {leaf.classes for leaf in leaves.values()}
        self._renamed = len(lists) > 1  # one number then means several classes
        super().__init__(reader, list(dict.fromkeys(name for leaf in leaves.values() for name in leaf.classes)))
        self._length = len(data)

    @property
    def total(self) -> int:
        """Number of items."""
        return self._length

    def name(self, number: int) -> str:
        """Return the name of an item without reading it."""
        leaf, inner = self._part.find(number)
        name = name_of(leaf.data, inner)
        return f"item {number}" if name is None else printable(name)

    def take(self, number: int) -> Taken:
        """Ask the data set for an element; may raise anything."""
        leaf, inner = self._part.find(number)
        return Taken(leaf, *leaf.noted.get(inner))

    def _read(self, number: int) -> Reading:
        taken = self.take(number)
        return self.reading(self.name(number), taken, *pair_of(taken.element))

    def reading(self, name: str, taken: Taken, image: Any, label: Any) -> Reading:
        """Return an image of an element as a reading."""
        reading = self.reader.read(name, unread(image), label)
        if self._renamed and isinstance(reading.label, int):
            names = taken.leaf.classes
            label = names[reading.label] if reading.label < len(names) else str(reading.label)
            reading = replace(reading, label=label)
        frame = None if reading.x is None else _frame(taken, image)
        return reading if frame is None else replace(reading, frame=frame)

    def _picture(self, number: int) -> Image.Image:
        taken = self.take(number)
        return self.shown(taken, pair_of(taken.element)[0])

    def shown(self, taken: Taken, image: Any) -> Image.Image:
        """Return the picture that the frame of an image means."""
        if taken.given is None or _frame(taken, image) is None:
            return self.reader.picture(unread(image))
        return to_rgb(taken.given, "The picture", turn=False)

    def _facts(self) -> Iterator[str | bytes]:
        yield f"dataset:{self.total}"  # a loader gives the same items
        yield from facts_of(self._data)


def _frame(taken: Taken, image: Any) -> Frame | None:
    """Return where a transform looks in the picture that it was given, if the image is what it made.

    A transform sees a picture as it is stored, not turned upright.
    """
    made, given = taken.made, taken.given
    if taken.leaf.noted.frames is None or given is None or not isinstance(made, Tensor) or not made.is_floating_point():
        return None
    if image is not made and not (image.shape == made.shape and torch.equal(image, made)):
        return None
    try:
        frame = taken.leaf.noted.frames(given.height, given.width)
    except (MemoryError, OptionError):
        raise
    except Exception:  # noqa: BLE001 - a transform of the user's that fails on the pictures it is measured with
        return None
    return frame if frame is not None and frame.input_size == tuple(made.shape[-2:]) else None
