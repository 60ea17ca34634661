"""A unit of a network: a layer, one of its channels, one of its cells."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from cnnwidgets.errors import OptionError, refuse_unknown

if TYPE_CHECKING:
    from collections.abc import Callable

_FORM = "Give a dict such as {'layer': 'layer4', 'channel': 12, 'y': 3, 'x': 5}; y and x may be left out."


class Shaped(Protocol):
    """A layer, as `explain.layers` lists it or an index holds it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, h, w)."""


class Unit(NamedTuple):
    """What is pinned.

    Attributes:
        layer: its name.
        channel: number of the channel, or None.
        cell: (row, column), or None.

    """

    layer: str
    channel: int | None = None
    cell: tuple[int, int] | None = None

    def packed(self) -> dict[str, Any] | None:
        """Return it as the trait `unit` gives it to other widgets; None while no channel is pinned."""
        if self.channel is None:
            return None
        y, x = self.cell or (None, None)
        return {"layer": self.layer, "channel": self.channel, "y": y, "x": x}

    @classmethod
    def of(cls, packed: dict[str, Any]) -> Unit:
        """Return the unit that `packed` gave."""
        cell = None if packed["y"] is None else (packed["y"], packed["x"])
        return cls(packed["layer"], packed["channel"], cell)

    def within(self, layer: Shaped) -> Unit:
        """Return what is left of it in a layer that may have fewer channels or cells."""
        channels, rows, columns = layer.shape
        channel = None if self.channel is None or self.channel >= channels else self.channel
        fits = self.cell is not None and self.cell[0] < rows and self.cell[1] < columns
        return Unit(layer.name, channel, self.cell if fits else None)


def checked_unit(value: Any, find: Callable[[Any], Shaped]) -> Unit:
    """Return the unit that a dict means.

    Args:
        value: with the keys "layer", "channel" and, both or neither, "y" and "x".
        find: returns the layer that a name means.

    Raises:
        OptionError: no such dict, or numbers out of range.
        LayerError: no such layer.

    """
    if not isinstance(value, dict) or not {"layer", "channel"} <= value.keys() or value["channel"] is None:
        raise OptionError(f"unit={value!r} is no unit. {_FORM}")
    refuse_unknown("unit", value, ("layer", "channel", "y", "x"))
    if value["layer"] is None:
        raise OptionError(f"unit={value!r} names no layer. {_FORM}")
    layer = find(value["layer"])
    y, x = value.get("y"), value.get("x")
    if (y is None) != (x is None):
        raise OptionError(f"unit={value!r}: y and x go together; give both or neither. {_FORM}")
    return Unit(
        layer.name, checked_channel(value["channel"], layer), checked_cell(None if y is None else (y, x), layer)
    )


def checked_channel(value: Any, layer: Shaped, what: str = "channel") -> int | None:
    """Return the number of a channel of a layer, or None.

    Args:
        value: what was given.
        layer: the layer.
        what: names it in the error.

    Raises:
        OptionError: no such channel.

    """
    if value is None:
        return None
    return _index(value, layer.shape[0], f"{what}={value!r}", f"channels of layer {layer.name!r}")


def checked_cell(value: Any, layer: Shaped) -> tuple[int, int] | None:
    """Return (row, column) of a cell of a layer, or None.

    Raises:
        OptionError: no such cell.

    """
    if value is None:
        return None
    pair = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise OptionError(f"cell={value!r} is no cell. Give [row, column], such as [3, 5], or None.")
    row, column = (
        _index(number, count, f"cell={list(pair)!r}: {what} {number!r}", f"{what}s of layer {layer.name!r}")
        for number, count, what in zip(pair, layer.shape[1:], ("row", "column"), strict=True)
    )
    return row, column


def _index(value: Any, count: int, what: str, of: str) -> int:
    """Return a whole number from 0 to count - 1. Negative ones are refused: -1 is rather a slip than the last one."""
    try:
        index = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        index = None
    if index is None:
        raise OptionError(f"{what} is no whole number; there are {count} {of}, 0 to {count - 1}.")
    if not 0 <= index < count:
        raise OptionError(f"{what} is out of range: there are {count} {of}, 0 to {count - 1}.")
    return index
