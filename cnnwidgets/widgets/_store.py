"""The heat maps that a view has: the latest few that are done, and the one that is being made or was stopped."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from cnnwidgets.widgets import _protocol as protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable

    from cnnwidgets.explain.result import Heatmap

_KEPT = 48


class Store:
    """Heat maps by question, each packed for the browser once. Not locked: the view's lock guards it."""

    def __init__(self) -> None:
        self._done: OrderedDict[Hashable, Heatmap] = OrderedDict()
        self._partial: dict[Hashable, Heatmap] = {}
        self._provisional: set[Hashable] = set()
        self._stopped = False
        self._packed: dict[Hashable, tuple[Heatmap, dict[str, Any]]] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._done and key not in self._provisional

    def get(self, key: Hashable) -> Heatmap | None:
        """Return a finished heat map, or the one that was stopped half-way; None where neither is there."""
        return self._done.get(key, self._partial.get(key) if self._stopped else None)

    def get_shown(self, key: Hashable) -> Heatmap | None:
        """Return the heat map that is on show, be it the one that is being made; None without one."""
        return self._done.get(key, self._partial.get(key))

    def keep(self, key: Hashable, heatmap: Heatmap, *, provisional: bool = False) -> None:
        """Keep a finished heat map; the one that was used longest ago makes room.

        One that is provisional is shown and does not count as there: its cells' places have still to be measured.
        """
        self._done[key] = heatmap
        (self._provisional.add if provisional else self._provisional.discard)(key)
        self.drop_preview()
        while len(self._done) > _KEPT:
            oldest, _ = self._done.popitem(last=False)
            self._packed.pop(oldest, None)
            self._provisional.discard(oldest)

    def preview(self, key: Hashable, heatmap: Heatmap) -> None:
        """Keep a snapshot of the one that is being made."""
        self.drop_preview()
        self._partial[key] = heatmap

    def stop(self) -> None:
        """Take the snapshot for a result: the work on it was stopped. It stays until other work begins."""
        self._stopped = True

    def drop_preview(self) -> None:
        """Forget the snapshot."""
        for key in self._partial:
            self._packed.pop(key, None)
        self._partial.clear()
        self._stopped = False

    def keep_only(self, keys: Collection[Hashable]) -> None:
        """Forget the finished heat maps of all other questions."""
        for key in [key for key in self._done if key not in keys]:
            del self._done[key]
            self._packed.pop(key, None)
            self._provisional.discard(key)

    def clear(self) -> None:
        """Forget everything."""
        self._done.clear()
        self._provisional.clear()
        self._partial.clear()
        self._packed.clear()
        self._stopped = False

    def packed(self, key: Hashable) -> dict[str, Any] | None:
        """Return what the browser gets for a question: the same object as long as the map is the same."""
        heatmap = self.get_shown(key)
        if heatmap is None:
            return None
        if key in self._done:
            self._done.move_to_end(key)
        known = self._packed.get(key)
        if known is None or known[0] is not heatmap:
            known = self._packed[key] = (heatmap, protocol.pack_map(heatmap, partial=bool(heatmap.unfinished)))
        return known[1]
