"""Receptive fields: which pixels of the input one cell of a layer looks at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.counting import counted
from cnnwidgets.explain.effective import effective_field, holding
from cnnwidgets.explain.geometry import Grid
from cnnwidgets.explain.keywords import spelled
from cnnwidgets.explain.layer import square
from cnnwidgets.explain.layers import find_layer
from cnnwidgets.explain.measured import grid_of
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.result import Heatmap
from cnnwidgets.explain.subject import subject_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

    from cnnwidgets.explain.frame import Box, Frame
    from cnnwidgets.explain.layers import LayerLike

Floats = npt.NDArray[np.float32]
_SHARE = 0.95


@dataclass(frozen=True, eq=False, repr=False)
class ReceptiveField:
    """What one cell of a layer sees. Frozen.

    All boxes and places are in pixels of the network's input, if not said otherwise: pixel *i* has its centre at *i*,
    and right and bottom of a box are the first pixels outside.

    Attributes:
        layer: name of the layer.
        unit: (row, column) of the cell.
        channel: the channel whose `effective` field was asked for; None for the mean over all.
        size: (rows, columns) of the field where no border cuts it off; None where it was only measured.
        stride: distance of neighbouring cells, (down, across); None where it was only measured.
        centre: (row, column), a cell in the corner may have its centre outside of the picture.
        box: the smallest box around all pixels that the cell sees; pixels that a dilated kernel steps over lie in it,
            too. None for a cell that sees padding only. Where `sees_all`, the box of the local path, which leaves out
            the global operation; where only measured, the box that holds 95 % of the effective field.
        sees_all: whether a global operation (squeeze-and-excitation, attention) makes the cell depend on the whole
            input, too.
        measured: whether an operation could not be followed, so that the place was measured from gradients.
        effective: (H,W) float32, read-only: the share of each pixel in the squared gradient of the cell with respect to
            the input, mean over the images on which it has one (a ReLU may be off); its sum is 1. All zero where it
            has none on any image. None where it was not asked for.
        frames: where the input lies in each picture.
        pictures: the original pictures.

    """

    layer: str
    unit: tuple[int, int]
    channel: int | None
    size: tuple[float, float] | None
    stride: tuple[float, float] | None
    centre: tuple[float, float]
    box: Box | None
    sees_all: bool
    measured: bool
    effective: Floats | None
    frames: tuple[Frame, ...]
    pictures: tuple[Image.Image, ...]
    paper: ClassVar[str] = (
        "Araujo et al. 2019, doi:10.23915/distill.00021; effective: Luo et al. 2016, arXiv:1701.04128"
    )

    def __post_init__(self) -> None:
        """Let nobody write to the result."""
        if self.effective is not None:
            self.effective.flags.writeable = False

    def __repr__(self) -> str:
        """Say what it is in a line."""
        return f"<ReceptiveField of {self.words}>"

    @property
    def words(self) -> str:
        """What the cell sees, for a reader."""
        size = "" if self.size is None else f" of {square(self.size)} px"
        sees = "padding only" if self.box is None else f"rows {_span(self.box[1::2])}, columns {_span(self.box[::2])}"
        how = " (measured)" * self.measured + " and the whole input" * self.sees_all
        return f"cell {self.unit} in {self.layer!r}: a field{size}, sees {sees}{how}"

    @property
    def exact(self) -> bool:
        """Whether `box` is the whole truth: followed operation by operation, with no global one among them."""
        return not self.measured and not self.sees_all

    @cached_property
    def picture_boxes(self) -> tuple[Box | None, ...]:
        """The box in each original picture, in edge coordinates of the picture and clipped to it."""
        return tuple(None if self.box is None else frame.box_to_picture(self.box) for frame in self.frames)

    @property
    def picture_box(self) -> Box | None:
        """The box in the first picture."""
        return self.picture_boxes[0]

    def effective_box(self, share: float = _SHARE) -> Box | None:
        """Return a box that holds a share of the effective field, None where that is zero everywhere.

        The outermost row or column that holds least is cut away as long as the share is left.

        Args:
            share: above 0, up to 1.

        Raises:
            OptionError: the effective field was not asked for, or no such share.

        """
        if not 0 < share <= 1:
            raise OptionError(f"share={share!r} is out of range; give a share above 0, up to 1.")
        return holding(self._known(), share)

    @cached_property
    def heatmap(self) -> Heatmap:
        """The effective field as a heat map, which lies on the pictures, plots and saves itself."""
        values = np.repeat(self._known()[None], len(self.frames), axis=0)
        row, column = self.unit
        which = "all channels" if self.channel is None else f"channel {self.channel}"
        return Heatmap(
            values=values,
            method="receptive_field",
            title="Effective receptive field",
            paper=self.paper,
            target=(f"cell ({row}, {column}), {which}",) * len(values),
            scores=values.max((1, 2)),
            score_units="largest share of the squared gradient",
            units="share of the squared gradient",
            layer=self.layer,
            params={"row": row, "column": column, "channel": self.channel},
            grid=Grid.of_input(*values.shape[1:]),
            frames=self.frames,
            pictures=self.pictures,
        )

    def overlay(self, index: int = 0) -> Image.Image:
        """Return a picture with the box on it and, where known, the effective field and its 95 % box, yellow."""
        from cnnwidgets.explain.receptive_field_drawing import overlay

        if not -len(self.pictures) <= index < len(self.pictures):
            raise OptionError(f"index={index} is out of range: there are {len(self.pictures)} picture(s).")
        return overlay(self, index % len(self.pictures))

    def plot(self) -> Figure:
        """Return a Matplotlib figure of every picture with the box on it, and the effective field where it is known."""
        from cnnwidgets.explain.receptive_field_drawing import plot

        return plot(self)

    def _repr_png_(self) -> bytes:
        from cnnwidgets.explain.receptive_field_drawing import png

        return png(self)

    def _known(self) -> Floats:
        if self.effective is None:
            raise OptionError("The effective field was not measured; ask with explain.receptive_field(effective=True).")
        return self.effective


def _span(edges: tuple[float, ...]) -> str:
    return f"{edges[0]:g} to {edges[1] - 1:g}"


@spelled
def receptive_field(
    model: Any,
    x: Any,
    layer: LayerLike,
    unit: tuple[int, int],
    *,
    channel: int | None = None,
    effective: bool = False,
    probes: int = 16,
    seed: int = 0,
) -> ReceptiveField:
    r"""Return what a cell of a layer sees.

    The exact field is followed through every operation (kernel, stride, padding, dilation, branches; Araujo et al.
    2019, "Computing receptive fields of convolutional neural networks"). The effective one (Luo et al. 2016,
    "Understanding the effective receptive field in deep convolutional neural networks") is where the input in fact
    moves the cell, near the pictures given: the share of each pixel in

    $$\sum_k \sum_c \left(\frac{\partial y_k}{\partial x_{c}}\right)^2$$

    with $y_k$ the cell's channels and $x_c$ the pixel's colours. It is always measured where the exact field does not
    tell all: behind a global operation, and behind one that cannot be followed.

    Args:
        model: `nn.Module` or `Classifier`. It is explained as it predicts, in evaluation mode, and left as found.
        x: float tensor (N,C,H,W), or with a Classifier an image or a list of images. Only its size matters for the
            exact field; the effective one is the mean over the images.
        layer: name of a layer as `explain.layers` lists them, a `Layer`, the module itself, or an index into an
            `nn.Sequential`.
        unit: (row, column) of the cell; negative numbers count from the end.
        channel: measure the effective field of this channel; None takes all.
        effective: measure the effective field in any case.
        probes: of a layer with more channels than this, so many random sums of channels with signs are measured, whose
            squared gradients are those of the channels in the mean; of one with fewer, each channel.
        seed: of the signs.

    Raises:
        LayerError: no such layer, or one without rows and columns.
        OptionError: no such cell or channel.

    """
    network = Network(subject_of(model, x))
    found = find_layer(network, layer)
    cell = _cell(unit, found.name, found.shape)
    if channel is not None:
        there = f"the layer {found.name!r} has {found.shape[0]} channels"
        channel = counted("channel", channel, found.shape[0], there)
    for name, value, least in (("probes", probes, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise OptionError(f"{name}={value!r}: give a whole number, {least} or more.")
    grid = grid_of(network, found)
    shares = None
    if effective or channel is not None or grid.measured or grid.sees_all:
        shares = effective_field(network, found, cell, channel=channel, probes=probes, seed=seed)
    field = grid.field(*cell)
    return ReceptiveField(
        layer=found.name,
        unit=cell,
        channel=channel,
        size=None if grid.measured else (field.bottom - field.top, field.right - field.left),
        stride=None if grid.measured else (grid.y.stride, grid.x.stride),
        centre=(float(grid.y.centres[cell[0]]), float(grid.x.centres[cell[1]])),
        box=holding(shares, _SHARE) if grid.measured and shares is not None else grid.seen(*cell),
        sees_all=grid.sees_all,
        measured=grid.measured,
        effective=shares,
        frames=network.subject.images.frames,
        pictures=network.pictures,
    )


def _cell(unit: Any, name: str, shape: tuple[int, int, int]) -> tuple[int, int]:
    try:
        row, column = unit
    except (TypeError, ValueError):
        raise OptionError(f"unit={unit!r} is no cell; give (row, column).") from None
    _, rows, columns = shape
    return (
        counted("row", row, rows, f"the layer {name!r} has {rows} row(s)"),
        counted("column", column, columns, f"the layer {name!r} has {columns} column(s)"),
    )
