"""Data sets to search for what a neuron answers to: crops of the photographs, and the digits."""

from __future__ import annotations

from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from cnnwidgets.demo import digit_data
from cnnwidgets.demo.photographs import photo, photos

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.demo.digit_data import DigitsData

_SIDE = 256  # pixels of every crop: a network's shorter side of 256 is not resized again
_SCALES = (1.0, 0.7, 0.5, 0.35, 0.25)  # sides of the crops as shares of the photograph's shorter side
_STEP = 0.6  # of a crop's side: what lies in the middle of a crop lies at the rim of the next one at most


class DemoPictures:
    """Pictures with labels and names, a map-style data set: nothing is read before the first one is asked for.

    `pictures[12]` is (a PIL picture, the number of its class).

    Attributes:
        classes: the names of the classes.
        package: the one that the pictures come from.

    """

    classes: tuple[str, ...]
    package: str

    @property
    def source(self) -> str:
        """Package and version that the pictures come from."""
        try:
            return f"{self.package} {version(self.package)}"
        except PackageNotFoundError:
            return self.package

    @property
    def names(self) -> tuple[str, ...]:
        """What each picture is called."""
        raise NotImplementedError

    @property
    def targets(self) -> tuple[int, ...]:
        """The number of each picture's class."""
        raise NotImplementedError

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        """Return a picture and the number of its class."""
        number = range(len(self))[index]  # raises IndexError past the end, which ends a loop
        return self._picture(number), self.targets[number]

    def _picture(self, number: int) -> Image.Image:
        raise NotImplementedError


class Crop(NamedTuple):
    """A square part of a photograph, in its pixels."""

    photograph: int
    left: int
    top: int
    side: int


class Crops(DemoPictures):
    """Square parts of the photographs at five scales, each 256 x 256 pixels; the class is the photograph.

    The largest are as high as the photograph (or as wide, if that is less), the smallest a quarter of it.
    """

    package = "scikit-image"

    def __init__(self) -> None:
        self.classes = photos()

    @cached_property
    def photographs(self) -> tuple[Image.Image, ...]:
        """The photographs."""
        return tuple(photo(name) for name in self.classes)

    @cached_property
    def crops(self) -> tuple[Crop, ...]:
        """Where each picture lies."""
        found = []
        for number, whole in enumerate(self.photographs):
            for scale in _SCALES:
                side = round(scale * min(whole.size))
                tops, lefts = _places(whole.height, side), _places(whole.width, side)
                found += [Crop(number, left, top, side) for top in tops for left in lefts]
        return tuple(found)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each picture is called: "chelsea, 150 px at 84, 0"."""
        return tuple(f"{self.classes[at]}, {side} px at {left}, {top}" for at, left, top, side in self.crops)

    @cached_property
    def targets(self) -> tuple[int, ...]:
        """The photograph that each is part of."""
        return tuple(crop.photograph for crop in self.crops)

    def _picture(self, number: int) -> Image.Image:
        at, left, top, side = self.crops[number]
        box = (left, top, left + side, top + side)
        return self.photographs[at].resize((_SIDE, _SIDE), Image.Resampling.BICUBIC, box=box)


class Digits(DemoPictures):
    """Scikit-learn's 1,797 handwritten digits, 8 x 8 pixels, bright on dark; the class is the digit."""

    package = "scikit-learn"
    classes = tuple("0123456789")

    @cached_property
    def data(self) -> DigitsData:
        """The digits."""
        return digit_data.load()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each picture is called: "digit 12"."""
        return tuple(f"digit {number}" for number in range(len(self)))

    @cached_property
    def targets(self) -> tuple[int, ...]:
        """The digit that each shows."""
        return tuple(int(label) for label in self.data.labels)

    def _picture(self, number: int) -> Image.Image:
        return Image.fromarray(self.data.images[number])


def gallery_pictures(clf: Classifier) -> DemoPictures:
    """Return the pictures that suit a classifier: digits where it takes one channel, else crops of photographs.

    A picture raises `MissingDataError` where the package that it comes from is not installed.
    """
    from cnnwidgets.classifier import input_channels

    return Digits() if input_channels(clf.model) == 1 else Crops()


def _places(length: int, side: int) -> Sequence[int]:
    """Return where crops of a side begin along an edge: from end to end, evenly, about `_STEP` apart."""
    room = length - side
    count = 1 + -(-room // max(1, round(side * _STEP)))
    return [round(room * index / (count - 1)) for index in range(count)] if count > 1 else [room // 2]
