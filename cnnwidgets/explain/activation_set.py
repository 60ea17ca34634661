"""The activations of several layers, from one pass."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from cnnwidgets.errors import LayerError
from cnnwidgets.explain.contributed import Contributed
from cnnwidgets.explain.layer_activations import LayerActivations
from cnnwidgets.explain.layers import LayerLike, find_layer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import numpy.typing as npt
    from matplotlib.figure import Figure
    from PIL import Image

    from cnnwidgets.explain.contributions import Contributions
    from cnnwidgets.explain.control import Cancel, Progress
    from cnnwidgets.explain.frame import Frame
    from cnnwidgets.explain.geometry import Grid
    from cnnwidgets.explain.kept import KeptActivations
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.ranking import Ranking
    from cnnwidgets.explain.result import Heatmap
    from cnnwidgets.explain.statistics import ChannelStatistics
    from cnnwidgets.explain.targets import TargetLike


class _SeveralLayersError(LayerError, AttributeError):
    """Asks for one layer's attribute where there are several: an `AttributeError`, which `hasattr` understands."""


class Activations:
    """The activations of one or several layers of a network for N images.

    ```python
    acts = explain.activations(model, x, [0, 30])
    acts[30].values            # (N,C,h,w)
    acts["layer4"].rank("maximum").order[:5]
    for name, one in acts.items(): ...
    ```

    Where one layer was asked for, `values`, `layer`, `grid`, `statistics`, `rank` and `heatmap` are those of
    that layer.

    Attributes:
        layers: the layers, in the order asked for.
        frames: where the network's input lies in each original picture.
        pictures: the pictures; where only a tensor was given, a picture made of it.
        image_hashes: SHA-256 of each image's tensor as the network got it.

    """

    def __init__(self, kept: KeptActivations, layers: Sequence[Layer], target: TargetLike) -> None:
        self.kept = kept
        self.layers = tuple(layers)
        self._target = target
        # The layers' activations share what this holds, and not this itself: in a circle, hundreds of megabytes would
        # wait until Python looks for such.
        self._contributed = Contributed(kept, self.layers, target)
        self._by_name = {layer.name: LayerActivations(layer, kept, self._contributed) for layer in self.layers}

    @property
    def frames(self) -> tuple[Frame, ...]:  # noqa: D102 - documented with the class
        return self.kept.network.subject.images.frames

    @property
    def pictures(self) -> tuple[Image.Image, ...]:  # noqa: D102
        return self.kept.network.pictures

    @property
    def image_hashes(self) -> tuple[str, ...]:  # noqa: D102
        return self.kept.network.image_hashes

    def __len__(self) -> int:
        """Return the number of layers."""
        return len(self.layers)

    def __iter__(self) -> Iterator[str]:
        """Go through the layers' names."""
        return iter(self._by_name)

    def items(self) -> Iterator[tuple[str, LayerActivations]]:
        """Go through names and activations."""
        return iter(self._by_name.items())

    def __getitem__(self, layer: LayerLike) -> LayerActivations:
        """Return the activations of one layer, by any of its names, its index, the module, or the `Layer`.

        Raises:
            LayerError: the network has no such layer, or it was not asked for.

        """
        if isinstance(layer, str) and layer in self._by_name:
            return self._by_name[layer]
        wanted = find_layer(self.kept.network, layer)
        for known in self._by_name.values():
            if known.layer.call == wanted.call:
                return known
        raise LayerError(
            f"The layer {wanted.name!r} is not among the {len(self)} layer(s) that were asked for: "
            f"{', '.join(list(self)[:8])}{', ...' if len(self) > 8 else ''}. Ask for it in explain.activations."
        )

    def fill(self, progress: Progress | None = None, cancel: Cancel | None = None) -> None:
        """Compute what fits into the memory, and the contributions to the target where one was given, in one pass."""
        first = self.kept.fitting(self.layers)
        if self._target is None:
            self.kept.fill(first, progress, cancel)
        else:
            self._contributed.fill(first, progress, cancel)

    def contributions(self, target: TargetLike = None) -> dict[str, npt.NDArray[np.float32]]:
        """Return what every channel of every layer contributes to a score, (N,C) float32 by layer.

        Activation times gradient, summed over the cells; in units of the score. One pass and one backward pass serve
        all layers. Left out are layers that no gradient can be taken of: those without floating point numbers, such as
        x > 0, and assignments, such as x[mask] = 0, whose result a later in-place operation writes over.

        Args:
            target: as in `explain.grad_cam`; None is the target that was given to `explain.activations`, and without
                one each image's top class.

        """
        found = self.contributing(target)
        return {name: found.values[one.layer.call] for name, one in self.items() if one.layer.call in found.values}

    def contributing(self, target: TargetLike = None) -> Contributions:
        """Return `contributions` with their units and the target's name."""
        return self._contributed.to(target)

    def plot(self, **options: Any) -> Figure:
        """Return a Matplotlib figure: of one layer as `LayerActivations.plot`, else a row of channels for each layer.

        Args:
            options: of several layers, top: channels of each, by: a ranking and what goes with it, image, sign: as in
                `Heatmap.overlay`. Of more than 16 layers, 16 in even steps are drawn.

        """
        from cnnwidgets.explain.activation_drawing import plot_layers

        return self.only.plot(**options) if len(self) == 1 else plot_layers(self, **options)

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.plot().savefig(file, format="png")
        return file.getvalue()

    def __repr__(self) -> str:
        """Name the first layers, and say how the values are kept."""
        names = ", ".join(list(self)[:4]) + (", ..." if len(self) > 4 else "")
        kept = self.kept
        return (
            f"<Activations of {len(self)} layer(s) for {len(kept.network.x)} image(s): {names}; up to "
            f"{kept.memory / 2**20:.0f} MiB kept in {str(kept.dtype).removeprefix('torch.')}>"
        )

    @property
    def params(self) -> dict[str, Any]:
        """How the values are kept: "memory" in bytes, "dtype", and "chunk", the images per pass."""
        dtype = str(self.kept.dtype).removeprefix("torch.")
        return {"memory": self.kept.memory, "dtype": dtype, "chunk": self.kept.chunk}

    @property
    def only(self) -> LayerActivations:
        """The activations of the only layer.

        Raises:
            LayerError: there are several.

        """
        if len(self) != 1:
            names = ", ".join(map(repr, list(self)[:3]))
            raise _SeveralLayersError(
                f"These are the activations of {len(self)} layers; choose one by name: {names}, ..."
            )
        return next(iter(self._by_name.values()))

    @property
    def values(self) -> npt.NDArray[np.floating[Any]]:
        """(N,C,h,w) of the only layer."""
        return self.only.values

    @property
    def layer(self) -> Layer:
        """The only layer."""
        return self.only.layer

    @property
    def grid(self) -> Grid:
        """Where the cells of the only layer look."""
        return self.only.grid

    @property
    def statistics(self) -> ChannelStatistics:
        """The statistics of the only layer's channels."""
        return self.only.statistics

    def rank(self, by: str = "maximum", **options: Any) -> Ranking:
        """Rank the channels of the only layer; see `LayerActivations.rank`."""
        return self.only.rank(by, **options)

    def heatmap(self, channel: int) -> Heatmap:
        """Return a channel's maps of the only layer; see `LayerActivations.heatmap`."""
        return self.only.heatmap(channel)
