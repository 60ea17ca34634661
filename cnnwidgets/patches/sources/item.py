"""One thing of a data set, as an index takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from cnnwidgets.explain.frame import Frame


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """An image of a data set, ready for the network, or the reason why there is none.

    Attributes:
        number: its place in the order of the data set, from 0.
        name: its path, relative where there is a folder, else "item 12".
        label: number of its class in the source's `classes`, None where it has none.
        x: (C,H,W) float, the network's input; None if it could not be read.
        picture_size: (height, width) of the picture that `Source.picture` gives; None if it could not be read.
        frame: where `x` lies in that picture; None if it could not be read.
        reason: why it could not be read, in words; None if it was.

    """

    number: int
    name: str
    label: int | None
    x: Tensor | None = None
    picture_size: tuple[int, int] | None = None
    frame: Frame | None = None
    reason: str | None = None
