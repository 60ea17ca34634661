"""Heatmap: what an explanation found, with everything needed to read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.components import largest_box
from cnnwidgets.explain.geometry import Grid, interpolate, interpolation
from cnnwidgets.files import expand

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.figure import Figure
    from PIL import Image

    from cnnwidgets.explain.frame import Box, Frame
    from cnnwidgets.explain.geometry import Placement
    from cnnwidgets.explain.provenance import ModelStamp

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class Heatmap:
    """The maps that a method gave for N images. Frozen: a result does not change any more.

    Attributes:
        values: (N,h,w) float32, raw and signed, at the method's own resolution; read-only. NaN where nothing was
            computed, in a result of unfinished work.
        method: name of the method: "saliency", "smoothgrad", "cam", "grad_cam", "occlusion".
        title: the method's name in print.
        paper: the source.
        target: what was explained, in words, one text per image.
        scores: (N,) float32, the score that was explained, one per image.
        score_units: unit of the scores.
        units: unit of the values.
        layer: name of the layer, None where the map is one of input pixels.
        params: the method's parameters; of unfinished work also `done`, the number of steps, and `unfinished`, the same
            in words: "12 of 50 samples".
        grid: what the cells can see and where they lie, in pixels of the network's input; `placement` says how.
        frames: where the network's input lies in each original picture.
        pictures: the pictures; where only a tensor was given, a picture made of it.
        image_hashes: SHA-256 of each image's tensor as the network got it.
        stamp: the model's state, for the manifest; None in a loaded result.

    """

    values: Floats
    method: str
    title: str
    paper: str
    target: tuple[str, ...]
    scores: Floats
    score_units: str
    units: str
    layer: str | None
    params: Mapping[str, Any]
    grid: Grid
    frames: tuple[Frame, ...]
    pictures: tuple[Image.Image, ...]
    image_hashes: tuple[str, ...] = ()
    stamp: ModelStamp | None = field(default=None)

    def __post_init__(self) -> None:
        """Take copies that nobody else can write to."""
        for name in ("values", "scores"):
            array = np.array(getattr(self, name), dtype=np.float32)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "params", MappingProxyType(dict(self.params)))

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.values)

    def __repr__(self) -> str:
        """Say what it is in a line."""
        count, height, width = self.values.shape
        where = f", layer {self.layer!r}" if self.layer else ""
        return (
            f"<Heatmap {self.title} of {self.target[0] if count == 1 else f'{count} images'}{where}: "
            f"{height}x{width}, {_extent(self.values)} {self.units}{self.unfinished and f', {self.unfinished}'}>"
        )

    @property
    def placement(self) -> Placement:
        """How the cells are placed: by theory or by measurement, with the shift and its standard error."""
        return self.grid.placement

    @property
    def input_size(self) -> tuple[int, int]:
        """(H,W) of the network's input."""
        return self.frames[0].input_size

    def upsampled(self) -> Floats:
        """Return the maps at the size of the network's input, (N,H,W) float32.

        Linear between the places of the cells (`grid.places`), constant beyond the outermost ones. A cell that was not
        computed leaves its part, half-way to its neighbours, NaN.
        """
        if self.values.shape[1:] == self.input_size and self.layer is None:
            return self.values
        height, width = self.input_size
        rows, columns = self.grid.places
        down = interpolation(rows, np.arange(height, dtype=np.float64))
        across = interpolation(columns, np.arange(width, dtype=np.float64))
        return interpolate(down, self.values, across).astype(np.float32)

    def on_picture(self, index: int = 0, size: tuple[int, int] | None = None) -> Floats:
        """Return one map as it lies on its original picture, float32.

        It is NaN where the network did not look, and around cells that were not computed.

        Args:
            index: which image.
            size: (height, width) to sample the picture at; None is the picture's own size.

        """
        frame = self.frames[self.checked(index)]
        height, width = size or frame.picture_size
        down, across = frame.scale
        ys = (np.arange(height) + 0.5) * frame.picture_size[0] / height
        xs = (np.arange(width) + 0.5) * frame.picture_size[1] / width
        rows, columns = self.grid.places
        matrix_y = interpolation(rows, (ys - frame.box.top) / down - 0.5)
        matrix_x = interpolation(columns, (xs - frame.box.left) / across - 0.5)
        lying = interpolate(matrix_y, self.values[index], matrix_x).astype(np.float32)
        lying[(ys < frame.box.top) | (ys > frame.box.bottom)] = np.nan
        lying[:, (xs < frame.box.left) | (xs > frame.box.right)] = np.nan
        return lying

    def boxes(
        self, threshold: float = 0.2, *, space: Literal["picture", "input"] = "picture"
    ) -> tuple[Box | None, ...]:
        """Return for each image the box around the largest component above a share of the maximum.

        Zhou et al. 2016, section 3.2. The component is found on the map at the size of the network's input, among what
        was computed.

        Args:
            threshold: share of the maximum.
            space: "picture" gives pixels of the original picture, "input" those of the network's input. They are the
                same where a tensor was explained.

        Returns:
            (left, top, right, bottom) per image, or None where nothing is positive.

        """
        if space not in ("picture", "input"):
            raise OptionError(f"space={space!r} is not known. Known are 'picture' and 'input'.")
        found = [largest_box(lying, threshold) for lying in self.upsampled()]
        if space == "input":
            return tuple(found)
        return tuple(
            None if box is None else frame.box_to_picture(box) for box, frame in zip(found, self.frames, strict=True)
        )

    def overlay(self, index: int = 0, **style: Any) -> Image.Image:
        """Return the picture with the map on it; `style` as in `explain.drawing.overlay`."""
        from cnnwidgets.explain.drawing import overlay

        return overlay(self, self.checked(index), **style)

    def plot(self, **style: Any) -> Figure:
        """Return a Matplotlib figure: every picture with its map and a colour bar in units; see `drawing.plot`."""
        from cnnwidgets.explain.drawing import plot

        return plot(self, **style)

    def save(self, folder: str | Path) -> Path:
        """Write arrays, pictures and a manifest into a folder, which is made; see `explain.archive`.

        A heat map that was saved there before is replaced in one step, other files are left alone.
        """
        from cnnwidgets.explain.archive import save

        return save(self, expand(folder))

    @classmethod
    def load(cls, folder: str | Path) -> Heatmap:
        """Read what `save` wrote. Nothing in such a folder is executed: it is safe to open a stranger's."""
        from cnnwidgets.explain.archive import load

        return load(expand(folder))

    def _repr_png_(self) -> bytes:
        from cnnwidgets.explain.drawing import png

        return png(self)

    def checked(self, index: int) -> int:
        """Return the index of an image, counted from the front; `OptionError` where there is none."""
        if not -len(self) <= index < len(self):
            raise OptionError(f"index={index} is out of range: this heat map has {len(self)} image(s).")
        return index % len(self)

    @property
    def unfinished(self) -> str:
        """How far the work had come, "12 of 50 samples"; "" for a whole result."""
        return str(self.params.get("unfinished", ""))


def _extent(values: Floats) -> str:
    """Return the least and the greatest of the values that there are, in words."""
    present = values[~np.isnan(values)]
    return f"{present.min():.3g} to {present.max():.3g}" if present.size else "no value in"
