"""What is looked at in an ActivationGrid: a layer, a channel, a cell, and the unit that they make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets

from cnnwidgets.errors import LayerError, OptionError
from cnnwidgets.explain.layers import find_layer
from cnnwidgets.widgets._grid_pictures import Pictures
from cnnwidgets.widgets._grid_traits import Looking
from cnnwidgets.widgets._traits import refusing
from cnnwidgets.widgets._unit import Unit, checked_cell, checked_channel, checked_unit

if TYPE_CHECKING:
    from torch import nn

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.widgets._grid_known import Known


class Pinning(Looking, Pictures):
    """Keeps layer, channel, cell and unit of one mind, whichever was set, by whom, and in which thread.

    Traits are set without the view's lock, so that an observer may wait for the work. Of two threads that set them at
    the same time the later one's observer brings all four into agreement.
    """

    def __init__(self, clf: Classifier | nn.Module, image: Any, other: Any = None, **options: Any) -> None:
        self._pinned = Unit("")
        super().__init__(clf, image, other, **options)
        self._put(self._chosen() if self.unit is None else Unit.of(self.unit))
        self.observe(self._on_chosen, names=["layer", "channel", "cell"])
        self.observe(self._on_unit, names=["unit"])

    def pin(self, channel: int | None, row: int | None = None, column: int | None = None) -> None:
        """Pin a channel of the layer shown, and one of its cells.

        Args:
            channel: its number; None unpins.
            row: of the cell, with `column`; without both, no cell is pinned.
            column: of the cell.

        Raises:
            OptionError: there is no such channel or cell.

        """
        if (row is None) != (column is None):
            raise OptionError(f"row={row!r} and column={column!r} go together; give both or neither.")
        with refusing():
            layer = self._found(self.layer)
            found = checked_channel(channel, layer)
            unit = Unit(layer.name, found, checked_cell(None if row is None else (row, column), layer))
        self._put(unit)

    # What is set, checked.

    def _found(self, value: Any) -> Layer:
        """Return the layer that a name, an index, a module or None means, as `explain.layers` lists it."""
        if isinstance(value, bool):
            raise LayerError(f"layer={value} is no layer. Give a name of grid.layers.")
        return self._known.default if value is None else find_layer(self._looked.network, value)

    @traitlets.validate("layer")
    def _layer(self, proposal: Any) -> str:
        with refusing():
            return self._found(proposal.value).name

    @traitlets.validate("channel")
    def _channel(self, proposal: Any) -> int | None:
        with refusing():
            return checked_channel(proposal.value, self._found(self.layer))

    @traitlets.validate("cell")
    def _cell(self, proposal: Any) -> list[int] | None:
        with refusing():
            cell = checked_cell(proposal.value, self._found(self.layer))
        return None if cell is None else list(cell)

    @traitlets.validate("unit")
    def _unit(self, proposal: Any) -> dict[str, Any] | None:
        if proposal.value is None:
            return None
        with refusing():
            return checked_unit(proposal.value, self._found).packed()

    # What follows from it.

    def _chosen(self) -> Unit:
        return Unit(self.layer, self.channel, None if self.cell is None else (self.cell[0], self.cell[1]))

    def _on_chosen(self, _change: Any) -> None:
        unit, before = self._chosen(), self._pinned
        if unit.layer != before.layer:  # what was pinned in the old layer is not in the new one
            unit = Unit(
                unit.layer,
                None if unit.channel == before.channel else unit.channel,
                None if unit.cell == before.cell else unit.cell,
            )
        if unit != before:
            self._put(unit.within(self._found(unit.layer)))
        self._ask_anew()  # before other observers hear of it: they may wait for the answer

    def _on_unit(self, change: Any) -> None:
        if change.new != self._pinned.packed():
            self._put(Unit(self.layer) if change.new is None else Unit.of(change.new))

    def _put(self, unit: Unit) -> None:
        """Set the four traits, so that observers find them in agreement."""
        self._pinned = unit
        with self.hold_sync(), self.hold_trait_notifications():
            self.layer, self.channel = unit.layer, unit.channel
            self.cell = None if unit.cell is None else list(unit.cell)
            self.unit = unit.packed()

    def _renew(self, known: Known) -> None:
        super()._renew(known)
        self._afterwards(self._refit)

    def _refit(self) -> None:
        """Keep what is pinned as far as the layers that there are now have it."""
        layer = self._known.layer(self._pinned.layer)
        self._put(Unit(self._known.default.name) if layer is None else self._pinned.within(layer))
