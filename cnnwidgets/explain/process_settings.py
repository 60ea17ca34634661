"""Settings of the process that a model's forward pass may change: put back when the pass ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable


def _put_deterministic(mode: int) -> None:
    torch.use_deterministic_algorithms(mode > 0, warn_only=mode == 1)


def _put_benchmark(value: bool) -> None:  # noqa: FBT001 - as it was read
    torch.backends.cudnn.benchmark = value


#: How to read a setting, and to set it.
_OF_PROCESS: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_deterministic_debug_mode, _put_deterministic),
    (lambda: torch.backends.cudnn.benchmark, _put_benchmark),
)
_OF_THREAD: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
    (torch.get_num_threads, torch.set_num_threads),
    (np.geterr, lambda errors: np.seterr(**errors)),
)


class ProcessSettings:
    """The settings as they are when this is made.

    Args:
        first: those noted by the first of several passes that run at the same time, None for the first: what is the
            process's has already been changed, perhaps, when another one begins.

    """

    def __init__(self, first: ProcessSettings | None = None) -> None:
        self._of_process: tuple[Any, ...] = (
            tuple(read() for read, _ in _OF_PROCESS) if first is None else first._of_process  # noqa: SLF001
        )
        self._of_thread = tuple(read() for read, _ in _OF_THREAD)

    def put_back(self) -> None:
        """Set what is not as it was; to do it again does no harm."""
        for settings, values in ((_OF_PROCESS, self._of_process), (_OF_THREAD, self._of_thread)):
            for (read, put), value in zip(settings, values, strict=True):
                if read() != value:
                    put(value)
