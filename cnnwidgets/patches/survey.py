"""What every channel of every layer answers to a batch of images: found in the one pass that computes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cnnwidgets.errors import ModelError
from cnnwidgets.explain.calls import first_tensor
from cnnwidgets.explain.outputs import class_scores
from cnnwidgets.patches.extremes import Extremes, floating

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cnnwidgets.explain.calls import Edit
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.network import Network
    from cnnwidgets.explain.trace import Call

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


class Candidates(NamedTuple):
    """Cells that may be among a channel's strongest: an entry each, of one channel in the order of the images.

    Attributes:
        channels: (n,) numbers of the channels among those of all layers.
        values: (n,); of the smallest values, their negatives.
        rows: (n,) which image of the batch.
        cells: (n,) row * width + column.

    """

    channels: npt.NDArray[np.integer]
    values: Floats
    rows: npt.NDArray[np.integer]
    cells: npt.NDArray[np.integer]


@dataclass(eq=False)
class Findings:
    """What a pass over n images found, for the channels of all layers one after the other.

    Attributes:
        means: (n, channels), mean of each map.
        samples: (n, s, channels), values at the cells that were asked for.
        high: candidates for the largest values.
        low: candidates for the smallest ones, negated.
        predicted: (n,) the likeliest class, -1 where the model gives no class scores.

    """

    means: Floats
    samples: Floats
    high: list[Candidates] = field(default_factory=list)
    low: list[Candidates] = field(default_factory=list)
    predicted: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))

    def only(self, good: npt.NDArray[np.bool_]) -> Findings:
        """Return the findings of some of the images, numbered anew."""
        rows = np.cumsum(good) - 1

        def kept(candidates: list[Candidates]) -> list[Candidates]:
            chosen = [(one, good[one.rows]) for one in candidates]
            return [
                Candidates(one.channels[mine], one.values[mine], rows[one.rows[mine]], one.cells[mine])
                for one, mine in chosen
            ]

        return Findings(self.means[good], self.samples[good], kept(self.high), kept(self.low), self.predicted[good])


class Survey:
    """Runs passes over batches of one size, and looks at the maps of all layers while they are being made.

    Args:
        network: the network, whose twin is given weights in the order of memory that it works with best.
        layers: the layers.
        per_image: candidates per image and channel.

    Attributes:
        channels: number of channels of all layers together.
        slices: of each layer, its channels among all.
        cells: (layers,) number of cells of each layer's map.

    """

    def __init__(self, network: Network, layers: Sequence[Layer], per_image: int) -> None:
        self.network, self.layers, self.per_image = network, layers, per_image
        counts = np.array([layer.shape[0] for layer in layers])
        ends = np.cumsum(counts)
        self.slices = [slice(int(end - count), int(end)) for count, end in zip(counts, ends, strict=True)]
        self.channels = int(ends[-1])
        self.cells: Ints = np.array([layer.shape[1] * layer.shape[2] for layer in layers])

    def look(self, x: Tensor, count: int, cells: Ints, least: tuple[Floats, Floats]) -> Findings:
        """Run a pass.

        Args:
            x: (B,C,H,W) as the network takes it.
            count: how many of the images are wanted; the others only fill up the batch.
            cells: (count, layers, s), cells whose values are wanted.
            least: what a value, and the negative of one, must exceed to be a candidate, (channels,) each.

        Raises:
            ModelError: the pass takes another path than the one that was traced.

        """
        found = Findings(
            np.empty((count, self.channels), np.float32), np.empty((count, cells.shape[2], self.channels), np.float32)
        )
        known: dict[int, Extremes] = {}
        edits = {
            layer.call: (self.network.trace.calls[layer.call].name, self._looking(number, found, known, cells, least))
            for number, layer in enumerate(self.layers)
        }
        with torch.no_grad():
            output = self.network.run(x, edits)
        if len(known) < len(self.layers):
            missed = next(layer for layer in self.layers if layer.call not in known)
            raise ModelError(
                f"The pass did not come to the layer {missed.name!r}, which it came to when it was traced. Models "
                "whose forward pass depends on chance or on the input's values cannot be indexed."
            )
        found.predicted = _predicted(output, len(x))[:count]
        return found

    def _looking(
        self,
        number: int,
        found: Findings,
        known: dict[int, Extremes],
        cells: Ints,
        least: tuple[Floats, Floats],
    ) -> Edit:
        layer, part = self.layers[number], self.slices[number]
        call = self.network.trace.calls[layer.call]
        mine = cells[:, number]
        flat = torch.from_numpy(mine + np.arange(len(mine))[:, None] * int(self.cells[number]))

        def edit(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            result = func(*args, **kwargs)
            value = first_tensor(result)
            value = args[0] if value is None else value  # x[mask] = 0 gives nothing and makes a new x
            if value.shape[1:] != layer.shape:
                raise ModelError(
                    f"The layer {layer.name!r} gave maps of shape {tuple(value.shape[1:])}; {layer.shape} was expected."
                )
            extremes = _extremes(call, known, func, args, kwargs, value=value)
            known[layer.call] = extremes
            rows = len(mine)
            for lowest, candidates in ((False, found.high), (True, found.low)):
                values = (extremes.low if lowest else extremes.high)[:rows].cpu().float().numpy()
                values = -values if lowest else values
                images, channels = np.nonzero(values > least[lowest][part])
                if not len(images):
                    continue
                if self.per_image == 1:
                    places = extremes.cells(images, channels, lowest=lowest)
                    candidates.append(Candidates(channels + part.start, values[images, channels], images, places))
                else:
                    several = _several(value, images, channels, self.per_image, lowest=lowest)
                    candidates.append(several._replace(channels=several.channels + part.start))
            found.means[:, part] = extremes.mean[:rows].cpu().float().numpy()
            maps = floating(value).permute(0, 2, 3, 1).flatten(0, 2)
            found.samples[:, :, part] = maps[flat.to(value.device)].cpu().float().numpy()
            return result

        return edit


def _extremes(
    call: Call,
    known: Mapping[int, Extremes],
    func: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    value: Tensor,
) -> Extremes:
    sources = [known[source] for source in call.inputs if source in known]
    if len(call.inputs) == 1 and sources:
        followed = sources[0].behind(call.name, func, args, kwargs, value)
        if followed is not None:
            return followed
    if call.name == "add" and len(sources) == len(call.inputs) == 2 and not kwargs and len(args) == 2:
        first, second = sources
        if first.shape == second.shape == value.shape and first.high.dtype == second.high.dtype == value.dtype:
            return first.plus(second, value)
    return Extremes.read(value)


def _several(
    value: Tensor, images: npt.NDArray[np.intp], channels: npt.NDArray[np.intp], most: int, *, lowest: bool
) -> Candidates:
    """Return the `most` largest cells of each of some maps."""
    maps = floating(value)[torch.from_numpy(images), torch.from_numpy(channels)].flatten(1).float().cpu().numpy()
    maps = -maps if lowest else maps
    cells = np.argsort(-maps, axis=1, kind="stable")[:, :most]
    count = cells.shape[1]
    values = np.take_along_axis(maps, cells, 1).reshape(-1)
    return Candidates(np.repeat(channels, count), values, np.repeat(images, count), cells.reshape(-1))


def _predicted(output: Any, batch: int) -> npt.NDArray[np.int32]:
    """Return (batch,) the likeliest class of each image, -1 where the output has no class scores for each."""
    try:
        scores = class_scores(output)
    except ModelError:
        scores = None
    if scores is None or len(scores) != batch or not scores.shape[1]:
        return np.full(batch, -1, np.int32)
    predicted: npt.NDArray[np.int32] = scores.argmax(1).cpu().numpy().astype(np.int32)
    return predicted


def stands_alone(network: Network) -> bool:
    """Whether an image's values do not depend on the other images of its batch, nor on chance."""
    norms = (m for m in network.module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))  # noqa: SLF001
    return not network.trace.draws and all(norm.running_mean is not None for norm in norms)
