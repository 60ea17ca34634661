"""Passes for the pictures that the hand has made lately; the fast kind is prepared behind the hand's back."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from cnnwidgets.explain.network import Network
from cnnwidgets.explain.passes import FullPasses, make_passes
from cnnwidgets.jobs import Job, Lane, Worker

if TYPE_CHECKING:
    from collections.abc import Hashable

    from cnnwidgets.explain.passes import Passes
    from cnnwidgets.widgets._scene import Scene

_LOG = logging.getLogger(__name__)
_KEPT = 2  # pictures: each holds every activation of the network

# A thread of its own: preparing takes seconds in one piece, and the hand is answered by whole passes meanwhile.
PREPARER = Worker()


class Engines:
    """Gives the passes for a scene at once: whole ones first, exact incremental ones as soon as they are ready.

    Args:
        incremental: whether to prepare these; whole passes are right for any model.

    """

    def __init__(self, *, incremental: bool) -> None:
        self._incremental = incremental
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, Passes] = OrderedDict()
        self._lane = Lane(PREPARER)

    def passes(self, scene: Scene) -> Passes:
        """Return what runs the network on a scene; a new picture has its fast passes prepared."""
        key = scene.key
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
                return found
        found = FullPasses(scene.looked.network, scene.base)
        with self._lock:
            self._keep(key, found)
        if self._incremental:
            self._prepare(scene)
        return found

    def _keep(self, key: Hashable, passes: Passes) -> None:
        self._known[key] = passes
        self._known.move_to_end(key)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)

    def _prepare(self, scene: Scene) -> None:
        key, base, subject = scene.key, scene.base, scene.looked.network.subject

        def work(job: Job) -> None:
            made = make_passes(Network(subject), base)  # a twin of its own: the hand is using the other one
            with self._lock:
                wanted = self._incremental and key in self._known and not job.cancel.is_set()
                if wanted and not isinstance(made, FullPasses):
                    self._keep(key, made)

        def done(_job: Job, error: BaseException | None) -> None:
            if isinstance(error, Exception) and not job.cancel.is_set():
                _LOG.warning("The fast passes could not be prepared; whole ones go on.", exc_info=error)

        job = Job(work, done)
        self._lane.submit(job)

    def clear(self) -> None:
        """Forget everything."""
        self._lane.cancel()
        with self._lock:
            self._known.clear()

    def switch(self, *, incremental: bool) -> None:
        """Give passes of the other kind from now on."""
        with self._lock:
            self._incremental = incremental
        self.clear()

    @property
    def preparing(self) -> bool:
        """Whether fast passes are being prepared."""
        return self._lane.busy

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is being prepared; return whether that was reached in time (seconds)."""
        return self._lane.wait(timeout)
