"""What one layer gives for some images."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnwidgets.explain.counting import counted
from cnnwidgets.explain.geometry import Placement
from cnnwidgets.explain.measured import grid_of
from cnnwidgets.explain.placement import grid_with_places
from cnnwidgets.explain.ranking import Asked, Ranking, rank
from cnnwidgets.explain.result import Heatmap
from cnnwidgets.explain.statistics import ChannelStatistics

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

    from cnnwidgets.explain.contributed import Contributed
    from cnnwidgets.explain.contributions import Contributions
    from cnnwidgets.explain.frame import Frame
    from cnnwidgets.explain.geometry import Grid
    from cnnwidgets.explain.kept import KeptActivations
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.targets import TargetLike

_PAPER = "Yosinski et al. 2015, arXiv:1506.06579, section 2"


@dataclass(frozen=True, eq=False, repr=False)
class LayerActivations:
    """The maps of one layer's channels for N images.

    Attributes:
        layer: the layer.
        kept: where its values are.
        units: "activation": what the layer puts out, in no physical unit.

    """

    layer: Layer
    kept: KeptActivations
    _contributed: Contributed
    units: str = field(default="activation", init=False)

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.name

    @property
    def values(self) -> npt.NDArray[np.floating[Any]]:
        """(N,C,h,w), read-only, as the layer made them; float32, or float64 where the model computes in it.

        Computed again by one pass where they were not kept; see `explain.activations`.
        """
        array: npt.NDArray[np.floating[Any]] = self.kept.values(self.layer).numpy()
        view = array.view()
        view.flags.writeable = False
        return view

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.frames)

    def __array__(self, dtype: Any = None, copy: Any = None) -> npt.NDArray[Any]:
        """Return the values."""
        return np.array(self.values, dtype=dtype, copy=copy)

    @cached_property
    def grid(self) -> Grid:
        """What the cells can see and where they lie, in pixels of the network's input; measured once per network."""
        if self.layer.grid is None:
            self.kept.check_current()
        if not self.kept.stamp.current:
            changed = "the weights have been changed since the activations were computed"
            return grid_of(self.kept.network, self.layer).with_placement(Placement("theory", reason=changed))
        return grid_with_places(self.kept.network, self.layer)

    @property
    def frames(self) -> tuple[Frame, ...]:
        """Where the network's input lies in each original picture."""
        return self.kept.network.subject.images.frames

    @property
    def pictures(self) -> tuple[Image.Image, ...]:
        """The pictures; where only a tensor was given, a picture made of it."""
        return self.kept.network.pictures

    @cached_property
    def statistics(self) -> ChannelStatistics:
        """Maximum, minimum, mean and share of active cells of every channel, and which ones are dead."""
        values = self.values  # computed where they were not kept, and with them what was clipped
        return ChannelStatistics.of(values, self.kept.preactivations.get(self.layer.call))

    def rank(
        self,
        by: str = "maximum",
        *,
        image: int = 0,
        channel: int | None = None,
        region: Any = None,
        target: TargetLike = None,
    ) -> Ranking:
        """Put the channels in order.

        Args:
            by: "channel": as they are numbered.
                "maximum", "mean": the largest activation, the average over the cells. Where a function clips, such as a
                ReLU6 at 6, many channels have the same maximum: first is the one with the largest value before that
                function, at a cell with the maximum; of those that are equal there, too, and where nothing clips, the
                one with the larger mean.
                "active": the share of cells above zero; of equal ones the one with the larger mean first.
                "contribution": the activation times the gradient of the target's score, summed over the cells
                (Molchanov et al. 2017, arXiv:1611.06440, without the absolute value), in units of the score.
                "likeness": the correlation over the cells with the map of `channel`.
                "region": the correlation over the cells with the share of `region` in each cell's territory.
                "difference": the magnitude of the difference between the means of two images.
            image: which image; "difference" takes both.
            channel: for "likeness".
            region: for "region": a mask (H,W), bool or 0 to 1, of the original picture or of the network's input (its
                shape tells), or a `Box` in pixels of the picture.
            target: for "contribution", as in `Activations.contributions`.

        Returns:
            `Ranking`; the channel with the largest score first, of those that are equal in all the lower.

        Raises:
            OptionError: an order, image or channel that is not there, or one that lacks what it needs.

        """
        return rank(self, by, Asked(self.checked_image(image), channel, region, target))

    def heatmap(self, channel: int) -> Heatmap:
        """Return a channel's maps as a `Heatmap`, which lies on the pictures by true cell centres."""
        channel = self.checked_channel(channel)
        maps = self.values[:, channel]
        return Heatmap(
            values=maps,
            method="activation",
            title="Activation",
            paper=_PAPER,
            target=(f"channel {channel}",) * len(self),
            scores=maps.max((1, 2)),
            score_units=f"maximum {self.units}",
            units=self.units,
            layer=self.name,
            params={"channel": channel},
            grid=self.grid,
            frames=self.frames,
            pictures=self.pictures,
            image_hashes=self.kept.network.image_hashes,
            stamp=self.kept.stamp,
        )

    def plot(self, top: int = 36, by: str = "maximum", image: int = 0, **options: Any) -> Figure:
        """Return a Matplotlib figure: the picture, and beside it the first channels of a ranking as tiles.

        Args:
            top: how many channels.
            by: the ranking; `channel`, `region` and `target` go with it as in `rank`.
            image: which image.
            options: those of the ranking, and scale: "tile" (each on its own) or "shared"; sign: "positive",
                "negative", "absolute" or "both"; colormap: as in `Heatmap.overlay`.

        """
        from cnnwidgets.explain.activation_drawing import plot

        return plot(self, top=top, by=by, image=self.checked_image(image), **options)

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.plot().savefig(file, format="png")
        return file.getvalue()

    def __repr__(self) -> str:
        """Say which layer, of what shape, kept how."""
        channels, height, width = self.layer.shape
        return (
            f"<LayerActivations of {self.name!r} for {len(self)} image(s): {channels} channels of {height}x{width}, "
            f"kept in {str(self.kept.dtype).removeprefix('torch.')}>"
        )

    def contributing(self, target: TargetLike = None) -> Contributions:
        """Return the contributions to a target; see `Activations.contributing`."""
        return self._contributed.to(target)

    def checked_image(self, image: int) -> int:
        """Return the index of an image, counted from the front."""
        return counted("image", image, len(self), f"these are {len(self)} image(s)")

    def checked_channel(self, channel: Any) -> int:
        """Return the number of a channel, counted from the front."""
        count = self.layer.shape[0]
        return counted("channel", channel, count, f"the layer {self.name!r} has {count} channels")
