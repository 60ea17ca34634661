"""Where the cells of a network's layers lie: measured once for its weights, or by theory, and why."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from scipy import stats

from cnnwidgets.errors import Cancelled, CnnWidgetsError
from cnnwidgets.explain.control import Cancel, check_cancelled
from cnnwidgets.explain.geometry import Grid, Placement
from cnnwidgets.explain.layers import all_layers, default_layer
from cnnwidgets.explain.measured import grid_of
from cnnwidgets.explain.mirror_test import MirrorTest, Shift, is_measurable
from cnnwidgets.explain.probe_pictures import ProbePictures
from cnnwidgets.explain.provenance import ModelStamp
from cnnwidgets.explain.trace import signature

if TYPE_CHECKING:
    from torch import nn

    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.network import Network

#: Correlation of the last feature map's channels with those of the mirrored picture, below which a network does not
#: answer to mirrored pictures alike. Measured: .85 to .92 with ImageNet weights; untrained, .2 to .9, where wide
#: receptive fields blur everything, but then no shift is significant above .65.
AGREEMENT = 0.7
_CONFIDENCE = 0.999
_KEPT = 8  # measurements of a model: of its last weights, sizes of input, and probe pictures
_OWN = ProbePictures()


@dataclass(eq=False)
class Placements:
    """The placement of every layer of a network, for its weights as they are and one size of input.

    Attributes:
        stamp: the weights that were measured.
        reason: why theory holds for all layers; "" where the shifts were measured.
        rows: the mirror test down, where rows and columns are padded differently; None where they are alike.
        columns: the mirror test across; None where it could not be run.

    """

    stamp: ModelStamp
    reason: str = ""
    rows: MirrorTest | None = None
    columns: MirrorTest | None = None
    _found: dict[int, Placement] = field(default_factory=dict)

    def of(self, layer: Layer) -> Placement:
        """Return the placement of a layer that was followed."""
        if layer.call not in self._found:
            self._found[layer.call] = self._of(layer)
        return self._found[layer.call]

    def _of(self, layer: Layer) -> Placement:
        grid = layer.grid
        if self.reason or self.columns is None or grid is None:
            return Placement("theory", reason=self.reason)
        across = self.columns.shift(layer.call)
        if across is None:
            return Placement("theory", reason="the map is too small to measure a shift")
        down: Shift | None = across
        if not is_alike(grid):
            down = None if self.rows is None else self.rows.shift(layer.call)
        axes = [shift if shift is not None and is_significant(shift) else None for shift in (down, across)]
        errors = tuple(0.0 if shift is None else shift.error for shift in (down, across))
        if not any(axes):
            why = f"the measured shift, {_figure(across)}, is within its error"
            return Placement("theory", error=(errors[0], errors[1]), agreement=across.agreement, reason=why)
        pixels = tuple(0.0 if shift is None else shift.pixels for shift in axes)
        return Placement(
            "mirror test",
            (pixels[0], pixels[1]),
            (errors[0], errors[1]),
            across.agreement,
            "measured on pictures and their mirror images",
        )


def placed_grid(network: Network, layer: Layer, cancel: Cancel | None = None) -> Grid:
    """Return what the cells of a layer can see, and where they lie.

    The first call for a network's weights and size of input takes 16 forward passes at most; later ones take none.

    Args:
        network: the network.
        layer: the layer.
        cancel: stops the measuring with `Cancelled`.

    """
    grid = grid_of(network, layer)
    if grid.measured:
        return grid
    return grid.placed(placements(network, cancel).of(layer))


def placements(network: Network, cancel: Cancel | None = None) -> Placements:
    """Return the placements of a network, measured where that has not been done for its weights and size of input."""
    probes = network.subject.probes or _OWN
    x = network.x
    key = (signature(network.module), tuple(x.shape[1:]), x.dtype, x.device, probes)
    store = _store(network.model)
    with store.lock:  # a second view of the same network waits for the first one's passes instead of running its own
        found = store.entries.get(key)
        if found is None or not found.stamp.current:
            found = store.entries[key] = _measure(network, probes, cancel)
        store.entries.move_to_end(key)
        while len(store.entries) > _KEPT:
            store.entries.popitem(last=False)
    return found


@dataclass(eq=False)
class _Store:
    lock: Any = field(default_factory=threading.RLock)
    entries: OrderedDict[Any, Placements] = field(default_factory=OrderedDict)


_STORES: weakref.WeakKeyDictionary[nn.Module, _Store] = weakref.WeakKeyDictionary()
_STORES_LOCK = threading.Lock()


def _store(model: nn.Module) -> _Store:
    with _STORES_LOCK:
        return _STORES.setdefault(model, _Store())


def _measure(network: Network, probes: ProbePictures, cancel: Cancel | None) -> Placements:
    """Run the mirror tests."""
    stamp = ModelStamp.of(network.model)
    layers = {layer.call: layer for layer in all_layers(network.trace) if layer.grid is not None}
    grids = {call: layer.grid for call, layer in layers.items() if layer.grid is not None}
    last = default_layer(network.trace)
    if last.call not in grids:
        return Placements(stamp, "the last feature map cannot be followed")
    if not is_measurable(grids[last.call].x):
        return Placements(stamp, f"the last feature map, {last.name!r}, is too small to measure a shift")
    columns = MirrorTest({call: grid.x for call, grid in grids.items()})
    unlike = {call: grid.y for call, grid in grids.items() if not is_alike(grid)}
    rows = MirrorTest(unlike, dimension=2) if unlike else None
    tests = [test for test in (columns, rows) if test is not None]
    _, *shape = network.x.shape
    try:
        batch = network.taken(probes.batch((shape[0], shape[1], shape[2])))
        for x in torch.split(batch[: -(-len(batch) // len(tests))], 1):
            for test in tests:
                check_cancelled(cancel, 0, 1)
                test.add(network, x)
    except Cancelled:
        raise
    except (CnnWidgetsError, RuntimeError) as error:
        return Placements(stamp, f"the network could not be measured on the probe pictures ({error})")
    return Placements(stamp, _objection(columns.shift(last.call), last), rows, columns)


def _objection(shift: Shift | None, last: Layer) -> str:
    """Return why a network is not placed by its mirror test, or ""."""
    if shift is None or shift.agreement < AGREEMENT:
        figure = "at no shift" if shift is None else f"correlation {shift.agreement:.2f}"
        return (
            f"the network does not answer to mirrored pictures alike ({figure}, at {last.name!r}): it is untrained, or "
            "was trained without mirroring"
        )
    if not is_significant(shift):
        return f"the measured shift of the last feature map, {_figure(shift)}, is within its error"
    return ""


def is_significant(shift: Shift) -> bool:
    """Whether a shift is more than its error, by Student's t at the level of 0.1 %."""
    if shift.samples < 2:
        return False
    t = float(stats.t.ppf((1 + _CONFIDENCE) / 2, shift.samples - 1))
    return abs(shift.pixels) > t * shift.error


def is_alike(grid: Grid) -> bool:
    """Whether rows and columns come about by the same kernels, strides and padding."""
    y, x = grid.y, grid.x
    return bool(
        y.stride == x.stride
        and y.places_by_theory[0] == x.places_by_theory[0]
        and y.high[0] - y.low[0] == x.high[0] - x.low[0]
    )


def _figure(shift: Shift) -> str:
    return f"{shift.pixels:+.1f} ± {shift.error:.1f} px"
