"""Projecting one unit back to the pixels: a pass up to its layer and, with the ReLUs changed, a pass back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from cnnwidgets.errors import ModelError, OptionError
from cnnwidgets.explain.backward import gradients
from cnnwidgets.explain.control import check_cancelled
from cnnwidgets.explain.counting import counted
from cnnwidgets.explain.differentiability import gradient_obstacle
from cnnwidgets.explain.frame import Box
from cnnwidgets.explain.layers import find_layer
from cnnwidgets.explain.method import check_chunk
from cnnwidgets.explain.network import Network, check_finite, few_images
from cnnwidgets.explain.projection import Projection
from cnnwidgets.explain.provenance import ModelStamp
from cnnwidgets.explain.rectifiers import SMOOTH
from cnnwidgets.explain.rectifying import Rectifying
from cnnwidgets.explain.subject import subject_of
from cnnwidgets.explain.taps import watch

if TYPE_CHECKING:
    from cnnwidgets.explain.control import Cancel, Progress
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.layers import LayerLike
    from cnnwidgets.explain.trace import Trace

Cell = tuple[int, int]


@dataclass(frozen=True)
class Rule:
    """A method by what it does at a ReLU.

    Attributes:
        name: of the public function.
        title: in print.
        paper: the source.
        gated: whether the ReLU's own gradient applies as well.

    """

    name: str
    title: str
    paper: str
    gated: bool


def project(
    rule: Rule,
    model: Any,
    x: Any,
    *,
    layer: LayerLike,
    channel: int,
    cell: Any,
    chunk: int | None,
    progress: Progress | None,
    cancel: Cancel | None,
) -> Projection:
    """Run a method; arguments and errors as in `explain.guided_backprop`."""
    check_chunk(chunk)
    network = Network(subject_of(model, x))
    found = find_layer(network, layer)
    channel = counted("channel", channel, found.shape[0], f"the layer {found.name!r} has {found.shape[0]} channels")
    count, size = len(network.x), network.at_once(chunk or few_images(*network.x.shape[2:]))
    cells = _cells(cell, count, found)
    stamp = ModelStamp.of(network.model)
    before = _before(network.trace, found.call)
    values = np.zeros(tuple(network.x.shape), dtype=np.float32)
    activations = np.zeros(count, dtype=np.float32)
    where: list[Cell] = []
    rectifying = Rectifying(network.trace, found.call, gated=rule.gated)
    for first in range(0, count, size):
        check_cancelled(cancel, first, count)
        rows = slice(first, min(first + size, count))
        wanted = None if cells is None else cells[rows]
        slope, unit, used = _back(network, network.x[rows], found, channel, cells=wanted, rectifying=rectifying)
        plain = _plain(network.trace, before, rectifying)
        if plain and not rectifying.reached:
            raise ModelError(_no_relu(rule, found, plain))
        values[rows] = slope.float().cpu().numpy()
        activations[rows] = unit.float().cpu().numpy()
        where += used
        if progress is not None:
            progress(rows.stop, count)
    return Projection(
        values=values,
        method=rule.name,
        title=rule.title,
        paper=rule.paper,
        layer=found.name,
        channel=channel,
        cells=tuple(where),
        activations=activations,
        boxes=_boxes(found, where, values),
        sees_all=found.sees_all,
        measured=found.grid is None,
        params={
            "channel": channel,
            "cell": "strongest" if cells is None else "given",
            "rectified": len(rectifying.reached),
            "plain": _listed(plain),
        },
        frames=network.subject.images.frames,
        pictures=network.pictures,
        image_hashes=network.image_hashes,
        stamp=stamp,
    )


def _back(
    network: Network, images: Tensor, layer: Layer, channel: int, *, cells: list[Cell] | None, rectifying: Rectifying
) -> tuple[Tensor, Tensor, list[Cell]]:
    """Return for some images what came back to them (n,C,H,W), what the units give (n,), and their cells."""
    x = images.clone().requires_grad_(True)
    seen: list[Tensor] = []
    with torch.enable_grad():
        watch(network, x, [layer.call], lambda _, value: seen.append(value), edits=rectifying.edits)
        (value,) = seen
        rectifying.check(value, layer.name, lambda: gradient_obstacle(network))
        maps = value[:, channel]
        check_finite(maps.detach(), f"Channel {channel} of the layer {layer.name!r}")
        if cells is None:
            cells = [divmod(place, maps.shape[2]) for place in maps.detach().flatten(1).argmax(1).tolist()]
        unit = torch.stack([map_[cell] for map_, cell in zip(maps, cells, strict=True)])
        (slope,) = gradients(unit.sum(), x)
    check_finite(slope, f"The gradient of the layer {layer.name!r}")
    return slope, unit.detach(), cells


def _cells(cell: Any, images: int, layer: Layer) -> list[Cell] | None:
    """Return the cell of each image, counted from 0; None where each image's strongest one is wanted."""
    if cell is None:
        return None
    wanted = "give (row, column), a list of one (row, column) per image, or None for each image's strongest cell"
    try:
        pairs = [tuple(one) if hasattr(one, "__iter__") else one for one in cell]
    except TypeError:
        raise OptionError(f"cell={cell!r} is no cell; {wanted}.") from None
    if not any(isinstance(one, tuple) for one in pairs):
        pairs = [tuple(pairs)] * images
    if len(pairs) != images:
        raise OptionError(f"{len(pairs)} cells were given for {images} image(s); {wanted}.")
    _, height, width = layer.shape
    found = []
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise OptionError(f"cell={pair!r} is no cell; {wanted}.")
        found.append(
            (
                counted("row", pair[0], height, f"the layer {layer.name!r} has {height} row(s)"),
                counted("column", pair[1], width, f"the layer {layer.name!r} has {width} column(s)"),
            )
        )
    return found


def _boxes(layer: Layer, cells: list[Cell], values: Any) -> tuple[Box | None, ...]:
    if layer.grid is not None:
        return tuple(layer.grid.seen(*cell) for cell in cells)
    boxes: list[Box | None] = []
    for one in values:
        rows, columns = np.nonzero(np.any(one != 0, axis=0))
        edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else None
        boxes.append(None if edges is None else Box(*map(float, edges)))
    return tuple(boxes)


def _before(trace: Trace, last: int) -> set[int]:
    """Return the calls on which a value depends, its own among them, by the numbers of their first results."""
    seen: set[int] = set()
    todo = [last]
    while todo:
        number = todo.pop()
        number = trace.calls[number].first if number >= 0 else number
        if number >= 0 and number not in seen:
            seen.add(number)
            todo.extend(trace.calls[number].inputs)
    return seen


def _plain(trace: Trace, before: set[int], rectifying: Rectifying) -> Counter[str]:
    """Return the non-linear functions that are no ReLUs among some calls."""
    smooth = {number: trace.calls[number].name for number in before if trace.calls[number].name in SMOOTH}
    passed = {number: name for number, name in rectifying.passed.items() if number in before}
    return Counter(name for _, name in sorted({**smooth, **passed}.items()))


def _listed(plain: Counter[str]) -> str:
    return ", ".join(f"{name} x {times}" for name, times in plain.items())


def _no_relu(rule: Rule, layer: Layer, plain: Counter[str]) -> str:
    return (
        f"{rule.title} changes the gradient of ReLUs, and none lies before the layer {layer.name!r}, but other "
        f"non-linear functions do: {_listed(plain)}. explain.receptive_field(model, x, layer, unit, channel=channel, "
        "effective=True) shows by plain gradients which pixels move a unit; explain.occlusion needs none."
    )
