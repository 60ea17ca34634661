"""What is known of the inside of a network for one or two pictures, and how the rest is found out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cnnwidgets.classifier import joined
from cnnwidgets.errors import LayerError
from cnnwidgets.explain.activations import activations
from cnnwidgets.explain.contributions import contributions_of
from cnnwidgets.explain.filters import filters
from cnnwidgets.explain.filters_behind import filters_behind
from cnnwidgets.explain.layers import all_layers, default_layer
from cnnwidgets.explain.placement import placements, provisional_grid
from cnnwidgets.explain.provenance import ModelStamp
from cnnwidgets.widgets._bounded import Bounded
from cnnwidgets.widgets._grid_filters import pack_filters, pack_kernel
from cnnwidgets.widgets._grid_sheet import pack_contributions, pack_sheet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.explain.activation_set import Activations
    from cnnwidgets.explain.contributions import Contributions
    from cnnwidgets.explain.control import Cancel
    from cnnwidgets.explain.geometry import Grid
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.layer_activations import LayerActivations
    from cnnwidgets.explain.subject import Prepared
    from cnnwidgets.widgets._looked import Looked

_MEMORY = 256 * 2**20  # bytes of activations that are kept
_PACKED = 32 * 2**20  # bytes of what was made for the browser that are kept


class Task(NamedTuple):
    """Something that the browser shows.

    Attributes:
        kind: "sheet", "contributions", "filters" or "kernel".
        layer: name of the layer.
        number: of the class for "contributions", of the channel for "kernel".

    """

    kind: str
    layer: str
    number: int | None = None


class Known:
    """What has been computed for one state of the pictures and of the weights. Not locked: one thread makes.

    Args:
        clf: the classifier.
        looked: what it makes of the first picture.
        second: a second picture, or None.

    Raises:
        LayerError: the network has no map.

    """

    def __init__(self, clf: Classifier, looked: Looked, second: Prepared | None = None) -> None:
        self.layers = all_layers(looked.network.trace)
        if not self.layers:
            size = " x ".join(map(str, looked.images.x.shape[2:]))
            raise LayerError(
                f"For an input of {size} pixels this network has no layer with "
                "more than one cell, so there are no maps to show. Give a larger picture, or a convolutional network."
            )
        self._clf, self._looked, self._second = clf, looked, second
        self._by_name = {layer.name: layer for layer in self.layers}
        self._acts: Activations | None = None
        self._packed: Bounded[Task, dict[str, Any]] = Bounded(_PACKED, _bytes)
        self._provisional: tuple[Task, dict[str, Any]] | None = None
        self._contributions: dict[Task, Contributions] = {}

    @property
    def _images(self) -> Prepared:
        first = self._looked.images
        return first if self._second is None else joined([first, self._second])

    @property
    def default(self) -> Layer:
        """The last feature map, or the last map of a network none of which leads to its scores."""
        try:
            return default_layer(self._looked.network.trace)
        except LayerError:
            return self.layers[-1]

    def layer(self, name: str) -> Layer | None:
        """Return the layer of a name, or None."""
        return self._by_name.get(name)

    @property
    def stale(self) -> bool:
        """Whether the model's weights have been changed since."""
        return bool(ModelStamp.of(self._clf.model).state != self._looked.weights)

    def rest(self) -> None:
        """Let go of activations, of what was packed and of the network; all are made again when they are asked for."""
        self._packed.clear()
        self._contributions.clear()
        self._acts, self._provisional = None, None
        self._looked.rest()

    def is_made(self, task: Task) -> bool:
        """Whether what the browser gets is there, and is final."""
        return self._packed.get(task) is not None

    def packed(self, task: Task) -> dict[str, Any] | None:
        """Return what the browser gets, or None where it has not been made: the same object every time.

        Of a layer whose cells' places are still being measured, a sheet with provisional ones.
        """
        packed, provisional = self._packed.get(task), self._provisional
        return provisional[1] if packed is None and provisional is not None and provisional[0] == task else packed

    def activations(self, name: str) -> LayerActivations | None:
        """Return the activations of a layer, or None before the first pass."""
        return None if self._acts is None else self._acts[name]

    def contributions(self, name: str, target: int) -> Contributions | None:
        """Return what the channels of a layer contribute to a class, or None where that has not been computed."""
        return self._contributions.get(Task("contributions", name, target))

    def make(self, task: Task, cancel: Cancel) -> Iterator[None]:
        """Find out what is not known, for the worker's thread; yields whenever there is something new to show.

        Raises:
            Cancelled: `cancel` is set.
            CnnWidgetsError: it cannot be found out; other exceptions are those of the model.

        """
        if not self.is_made(task):
            if task.kind == "sheet":
                grid = provisional_grid(self._looked.network, self._by_name[task.layer])
                if grid is not None:  # a slow network need not be measured before its maps are shown
                    self._provisional = task, self._sheet(task, cancel, grid)
                    yield
            self._packed.keep(task, self._made(task, cancel))
            self._provisional = None
        yield

    def _sheet(self, task: Task, cancel: Cancel, grid: Grid | None = None) -> dict[str, Any]:
        one = self._activations(task, cancel)
        if grid is None:
            placements(one.kept.network, cancel)  # measured once, and here it can be stopped
            grid = one.grid
        return pack_sheet(one, grid, filters_behind(self._looked.network, self._by_name[task.layer]) or "")

    def _activations(self, task: Task, cancel: Cancel) -> LayerActivations:
        if self._acts is None:
            names = [layer.name for layer in self.layers]
            self._acts = activations(self._clf, self._images, names, memory=_MEMORY, cancel=cancel)
        return self._acts[task.layer]

    def _made(self, task: Task, cancel: Cancel) -> dict[str, Any]:
        if task.kind == "sheet":
            return self._sheet(task, cancel)
        behind = filters_behind(self._looked.network, self._by_name[task.layer]) or ""
        if task.kind == "filters":
            return pack_filters(task.layer, filters(self._clf, behind)) if behind else {}
        if task.kind == "kernel":
            return pack_kernel(filters(self._clf, behind, task.number), task.number) if behind else {}
        # Of this layer alone: the graph of gradients need not reach back to the input, and is kept for no other layer.
        one = self._activations(task, cancel)
        kept = one.kept
        kept.check_current()
        found = contributions_of(kept.network, [one.layer], task.number, kept.chunk, cancel=cancel)
        self._contributions[task] = found
        return pack_contributions(one.layer, task.number, found)


def _bytes(packed: dict[str, Any]) -> int:
    return len(packed.get("data", b""))
