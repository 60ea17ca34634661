"""A view's lock, and what the user's functions are told of what happened under it."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class ViewLock:
    """Guards a view; what its observers are to hear waits until it is free.

    An observer may wait for another thread, and that one for the view: called with the lock held, neither would go
    on. So calls given to `later` are made by whoever gives the lock back, one at a time and in their order. A thread
    that finds another one at it leaves its calls to that one. Reentrant.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._waiting: deque[Callable[[], None]] = deque()
        self._calling = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        free = self._depth == 0
        self._lock.release()
        if free:
            self._call()

    def later(self, call: Callable[[], None]) -> None:
        """Have a function called as soon as the lock is free; it must not raise."""
        with self:
            self._waiting.append(call)

    def _call(self) -> None:
        # Looked at anew after each release: what came in meanwhile was left to this thread.
        while self._waiting and self._calling.acquire(blocking=False):
            try:
                if self._waiting:
                    self._waiting.popleft()()
            finally:
                self._calling.release()
