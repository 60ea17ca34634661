"""A layer in an index: what it is called, and where its cells look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnwidgets.errors import ModelError
from cnnwidgets.explain.axis import Axis
from cnnwidgets.explain.geometry import Grid
from cnnwidgets.explain.layer import Layer
from cnnwidgets.explain.layers import all_layers
from cnnwidgets.explain.measured import even_places, grid_of
from cnnwidgets.patches.tensors import whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cnnwidgets.patches.plan import Plan

Floats = npt.NDArray[np.float64]
_FARTHEST = 2.0**40  # of pixels: what lies farther comes from a damaged file


@dataclass(frozen=True, repr=False)
class IndexedLayer(Layer):
    """A layer of the network that was indexed; see `explain.Layer`, whose `grid` is always there.

    Attributes:
        names: every name of its value: a block and its last module give the same.
        first: number of its first channel among those of all layers.
        units: of its values.

    """

    names: tuple[str, ...] = ()
    first: int = 0
    units: str = "activation"

    @property
    def channels(self) -> slice:
        """Its channels among those of all layers."""
        return slice(self.first, self.first + self.shape[0])


def _grid_of(plan: Plan, layer: Layer) -> Grid:
    """Return what a layer's cells see; an even share of the input each where not even gradients tell."""
    try:
        return grid_of(plan.network, layer)
    except ModelError:  # masks, roundings, what is written over in place
        sides = zip(layer.shape[1:], plan.network.x.shape[2:], strict=True)
        return Grid.at(*(even_places(*side) for side in sides))


def _stride(axis: Axis, pixels: int, grid: Grid) -> float:
    """Return a stride; a single cell has none that could be measured: the whole side is its share."""
    return float(pixels if grid.measured and len(axis.low) == 1 else axis.stride)


def described(plan: Plan) -> tuple[list[dict[str, Any]], Floats]:
    """Return the layers of a plan as JSON, and the edges of all their cells' fields one after the other."""
    entries, edges, size = [], [], plan.network.x.shape[2:]
    names: dict[int, list[str]] = {}
    for layer in all_layers(plan.network.trace):
        names.setdefault(layer.call, []).append(layer.name)
    for layer in plan.layers:
        grid = _grid_of(plan, layer)
        for axis in (grid.y, grid.x):
            edges += [axis.low, axis.high, axis.first, axis.last]
        entries.append({
            "name": layer.name,
            "names": sorted({layer.name, *names.get(layer.call, ())}),
            "shape": list(layer.shape),
            "call": layer.call,
            "kind": layer.kind,
            "parameters": layer.parameters,
            "strides": [_stride(axis, pixels, grid) for axis, pixels in zip((grid.y, grid.x), size, strict=True)],
            "sees_all": grid.sees_all,
            "measured": grid.measured,
        })  # fmt: skip
    return entries, np.concatenate(edges).astype(np.float64)


def layers_of(entries: list[Mapping[str, Any]], edges: Floats) -> Iterator[IndexedLayer]:
    """Yield the layers that `described` has described.

    Raises:
        KeyError, TypeError, ValueError: the file says something else.

    """
    first = start = 0
    for entry in entries:
        channels, height, width = (whole(size, 1) for size in entry["shape"])
        axes = []
        for cells, stride in zip((height, width), entry["strides"], strict=True):
            low, high, seen_first, seen_last = some = edges[start : start + 4 * cells].reshape(4, cells)
            if not (np.isfinite(some[:2]).all() and 0 < stride < _FARTHEST) or (np.abs(some) > _FARTHEST).any():
                raise ValueError("a layer lies nowhere")
            axes.append(Axis(low, high, float(stride), (seen_first, seen_last)))
            start += 4 * cells
        grid = Grid(axes[0], axes[1], sees_all=bool(entry["sees_all"]), measured=bool(entry["measured"]))
        yield IndexedLayer(
            str(entry["name"]), (channels, height, width), whole(entry["call"]), grid, str(entry["kind"]),
            whole(entry["parameters"]), tuple(str(name) for name in entry["names"]), first,
        )  # fmt: skip
        first += channels
