"""Data sets to search for what a neuron answers to: crops of the photographs, and the digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from cnnwidgets.demo import digit_data
from cnnwidgets.demo.photographs import photo, photos

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnwidgets.classifier import Classifier

_SIDE = 256  # pixels of every crop: a network's shorter side of 256 is not resized again
_SCALES = (1.0, 0.7, 0.5, 0.35, 0.25)  # sides of the crops as shares of the photograph's shorter side
_STEP = 0.6  # of a crop's side: what lies in the middle of a crop lies at the rim of the next one at most


@dataclass(frozen=True)
class DemoPictures:
    """Pictures with labels and names, made when they are asked for: a map-style data set.

    `pictures[12]` is (a PIL picture, the number of its class).

    Attributes:
        classes: the names of the classes.
        names: what each picture is called.
        targets: the number of each picture's class.

    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    targets: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        """Return a picture and the number of its class."""
        number = range(len(self))[index]  # raises IndexError past the end, which ends a loop
        return self._picture(number), self.targets[number]

    def _picture(self, number: int) -> Image.Image:
        raise NotImplementedError


@dataclass(frozen=True)
class Crops(DemoPictures):
    """Square parts of the photographs at several scales, each 256 x 256 pixels; the class is the photograph."""

    boxes: tuple[tuple[int, int, int, int], ...]
    """Of each crop: left, top, right, bottom in pixels of its photograph."""
    photographs: tuple[Image.Image, ...]

    def _picture(self, number: int) -> Image.Image:
        whole = self.photographs[self.targets[number]]
        return whole.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC, box=self.boxes[number])


@dataclass(frozen=True)
class Digits(DemoPictures):
    """Scikit-learn's 1,797 handwritten digits, 8 x 8 pixels, bright on dark."""

    pixels: Any
    """(N,8,8) uint8."""

    def _picture(self, number: int) -> Image.Image:
        return Image.fromarray(self.pixels[number])


def crops() -> Crops:
    """Return the crops of all photographs: every one at five scales, from its whole height to a quarter of it."""
    names, targets, boxes = [], [], []
    wholes = tuple(photo(name) for name in photos())
    for number, (name, whole) in enumerate(zip(photos(), wholes, strict=True)):
        for scale in _SCALES:
            side = round(scale * min(whole.size))
            for top in _places(whole.height, side):
                for left in _places(whole.width, side):
                    boxes.append((left, top, left + side, top + side))
                    targets.append(number)
                    names.append(f"{name}, {side} px at {left}, {top}")
    return Crops(photos(), tuple(names), tuple(targets), tuple(boxes), wholes)


def digit_pictures() -> Digits:
    """Return scikit-learn's digits as pictures; the class is the digit."""
    data = digit_data.load()
    labels = tuple(int(label) for label in data.labels)
    names = tuple(f"digit {number}" for number in range(len(labels)))
    return Digits(tuple("0123456789"), names, labels, data.images)


def gallery_pictures(clf: Classifier) -> DemoPictures:
    """Return the pictures that suit a classifier: digits where it takes one channel, else crops of photographs.

    Raises:
        MissingDataError: scikit-image, which has the photographs, is not installed.

    """
    from cnnwidgets.classifier import input_channels

    return digit_pictures() if input_channels(clf.model) == 1 else crops()


def _places(length: int, side: int) -> Sequence[int]:
    """Return where crops of a side begin along an edge: from end to end, evenly, about `_STEP` apart."""
    room = length - side
    count = 1 + -(-room // max(1, round(side * _STEP)))
    return [round(room * index / (count - 1)) for index in range(count)] if count > 1 else [room // 2]
