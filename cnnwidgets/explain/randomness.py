"""Keeping a model's chance to itself: the user's random numbers go on as if nothing had been explained."""

from __future__ import annotations

import threading
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_LOCK = threading.Lock()


class PrivateRandomness(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While active, this thread's random operations draw from a stream of their own, seeded with 0.

    PyTorch's operations draw from one generator per process. Restoring its state after a whole pass would rewind the
    random numbers of a training loop that runs at the same time in another thread; so the state is exchanged around
    each single operation that draws.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._states: dict[torch.device, torch.Tensor] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation, with its own stream if it draws."""
        del types
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded not in func.tags or kwargs.get("generator") is not None:
            return func(*args, **kwargs)
        device = next((a.device for a in args if isinstance(a, torch.Tensor)), torch.device("cpu"))
        on_gpu = device.type == "cuda"
        with _LOCK:
            before = torch.cuda.get_rng_state(device) if on_gpu else torch.get_rng_state()
            try:
                if device in self._states:
                    self._restore(device, self._states[device])
                else:
                    torch.cuda.default_generators[device.index or 0].manual_seed(0) if on_gpu else (
                        torch.default_generator.manual_seed(0)
                    )
                return func(*args, **kwargs)
            finally:
                self._states[device] = torch.cuda.get_rng_state(device) if on_gpu else torch.get_rng_state()
                self._restore(device, before)

    @staticmethod
    def _restore(device: torch.device, state: torch.Tensor) -> None:
        if device.type == "cuda":
            torch.cuda.set_rng_state(state, device)
        else:
            torch.set_rng_state(state)
