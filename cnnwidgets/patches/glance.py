"""One pass: a look at each layer's maps at the moment when they are made, before they are written over or freed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from cnnwidgets.errors import ModelError
from cnnwidgets.explain.calls import value_made
from cnnwidgets.explain.clipping import Clipping
from cnnwidgets.patches.extremes import HALF, Extremes, Numbers, Places, floating, is_last, mean_of, strongest, taken
from cnnwidgets.patches.findings import Candidates, Findings
from cnnwidgets.patches.lots import tie_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from cnnwidgets.explain.calls import Edit
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.trace import Call, Trace
    from cnnwidgets.patches.lots import Keys
    from cnnwidgets.patches.tops import Least

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked of a pass.

    Attributes:
        keys: (count,), of the images that are wanted; others only fill up the batch.
        cells: (count, layers, s), cells whose values are wanted.
        least: what the largest values, and the negatives of the smallest ones, must come before to be candidates.
        per_image: candidates per image and channel.

    """

    keys: Keys
    cells: Ints
    least: tuple[Least, Least]
    per_image: int

    @property
    def count(self) -> int:
        """How many of the images are wanted."""
        return len(self.keys)


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
        self.found = Findings.empty(asked.count, asked.cells.shape[2], channels)
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
        own = parts[0]

        def edit(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            clipping = None if inner else Clipping.of(call, func, args, kwargs)
            extremes = kept = None
            if clipping is not None and clipping.monotone:  # looked at now: it may write over its argument
                before = self._before(call, clipping)
                extremes = before.clipped(clipping)
                self._compare(own, extremes, _Monotone(clipping, before))
            elif clipping is not None:
                written = any(self._trace.overwritten.get(one) == call.number for one in call.inputs)
                kept = clipping.argument.clone() if written else clipping.argument
            result = inner(func, args, kwargs) if inner else func(*args, **kwargs)
            value = value_made(result, args, call.part)
            if value is None:  # said by who ran the pass
                return result
            if value.shape[1:] != layer.shape:
                raise ModelError(
                    f"The layer {layer.name!r} gave maps of shape {tuple(value.shape[1:])}; {layer.shape} was expected."
                )
            maps = floating(value)
            if extremes is None:
                extremes = self._followed(call, func, args, kwargs, maps) or Extremes.read(maps)
                self._compare(
                    own, extremes, _Plain(maps, extremes) if kept is None else _NonMonotone(maps, extremes, kept)
                )
            else:
                extremes.mean = mean_of(maps)
            self._known[layer.call] = extremes
            self._note(extremes, maps, parts, flat)
            self.seen.add(layer.call)
            return result

        return edit

    def _input(self, call: Call) -> Extremes | None:
        """Return what is known of the only maps that a call is given, if anything."""
        written = self._trace.overwritten
        # Not of maps that another call wrote over since, through a view of them.
        known = [self._known.get(one) for one in call.inputs if written.get(one, call.number) >= call.number]
        return known[0] if len(known) == len(call.inputs) == 1 else None

    def _before(self, call: Call, clipping: Clipping) -> Extremes:
        """Return the extremes of what a function that clips is given."""
        known = self._input(call)
        return known if known is not None and known.are_of(clipping.argument) else Extremes.read(clipping.argument)

    def _followed(
        self, call: Call, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], maps: Tensor
    ) -> Extremes | None:
        """Return what follows for a call's maps from what is known of those that it was given, if anything."""
        source = self._input(call)
        if source is not None:
            return source.behind(call.name, func, args, kwargs, maps)
        written = self._trace.overwritten
        both = [self._known.get(one) for one in call.inputs if written.get(one, call.number) >= call.number]
        # Sums of integers overflow, and those of masks are no sums.
        sums = call.name == "add" and call.dtype.is_floating_point and len(both) == len(args) == 2 and not kwargs
        first, second = both if sums else (None, None)
        return first.plus(second, maps) if first is not None and second is not None else None

    def _compare(self, part: slice, extremes: Extremes, look: _Monotone | _Plain | _NonMonotone) -> None:
        """Write down a layer's extremes, and its candidates for the strongest patches."""
        found, asked = self.found, self._asked
        for lowest, candidates, every in ((False, found.high, found.highest), (True, found.low, found.lowest)):
            every[:, part] = numbers = _numbers(extremes.low if lowest else extremes.high)[: asked.count]
            values = -numbers if lowest else numbers
            least = asked.least[lowest].of(part)
            if isinstance(look, _NonMonotone):  # what was before is known of a cell that has been found
                stronger = values >= least.values
            else:
                before = look.before(values, lowest=lowest)
                stronger = least.exceeded(values, before, asked.keys)
            if not stronger.any():
                continue
            channels, images = np.nonzero(stronger.T)
            if asked.per_image == 1:
                cells, decide = look.first(images, channels, asked, lowest=lowest)
                several = Candidates(channels, values[images, channels], decide, images, cells)
            else:
                several = _several(look, images, channels, asked, lowest=lowest)
            candidates.append(several._replace(channels=several.channels + part.start))

    def _note(self, extremes: Extremes, maps: Tensor, parts: Sequence[slice], flat: Tensor) -> None:
        """Write down the means of a layer's maps, and what its sampled cells hold."""
        found, count = self.found, self._asked.count
        found.means[:, parts[0]] = _numbers(extremes.mean)[:count]
        samples = _numbers(_at(maps, flat)).reshape(count, len(parts), -1, maps.shape[1])
        for place, mine in enumerate(parts):
            found.samples[:, :, mine] = samples[:, place]


class _Plain(NamedTuple):
    """Maps that no function has clipped."""

    maps: Tensor
    extremes: Extremes

    @property
    def width(self) -> int:
        """Of the maps."""
        return self.maps.shape[3]

    def before(self, values: Floats, *, lowest: bool) -> Floats:
        """Return the values themselves."""
        del lowest
        return values

    def first(self, images: Ints, channels: Ints, asked: Asked, *, lowest: bool) -> tuple[Places, Numbers]:
        """Return (n,) the cells of the extremes of some maps, and these themselves."""
        values = _numbers(self.extremes.low if lowest else self.extremes.high)[images, channels]
        cells, _ = self.extremes.cells(self.maps, images, channels, asked.keys, lowest=lowest)
        return cells, -values if lowest else values

    def pairs(self, images: Ints, channels: Ints) -> tuple[Numbers, None]:
        """Return (n, cells) values of some maps, and those before."""
        return taken(self.maps.flatten(2), images, channels), None


class _Monotone(NamedTuple):
    """Maps that a function is about to clip which keeps the order: where it is given an extreme, it gives one."""

    clipping: Clipping
    extremes: Extremes  # of what it is given

    @property
    def width(self) -> int:
        """Of the maps."""
        return self.clipping.argument.shape[3]

    def before(self, values: Floats, *, lowest: bool) -> Floats:
        """Return (images, channels), the values before at the cells of the extremes; of the smallest, negatives."""
        before = _numbers(self.extremes.low if lowest else self.extremes.high)[: len(values)]
        return -before if lowest else before

    def first(self, images: Ints, channels: Ints, asked: Asked, *, lowest: bool) -> tuple[Places, Numbers]:
        """Return (n,) the cells of the extremes of some maps, and what decides between equal ones."""
        cells, _ = self.extremes.cells(self.clipping.argument, images, channels, asked.keys, lowest=lowest)
        before = _numbers(self.extremes.low if lowest else self.extremes.high)[images, channels]
        return cells, -before if lowest else before

    def pairs(self, images: Ints, channels: Ints) -> tuple[Numbers, Numbers]:
        """Return (n, cells) values of some maps, and those before."""
        before = taken(self.clipping.argument.flatten(2), images, channels)
        behind = self.clipping(torch.from_numpy(before)).cpu()
        return (behind.float() if behind.dtype in HALF else behind).numpy(), before


class _NonMonotone(NamedTuple):
    """Maps behind a function with a plateau that does not keep the order, and what it was given."""

    maps: Tensor
    extremes: Extremes
    argument: Tensor

    @property
    def width(self) -> int:
        """Of the maps."""
        return self.maps.shape[3]

    def first(self, images: Ints, channels: Ints, asked: Asked, *, lowest: bool) -> tuple[Places, Numbers]:
        """Return (n,) the cells of the extremes of some maps, and what decides between equal ones."""
        cells, tied = self.extremes.cells(self.maps, images, channels, asked.keys, lowest=lowest)
        if len(tied):  # of several cells that with the largest value before
            found = _several(self, images[tied], channels[tied], asked, lowest=lowest)
            cells[tied] = found.cells
        rows, columns = np.divmod(cells, self.width)
        before = taken(self.argument, images, channels, rows, columns).astype(np.float32)
        return cells, -before if lowest else before

    def pairs(self, images: Ints, channels: Ints) -> tuple[Numbers, Numbers]:
        """Return (n, cells) values of some maps, and those before."""
        return taken(self.maps.flatten(2), images, channels), taken(self.argument.flatten(2), images, channels)


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


def _several(
    look: _Monotone | _Plain | _NonMonotone, images: Ints, channels: Ints, asked: Asked, *, lowest: bool
) -> Candidates:
    """Return the strongest cells of each of some maps."""
    sign = -1 if lowest else 1
    values, before = look.pairs(images, channels)
    values, before = sign * values, None if before is None else sign * before
    cells = strongest(values, before, tie_keys(asked.keys[images], channels), asked.per_image, look.width)
    count = cells.shape[1]
    chosen, decide = (
        np.take_along_axis(one, cells, 1).reshape(-1).astype(np.float32)
        for one in (values, values if before is None else before)
    )
    return Candidates(np.repeat(channels, count), chosen, decide, np.repeat(images, count), cells.reshape(-1))
