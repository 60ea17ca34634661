"""Runs a model with private random numbers: those of PyTorch, NumPy and `random` go on for the user as they were."""

from __future__ import annotations

import contextlib
import random
import threading
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from cnnwidgets.explain.fork_lock import ForkLock, on_fork
from cnnwidgets.explain.thread_state import DispatchMode, on_restore

if TYPE_CHECKING:
    from collections.abc import Callable

_aten = torch.ops.aten
_LOCK = ForkLock()
_COMMON_LOCK = ForkLock()
_SEED = 0x636E6E  # nobody else's, so that a forward pass that seeds with a number of its own is noticed
_PYTHON_START = random.Random(_SEED).getstate()  # noqa: S311 - no secrets
_NUMPY_START = np.random.RandomState(_SEED).get_state(legacy=False)
_TORCH_START = torch.Generator().manual_seed(_SEED).get_state()


def python_state() -> tuple[Any, Any]:
    """Return the state of the common random numbers of `random` and NumPy, for `put_python_state`."""
    return random.getstate(), np.random.get_state(legacy=False)  # noqa: NPY002


def put_python_state(state: tuple[Any, Any]) -> None:
    """Put the common random numbers of `random` and NumPy back."""
    random.setstate(state[0])
    np.random.set_state(state[1])  # noqa: NPY002


class CommonRandomness:
    """While active, the common random numbers of NumPy, `random` and PyTorch begin anew; at the end they are put back.

    They belong to the process, so another thread that draws meanwhile gets other numbers too. Hence this is done only
    for networks that draw from them in Python or seed them; PyTorch's are only exchanged for those that seed.

    Args:
        seeds: exchange PyTorch's as well.

    Attributes:
        drawn: whether somebody drew from those of NumPy or `random`, or seeded them, known at the end.
        seeded: whether somebody seeded PyTorch's, as `torch.manual_seed` does.

    """

    def __init__(self, *, seeds: bool) -> None:
        self.drawn = self.seeded = False
        self._seeds = seeds
        self._before: tuple[Any, Any, Tensor, list[Tensor]] | None = None
        self._locked = False
        self._thread = threading.get_ident()

    def __enter__(self) -> Self:
        on_restore(self._put_back)
        self._locked = True
        _COMMON_LOCK.acquire()
        gpus = torch.cuda.get_rng_state_all() if self._seeds and _has_gpu() else []
        self._before = random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state(), gpus  # noqa: NPY002
        _ACTIVE.append(self)
        random.setstate(_PYTHON_START)
        self._numpy = self._before[1]
        if self._numpy["bit_generator"] == _NUMPY_START["bit_generator"]:  # else somebody has put in another kind
            self._numpy = _NUMPY_START
            np.random.set_state(_NUMPY_START)  # noqa: NPY002
        if self._seeds:
            torch.set_rng_state(_TORCH_START)
        return self

    def __exit__(self, *_error: object) -> None:
        self.drawn = random.getstate() != _PYTHON_START or repr(np.random.get_state(legacy=False)) != repr(self._numpy)  # noqa: NPY002
        self.seeded = self._seeds and not torch.equal(torch.get_rng_state(), _TORCH_START)
        self._put_back()

    def _put_back(self) -> None:
        if self._before is not None:
            python, numpy, common, gpus = self._before
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
            if self._seeds:
                torch.set_rng_state(common)
            if self._seeds and gpus:
                torch.cuda.set_rng_state_all(gpus)
            self._before = None
        while self in _ACTIVE:
            _ACTIVE.remove(self)
        if self._locked:
            with contextlib.suppress(RuntimeError):  # an interrupt came before it was taken
                _COMMON_LOCK.release()
            self._locked = False

    def leave_after_fork(self) -> None:
        """Put the numbers back in a forked process, in which the thread that exchanged them does not go on."""
        if self._thread != threading.get_ident():
            self._locked = False
            self._put_back()


_ACTIVE: list[CommonRandomness] = []
_EXCHANGED: list[tuple[torch.Generator, Tensor]] = []  # by operations that are running


def _after_fork() -> None:
    lock = getattr(getattr(np.random.mtrand._rand, "_bit_generator", None), "lock", None)  # noqa: SLF001
    if lock is not None:
        if not lock.acquire(blocking=False):  # a thread was drawing: NumPy's own numbers cannot be had in this process
            return
        lock.release()
    for generator, state in reversed(_EXCHANGED):
        generator.set_state(state)
    _EXCHANGED.clear()
    for one in reversed(_ACTIVE.copy()):
        one.leave_after_fork()


on_fork(_after_fork)


class PrivateRandomness(DispatchMode):
    """While active, this thread's random operations draw from generators of their own, seeded with 0.

    A generator that the model brings along is drawn from as it stands, and put back at the end.

    PyTorch's operations draw from one generator per process, unless they are given another one. Exchanging the state
    of that one, even for a moment, would show in a training loop that runs at the same time in another thread; so it
    is only done for the few operations that take no generator.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._generators: dict[torch.device, torch.Generator] = {}
        self._borrowed: dict[int, tuple[torch.Generator, Tensor]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation, with a generator of its own if it draws."""
        del types
        kwargs = kwargs or {}
        given = [*args, *kwargs.values()]
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **kwargs)
        generator = next((one for one in given if isinstance(one, torch.Generator)), None)
        if generator is not None and _number(generator) != _number(torch.default_generator):
            self._borrow(generator)
            return func(*args, **kwargs)
        named = torch.device(kwargs.get("device") or "cpu")
        device = next((a.device for a in args if isinstance(a, Tensor)), named)
        own = self._generators.get(device)
        if own is None:
            own = self._generators[device] = torch.Generator(device).manual_seed(0)
        if generator is not None:  # PyTorch's common one, by name
            args = tuple(own if one is generator else one for one in args)
            return func(*args, **{key: own if one is generator else one for key, one in kwargs.items()})
        rewritten = _REWRITTEN.get(func.overloadpacket)
        if rewritten is not None:
            return rewritten(own, *args, **kwargs)
        taker = _taking_generator(func)
        if taker is not None:
            return taker(*args, **{**kwargs, "generator": own})
        return _exchanged(own, device, func, args, kwargs)

    def __enter__(self) -> Self:
        on_restore(self._give_back)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._give_back()

    def _borrow(self, generator: torch.Generator) -> None:
        """Note the state of a generator that somebody else made, before it is drawn from for the first time."""
        if _number(generator) not in self._borrowed:
            self._borrowed[_number(generator)] = generator, generator.get_state()

    def _give_back(self) -> None:
        for generator, state in self._borrowed.values():
            generator.set_state(state)
        self._borrowed.clear()


def _number(generator: Any) -> int:
    """Return what tells generators apart: operations are shown another Python object each time."""
    number: int = generator._cdata  # noqa: SLF001 - there is no public name
    return number


def _has_gpu() -> bool:
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


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
        _EXCHANGED.append((common, before))
        try:
            try:
                common.set_state(own.get_state())
                return func(*args, **kwargs)
            finally:
                own.set_state(common.get_state())
                common.set_state(before)
        finally:
            common.set_state(before)  # where an interrupt kept the first one from it
            _EXCHANGED.clear()
