"""Runs a model with private random numbers: those of PyTorch, NumPy and `random` go on for the user as they were."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

if TYPE_CHECKING:
    from collections.abc import Callable

_aten = torch.ops.aten
_LOCK = threading.Lock()
_PYTHON_LOCK = threading.RLock()
_PYTHON_START = random.Random(0).getstate()  # noqa: S311 - no secrets
_NUMPY_START = np.random.RandomState(0).get_state(legacy=False)


class PythonRandomness:
    """While active, NumPy's and Python's common random numbers begin at 0, and they are put back at the end.

    They belong to the process, so another thread that draws meanwhile gets other numbers too. Hence this is done only
    in the first pass through a network, and in the passes of networks that draw from them.

    Attributes:
        drawn: whether somebody drew, known at the end.

    """

    def __init__(self) -> None:
        self.drawn = False
        self._before: tuple[Any, Any] | None = None

    def __enter__(self) -> Self:
        _PYTHON_LOCK.acquire()
        self._before = random.getstate(), np.random.get_state(legacy=False)
        random.setstate(_PYTHON_START)
        self._began = self._before[1]
        if self._began["bit_generator"] == _NUMPY_START["bit_generator"]:  # else somebody has put in another kind
            self._began = _NUMPY_START
            np.random.set_state(_NUMPY_START)
        return self

    def __exit__(self, *_error: object) -> None:
        self.drawn = random.getstate() != _PYTHON_START or repr(np.random.get_state(legacy=False)) != repr(self._began)
        self._put_back()
        _PYTHON_LOCK.release()

    def _put_back(self) -> None:
        if self._before is not None:
            random.setstate(self._before[0])
            np.random.set_state(self._before[1])


class PrivateRandomness(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While active, this thread's random operations draw from generators of their own, seeded with 0.

    PyTorch's operations draw from one generator per process, unless they are given another one. Exchanging the state
    of that one, even for a moment, would show in a training loop that runs at the same time in another thread; so it
    is only done for the few operations that take no generator.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._generators: dict[torch.device, torch.Generator] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation, with a generator of its own if it draws."""
        del types
        kwargs = kwargs or {}
        given = [*args, *kwargs.values()]
        if torch.Tag.nondeterministic_seeded not in func.tags or any(isinstance(a, torch.Generator) for a in given):
            return func(*args, **kwargs)
        named = torch.device(kwargs.get("device") or "cpu")
        device = next((a.device for a in args if isinstance(a, Tensor)), named)
        own = self._generators.get(device)
        if own is None:
            own = self._generators[device] = torch.Generator(device).manual_seed(0)
        rewritten = _REWRITTEN.get(func.overloadpacket)
        if rewritten is not None:
            return rewritten(own, *args, **kwargs)
        taker = _taking_generator(func)
        if taker is not None:
            return taker(*args, **{**kwargs, "generator": own})
        return _exchanged(own, device, func, args, kwargs)


def _taking_generator(func: Any) -> Any:
    """Return the operation, or its overload, that takes a generator by name; None if there is none."""
    packet, overload = func.overloadpacket, func._overloadname  # noqa: SLF001
    for name in (overload, "generator" if overload == "default" else f"{overload}_generator"):
        if name in packet.overloads():
            found = getattr(packet, name)
            if any(argument.name == "generator" for argument in found._schema.arguments):  # noqa: SLF001
                return found
    return None


def _filled(fill: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def like(own: torch.Generator, source: Tensor, *numbers: Any, **kwargs: Any) -> Tensor:
        return fill(_aten.empty_like(source, **kwargs), *numbers, generator=own)

    return like


def _dropout(own: torch.Generator, x: Tensor, p: float, train: Any) -> tuple[Tensor, Tensor]:
    mask = torch.ones_like(x, dtype=torch.bool)
    if train is False:
        return x.clone(), mask
    mask.bernoulli_(1 - p, generator=own)
    return x * mask * (0.0 if p == 1 else 1 / (1 - p)), mask


_REWRITTEN: dict[Any, Callable[..., Any]] = {
    _aten.randn_like: _filled(torch.Tensor.normal_),
    _aten.rand_like: _filled(torch.Tensor.uniform_),
    _aten.randint_like: _filled(
        lambda out, *limits, generator: out.random_(*(limits if len(limits) > 1 else (0, *limits)), generator=generator)
    ),
    _aten.native_dropout: _dropout,
}


def _exchanged(
    own: torch.Generator, device: torch.device, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run an operation that takes no generator with the process's own one in the state of `own`."""
    on_gpu = device.type == "cuda"
    common = torch.cuda.default_generators[device.index or 0] if on_gpu else torch.default_generator
    with _LOCK:
        before = common.get_state()
        common.set_state(own.get_state())
        try:
            return func(*args, **kwargs)
        finally:
            own.set_state(common.get_state())
            common.set_state(before)
