"""Guard of the private copy: a pass calls no module of the user's, and writes to no weight of theirs.

The copy re-binds whatever leads to a module. What no copy can re-bind is code that names a module in another way, as a
global variable does. So every pass is watched: a call that is given a weight or a buffer of the user's own, or calls
one of their modules, is refused before it is made.
"""

from __future__ import annotations

import random
import threading
import types
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from cnnwidgets.errors import ModelError
from cnnwidgets.explain.copier import ATOMS, is_of_library, names_in, of_library, reached_from
from cnnwidgets.explain.interception import is_made_in_pass
from cnnwidgets.explain.thread_state import CallHook, DispatchMode, FunctionMode
from cnnwidgets.explain.twin import note_written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from cnnwidgets.explain.twin import PrivateCopy

#: Functions that ask a tensor for what is no value of it. They are harmless on a tensor of the user's.
_QUESTIONS = frozenset({
    "size", "dim", "numel", "stride", "is_floating_point", "is_complex", "is_contiguous", "element_size", "__len__",
    "type", "ndimension", "__hash__", "__repr__",
})  # fmt: skip
_CORE = {"torch", "torchvision", "timm", "numpy", "builtins", "collections", "functools", "typing"}  # draw by PyTorch
_DRAWING = frozenset(name for name in dir(random) if not name.startswith("_"))
_VALUES = frozenset({"data", "T", "mT", "H", "mH", "real", "imag"})
_HARMLESS = frozenset({"requires_grad_", "detach_", "retain_grad_", "rename_"})
_WRITING = frozenset(
    {"__setitem__", "__iadd__", "__isub__", "__imul__", "__itruediv__", "__ipow__", "numpy", "__array__"}
)


class WeightWritten(BaseException):
    """A pass is about to write to weights of the user's; it comes through the `except Exception` of a forward pass."""

    def __init__(self, weights: list[int]) -> None:
        super().__init__(weights)
        self.weights = weights  # where their storages lie


class Guard:
    """What belongs to the user, for passes to keep off.

    Args:
        copy: the private copy.
        outer: the guard of the copy that was copied in turn.

    """

    def __init__(self, copy: PrivateCopy, outer: Guard | None = None) -> None:
        self._copy, self._outer = copy, outer
        self._further: dict[int, nn.Module] = {}
        self.resting = False
        self.refused: ModelError | None = None  # also where the forward pass caught it

    @cached_property
    def _code(self) -> _Code:
        return _Code(self._copy)

    @property
    def _globals(self) -> list[nn.Module]:
        """The modules that code of the user's reaches by global variables."""
        return self._code.modules

    @property
    def may_draw(self) -> bool:
        """Whether the model's code has names of functions that draw from the global generators of NumPy or `random`."""
        return self.may_seed or any("random" in name or name in _DRAWING for name in self._code.names)

    @property
    def may_seed(self) -> bool:
        """Whether the model's code has names of functions that seed a global random generator."""
        return any("seed" in name or "rng_state" in name for name in self._code.names)

    @cached_property
    def modules(self) -> dict[int, nn.Module]:
        """The user's modules, by id."""
        own = [*self._copy.modules, *(part for module in self._globals for part in module.modules())]
        return {**(self._outer.modules if self._outer else {}), **{id(module): module for module in own}}

    @cached_property
    def tensors(self) -> dict[int, tuple[Tensor, nn.Module]]:
        """The user's weights and buffers, by id."""
        return {
            id(tensor): (tensor, module)
            for module in self.modules.values()
            if not isinstance(module, torch.jit.ScriptModule)
            for tensor in (*module._parameters.values(), *module._buffers.values())  # noqa: SLF001
            if tensor is not None
        }

    @cached_property
    def weights(self) -> dict[int, list[tuple[Tensor, nn.Parameter]]]:
        """The weights whose storage the copy shares, by where it lies."""
        found: dict[int, list[tuple[Tensor, nn.Parameter]]] = {}
        for original, twin in self._copy.shared:
            place = _storage(twin)
            if place:
                found.setdefault(place, []).append((original, twin))
        return found

    @property
    def is_idle(self) -> bool:
        """Whether passes need no checks: all code is PyTorch's own, which comes to no module but those it is given."""
        return self._code.is_plain and (self._outer is None or self._outer.is_idle)

    @cached_property
    def _private(self) -> frozenset[int]:
        """The modules of the private copy, by id."""
        return frozenset(id(part) for twin in (self._copy.twin, *self._copy.twins) for part in twin.modules())

    def admit(self, twins: Iterable[nn.Module]) -> None:
        """Let passes call the modules of a further copy, for as long as this guard lives."""
        self._further.update((id(part), part) for twin in twins for part in twin.modules())

    def may_call(self, module: nn.Module) -> bool:
        """Whether a pass may call a module: one of the private copy, or one that the pass itself has made.

        Of TorchScript, whose modules are wrapped anew at every access, any that is not known to be the user's.
        """
        if isinstance(module, torch.jit.ScriptModule):
            return id(module) not in self.modules
        return id(module) in self._private or id(module) in self._further or is_made_in_pass(module)

    @property
    def can_watch_writes(self) -> bool:
        """Whether a dispatch mode may check the writes of every pass: TorchScript does not run under one."""
        return not self._code.has_script

    def check(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Refuse a call that is given a tensor of the user's, or is about to write to a weight.

        Raises:
            ModelError: the first.
            WeightWritten: the second.

        """
        if self.resting:
            return
        tensors = self.tensors
        for value in (*args, *kwargs.values()) if kwargs else args:
            if id(value) in tensors:
                self._refuse_tensor(func, value)
            elif type(value) is list or type(value) is tuple:
                for item in value:
                    if id(item) in tensors:
                        self._refuse_tensor(func, item)
        name = getattr(func, "__name__", "")
        in_place = name.endswith("_") and not name.endswith("__")
        if ((in_place and name not in _HARMLESS) or name in _WRITING) or (kwargs and "out" in kwargs):
            self.refuse_writing([*args[:1], *kwargs.values()])

    def refuse_writing(self, targets: Iterable[Any]) -> None:
        """Raise `WeightWritten` if one of the tensors lies in the storage of a weight that the copy shares."""
        places: list[int] = []
        for target in targets:
            some = target if isinstance(target, list | tuple) else (target,)
            places += [
                place for tensor in some if isinstance(tensor, Tensor) and (place := _storage(tensor)) in self.weights
            ]
        if places:
            raise WeightWritten(places)

    def adopt(self, written: WeightWritten) -> None:
        """Give the copy weights of its own where a pass wants to write to them."""
        for place in written.weights:
            pairs = self.weights.pop(place, [])
            note_written(original for original, _ in pairs)
            for _, twin in pairs:
                twin.data = twin.detach().clone(memory_format=torch.preserve_format)

    def _refuse_tensor(self, func: Any, tensor: Tensor) -> None:
        name = getattr(func, "__name__", "")
        if name in _QUESTIONS or (
            name == "__get__" and getattr(getattr(func, "__self__", None), "__name__", "") not in _VALUES
        ):
            return
        raise self.refusal(self.tensors[id(tensor)][1])

    def refusal(self, module: nn.Module) -> ModelError:
        """Return the error for a pass that comes to a module of the user's."""
        model = self._copy.model
        path = next((path for path, part in model.named_modules() if part is module), "")
        what = f"{path!r}, a {type(module).__name__}," if path else f"a {type(module).__name__}"
        self.refused = ModelError(
            f"The model's forward pass calls {what} of yours by a way on which its private copy cannot be put there, "
            "such as a global variable, an attribute of a class or a cache. In training mode that would give wrong "
            "numbers and change its statistics, so nothing was computed. Make the module an attribute of the model, "
            "self.part = part, and call self.part(x)."
        )
        return self.refused

    def watching(self) -> AbstractContextManager[Any]:
        """Context manager: a forward pre-hook that refuses modules from outside of the private copy."""
        return _Hooked(self)

    def watching_writes(self) -> AbstractContextManager[Any]:
        """Context manager: a dispatch mode that refuses in-place operations on the user's weights."""
        return _WriteWatch(self)

    def watching_closely(self) -> tuple[AbstractContextManager[Any], ...]:
        """Return contexts that refuse all of this, and every call that is given a tensor of the user's."""
        return _Hooked(self), _Watch(self), _WriteWatch(self)


def _storage(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):  # a sparse or quantised tensor has none
        return 0


class _Hooked:
    # A class and no generator: one that an interrupt leaves suspended would leave its modes at any later time.
    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def __enter__(self) -> None:
        self._handle = register_module_forward_pre_hook(_Refusing(self._guard))

    def __exit__(self, *_error: object) -> None:
        self._handle.remove()


class _Refusing(CallHook):
    def __init__(self, guard: Guard) -> None:
        super().__init__()
        self._guard = guard

    def __call__(self, module: nn.Module, args: Any) -> None:
        del args
        if threading.get_ident() == self.thread and not self._guard.resting and not self._guard.may_call(module):
            raise self._guard.refusal(module)


class _Watch(FunctionMode):
    """Checks every call of a tensor function."""

    def __init__(self, guard: Guard) -> None:
        super().__init__()
        self._guard = guard

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Check the call and make it."""
        del types
        self._guard.check(func, args, kwargs or {})
        return func(*args, **(kwargs or {}))


class _WriteWatch(DispatchMode):
    """Checks every operation for what it writes to, also where no Python calls it."""

    def __init__(self, guard: Guard) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._guard = guard

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Check the operation and run it."""
        del types
        kwargs = kwargs or {}
        if func._schema.is_mutable and not self._guard.resting:  # noqa: SLF001
            arguments = func._schema.arguments  # noqa: SLF001
            written = [
                args[place] if place < len(args) else kwargs.get(argument.name)
                for place, argument in enumerate(arguments)
                if argument.alias_info is not None and argument.alias_info.is_write
            ]
            with torch._C.DisableTorchFunction():  # noqa: SLF001 - the asking is not part of the pass
                self._guard.refuse_writing(written)
        return func(*args, **kwargs)


# --- what code names globally


_SCRIPT = (torch.jit.ScriptFunction, torch.jit.ScriptModule)


class _Code:
    """Static scan of a model's functions for the names of global variables, by way of functions that they call.

    Attributes:
        modules: the modules in global variables.
        names: all names of global variables and attributes.
        is_plain: whether there is no code but that of PyTorch and of collections of networks.
        has_script: whether there is TorchScript, which does not run under a mode that sees its operations.

    """

    def __init__(self, copy: PrivateCopy) -> None:
        self.modules: list[nn.Module] = []
        self.names: set[str] = set()
        self._todo = [value for value in copy.originals if type(value) is types.FunctionType]
        for kind in {type(value): None for value in copy.originals}:
            for part in kind.__mro__:
                if str(part.__module__).partition(".")[0] not in _CORE:
                    self._todo += _functions_of(part)
        self.is_plain = not self._todo
        self.has_script = any(isinstance(value, _SCRIPT) for value in copy.originals)
        done: set[types.CodeType] = set()
        while self._todo:
            function = self._todo.pop()
            if function.__code__ not in done:
                done.add(function.__code__)
                names = names_in(function.__code__)
                self.names |= names
                if not of_library(function):
                    self._look(names, function.__globals__)

    def _look(self, names: frozenset[str], scope: dict[str, Any]) -> None:
        for name in names & scope.keys():
            for value in self._values(scope[name], names):
                self.has_script |= isinstance(value, _SCRIPT)
                if type(value) is types.FunctionType:
                    self._todo += [] if of_library(value) else [value]
                elif type(value) not in ATOMS and not isinstance(value, type):
                    modules, functions = reached_from(value)
                    self.modules += modules
                    self._todo += functions

    def _values(self, value: Any, names: frozenset[str]) -> list[Any]:
        """Return the value of a global variable; of a class or Python module, those of the attributes named."""
        if not isinstance(value, types.ModuleType | type):
            return [value]
        if is_of_library(value.__name__ if isinstance(value, types.ModuleType) else value.__module__):
            return []
        return [vars(value)[inner] for inner in names & vars(value).keys()]


def _functions_of(kind: type) -> list[types.FunctionType]:
    found = []
    for value in kind.__dict__.values():
        inner = getattr(value, "__func__", getattr(value, "fget", value))
        while inner is not None:
            if isinstance(inner, types.FunctionType):
                found.append(inner)
            inner = getattr(inner, "__dict__", {}).get("__wrapped__")
    return found
