"""What was made is kept while there is room for it: the latest used, up to a number of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """A memory that forgets what was used longest ago; the latest thing always has room. Any thread may use it.

    Args:
        most: bytes.
        size: tells how many bytes a thing takes.

    """

    def __init__(self, most: int, size: Callable[[V], int]) -> None:
        self._most, self._size = most, size
        self._lock = threading.Lock()
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._held = 0

    def get(self, key: K) -> V | None:
        """Return what is kept, or None: the same object every time."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def keep(self, key: K, value: V) -> None:
        """Keep a thing, in place of what had its key."""
        with self._lock:
            before = self._kept.pop(key, None)
            self._held += self._size(value) - (0 if before is None else self._size(before))
            self._kept[key] = value
            while len(self._kept) > 1 and self._held > self._most:
                self._held -= self._size(self._kept.popitem(last=False)[1])

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._held = 0
