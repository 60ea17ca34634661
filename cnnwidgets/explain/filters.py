"""Filters: the weights of a convolution as pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from cnnwidgets.explain.counting import counted
from cnnwidgets.explain.kernels import kind_of, read_convolution
from cnnwidgets.explain.keywords import spelled

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

    from cnnwidgets.explain.layer import Layer


Floats = npt.NDArray[np.float32]
View = Literal["rgb", "planes", "strength"]


@dataclass(frozen=True, eq=False, repr=False)
class Filters:
    """The filters of a convolution, or of one of its output channels. Frozen.

    Attributes:
        weights: float32, read-only: (O, I/groups, kh, kw), or (I/groups, kh, kw) of one output channel. What one input
            cell of a transposed convolution paints is held in the same order, (O, I/groups, kh, kw).
        layer: path of the convolution.
        kind: its class.
        channel: the output channel, None for all.
        groups: into how many groups input and output channels are divided, each of which is convolved by itself.
        inputs: which input channel each plane reads, (O, I/groups) or (I/groups,) int64, read-only.
        transposed: whether it is a transposed convolution.
        units: "weight".

    """

    weights: Floats
    layer: str
    kind: str
    channel: int | None
    groups: int
    inputs: npt.NDArray[np.int64]
    transposed: bool = False
    units: ClassVar[str] = "weight"

    def __post_init__(self) -> None:
        """Take copies that nobody else can write to."""
        for name in ("weights", "inputs"):
            array = np.array(getattr(self, name))
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        """Return the number of filters."""
        return 1 if self.channel is not None else len(self.weights)

    def __repr__(self) -> str:
        """Say what it is in a line."""
        which = f"channel {self.channel}" if self.channel is not None else f"{len(self)} filters"
        planes, rows, columns = self.weights.shape[-3:]
        grouped = f", {self.groups} groups" if self.groups > 1 else ""
        return (
            f"<Filters of {self.layer!r}, {self.kind}: {which} of {planes} x {rows} x {columns}{grouped}, "
            f"{np.nanmin(self.weights):.3g} to {np.nanmax(self.weights):.3g}>"
        )

    @property
    def is_rgb(self) -> bool:
        """Whether the filters read three input channels at once, which in a first layer are red, green and blue."""
        return self.weights.shape[-3] == 3 and self.groups == 1

    @property
    def view(self) -> View:
        """What a picture shows: "rgb" a filter in colour, "planes" one input channel, "strength" a filter's `strength`.

        Filters of many planes are shown by their strength; ask for one of their output channels to see the planes.
        """
        if self.is_rgb:
            return "rgb"
        return "planes" if self.channel is not None or self.weights.shape[1] == 1 else "strength"

    @cached_property
    def scale(self) -> float:
        """Largest magnitude of a weight. Pictures of weights go from -scale to scale, so that 0 is in their middle."""
        return _largest(self.weights)

    @cached_property
    def strength(self) -> Floats:
        """Root of the sum of the squared weights over the input channels, (O, kh, kw), of one channel (kh, kw)."""
        return np.asarray(np.sqrt(np.square(self.weights.astype(np.float64)).sum(-3)), dtype=np.float32)

    @cached_property
    def norms(self) -> Floats:
        """Root of the sum of all squared weights of each filter, (O,), of one channel ()."""
        total = np.square(self.weights.astype(np.float64)).sum((-3, -2, -1))
        return np.asarray(np.sqrt(total), dtype=np.float32)

    @cached_property
    def tiles(self) -> Floats:
        """What `pictures` shows, raw: (T, kh, kw) float32, or (T, kh, kw, 3) in the view "rgb"."""
        if self.view == "rgb":
            return np.moveaxis(self.weights.reshape(-1, *self.weights.shape[-3:]), 1, 3)
        return self.strength if self.view == "strength" else self.weights.reshape(-1, *self.weights.shape[-2:])

    @cached_property
    def tile_scale(self) -> float:
        """Largest magnitude in `tiles`: `scale`, or the largest strength."""
        return _largest(self.tiles)

    @property
    def labels(self) -> tuple[str, ...]:
        """What each tile is, in a word: the output channel, or where `channel` is given the input channel."""
        if self.channel is None:
            return tuple(map(str, range(len(self.tiles))))
        return (str(self.channel),) if self.view == "rgb" else tuple(f"input {number}" for number in self.inputs)

    def pictures(self, size: int | None = None) -> list[Image.Image]:
        """Return the tiles as RGB pictures, one per filter, or per input channel where `channel` is given.

        Filters in colour show each colour's weight, mid-grey for 0; planes go from blue by white for 0 to red; strength
        goes from black for 0 to yellow. NaN is magenta. All are on one scale.

        Args:
            size: pixels of the longer side, enlarged without smoothing; None gives each weight one pixel.

        """
        from cnnwidgets.explain.filters_drawing import pictures

        return pictures(self, size)

    def plot(self, top: int = 64) -> Figure:
        """Return a Matplotlib figure of the strongest tiles, in the order of their channels, with a bar in units.

        Args:
            top: how many at most.

        """
        from cnnwidgets.explain.filters_drawing import plot

        return plot(self, top)

    def _repr_png_(self) -> bytes:
        from cnnwidgets.explain.filters_drawing import png

        return png(self)


def _largest(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(np.abs(finite).max(initial=0.0))


@spelled
def filters(model: Any, layer: str | int | nn.Module | Layer, channel: int | None = None) -> Filters:
    """Return the weights of a convolution as pictures.

    Weights are those of the next forward pass: where a weight is parametrised, normalised or pruned by PyTorch's
    `torch.nn.utils`, the outcome; where a class of its own standardises them while it runs, those that it stores.
    Quantised ones are given as the numbers that they stand for. No picture is needed and nothing is run.

    Args:
        model: `nn.Module` or `Classifier`. It is left as found.
        layer: name of a module with the weights of a 2-d convolution, that module, or its index in an `nn.Sequential`.
        channel: one output channel, to see each of its planes; negative numbers count from the end. None shows all.

    Returns:
        `Filters`, of a plain convolution with weights (O, I/groups, kh, kw); of a transposed one turned to the same
        order.

    Raises:
        LayerError: no such layer, or one without filters; the error names the convolutions.
        OptionError: no such output channel.
        ModelError: weights that do not exist yet (lazy modules, the meta device).

    """
    path, module, weight = read_convolution(model, layer)
    groups = int(getattr(module, "groups", 1))
    transposed = isinstance(module, nn.ConvTranspose2d) or "ConvTranspose" in kind_of(module)
    values = (_turned(weight, groups) if transposed else weight).numpy()
    out, planes = values.shape[:2]
    group = np.arange(out) * groups // out
    inputs = group[:, None] * planes + np.arange(planes)
    if channel is None:
        return Filters(values, path, kind_of(module), None, groups, inputs, transposed)
    channel = counted("channel", channel, out, f"the layer {path!r} has {out} output channels")
    return Filters(values[channel], path, kind_of(module), channel, groups, inputs[channel], transposed)


def _turned(weight: Tensor, groups: int) -> Tensor:
    """Turn a transposed convolution's weight (I, O/groups, kh, kw) to (O, I/groups, kh, kw)."""
    inputs, share, rows, columns = weight.shape
    split = weight.reshape(groups, inputs // groups, share, rows, columns)
    return split.transpose(1, 2).reshape(groups * share, inputs // groups, rows, columns)
