"""Passes in parallel: one thread a pass, as many as there are cores, and results in the order of the batches.

PyTorch spreads each operation over the cores, and small operations, of which a CNN has many, are then mostly waiting
for each other. Where there are many batches to go through, whole passes side by side waste nothing.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

Result = TypeVar("Result")
MOST = 4  # each holds a batch's activations


class Workers(Generic[Result]):
    """Threads that run passes; results come out in the order in which the work came in.

    Args:
        count: number of threads. One leaves PyTorch its own ways.

    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = ThreadPoolExecutor(count, "cnnwidgets-passes", _alone if count > 1 else _as_it_is)
        self._waiting: deque[Future[Result]] = deque()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the threads; what waits is not begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def submit(self, work: Callable[[], Result]) -> Iterator[Result]:
        """Take a piece of work, and return the results that have to be waited for before the next one is taken."""
        self._waiting.append(self._begun(work))
        while len(self._waiting) > self.count:
            yield self._waiting.popleft().result()

    def _begun(self, work: Callable[[], Result]) -> Future[Result]:
        """Begin a piece of work; where no thread can be started, which may be so for a moment, do it here and now."""
        try:
            return self._pool.submit(work)
        except RuntimeError:  # also at the end of Python, when the work is cancelled in any case
            done: Future[Result] = Future()
            try:
                done.set_result(work())
            except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it, as from a thread
                done.set_exception(error)
            return done

    def rest(self) -> Iterator[Result]:
        """Return all results that have not been returned."""
        while self._waiting:
            yield self._waiting.popleft().result()


def workers_for(device: torch.device, *, shareable: bool) -> int:
    """Return how many passes to run at once.

    Args:
        device: where the network is.
        shareable: whether passes do not disturb each other.

    """
    return max(1, min(torch.get_num_threads(), MOST)) if device.type == "cpu" and shareable else 1


_SETTING = threading.Lock()


def _alone() -> None:
    """Let this thread's operations use this thread only.

    `torch.set_num_threads` sets the number for the calling thread, and besides a number for threads that are yet to
    begin, which is put back at once.
    """
    with _SETTING:
        before = torch.get_num_threads()  # also lets torch settle this thread's number now, and not at its first pass
        torch.set_num_threads(1)
        reset = threading.Thread(target=torch.set_num_threads, args=(before,))
        with suppress(RuntimeError):  # no thread can be started just now: those to come have one core each
            reset.start()
            reset.join()


def _as_it_is() -> None:
    """Leave the thread as threads are."""
