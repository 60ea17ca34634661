"""Where the cells of a network's layers lie: measured once for its weights, or by theory, and why."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import stats
from torch import nn

from cnnwidgets.errors import Cancelled, CnnWidgetsError, LayerError, ModelError
from cnnwidgets.explain.control import Cancel, check_cancelled
from cnnwidgets.explain.fork_lock import ForkLock
from cnnwidgets.explain.geometry import Grid, Placement
from cnnwidgets.explain.layers import all_layers, default_layer
from cnnwidgets.explain.measured import even_grid, measured_grid
from cnnwidgets.explain.mirror_test import MirrorTest, Shift, is_measurable
from cnnwidgets.explain.probe_pictures import ProbePictures
from cnnwidgets.explain.provenance import ModelStamp

if TYPE_CHECKING:
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.network import Network

#: Correlation of the last feature map's channels with those of the mirrored picture, below which a network does not
#: answer to mirrored pictures alike. Measured: .85 to .92 with ImageNet weights, .2 to .9 with random ones.
AGREEMENT = 0.7
_CONFIDENCE = 0.998
_AGREEMENT_DOWN = 0.9  # agreement from which the shift down is measured by itself; .2 to .6 with ImageNet weights
_FULL_AGREEMENT = 0.99
_LEAD = 0.15  # by which mirrored pictures agree better than those upside down: .5 to .6 with ImageNet weights
_SIGMAS = 5  # times the error
_SAMPLES = 4
_BRANCHES = "its forward pass depends on the values of the picture: other pictures may take another path"
_KEPT = 8  # measurements of a model: of its last weights, sizes of input, and probe pictures
_DEFAULT_PROBES = ProbePictures()


@dataclass(eq=False)
class Placements:
    """The placement of every layer of a network, for its weights as they are and one size of input.

    Attributes:
        stamp: the weights that were measured.
        fingerprint: a few of their values.
        size: (height, width) of the input.
        reason: why theory holds for all layers; "" where the shifts were measured.
        columns: the mirror test across; None where it could not be run.
        rows: the mirror test down, on one picture: a network need not know pictures that are upside down.

    """

    stamp: ModelStamp
    fingerprint: tuple[float, ...]
    size: tuple[int, int]
    reason: str = ""
    columns: MirrorTest | None = None
    rows: MirrorTest | None = None
    _found: dict[int, Placement] = field(default_factory=dict)

    def of(self, layer: Layer) -> Placement:
        """Return the placement of a layer that was followed."""
        if layer.call not in self._found:
            self._found[layer.call] = self._of(layer)
        return self._found[layer.call]

    def _of(self, layer: Layer) -> Placement:
        grid = layer.grid
        if self.reason or self.columns is None or self.rows is None or grid is None:
            return Placement("theory", reason=self.reason)
        across = self.columns.shift(layer.call)
        if across is None:
            return Placement("theory", reason="its maps of pictures and of their mirror images agree at no shift")
        down = None if grid.shape[0] < 2 else _down(across, self.rows.shift(layer.call), alike=is_alike(grid))
        axes = [None if shift is None or not is_significant(shift) else shift for shift in (down, across)]
        errors = tuple(None if shift is None else shift.error for shift in (down, across))
        if not any(axes):
            why = f"the measured shift, {_figure(across)}, is not significant"
            return Placement("theory", error=(errors[0], errors[1]), agreement=across.agreement, reason=why)
        pixels = tuple(0.0 if shift is None else shift.pixels for shift in axes)
        return Placement(
            "mirror test",
            (pixels[0], pixels[1]),
            (errors[0], errors[1]),
            across.agreement,
            "rows take the shift of columns, which are padded alike" if down is across else "",
        )

    def grid_by_mirror_test(self, layer: Layer) -> Grid | None:
        """Return the grid of a layer that could not be followed, None where the mirror test does not tell it.

        The test finds places, and needs theory only for the distance of the cells: here the input's size over theirs.
        """
        if self.reason or self.columns is None or self.rows is None:
            return None
        across, down = self.columns.shift(layer.call), self.rows.shift(layer.call)
        even = even_grid(layer, self.size)
        # A shift of 0 is as good as any here, so that only its error can be judged.
        if across is None or across.agreement < AGREEMENT or across.error > even.x.stride / 4:
            return None
        down = _down(across, down, alike=True) or across
        found = Placement(
            "mirror test",
            (down.pixels, across.pixels),
            (down.error, across.error),
            across.agreement,
            "an operation on the way to the layer is not known",
            "an even share of the input",
        )
        return Grid.at(even.y.places, even.x.places).with_placement(found)


def _down(across: Shift, measured: Shift | None, *, alike: bool) -> Shift | None:
    """Return the shift down.

    It is that across where rows and columns come about alike: networks are trained with pictures mirrored left and
    right, and a picture upside down is another thing to them. Where a layer answers to that one as well, or where rows
    and columns are padded differently, it is what was measured.
    """
    if measured is not None and measured.agreement >= (_AGREEMENT_DOWN if alike else AGREEMENT):
        differs = abs(measured.pixels - across.pixels) > _SIGMAS * np.hypot(measured.error, across.error)
        return measured if differs or not alike else across
    return across if alike else None


def grid_with_places(network: Network, layer: Layer, cancel: Cancel | None = None, chunk: int | None = None) -> Grid:
    """Return what the cells of a layer can see, and where they lie.

    The first call for a network's weights and size of input takes 16 forward passes at most; later ones take none.

    Args:
        network: the network.
        layer: the layer.
        cancel: stops the measuring with `Cancelled`.
        chunk: images per pass at most.

    """
    found = placements(network, cancel, chunk)
    if layer.grid is not None:
        return layer.grid.with_placement(found.of(layer))
    by_mirror_test = found.grid_by_mirror_test(layer)
    try:
        measured = measured_grid(network, layer)
    except ModelError:  # no gradient leads back to the input
        if by_mirror_test is None:
            raise
        return by_mirror_test
    if by_mirror_test is not None and all(
        np.isclose(one.stride, other.stride, rtol=1e-3)
        for one, other in ((measured.y, by_mirror_test.y), (measured.x, by_mirror_test.x))
    ):
        return by_mirror_test
    return measured.with_placement(Placement("gradient", reason="an operation on the way to the layer is not known"))


def provisional_grid(network: Network, layer: Layer) -> Grid | None:
    """Return a grid for a first picture, whose cells have an even share of the input each, as in a plain resize.

    None where the placement has been measured already, so that nothing has to be bridged. Runs no pass, and waits for
    none: a slow network can show a map before it is measured.
    """
    store = _store(network.model)
    if store.lock.acquire(blocking=False):  # else it is being measured
        try:
            if _measured(store, network) is not None:
                return None
        finally:
            store.lock.release()
    x = network.x
    even, reason = even_grid(layer, (x.shape[2], x.shape[3])), "its shift has not been measured yet"
    if layer.grid is None:
        return even.with_placement(Placement("resize", reason=reason))
    axes = ((layer.grid.y, even.y), (layer.grid.x, even.x))
    if any(len(axis) != len(other) or not np.isclose(axis.stride, other.stride, rtol=0.1) for axis, other in axes):
        return layer.grid.with_placement(Placement("theory", reason=reason))
    down, across = (float((other.places - axis.places_by_theory).mean()) for axis, other in axes)
    return layer.grid.with_placement(Placement("resize", (down, across), reason=reason))


def _key(network: Network) -> tuple[Any, ...]:
    x = network.x
    return network.structure, tuple(x.shape[1:]), x.dtype, x.device


def _measured(store: _Store, network: Network) -> Placements | None:
    """Return what was measured for a network's weights and size of input; the store is locked."""
    entries = store.entries.get(network.subject.probes or _DEFAULT_PROBES)
    found = None if entries is None else entries.get(_key(network))
    if found is None or not found.stamp.current or found.fingerprint != _fingerprint(network.model):
        return None
    return found


def placements(network: Network, cancel: Cancel | None = None, chunk: int | None = None) -> Placements:
    """Return the placements of a network, measured where that has not been done for its weights and size of input.

    Arguments as for `grid_with_places`.
    """
    probes = network.subject.probes or _DEFAULT_PROBES
    key, store = _key(network), _store(network.model)
    # A second view of the same network waits for the first one's passes instead of running its own.
    while not store.lock.acquire(timeout=0.1):
        check_cancelled(cancel, 0, 1)
    try:
        found = _measured(store, network)
        entries = store.entries.setdefault(probes, OrderedDict())
        if found is None:
            found = entries[key] = _measure(network, probes, cancel, chunk)
        entries.move_to_end(key)
        while len(entries) > _KEPT:
            entries.popitem(last=False)
    finally:
        store.lock.release()
    return found


def _fingerprint(model: nn.Module) -> tuple[float, ...]:
    """Return a few values of every weight: a change through `.data`, which PyTorch does not count, shows in them."""
    parts = []
    for weight in model.parameters():
        count = weight.numel()
        if count and weight.is_floating_point() and weight.layout == torch.strided and not weight.is_meta:
            few, step = min(4, count), max(1, count // 4)
            parts.append(weight.detach().as_strided((few,), (step,), weight.storage_offset()).float())
    return tuple(torch.cat([part.cpu() for part in parts]).tolist()) if parts else ()


@dataclass(eq=False)
class _Store:
    lock: Any = field(default_factory=ForkLock)
    # The pictures may lead back to the model, by a preprocessing that is a method of it: they are held weakly.
    entries: weakref.WeakKeyDictionary[ProbePictures, OrderedDict[Any, Placements]] = field(
        default_factory=weakref.WeakKeyDictionary
    )


_STORES: weakref.WeakKeyDictionary[nn.Module, _Store] = weakref.WeakKeyDictionary()
_STORES_LOCK = ForkLock()


def _store(model: nn.Module) -> _Store:
    with _STORES_LOCK:
        return _STORES.setdefault(model, _Store())


def _measure(
    network: Network, probes: ProbePictures, cancel: Cancel | None = None, chunk: int | None = None
) -> Placements:
    """Run the mirror tests."""
    stamp, (_, channels, *size) = ModelStamp.of(network.model), network.x.shape
    made = partial(Placements, stamp, _fingerprint(network.model), (size[0], size[1]))
    layers = {layer.call: layer for layer in all_layers(network.trace)}
    grids = {call: layer.grid or even_grid(layer, (size[0], size[1])) for call, layer in layers.items()}
    try:
        last = default_layer(network.trace)
    except LayerError as error:  # a network none of whose maps leads to its scores has layers all the same
        return made(f"it has no last feature map ({error})")
    if network.trace.branches or has_initial_statistics(network.module):
        untrained = "it is untrained: its batch normalisations have seen no data"
        return made(_BRANCHES if network.trace.branches else untrained)
    if last.call not in grids or not is_measurable(grids[last.call].x):
        return made(f"the last feature map, {last.name!r}, is too small to measure a shift")
    columns = MirrorTest({call: grid.x for call, grid in grids.items()})
    rows = MirrorTest({call: grid.y for call, grid in grids.items()}, dimension=2)
    try:
        batch = network.taken(probes.batch((channels, size[0], size[1])))
    except Exception as error:  # noqa: BLE001 - the user's preprocessing, on pictures that it was not made for
        return made(f"the probe pictures cannot be used ({type(error).__name__}: {error})")
    try:
        for test, pictures in ((columns, batch), (rows, batch[:1])):
            for x in torch.split(pictures, 1):
                check_cancelled(cancel, 0, 1)
                test.add(network, x, chunk)
    except Cancelled:
        raise
    except (CnnWidgetsError, RuntimeError, AssertionError, IndexError, TypeError) as error:
        return made(f"the network could not be measured on the probe pictures ({error})")
    return made(_objection(columns.shift(last.call), rows.shift(last.call), last), columns, rows)


def has_initial_statistics(module: nn.Module) -> bool:
    """Whether the statistics of all batch normalisations are those that they are made with; False without any."""
    norms = [
        part
        for part in module.modules()
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is not None  # noqa: SLF001
    ]
    statistics = [(norm.running_mean, norm.running_var) for norm in norms]
    return bool(norms) and not any(
        bool(torch.count_nonzero(mean)) or bool(torch.count_nonzero(variance - 1))
        for mean, variance in statistics
        if mean is not None and variance is not None
    )


def _objection(across: Shift | None, down: Shift | None, last: Layer) -> str:
    """Return why a network is not placed by its mirror test, or ""."""
    if across is None or across.agreement < AGREEMENT:
        figure = "at no shift" if across is None else f"correlation {across.agreement:.2f}"
        return (
            f"the network does not answer to mirrored pictures alike ({figure}, at {last.name!r}): it is untrained, or "
            "was trained without mirroring"
        )
    if not _comes_from_training(across, down):
        return (
            "the network answers to pictures upside down as it does to mirrored ones (correlation "
            f"{across.agreement:.2f}, at {last.name!r}), so that nothing shows that it was trained with these"
        )
    if last.grid is None:  # its shift is one from an even share of the input: it may well be 0
        return ""
    upside_down = down is not None and down.agreement >= _AGREEMENT_DOWN and is_significant(down)
    if not is_significant(across) and not upside_down:
        return f"the measured shift of the last feature map, {_figure(across)}, is not significant"
    return ""


def _comes_from_training(across: Shift, down: Shift | None) -> bool:
    """Whether a network's agreement on mirrored pictures comes from training, or from its form.

    What an untrained network blurs agrees in some measure with any mirror image of itself, left and right as upside
    down; but it says nothing of a shift. Maps that agree in full need no training, as those of one round detector.
    """
    if across.agreement >= _FULL_AGREEMENT:
        return True
    if down is None or down.agreement < across.agreement - _LEAD:
        return True
    apart = abs(down.pixels - across.pixels)
    return is_significant(down) and apart < _SIGMAS * float(np.hypot(down.error, across.error))


def is_significant(shift: Shift) -> bool:
    """Whether a shift is more than its error, by Student's t at the level of 0.2 %."""
    if shift.samples < _SAMPLES:  # of one picture: its spread tells little
        return abs(shift.pixels) > 2 * _SIGMAS * shift.error
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
