"""Projection: what in an image excites one unit, as a signed picture of the network's input."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.counting import counted
from cnnwidgets.explain.geometry import Grid
from cnnwidgets.explain.result import Heatmap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure
    from PIL import Image

    from cnnwidgets.explain.frame import Box, Frame
    from cnnwidgets.explain.provenance import ModelStamp

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class Projection:
    """One unit of a channel, projected back to the pixels of each of N images. Frozen.

    Attributes:
        values: (N,C,H,W) float32, signed, read-only: by how much the unit rises per unit of each number of the
            network's input, by the method's own rule. Above 0 where more of that colour excites the unit.
        method: "guided_backprop" or "deconvnet".
        title: the method's name in print.
        paper: the source.
        layer: name of the layer.
        channel: number of the channel.
        cells: (row, column) of the unit in each image.
        activations: (N,) float32, read-only: what the layer gives there.
        boxes: for each image the smallest box around all pixels that the unit sees, in pixels of the network's input,
            right and bottom exclusive; None for a unit that sees padding only. Where `sees_all`, that of the local
            path; where `measured`, the box around the values that are not 0, None if all are.
        sees_all: whether a global operation (squeeze-and-excitation, attention) makes the unit depend on the whole
            input, too.
        measured: whether the receptive field could not be followed operation by operation.
        params: the method's facts: `rectified`, through how many ReLUs the signal came; `plain`, which other
            non-linear functions lie before the layer, passed by their ordinary gradient.
        frames: where the network's input lies in each picture.
        pictures: the original pictures; where only a tensor was given, a picture made of it.
        image_hashes: SHA-256 of each image's tensor as the network got it.
        stamp: the model's state, for the manifest.
        units: unit of the values.

    """

    values: Floats
    method: str
    title: str
    paper: str
    layer: str
    channel: int
    cells: tuple[tuple[int, int], ...]
    activations: Floats
    boxes: tuple[Box | None, ...]
    sees_all: bool
    measured: bool
    params: Mapping[str, Any]
    frames: tuple[Frame, ...]
    pictures: tuple[Image.Image, ...]
    image_hashes: tuple[str, ...] = ()
    stamp: ModelStamp | None = field(default=None)
    units: ClassVar[str] = "activation per unit of input"

    def __post_init__(self) -> None:
        """Take copies that nobody else can write to."""
        for name in ("values", "activations"):
            array = np.array(getattr(self, name), dtype=np.float32)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "params", MappingProxyType(dict(self.params)))

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.values)

    def __repr__(self) -> str:
        """Say what it is in a line."""
        return (
            f"<Projection {self.method} of channel {self.channel} in {self.layer!r}: {len(self)} image(s), "
            f"{self.values.min():.3g} to {self.values.max():.3g} {self.units}>"
        )

    @property
    def target(self) -> tuple[str, ...]:
        """What was projected, in words, one text per image."""
        return tuple(f"channel {self.channel} at cell ({row}, {column})" for row, column in self.cells)

    @cached_property
    def picture_boxes(self) -> tuple[Box | None, ...]:
        """The boxes in each original picture, in edge coordinates of the picture and clipped to it."""
        pairs = zip(self.boxes, self.frames, strict=True)
        return tuple(None if box is None else frame.box_to_picture(box) for box, frame in pairs)

    @cached_property
    def heatmap(self) -> Heatmap:
        """Which pixels matter: the sum over the input channels of the absolute values, as a heat map.

        Absolute, as a unit that tells red from green has values of both signs in one pixel, whose plain sum is 0. The
        heat map lies on the pictures, plots and saves itself.
        """
        return Heatmap(
            values=np.abs(self.values).sum(1),
            method=self.method,
            title=self.title,
            paper=self.paper,
            target=self.target,
            scores=self.activations,
            score_units="activation",
            units=self.units,
            layer=self.layer,
            params=self.params,
            grid=Grid.of_input(*self.values.shape[2:]),
            frames=self.frames,
            pictures=self.pictures,
            image_hashes=self.image_hashes,
            stamp=self.stamp,
        )

    def picture(self, index: int = 0, *, size: int | None = None, clip: float = 0.01) -> Image.Image:
        """Return the values of one image as an RGB picture: mid-grey is 0, brighter above, darker below.

        Of three input channels the colours are theirs; of any other number the picture is the grey one of their sum.
        Each picture has a scale of its own. All of mid-grey: the unit is not excited by any pixel.

        Args:
            index: which image.
            size: pixels of the longer side, enlarged without smoothing, made smaller by averages; None gives each
                pixel of the input one.
            clip: share of the values that are not 0 that may lie beyond the ends of the scale, so that a few large
                ones do not leave the others grey; 0 puts the largest magnitude at its end.

        Raises:
            OptionError: no such image, size or share.

        """
        from cnnwidgets.explain.projection_drawing import picture

        return picture(self, self.checked(index), size=size, clip=clip)

    def crop(self, index: int = 0, *, size: int | None = None, clip: float = 0.01) -> Image.Image:
        """Return the part of `picture` that the unit sees, on the same scale; arguments as there.

        Raises:
            OptionError: no such image, size or share, or a unit that sees no pixel.

        """
        from cnnwidgets.explain.projection_drawing import crop

        return crop(self, self.checked(index), size=size, clip=clip)

    def overlay(self, index: int = 0, **style: Any) -> Image.Image:
        """Return the picture with the heat map on it; `style` as in `Heatmap.overlay`."""
        return self.heatmap.overlay(index, **style)

    def plot(self) -> Figure:
        """Return a Matplotlib figure: every picture with the box of what the unit sees, and below it the crop."""
        from cnnwidgets.explain.projection_drawing import plot

        return plot(self)

    def _repr_png_(self) -> bytes:
        from cnnwidgets.explain.projection_drawing import png

        return png(self)

    def checked(self, index: int) -> int:
        """Return the number of an image, counted from the front; `OptionError` where there is none."""
        return counted("index", index, len(self), f"there are {len(self)} image(s)")

    def box(self, index: int = 0) -> Box:
        """Return the box of one image; `OptionError` where the unit sees no pixel."""
        index = self.checked(index)
        found = self.boxes[index]
        if found is None:
            why = "no pixel moves it" if self.measured else "it lies in the padding"
            raise OptionError(f"Unit {self.target[index]} of the layer {self.layer!r} sees no pixel: {why}.")
        return found
