"""One pass: a look at each layer's maps at the moment when they are made, before they are written over or freed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from cnnwidgets.errors import ModelError
from cnnwidgets.explain.calls import value_made
from cnnwidgets.patches.extremes import Extremes, floating, is_last, taken
from cnnwidgets.patches.findings import Candidates, Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from cnnwidgets.explain.calls import Edit
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.trace import Call, Trace

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked of a pass.

    Attributes:
        count: how many of the images are wanted; the others only fill up the batch.
        cells: (count, layers, s), cells whose values are wanted.
        least: what a value, and the negative of one, must exceed to be a candidate, (channels,) each.
        per_image: candidates per image and channel.

    """

    count: int
    cells: Ints
    least: tuple[Floats, Floats]
    per_image: int


class Glance:
    """What one pass finds.

    Args:
        asked: what is asked of it.
        trace: of the network.
        channels: number of channels of all layers together.

    Attributes:
        found: what was found.
        seen: calls of the layers that the pass came to.

    """

    def __init__(self, asked: Asked, trace: Trace, channels: int) -> None:
        self._asked, self._trace = asked, trace
        count, several = asked.count, asked.cells.shape[2]
        self.found = Findings(np.empty((count, channels), np.float32), np.empty((count, several, channels), np.float32))
        self.seen: set[int] = set()
        self._known: dict[int, Extremes] = {}

    def edit(self, layer: Layer, inner: Edit | None, sampled: Sequence[tuple[int, slice]]) -> Edit:
        """Return the edit that looks at a layer.

        Args:
            layer: the layer.
            inner: an edit of the call that makes its maps, which is in force besides.
            sampled: which cells are taken, as numbers of layers, and the channels that they are of among those of all
                layers: the layer's own first, and then those of a layer that is read off it.

        """
        call, parts = self._trace.calls[layer.call], [part for _, part in sampled]
        before = np.arange(self._asked.count)[:, None] * (layer.shape[1] * layer.shape[2])  # cells of earlier images
        cells = np.concatenate([before + self._asked.cells[:, number] for number, _ in sampled], 1)
        flat = torch.from_numpy(cells.reshape(-1))

        def edit(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            result = inner(func, args, kwargs) if inner else func(*args, **kwargs)
            value = value_made(result, args, call.part)
            if value is None:  # said by who ran the pass
                return result
            if value.shape[1:] != layer.shape:
                raise ModelError(
                    f"The layer {layer.name!r} gave maps of shape {tuple(value.shape[1:])}; {layer.shape} was expected."
                )
            maps = floating(value)
            followed = self._followed(call, func, args, kwargs, maps)
            extremes = self._known[layer.call] = Extremes.read(maps) if followed is None else followed
            self._note(extremes, maps, parts, flat)
            self.seen.add(layer.call)
            return result

        return edit

    def _followed(
        self, call: Call, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], maps: Tensor
    ) -> Extremes | None:
        """Return what follows for a call's maps from what is known of those that it was given, if anything."""
        written = self._trace.overwritten
        # Not of maps that another call wrote over since, through a view of them.
        sources = [self._known.get(one) for one in call.inputs if written.get(one, call.number) >= call.number]
        if len(sources) != len(call.inputs) or not sources or sources[0] is None:
            return None
        if len(sources) == 1:
            return sources[0].behind(call.name, func, args, kwargs, maps)
        # Sums of integers overflow, and those of masks are no sums.
        sums = call.name == "add" and call.dtype.is_floating_point and len(sources) == len(args) == 2 and not kwargs
        return sources[0].plus(sources[1], maps) if sums and sources[1] is not None else None

    def _note(self, extremes: Extremes, maps: Tensor, parts: Sequence[slice], flat: Tensor) -> None:
        """Write down what a layer's maps hold."""
        found, count, part = self.found, self._asked.count, parts[0]
        for lowest, candidates in ((False, found.high), (True, found.low)):
            values = _numbers(extremes.low if lowest else extremes.high)[:count]
            values = -values if lowest else values
            stronger = values > self._asked.least[lowest][part]
            if not stronger.any():
                continue
            channels, images = np.nonzero(stronger.T)
            if self._asked.per_image == 1:
                cells = extremes.cells(maps, images, channels, lowest=lowest)
                several = Candidates(channels, values[images, channels], images, cells)
            else:
                several = _several(maps, images, channels, self._asked.per_image, lowest=lowest)
            candidates.append(several._replace(channels=several.channels + part.start))
        found.means[:, part] = _numbers(extremes.mean)[:count]
        samples = _numbers(_at(maps, flat)).reshape(count, len(parts), -1, maps.shape[1])
        for place, mine in enumerate(parts):
            found.samples[:, :, mine] = samples[:, place]


def _at(maps: Tensor, cells: Tensor) -> Tensor:
    """Return (n,C), the values at some cells, numbered through all images of the batch."""
    if is_last(maps):
        return maps.permute(0, 2, 3, 1).flatten(0, 2).index_select(0, cells.to(maps.device))
    height, width = maps.shape[2:]
    cells = cells.to(maps.device)
    return maps[cells // (height * width), :, cells // width % height, cells % width]


def _numbers(values: Tensor) -> Floats:
    """Return values as float32 numbers of NumPy's."""
    numbers: Floats = values.to("cpu", torch.float32).numpy()
    return numbers


def _several(maps: Tensor, images: Ints, channels: Ints, most: int, *, lowest: bool) -> Candidates:
    """Return the `most` largest cells of each of some maps."""
    chosen = taken(maps.flatten(2), images, channels).astype(np.float32)
    chosen = -chosen if lowest else chosen
    cells = np.argsort(-chosen, axis=1, kind="stable")[:, :most]
    count = cells.shape[1]
    values = np.take_along_axis(chosen, cells, 1).reshape(-1)
    return Candidates(np.repeat(channels, count), values, np.repeat(images, count), cells.reshape(-1))
