"""Locks and cleaning up for a process that forks while another thread runs a pass.

In the child only the thread that forked goes on. A lock that another thread held would be held for ever there, and what
that thread had exchanged would stay exchanged.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_LOCKS: weakref.WeakSet[ForkLock] = weakref.WeakSet()
_CLEANUPS: list[Callable[[], None]] = []


class ForkLock:
    """A lock that its thread may take again; in a forked process it is free, unless the thread that forked holds it."""

    def __init__(self) -> None:
        self._lock: Any = threading.RLock()
        _LOCKS.add(self)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002 - as `threading`
        """Take the lock and return whether it was got; arguments as for `threading.RLock`."""
        taken: bool = self._lock.acquire(blocking, timeout)
        return taken

    def release(self) -> None:
        """Give the lock back; `RuntimeError` where this thread does not hold it."""
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_error: object) -> None:
        self.release()

    def renew(self) -> None:
        """Make the lock anew, unless this thread holds it: the thread that held it is not there any more."""
        if not self._lock._is_owned():  # noqa: SLF001 - `threading.Condition` asks it, too
            self._lock = threading.RLock()


def on_fork(cleanup: Callable[[], None]) -> None:
    """Have something put in order in a forked process, after the locks."""
    _CLEANUPS.append(cleanup)


def _after_fork() -> None:
    for lock in list(_LOCKS):
        lock.renew()
    for cleanup in _CLEANUPS:
        cleanup()


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_after_fork)
