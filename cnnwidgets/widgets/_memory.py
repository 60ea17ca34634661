"""Eviction of what widgets have derived, least recently used first: only the latest few keep it.

ipywidgets keeps every widget until it is closed, and a cell that is run anew makes another one: nobody closes the one
before. So a widget that is not among the latest few, or that no page shows any more, is put to rest: it lets go of
activations, prepared engines and packed pictures. It goes on living: the page keeps what it shows, results in Python
stay, and the next question computes again what it needs. A page says how many views it has of a widget by the trait
`_views`.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from cnnwidgets.jobs import Job, Lane

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN, _HIDDEN = 8, 2  # widgets that keep all they have: with views on a page, and without


class Resident(Protocol):
    """A widget that can be put to rest."""

    @property
    def is_shown(self) -> bool:
        """Whether a page has said that it has a view of it."""

    def rest(self) -> bool:
        """Let go of what can be computed again; return False while work is under way."""


class Residents:
    """The widgets in the order in which they were last asked something. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._order: OrderedDict[int, weakref.ref[Resident]] = OrderedDict()
        self._lanes: weakref.WeakKeyDictionary[Resident, Lane] = weakref.WeakKeyDictionary()

    def touch(self, widget: Resident) -> None:
        """Take a widget for the latest one, and put those to rest that have been asked nothing for the longest."""
        with self._lock:
            self._order[id(widget)] = weakref.ref(widget)
            self._order.move_to_end(id(widget))
            tired = list(self._tired())
        for each in tired:
            self.rest(each)

    def _tired(self) -> Iterator[Resident]:
        """Take out and return the widgets that are one too many."""
        room = {True: _SHOWN, False: _HIDDEN}
        for key, ref in reversed(list(self._order.items())):
            widget = ref()
            if widget is None:
                del self._order[key]
                continue
            shown = widget.is_shown
            room[shown] -= 1
            if room[shown] < 0:
                del self._order[key]
                yield widget

    def rest(self, widget: Resident) -> None:
        """Have a widget put to rest, on the worker's thread: there no widget's lock is held, and no pass runs."""
        with self._lock:
            lane = self._lanes.setdefault(widget, Lane())
        found = weakref.ref(widget)

        def work(_job: Job) -> None:
            tired = found()
            if tired is not None and not tired.rest():
                self._try_again(tired)

        lane.submit(Job(work, lambda _job, _error: None))

    def _try_again(self, widget: Resident) -> None:
        """Have a widget that works put to rest when another one is asked something."""
        with self._lock:
            if id(widget) not in self._order:
                self._order[id(widget)] = weakref.ref(widget)
                self._order.move_to_end(id(widget), last=False)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until those are at rest that shall be; return whether that was reached in time (seconds each)."""
        with self._lock:
            lanes = list(self._lanes.values())
        return all(lane.wait(timeout) for lane in lanes)


RESIDENTS = Residents()
