"""A gallery bound to other widgets: what is clicked here is looked at there, what is pinned there is searched here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets

from cnnwidgets.errors import CnnWidgetsError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

_SHARED = ("image", "unit")


class Link:
    """Two widgets that follow each other as far as they can.

    Where the other one does not take a value, such as a layer that it does not have, it stays as it is.

    Args:
        gallery: has `image` and `unit`.
        other: has one of these.
        refuse: called with words where a value is not taken.

    Raises:
        OptionError: `other` has neither.

    """

    def __init__(self, gallery: Any, other: Any, refuse: Callable[[str], None]) -> None:
        has = getattr(other, "has_trait", lambda _name: False)
        self._names = [name for name in _SHARED if has(name)]
        if not self._names:
            raise OptionError(
                f"link({type(other).__name__}): it has neither `image` nor `unit`; give a widget such as a HeatmapView "
                "or an ActivationGrid."
            )
        self.other = other
        self._gallery, self._refuse = gallery, refuse
        gallery.observe(self._there, names=self._names)
        if "unit" in self._names:
            other.observe(self._here, names=["unit"])

    def undo(self) -> None:
        """Let both go their own ways."""
        self._gallery.unobserve(self._there, names=self._names)
        if "unit" in self._names:
            self.other.unobserve(self._here, names=["unit"])

    def _there(self, change: Any) -> None:
        if change.new is not None:
            self._set(self.other, change.name, change.new)

    def _here(self, change: Any) -> None:
        if change.new is not None:
            self._set(self._gallery, "unit", change.new)

    def _set(self, widget: Any, name: str, value: Any) -> None:
        try:
            setattr(widget, name, value)
        except (CnnWidgetsError, traitlets.TraitError) as error:
            self._refuse(f"{type(widget).__name__}: {error}")
