"""What a forward pass of ours meets other than elsewhere: opaque calls, no recomputation, no inference mode.

A mode of torch functions sees neither a `torch.autograd.Function` nor a TorchScript module as a call: of the one it
sees the functions inside, whose results are not those that come out of it, of the other nothing. Gradient checkpointing
runs a part of the forward pass again during the backward pass, without the edits that were in force. And tensors of
`torch.inference_mode()` have no version, by which writing in place is noticed. So while a pass of ours runs, some
functions of PyTorch are exchanged for ones that, in the pass's own thread, do otherwise; in every other thread, and
once the pass has ended, they do what they did.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.autograd import function as _function
from torch.overrides import _get_current_function_mode_stack
from torch.utils import checkpoint as _checkpoint

from cnnwidgets.explain.fork_lock import ForkLock, on_fork
from cnnwidgets.explain.process_settings import ProcessSettings
from cnnwidgets.explain.thread_state import on_restore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

_CHECKPOINTS = ("_checkpoint_without_reentrant_generator", "_checkpoint_without_reentrant_generator_impl")
_LOCK = ForkLock()
_MISSING = object()


class _Thread(threading.local):
    passes = 0

    def __init__(self) -> None:
        self.made: weakref.WeakSet[nn.Module] = weakref.WeakSet()


_THREAD = _Thread()


class OpaqueCall:
    """A call that no torch function shows, as modes number it.

    Args:
        name: what it is called.
        run: runs it.
        module: the TorchScript module that is called, None for a custom autograd function.
        within: whether only the forward of a custom autograd function is seen, from within: its results become part of
            the graph of gradients when it has ended.

    Attributes:
        afterwards: what is to be done with the results once they are part of the graph.

    """

    def __init__(
        self, name: str, run: Callable[..., Any], module: nn.Module | None = None, *, within: bool = False
    ) -> None:
        self.__name__, self._run, self.module, self.within = name, run, module, within
        self.afterwards: list[Callable[[], Any]] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it."""
        return self._run(*args, **kwargs)


def opaque_name(cls: type) -> str:
    """Return what a custom autograd function is called: no name of a torch function has a dot in it."""
    return f"{cls.__name__}.apply"


class Interception:
    """A context in which the calls of this thread are those of a pass of ours; others may be entered inside of it."""

    _patches: list[tuple[Any, str, Any]] = []
    _users: set[Interception] = set()
    _settings: ProcessSettings

    def __enter__(self) -> Self:
        """Take the place of PyTorch's functions, unless another pass has."""
        self._before, self.thread = _THREAD.passes, threading.get_ident()
        on_restore(self._leave)
        with _LOCK:
            self._settings = ProcessSettings(next((user._settings for user in Interception._users), None))  # noqa: SLF001
            Interception._users.add(self)
            if len(Interception._users) == 1:
                _install(Interception._patches)
        if not self._before:
            _THREAD.made = weakref.WeakSet()
        _THREAD.passes = self._before + 1
        return self

    def __exit__(self, *_error: object) -> None:
        """Leave PyTorch as it was."""
        self._leave()

    def _leave(self) -> None:
        """Give PyTorch's functions back once no pass needs them; to do it twice does no harm."""
        if self not in Interception._users:
            return
        _THREAD.passes = self._before
        with _LOCK:
            self._settings.put_back()
            if Interception._users == {self}:
                _uninstall(Interception._patches)
            Interception._users.discard(self)

    @staticmethod
    def leave_after_fork() -> None:
        """Forget the passes of threads that do not go on in a forked process."""
        thread = threading.get_ident()
        Interception._users = {user for user in Interception._users if user.thread == thread}
        if not Interception._users:
            _uninstall(Interception._patches)


on_fork(Interception.leave_after_fork)


_CALLS_SUPER = hasattr(vars(_function.Function).get("apply"), "__func__")
_C_APPLY: Any = vars(torch._C._FunctionBase)["apply"]  # noqa: SLF001


def _install(patches: list[tuple[Any, str, Any]]) -> None:
    """Exchange the functions, noting what stood there."""
    # Of a PyTorch whose `Function.apply` is Python, what that one calls is exchanged: it serves whatever was kept.
    # Where it is C, an `apply` that was kept under another name, as `swish = Swish.apply`, is only seen from within.
    owner_of_apply = _function._SingleLevelFunction if _CALLS_SUPER else _function.Function  # noqa: SLF001
    exchanged: list[tuple[Any, str, Any]] = [
        (owner_of_apply, "apply", classmethod(_apply)),
        *(() if _CALLS_SUPER else ((_function.FunctionMeta, "__getattribute__", _get_forward),)),
        (torch.jit.ScriptModule, "__call__", _call_script),
        (nn.Module, "__init__", _init_module),
        (nn.Module, "__setstate__", _set_module_state),
        (torch._C, "_InferenceMode", _inference_mode),  # noqa: SLF001
        *((_checkpoint, name, _without_recomputation(getattr(_checkpoint, name, None))) for name in _CHECKPOINTS),
    ]
    for owner, name, value in exchanged:
        before = vars(owner).get(name, _MISSING)
        if before is _MISSING and owner is _checkpoint:  # of another version of PyTorch
            continue
        patches.append((owner, name, before))
        setattr(owner, name, value)


_INIT_MODULE: Any = nn.Module.__init__
_SET_MODULE_STATE: Any = nn.Module.__setstate__


def _init_module(self: nn.Module, *args: Any, **kwargs: Any) -> None:
    _INIT_MODULE(self, *args, **kwargs)
    if _THREAD.passes:
        _THREAD.made.add(self)


def _set_module_state(self: nn.Module, state: Any) -> None:
    """Make a copy of a module, as `copy.deepcopy` does."""
    _SET_MODULE_STATE(self, state)
    if _THREAD.passes:
        _THREAD.made.add(self)


def is_made_in_pass(module: nn.Module) -> bool:
    """Whether a forward pass of this thread that is under way has made a module, as `nn.ReLU()(x)` does."""
    return module in _THREAD.made


def _uninstall(patches: list[tuple[Any, str, Any]]) -> None:
    """Give PyTorch its functions back."""
    while patches:
        owner, name, before = patches[-1]
        if before is not _MISSING:
            setattr(owner, name, before)
        elif name in vars(owner):
            delattr(owner, name)
        patches.pop()


_INFERENCE_MODE: Any = torch._C._InferenceMode  # noqa: SLF001


def _inference_mode(mode: Any = True) -> Any:  # noqa: FBT002 - as PyTorch has it
    if not _THREAD.passes:
        return _INFERENCE_MODE(mode)
    # Without gradients either way; but these tensors have versions, and may be written to and marked later.
    return torch.no_grad() if mode else torch.enable_grad()


def _without_recomputation(original: Any) -> Callable[..., Iterator[None]]:
    def generator(*args: Any, **kwargs: Any) -> Iterator[None]:
        if not _THREAD.passes:
            yield from original(*args, **kwargs)
        else:
            yield

    return generator


def _active_mode() -> Any:
    """Return the innermost mode of this thread that numbers calls, None outside of one and inside a call of one."""
    if not _THREAD.passes:
        return None
    stack: list[Any] = _get_current_function_mode_stack()  # type: ignore[no-untyped-call]
    modes = [mode for mode in stack if hasattr(mode, "opaque")]
    return modes[-1] if modes else None


def _apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
    """Replacement of `torch.autograd.Function.apply`: one numbered call; a checkpoint runs without recomputation."""
    if cls is _checkpoint.CheckpointFunction and _THREAD.passes:
        function, _preserve, *given = args
        return function(*given)

    run = _C_APPLY.__get__(None, cls)
    mode = _active_mode()
    if mode is None:
        return run(*args, **kwargs)
    return mode.opaque(OpaqueCall(opaque_name(cls), run), args, kwargs)


def _get_forward(cls: Any, name: str) -> Any:
    """Return an attribute of a custom autograd function; its forward is one call of the pass, if nothing else was."""
    value = type.__getattribute__(cls, name)
    if name != "forward" or cls is _checkpoint.CheckpointFunction:
        return value
    mode = _active_mode()
    if mode is None or mode.inside is not None:
        return value

    def forward(*args: Any, **kwargs: Any) -> Any:
        return mode.opaque(OpaqueCall(opaque_name(cls), value, within=True), args, kwargs)

    return forward


def _call_script(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
    """Run a TorchScript module as one call of the pass."""

    def run(*args: Any, **kwargs: Any) -> Any:
        return nn.Module.__call__(self, *args, **kwargs)

    mode = _active_mode()
    if mode is None:
        return run(*args, **kwargs)
    return mode.opaque(OpaqueCall("TorchScript.forward", run, self), args, kwargs)
