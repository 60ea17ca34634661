"""Patches: the parts of pictures that a unit answers to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from PIL import Image

from cnnwidgets.errors import MissingDataError
from cnnwidgets.images.encode import to_png
from cnnwidgets.images.tiles import contact_sheet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cnnwidgets.explain.frame import Box
    from cnnwidgets.patches.index import PatchIndex

Kind = Literal["top", "sample", "bottom"]
Place = Literal["cap", "floor", "extreme"]
KINDS: tuple[Kind, ...] = ("top", "sample", "bottom")
_TITLES = {"top": "Strongest patches", "sample": "Random patches", "bottom": "Most negative patches"}
_TILE = 96


class Ties(NamedTuple):
    """How many pictures reach the largest value of a channel, or the smallest.

    Attributes:
        images: how many; 1 where nothing is equal.
        value: the value.
        place: "cap" where a function such as a ReLU6 gave less than it got, "floor" where it gave more, as a ReLU does
            below 0, "extreme" where no value before tells.

    """

    images: int
    value: float
    place: Place

    def words(self, shown: int) -> str:
        """Return it in words, "58 pictures at the cap, 16 shown"; "" where nothing is equal.

        Args:
            shown: how many of them are shown.

        """
        if self.images < 2:
            return ""
        where = f"at the {self.place}" if self.place != "extreme" else f"at the same value, {self.value:.4g}"
        return f"{self.images:,} pictures {where}" + ("" if shown == self.images else f", {shown:,} shown")


@dataclass(frozen=True)
class Patch:
    """What one unit saw of one picture, and how it answered.

    Attributes:
        layer: name of the layer.
        channel: which of its channels.
        value: the activation there.
        units: of the value: "activation".
        row: of the unit in the channel's map.
        column: likewise.
        kind: "top", "sample" or "bottom".
        rank: 0 is the first of its kind.
        image: number of the picture among those that were indexed.
        source: what the picture is called: its path, or "item 12".
        label: name of its class, None where it has none.
        predicted: the class that the model took it for; None where the model gives no class scores.
        box: the unit's receptive field in pixels of the original picture, clipped to what the network saw of it.
        picture_size: (height, width) of the original picture.

    """

    layer: str
    channel: int
    value: float
    units: str
    row: int
    column: int
    kind: Kind
    rank: int
    image: int
    source: str
    label: str | None
    predicted: str | None
    box: Box
    picture_size: tuple[int, int]

    @property
    def unit(self) -> dict[str, str | int]:
        """The unit as widgets name it: {"layer", "channel", "y", "x"}."""
        return {"layer": self.layer, "channel": self.channel, "y": self.row, "x": self.column}

    def __repr__(self) -> str:
        """Say what it is in a line."""
        left, top, right, bottom = (f"{edge:.4g}" for edge in self.box)
        of = "" if self.label is None else f" ({self.label})"
        return f"<Patch {self.value:.4g} of {self.source!r}{of}, x {left} to {right}, y {top} to {bottom}>"


class Patches(tuple[Patch, ...]):  # noqa: SLOT001 - it has an attribute
    """Patches of one channel in order: a tuple that shows itself as a picture of them.

    Attributes:
        origin: the index that they come from.
        ties: how many pictures of the data set reach the first value, of any class; None where that is not known, and
            of random patches.

    """

    origin: PatchIndex
    ties: Ties | None

    @classmethod
    def of(cls, patches: Iterable[Patch], index: PatchIndex, ties: Ties | None = None) -> Patches:
        """Return patches with the index that can cut them out."""
        made = cls(patches)
        made.origin, made.ties = index, ties
        return made

    @property
    def values(self) -> tuple[float, ...]:
        """The activations."""
        return tuple(patch.value for patch in self)

    @property
    def title(self) -> str:
        """What they are: "Strongest patches of channel 12 in 'layer4'"."""
        if not self:
            return "No patches"
        return f"{_TITLES[self[0].kind]} of channel {self[0].channel} in {self[0].layer!r}"

    @property
    def ties_words(self) -> str:
        """How many pictures reach the same value: "58 pictures at the cap, 16 shown"; "" where none but one does."""
        if self.ties is None:
            return ""
        value = self.ties.value
        return self.ties.words(len({patch.image for patch in self if patch.value == value}))

    def crops(self, size: int | None = None) -> list[Image.Image]:
        """Return the patches as pictures; see `PatchIndex.crop`.

        Raises:
            MissingDataError: a picture that is gone.

        """
        return [self.origin.crop(patch, size) for patch in self]

    def picture(self, size: int = _TILE, columns: int = 8) -> Image.Image:
        """Return all patches on one sheet, each with its value and class below; grey where the picture is gone.

        Args:
            size: longer side of a patch in pixels.
            columns: patches in a row.

        """
        if not self:
            return Image.new("RGB", (size, size), "white")
        tiles = [self._tile(patch, size) for patch in self]
        words = [f"{patch.value:.4g}" + (f" {patch.label}" if patch.label else "") for patch in self]
        return contact_sheet(tiles, words, columns=min(columns, len(tiles)))

    def _tile(self, patch: Patch, size: int) -> Image.Image:
        try:
            return self.origin.crop(patch, size)
        except MissingDataError:
            return Image.new("RGB", (size, size), "#bbbbbb")

    def _repr_png_(self) -> bytes:
        return to_png(self.picture())

    def __repr__(self) -> str:
        """Name them all, a line each."""
        title = " — ".join(filter(None, (self.title, self.ties_words)))
        return "\n".join([f"{title}:", *map(repr, self)])
