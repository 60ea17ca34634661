"""Saves and restores PyTorch's state of a thread (modes, grad mode, hooks), also where Control-C interrupts that.

A context manager that an interrupt hits on its way out leaves its mode behind: PyTorch's own are such. So the functions
that enter modes are decorated with `restoring`, which notes how things stand before and puts them back in two layers:
the outer one is there for the moment in which the inner one is interrupted.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import threading
import types
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn
from torch.nn.modules import module as module_hooks
from torch.overrides import TorchFunctionMode
from torch.utils import _python_dispatch
from torch.utils._python_dispatch import TorchDispatchMode

from cnnwidgets.explain.fork_lock import on_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Function = TypeVar("Function", bound="Callable[..., Any]")

_C: Any = torch._C  # noqa: SLF001 - there are no public names for the stacks of modes
_FLAGS = (
    "_is_in_torch_dispatch_mode",
    "_is_in_non_infra_torch_dispatch_mode",
    "_is_in_any_mode_without_ignore_compile_internals",
)
_KEYS = tuple(
    getattr(_C._TorchDispatchModeKey, name)  # noqa: SLF001
    for name in ("FAKE", "PROXY", "FUNCTIONAL")
    if hasattr(_C._TorchDispatchModeKey, name)  # noqa: SLF001
)


_ACTIVE = threading.local()  # .state: the innermost ThreadState that is to be put back


class FunctionMode(TorchFunctionMode):
    """A mode that, where an interrupt has taken it off already, takes off no other in its place."""

    def __exit__(self, *error: object) -> None:
        depth = _C._len_torch_function_stack()  # noqa: SLF001
        if depth and _C._get_function_stack_at(depth - 1) is self:  # noqa: SLF001
            super().__exit__(*error)  # type: ignore[no-untyped-call]


class DispatchMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A mode that, where an interrupt has taken it off already, takes off no other in its place."""

    def __exit__(self, *error: object) -> None:
        depth = _C._len_torch_dispatch_stack()  # noqa: SLF001
        if depth and _C._get_dispatch_stack_at(depth - 1) is self:  # noqa: SLF001
            super().__exit__(*error)  # type: ignore[no-untyped-call]


class CallHook:
    """A hook on all modules that belongs to one thread and to one pass; see `ThreadState`."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()

    def __call__(self, module: nn.Module, args: Any) -> None:
        """Look at a call."""
        raise NotImplementedError


class ThreadState:
    """How the modes, the grad mode and the hooks of this thread stand when this is made."""

    def __init__(self) -> None:
        self._grad = torch.is_grad_enabled()
        self._function_modes = [_C._get_function_stack_at(i) for i in range(_C._len_torch_function_stack())]  # noqa: SLF001
        self._function_state = _C._get_torch_function_state()  # noqa: SLF001
        self._dispatch_modes: int = _C._len_torch_dispatch_stack()  # noqa: SLF001
        self._infra = [_C._get_dispatch_mode(key) for key in _KEYS] if self._dispatch_modes else [None] * len(_KEYS)  # noqa: SLF001
        self._flags = [getattr(_python_dispatch, name, None) for name in _FLAGS]
        self._saving = _saving_hooks()
        self._hooks = frozenset(_hooks())
        self._undo: list[Callable[[], None]] = []
        self._outer: ThreadState | None = getattr(_ACTIVE, "state", None)

    def begin(self) -> None:
        """Take what `on_restore` is given from now on."""
        _ACTIVE.state = self

    def on_restore(self, undo: Callable[[], None]) -> None:
        """Have something else put back, too; it is called at least once, and must not mind to be called again."""
        self._undo.append(undo)

    def restore(self) -> None:
        """Put everything back; an interrupt meanwhile is raised when that is done."""
        interrupted: BaseException | None = None
        while True:
            try:
                self._put_back()
                break
            except KeyboardInterrupt as error:
                interrupted = error
        if interrupted is not None:
            raise interrupted

    def _put_back(self) -> None:
        _ACTIVE.state = self._outer
        while self._undo:
            self._undo[-1]()
            self._undo.pop()
        _put_function_modes(self._function_modes)
        if _C._get_torch_function_state() != self._function_state:  # noqa: SLF001
            _C._set_torch_function_state(self._function_state)  # noqa: SLF001
        self._put_dispatch_modes()
        while (top := _saving_hooks()) is not None and not _same(top, self._saving):
            _C._autograd._pop_saved_tensors_default_hooks()  # noqa: SLF001
        for number in _hooks():
            if number not in self._hooks:
                module_hooks._global_forward_pre_hooks.pop(number, None)  # noqa: SLF001
        if torch.is_grad_enabled() is not self._grad:
            _C._set_grad_enabled(self._grad)  # noqa: SLF001

    def _put_dispatch_modes(self) -> None:
        if _C._len_torch_dispatch_stack() > self._dispatch_modes:  # noqa: SLF001
            for key, before in zip(_KEYS, self._infra, strict=True):
                if before is None and _C._get_dispatch_mode(key) is not None:  # noqa: SLF001
                    _C._unset_dispatch_mode(key)  # noqa: SLF001
            while _C._len_torch_dispatch_stack() > self._dispatch_modes:  # noqa: SLF001
                _C._pop_torch_dispatch_stack(None)  # noqa: SLF001
        for name, flag in zip(_FLAGS, self._flags, strict=True):
            if getattr(_python_dispatch, name, None) is not flag:
                setattr(_python_dispatch, name, flag)
                if name == _FLAGS[2]:
                    _python_dispatch.set_is_in_mode_without_ignore_compile_internals(bool(flag))  # type: ignore[attr-defined]


def _put_function_modes(before: list[Any]) -> None:
    """Make the stack of function modes what it was; PyTorch itself takes one off for a moment to call it."""
    while True:
        now = [_C._get_function_stack_at(i) for i in range(_C._len_torch_function_stack())]  # noqa: SLF001
        same = len(now) <= len(before) and all(one is other for one, other in zip(now, before, strict=False))
        if same:
            break
        _C._pop_torch_function_stack()  # noqa: SLF001
    for mode in before[len(now) :]:
        _C._push_on_torch_function_stack(mode)  # noqa: SLF001


def _close_contexts(error: BaseException) -> None:
    """Close contexts made of generators that an interrupt left suspended: later they would exchange modes by surprise.

    They are found in the frames that the error went through, which nobody will enter again.
    """
    frames, trace = [], error.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    for frame in reversed(frames[1:]):  # the first one is still running
        for value in gc.get_referents(frame):
            owner = getattr(value, "__self__", None) if type(value) is types.MethodType else value
            generator = getattr(owner, "gen", None) if isinstance(owner, contextlib._GeneratorContextManager) else None  # noqa: SLF001
            if isinstance(generator, types.GeneratorType) and not generator.gi_running:
                with contextlib.suppress(Exception):
                    generator.close()


def _saving_hooks() -> Any:
    return _C._autograd._top_saved_tensors_default_hooks(True)  # noqa: SLF001


def _same(hooks: Any, others: Any) -> bool:
    return others is not None and all(one is other for one, other in zip(hooks, others, strict=True))


def _hooks() -> list[int]:
    """Return the numbers of this thread's hooks on all modules."""
    table = module_hooks._global_forward_pre_hooks  # noqa: SLF001
    if not table:
        return []
    thread = threading.get_ident()
    return [number for number, hook in list(table.items()) if isinstance(hook, CallHook) and hook.thread == thread]


def restoring(function: Function) -> Function:
    """Let a function leave the modes, the grad mode and the hooks of its thread as it found them, however it ends."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        before = ThreadState()
        try:
            try:
                before.begin()
                return function(*args, **kwargs)
            except KeyboardInterrupt as error:
                _close_contexts(error)
                raise
            finally:
                before.restore()
        finally:
            before.restore()  # where an interrupt kept the first one from beginning

    return run  # type: ignore[return-value]


def on_restore(undo: Callable[[], None]) -> None:
    """Have something put back when the innermost function that is `restoring` ends; see `ThreadState.on_restore`."""
    state: ThreadState | None = getattr(_ACTIVE, "state", None)
    if state is not None:
        state.on_restore(undo)


def _after_fork() -> None:
    """Put away what belongs to threads that do not go on in a forked process: later ones may be given their numbers."""
    table, thread = module_hooks._global_forward_pre_hooks, threading.get_ident()  # noqa: SLF001
    for number, hook in list(table.items()):
        if isinstance(hook, CallHook) and hook.thread != thread:
            table.pop(number, None)
    if not _C._len_torch_dispatch_stack():  # noqa: SLF001 - these flags are the process's
        for name in _FLAGS:
            if getattr(_python_dispatch, name, None):
                setattr(_python_dispatch, name, False)


on_fork(_after_fork)


@restoring
def _next(steps: Iterator[Any], end: object) -> Any:
    return next(steps, end)


def restoring_steps(function: Function) -> Function:
    """Let a generator leave the state of its thread as it found it at every step."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Iterator[Any]:
        steps, end = function(*args, **kwargs), object()
        try:
            while (item := _next(steps, end)) is not end:
                yield item
        finally:
            steps.close()

    return run  # type: ignore[return-value]
