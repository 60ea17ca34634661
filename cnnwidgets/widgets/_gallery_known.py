"""What is known of the patches of an index, packed for the browser, and how the rest is found out."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnwidgets.widgets._bounded import Bounded
from cnnwidgets.widgets._gallery_drawn import drawn
from cnnwidgets.widgets._gallery_opening import opening_layer
from cnnwidgets.widgets._gallery_overview import order, overview
from cnnwidgets.widgets._gallery_tiles import Tiles
from cnnwidgets.widgets._gallery_wall import wall

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.explain.control import Cancel
    from cnnwidgets.patches.index import PatchIndex
    from cnnwidgets.patches.indexed_layer import IndexedLayer

_PACKED = 48 * 2**20  # bytes of what was made for the browser that are kept


class Task(NamedTuple):
    """Something that the browser shows.

    Attributes:
        kind: "wall", "drawn", "overview" or "order".
        layer: name of the layer.
        of: the channel of a wall; (channel, mode) of what is drawn; the channel or class of an order.

    """

    kind: str
    layer: str
    of: Any = None


class Known:
    """What has been made of one index. Not locked: one thread makes, and any may ask.

    Args:
        clf: the classifier.
        index: the patches.

    """

    def __init__(self, clf: Classifier, index: PatchIndex) -> None:
        self.index = index
        self.tiles = Tiles(index)
        self._clf = clf
        self._packed: Bounded[Task, dict[str, Any]] = Bounded(_PACKED, _bytes)
        self._begun: tuple[Task, dict[str, Any]] | None = None

    @cached_property
    def opening(self) -> IndexedLayer:
        """The layer that a gallery opens on."""
        return opening_layer(self.index)

    def rest(self) -> None:
        """Let go of tiles and of what was packed; both are made again when they are asked for."""
        self.tiles = Tiles(self.index)
        self._packed.clear()

    def packed(self, task: Task) -> dict[str, Any] | None:
        """Return what the browser gets, or None where it has not been made to the end: the same object every time."""
        return self._packed.get(task)

    def begun(self, task: Task) -> dict[str, Any] | None:
        """Return what there is of something that is being made, or None."""
        begun = self._begun
        return begun[1] if begun is not None and begun[0] == task else None

    def making(self, task: Task, cancel: Cancel) -> Iterator[bool]:
        """Find out what is not known, in steps; each says whether there is something new to show.

        Raises:
            Cancelled: `cancel` is set.
            CnnWidgetsError: it cannot be found out; other exceptions are those of the model.

        """
        if self._packed.get(task) is not None:
            return
        packed: dict[str, Any] | None = None
        try:
            for news in self._steps(task, cancel):
                packed = news or packed
                if news is not None:
                    self._begun = task, news
                yield news is not None
        finally:
            self._begun = None
        if packed is not None:
            self._packed.keep(task, packed)

    def _steps(self, task: Task, cancel: Cancel) -> Iterator[dict[str, Any] | None]:
        if task.kind == "wall":
            return wall(self.index, self.tiles, task.layer, task.of)
        if task.kind == "drawn":
            return drawn(self._clf, self.index, task.layer, task.of, cancel)
        if task.kind == "order":
            return iter([order(self.index, task.layer, task.of)])
        return iter([overview(self.index, task.layer)])


def _bytes(packed: Any) -> int:
    """Return how many bytes of bulk something packed holds, and about how many of the rest."""
    if isinstance(packed, bytes | str):
        return len(packed)
    if isinstance(packed, dict):
        return sum(map(_bytes, packed.values()))
    return sum(map(_bytes, packed)) if isinstance(packed, list) else 8
