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
from cnnwidgets.explain.fuse import fused
from cnnwidgets.explain.outputs import class_scores
from cnnwidgets.patches.extremes import Extremes, floating
from cnnwidgets.patches.unfolded import Folded, Unfolded, folds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cnnwidgets.explain.calls import Edit
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.network import Edits, Network
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
        folds: convolutions whose maps are read off the normalisation behind them, by call.
        inner: the edits that make the pass cheaper.

    """

    def __init__(self, network: Network, layers: Sequence[Layer], per_image: int) -> None:
        self.network, self.layers, self.per_image = network, layers, per_image
        counts = np.array([layer.shape[0] for layer in layers])
        ends = np.cumsum(counts)
        self.slices = [slice(int(end - count), int(end)) for count, end in zip(counts, ends, strict=True)]
        self.channels = int(ends[-1])
        self.cells: Ints = np.array([layer.shape[1] * layer.shape[2] for layer in layers])
        wanted = {layer.call for layer in layers}
        convolutions = wanted & {call.number for call in network.trace.calls if call.name == "conv2d"}
        # Of a convolution whose own maps are wanted, the normalisation's must be as well: they take its place.
        self.folds = {
            call: fold
            for call, fold in folds(network).items()
            if call in convolutions and fold.normalisation in wanted and per_image == 1
        }
        # Half precision rounds scale and shift differently where they are folded in.
        single = network.x.dtype is torch.float32
        self.inner: Edits = fused(network, convolutions - self.folds.keys()) if single else {}

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
        glance = _Glance(self, found, cells, least)
        calls = self.network.trace.calls
        looking = {
            layer.call: (calls[layer.call].name, glance.edit(number)) for number, layer in enumerate(self.layers)
        }
        with torch.no_grad():
            output = self.network.run(x, {**self.inner, **looking})
        if len(glance.seen) < len(self.layers):
            missed = next(layer for layer in self.layers if layer.call not in glance.seen)
            raise ModelError(
                f"The pass did not come to the layer {missed.name!r}, which it came to when it was traced. Models "
                "whose forward pass depends on chance or on the input's values cannot be indexed."
            )
        found.predicted = _predicted(output, len(x))[:count]
        return found


class _Glance:
    """One pass: looks at each layer's maps at the moment when they are made."""

    def __init__(self, survey: Survey, found: Findings, cells: Ints, least: tuple[Floats, Floats]) -> None:
        self._survey, self._found, self._cells, self._least = survey, found, cells, least
        self._known: dict[int, Extremes] = {}
        self.seen: set[int] = set()

    def edit(self, number: int) -> Edit:
        """Return the edit that looks at a layer, given by its number."""
        survey = self._survey
        layer = survey.layers[number]
        call = survey.network.trace.calls[layer.call]
        inner = survey.inner.get(layer.call)
        fold = survey.folds.get(layer.call)

        def edit(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            result = inner[1](func, args, kwargs) if inner else func(*args, **kwargs)
            value = first_tensor(result)
            value = args[0] if value is None else value  # x[mask] = 0 gives nothing and makes a new x
            if value.shape[1:] != layer.shape:
                raise ModelError(
                    f"The layer {layer.name!r} gave maps of shape {tuple(value.shape[1:])}; {layer.shape} was expected."
                )
            if fold is not None:
                self._known[fold.normalisation] = extremes = Extremes.read(value)
                self._note(number, value, Unfolded(extremes, fold, len(self._cells)), fold)
            else:
                extremes = self._known.get(layer.call) or _extremes(call, self._known, func, args, kwargs, value=value)
                self._known[layer.call] = extremes
                self._note(number, value, extremes, None)
                extremes.let_go()
            self.seen.add(layer.call)
            return result

        return edit

    def _note(self, number: int, value: Tensor, extremes: Extremes | Unfolded, fold: Folded | None) -> None:
        """Write down what a layer's maps hold."""
        survey, found, mine = self._survey, self._found, self._cells[:, number]
        part, rows = survey.slices[number], len(mine)
        for lowest, candidates in ((False, found.high), (True, found.low)):
            values = _numbers(extremes.low if lowest else extremes.high, rows)
            values = -values if lowest else values
            images, channels = np.nonzero(values > self._least[lowest][part])
            if not len(images):
                continue
            if survey.per_image == 1:
                places = extremes.cells(images, channels, lowest=lowest)
                candidates.append(Candidates(channels + part.start, values[images, channels], images, places))
            else:
                several = _several(value, images, channels, survey.per_image, lowest=lowest)
                candidates.append(several._replace(channels=several.channels + part.start))
        found.means[:, part] = _numbers(extremes.mean, rows)
        flat = mine + np.arange(rows)[:, None] * int(survey.cells[number])
        maps = floating(value).permute(0, 2, 3, 1).flatten(0, 2)
        chosen = maps.index_select(0, torch.from_numpy(flat.reshape(-1)).to(value.device))
        samples = _numbers(chosen, len(chosen)).reshape(*flat.shape, -1)
        found.samples[:, :, part] = samples if fold is None else fold.before(samples)


def _numbers(values: Tensor | Floats, rows: int) -> Floats:
    """Return the first rows as float32 numbers of NumPy's."""
    if isinstance(values, Tensor):
        numbers: Floats = values[:rows].cpu().float().numpy()
        return numbers
    return values[:rows]


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
