"""The picture with its occluders, ready for the network: what stands still, and the patch that the hand moves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from cnnwidgets.explain.baselines import local_mean, mean
from cnnwidgets.explain.hiding import hidden, patch
from cnnwidgets.widgets._fills import baseline_of
from cnnwidgets.widgets._places import Place

if TYPE_CHECKING:
    from collections.abc import Hashable

    from PIL import Image
    from torch import Tensor

    from cnnwidgets.explain.frame import Box
    from cnnwidgets.explain.windows import Shape, Spot
    from cnnwidgets.widgets._fills import Fills
    from cnnwidgets.widgets._looked import Looked


@dataclass(frozen=True)
class Question:
    """What is asked, whatever the place.

    Attributes:
        target: class.
        measure: "probability", or "output" for the number that the model puts out.
        fill: what hidden pixels are replaced by, as `FILLS` lists it.
        color: "#rrggbb", for the fill "colour".
        shape: "rectangle" or "ellipse".
        keep: hide everything but the occluders.

    """

    target: int
    measure: str
    fill: str
    color: str
    shape: Shape
    keep: bool

    @property
    def baseline(self) -> str:
        """What `explain.occlusion` calls the fill."""
        return baseline_of(self.fill, self.color)


@dataclass(frozen=True, eq=False)
class Scene:
    """One placing of the occluders.

    The occluder in the hand is a patch on `base`, the picture with all others on it: while the hand moves, `base` stays
    the same, so what the network makes of it can be kept.

    Attributes:
        looked: the picture.
        fills: its fills.
        question: how the occluders hide.
        boxes: where they are, in pixels of the picture.
        active: which one the hand holds.

    """

    looked: Looked
    fills: Fills
    question: Question
    boxes: tuple[Box, ...]
    active: int

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """The occluders on pixels of the input."""
        return tuple(Place.of(box, self.looked.frame) for box in self.boxes)

    @property
    def hidden(self) -> tuple[Box, ...]:
        """What is really hidden of the picture."""
        return tuple(place.on_picture(self.looked.frame) for place in self.places)

    @property
    def pinned(self) -> tuple[Place, ...]:
        """The occluders that the hand does not hold."""
        return tuple(place for number, place in enumerate(self.places) if number != self.active)

    @property
    def key(self) -> Hashable:
        """What `base` depends on, for one look at the picture."""
        return self.question.baseline, self.question.shape, self.question.keep, self.pinned

    def _spot(self, place: Place) -> Spot | None:
        return place.spot(self.question.shape, self.looked.frame)

    @property
    def _x(self) -> Tensor:
        return self.looked.network.x[0]

    @property
    def _fill(self) -> Tensor | None:
        return self.fills.values(self.question.baseline)

    @property
    def _moves_everything(self) -> bool:
        """Whether all of the picture changes with every move: what is hidden is filled with its own mean."""
        return self.question.keep and self._fill is None

    @cached_property
    def base(self) -> Tensor:
        """The picture around the patch, (1,C,H,W)."""
        if self._moves_everything:
            return mean(self._x).expand_as(self._x)[None].contiguous()
        spots = [spot for spot in map(self._spot, self.pinned) if spot is not None]
        return hidden(self._x, self._fill, spots, keep=self.question.keep)[None]

    def patch(self) -> tuple[int, int, Tensor]:
        """Return what the hand adds to `base`: top, left, pixels (1,C,h,w)."""
        spot = self._spot(self.places[self.active])
        base = self.base[0]
        if self._moves_everything:
            spots = [found for found in map(self._spot, self.places) if found is not None]
            return 0, 0, hidden(self._x, None, spots, keep=True)[None]
        if spot is None:
            return 0, 0, base[None, :, :1, :1]
        if self.question.keep:
            under = self._x
        else:
            fill = self._fill
            under = local_mean(self._x, spot) if fill is None else fill
        return spot.top, spot.left, patch(base, under, spot)[None]

    def mask(self) -> Tensor:
        """Return which pixels of the input are hidden, (H,W) bool."""
        under = torch.zeros(self._x.shape[1:], dtype=torch.bool)
        for spot in map(self._spot, self.places):
            if spot is not None:
                under[spot.box] |= spot.mask
        return ~under if self.question.keep else under

    def picture(self) -> Image.Image:
        """Return the whole input as the network gets it, as a picture of the input's size."""
        return self.fills.picture(self.pixels())

    def pixels(self) -> Tensor:
        """Return the whole input (C,H,W) as the network gets it."""
        top, left, pixels = self.patch()
        whole = self.base[0].clone()
        whole[:, top : top + pixels.shape[2], left : left + pixels.shape[3]] = pixels[0]
        return whole
