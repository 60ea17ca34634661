"""Copies objects that belong to a network: whatever holds a module is rebuilt so that it holds the module's copy.

`copy.deepcopy` copies too much (weights, loggers, data sets) and too little (functions with what they close over, bound
methods, weak references). This walk copies the state that a forward pass can change, shares what is fixed, and leaves
alone what belongs to the machine: files, threads, loggers.
"""

from __future__ import annotations

import array
import ast
import collections
import copy
import enum
import functools
import itertools
import queue
import random
import sys
import threading
import types
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from cnnwidgets.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

#: Types whose values never change, and hold nothing that does.
ATOMS = frozenset({
    bool, int, float, complex, str, bytes, type(None), range, slice, type(Ellipsis), type(NotImplemented), object,
    torch.dtype, torch.device, torch.memory_format, torch.layout, torch.Size, types.ModuleType, types.CodeType,
})  # fmt: skip
#: Packages and modules whose objects belong to the machine or to a training, not to a forward pass.
_MACHINERY = frozenset({
    "IPython", "PIL", "_io", "_thread", "asyncio", "concurrent", "contextvars", "ctypes", "importlib", "inspect", "io",
    "ipykernel", "ipywidgets", "lightning", "logging", "matplotlib", "mmap", "multiprocessing", "pathlib", "pytest",
    "pytorch_lightning", "re", "selectors", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "tensorboard",
    "tensorboardX", "tkinter", "traitlets", "types", "typing", "unittest", "wandb", "zipfile", "_pytest",
})  # fmt: skip
_TORCH_MACHINERY = (
    "torch.fx", "torch._", "torch.optim", "torch.utils.data", "torch.utils.tensorboard", "torch.jit", "torch.export",
    "torch.distributed.", "torch.profiler", "torch.autograd", "torch.cuda", "torch.multiprocessing",
)  # fmt: skip
_RANDOM = (np.random.Generator, np.random.BitGenerator, np.random.RandomState)
_SHARED_RANDOM = {id(getattr(random, "_inst", None)), id(getattr(np.random.mtrand, "_rand", None))}
_SEVERAL = 256  # things in a global variable that are looked through
_LARGE_ARRAY = 1 << 28  # bytes above which an array is lent for reading, not copied


class _Unusable:
    """Stands where a generator or another iterator stood that cannot be copied: using it would move the user's on."""

    def __init__(self, kind: str) -> None:
        self.__dict__["_kind"] = kind

    def _refuse(self, *_args: Any, **_kwargs: Any) -> Any:
        raise ModelError(
            f"The model's forward pass takes items from a {self.__dict__['_kind']} that it holds. It cannot be copied, "
            "and taking from it would change your model. Hold a list, a queue.Queue or a function instead."
        )

    __iter__ = __next__ = __len__ = __bool__ = __call__ = __contains__ = __getitem__ = _refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # how Python and its tools look an object over
            raise AttributeError(name)
        return self._refuse()


class Copier:
    """Copies values; each object once, however many ways lead to it.

    Subclasses say what becomes of tensors and modules.

    Attributes:
        memo: the copies by the ids of the originals.
        originals: what was copied, or looked at.
        weak: copies to which weak references lead alone, for somebody to keep alive.
        modules_only: share what leads to no module.

    """

    def __init__(self) -> None:
        self.memo: dict[int, Any] = {}
        self.weak: list[Any] = []
        self.modules_only = False
        self._leads: dict[int, bool] = {}
        self.originals: list[Any] = []  # the ids above hold as long as these live

    def tensor(self, value: Tensor) -> Tensor:
        """Return the copy of a tensor."""
        return value.detach().clone()

    def module(self, value: nn.Module) -> nn.Module:
        """Return the copy of a module."""
        raise NotImplementedError

    def remember(self, value: Any, twin: Any) -> Any:
        """Note the copy of an object before it is filled: it may hold itself."""
        self.memo[id(value)] = twin
        self.originals.append(value)
        return twin

    def value(self, value: Any) -> Any:
        """Return the copy of anything; the thing itself where there is nothing in it to copy."""
        kind = type(value)
        if kind in ATOMS:
            return value
        known = self.memo.get(id(value))
        if known is not None:
            return known
        if kind is tuple and all(type(item) in ATOMS for item in value):
            return value
        if self.modules_only and not self.leads_to_module(value):
            return value
        return self.remember(value, self._copied(kind, value))

    def leads_to_module(self, value: Any) -> bool:
        """Whether a module can be reached from a value."""
        known = self._leads.get(id(value))
        if known is None:
            self.originals.append(value)
            known = self._leads[id(value)] = bool(modules_in(value))
        return known

    def _copied(self, kind: type, value: Any) -> Any:
        if issubclass(kind, Tensor):
            return self.tensor(value)
        if issubclass(kind, nn.Module):
            return self.module(value)
        way = _way(kind)  # type: ignore[arg-type]
        if way is None:
            return value
        try:
            return getattr(self, way)(kind, value)
        except ModelError:
            raise
        except RecursionError:
            raise ModelError(
                f"A {kind.__name__} that the model holds is nested too deeply to be copied. Keep it out of the model."
            ) from None
        except Exception:  # noqa: BLE001 - an object of any make: what cannot be copied is shared, and watched by the guard
            return value

    # --- containers

    def _dict(self, kind: Any, value: Any) -> Any:
        twin = self.remember(value, kind.__new__(kind))
        if isinstance(value, collections.defaultdict):
            twin.default_factory = self.value(value.default_factory)
        store = collections.OrderedDict.__setitem__ if isinstance(value, collections.OrderedDict) else dict.__setitem__
        for key, item in list(dict.items(value)):
            store(twin, self.value(key), self.value(item))
        return self._filled(value, twin)

    def _list(self, kind: Any, value: Any) -> Any:
        twin = self.remember(value, kind.__new__(kind))
        list.extend(twin, [self.value(item) for item in list.__iter__(value)])
        return self._filled(value, twin)

    def _tuple(self, kind: Any, value: Any) -> Any:
        items = [self.value(item) for item in tuple.__iter__(value)]
        if all(one is other for one, other in zip(items, tuple.__iter__(value), strict=True)):
            return value
        if hasattr(kind, "n_sequence_fields"):  # a `torch.return_types`, made in C
            return kind(items)
        return self._filled(value, tuple.__new__(kind, items))

    def _set(self, kind: Any, value: Any) -> Any:
        twin = self.remember(value, kind.__new__(kind))
        set.update(twin, [self.value(item) for item in set.__iter__(value)])
        return self._filled(value, twin)

    def _frozenset(self, kind: Any, value: Any) -> Any:
        items = [self.value(item) for item in value]
        return value if all(item in value for item in items) else frozenset.__new__(kind, items)

    def _deque(self, kind: Any, value: Any) -> Any:
        twin = self.remember(value, kind.__new__(kind))
        collections.deque.__init__(twin, (), value.maxlen)
        collections.deque.extend(twin, [self.value(item) for item in list(value)])
        return self._filled(value, twin)

    def _mapping_proxy(self, _kind: type, value: Any) -> Any:
        return types.MappingProxyType(self.value(dict(value)))

    def _weak_container(self, kind: Any, value: Any) -> Any:
        twin = self.remember(value, kind())
        pairs = list(value.items()) if hasattr(value, "items") else [(item, None) for item in value]
        for key, item in pairs:
            mine, other = self.value(key), self.value(item)
            self.weak += [mine, other]
            if hasattr(value, "items"):
                twin[mine] = other
            else:
                twin.add(mine)
        return twin

    # --- functions and references

    def _function(self, _kind: type, value: types.FunctionType) -> Any:
        plain = value.__dict__.get("_torchdynamo_orig_callable")
        if plain is not None:  # compiled: the copy runs as it is written
            return self.value(plain)
        outside = {} if of_library(value) else self._leading_on(value)
        if not (outside or value.__closure__ or value.__defaults__ or value.__kwdefaults__ or value.__dict__):
            return value
        old = value.__closure__ or ()
        new = tuple(self.memo.get(id(cell)) or self.remember(cell, types.CellType()) for cell in old)
        scope = self._scope(value.__globals__) if outside else value.__globals__
        twin = types.FunctionType(value.__code__, scope, value.__name__, None, new or None)
        self.remember(value, twin)
        changed = _writes_to_closure(value.__code__)
        for name, item in outside.items():
            scope[name] = self.value(item)
            changed |= scope[name] is not item
        for cell, mine in zip(old, new, strict=True):
            try:
                content = cell.cell_contents
            except ValueError:  # empty as yet
                continue
            mine.cell_contents = self.value(content)
            changed |= mine.cell_contents is not content and mine.cell_contents is not twin
        defaults, named = self.value(value.__defaults__), self.value(value.__kwdefaults__)
        state = {key: self.value(item) for key, item in value.__dict__.items()}
        changed |= defaults is not value.__defaults__
        changed |= any(item is not value.__dict__[key] for key, item in state.items())
        changed |= any(item is not (value.__kwdefaults__ or {})[key] for key, item in (named or {}).items())
        if not changed:
            return value
        twin.__defaults__, twin.__kwdefaults__ = defaults, named
        twin.__dict__.update(state)
        for name in ("__qualname__", "__module__", "__doc__"):
            setattr(twin, name, getattr(value, name))
        return twin

    def _leading_on(self, function: types.FunctionType) -> dict[str, Any]:
        """Return the global variables of a function that hold modules, or functions that may do so in turn."""
        scope = function.__globals__
        found: dict[str, Any] = {}
        for name in names_in(function.__code__) & scope.keys():
            item = scope[name]
            if type(item) is types.FunctionType:
                if not of_library(item):
                    found[name] = item
            elif type(item) not in ATOMS and not isinstance(item, type) and self.leads_to_module(item):
                found[name] = item
        return found

    def _scope(self, scope: dict[str, Any]) -> dict[str, Any]:
        """Return the copy of a function's global variables."""
        known: dict[str, Any] | None = self.memo.get(id(scope))
        return self.remember(scope, dict(scope)) if known is None else known

    def _method(self, kind: Callable[..., Any], value: types.MethodType) -> Any:
        function, owner = self.value(value.__func__), self.value(value.__self__)
        return value if function is value.__func__ and owner is value.__self__ else kind(function, owner)

    def _builtin(self, _kind: type, value: Any) -> Any:
        owner = self.value(value.__self__)
        return value if owner is value.__self__ else getattr(owner, value.__name__)

    def _partial(self, kind: type, value: functools.partial[Any]) -> Any:
        given = {key: self.value(item) for key, item in value.keywords.items()}
        twin: Any = functools.partial.__new__(kind, self.value(value.func), *map(self.value, value.args), **given)
        return self._filled(value, twin)

    def _cached(self, _kind: type, value: Any) -> Any:
        if not self.leads_to_module(value.__wrapped__):
            return value  # what it has made is in its cache; an empty one would make something else
        return functools.lru_cache(**value.cache_parameters())(self.value(value.__wrapped__))

    def _reference(self, _kind: type, value: weakref.ref[Any]) -> Any:
        target = value()
        twin = self.value(target)
        self.weak.append(twin)
        return value if twin is target else weakref.ref(twin)

    def _proxy(self, _kind: type, value: Any) -> Any:
        target = value.__repr__.__self__
        twin = self.value(target)
        self.weak.append(twin)
        return value if twin is target else weakref.proxy(twin)

    # --- state of other kinds

    def _array(self, _kind: type, value: Any) -> Any:
        if value.dtype.hasobject:
            twin = self.remember(value, value.copy())
            for place in np.ndindex(*value.shape):
                twin[place] = self.value(value[place])
            return twin
        if value.nbytes <= _LARGE_ARRAY:
            return np.array(value, copy=True, subok=True)
        lent = value.view()
        lent.flags.writeable = False
        return lent

    def _duplicate(self, _kind: type, value: Any) -> Any:
        return copy.copy(value)

    def _random(self, _kind: type, value: Any) -> Any:
        return value if id(value) in _SHARED_RANDOM else copy.deepcopy(value)

    def _generator(self, _kind: type, value: torch.Generator) -> Any:
        if value is torch.default_generator:
            return value
        return torch.Generator(value.device).set_state(value.get_state())

    def _queue(self, kind: Any, value: queue.Queue[Any]) -> Any:
        twin = self.remember(value, object.__new__(kind))
        lock = self.remember(value.mutex, threading.Lock())  # nobody holds the copy
        for name in ("not_empty", "not_full", "all_tasks_done"):
            self.remember(getattr(value, name), threading.Condition(lock))
        return self._filled(value, twin)

    def _local(self, kind: Any, value: Any) -> Any:
        twin = self.remember(value, kind())
        twin.__dict__.update({key: self.value(item) for key, item in value.__dict__.items()})
        return twin

    def _simple_queue(self, kind: Any, value: Any) -> Any:
        return kind() if value.empty() else _Unusable(kind.__name__)

    def _count(self, kind: Callable[..., Any], value: Any) -> Any:
        return kind(*ast.literal_eval(f"({repr(value).partition('(')[2][:-1]},)"))

    def _stand_in(self, kind: Any, _value: Any) -> Any:
        return _Unusable(kind.__name__)

    def _object(self, kind: Any, value: Any) -> Any:
        try:
            twin = object.__new__(kind)
        except TypeError:  # made in C
            return self._reduced(kind, value)
        self.remember(value, twin)
        if not attributes_of(value):  # a marker, which others compare by identity
            return value
        return self._filled(value, twin)

    def _reduced(self, kind: type, value: Any) -> Any:
        """Copy an object that is made in C, by what it gives to be pickled."""
        try:
            parts = value.__reduce_ex__(4)
        except Exception:  # noqa: BLE001 - of any make
            return _Unusable(kind.__name__) if hasattr(kind, "__next__") else value
        if isinstance(parts, str):
            return value
        make, given, state, items, pairs = (*parts, None, None, None)[:5]
        twin = self.remember(value, make(*map(self.value, given)))
        if state is not None and hasattr(twin, "__setstate__"):
            twin.__setstate__(self.value(state))
        elif isinstance(state, dict):
            twin.__dict__.update({key: self.value(item) for key, item in state.items()})
        for item in items or ():
            twin.append(self.value(item))
        for key, item in pairs or ():
            twin[self.value(key)] = self.value(item)
        return twin

    def _filled(self, value: Any, twin: Any) -> Any:
        """Give a copy the attributes of the original, those in slots included."""
        for owner, name, item in attributes_of(value):
            if owner is None:
                twin.__dict__[name] = self.value(item)
            else:
                owner.__set__(twin, self.value(item))
        return twin


def attributes_of(value: Any) -> list[tuple[Any, str, Any]]:
    """Return the attributes of an object: (None or the slot's descriptor, name, value)."""
    try:
        own: dict[str, Any] = object.__getattribute__(value, "__dict__")
    except AttributeError:
        own = {}
    found: list[tuple[Any, str, Any]] = [(None, name, item) for name, item in list(own.items())]
    for part in type(value).__mro__:
        if "__slots__" not in part.__dict__:
            continue
        for name, slot in part.__dict__.items():
            if type(slot) is types.MemberDescriptorType:
                try:
                    found.append((slot, name, slot.__get__(value)))
                except AttributeError:  # empty
                    continue
    return found


@functools.lru_cache(maxsize=1024)
def _writes_to_closure(code: types.CodeType) -> bool:
    """Whether a function writes to what it closes over, with `nonlocal`: then these variables are state."""
    import dis

    def writes(part: types.CodeType, names: frozenset[str]) -> bool:
        names &= frozenset(part.co_freevars)
        if any(
            step.opname in {"STORE_DEREF", "DELETE_DEREF"} and step.argval in names
            for step in dis.get_instructions(part)
        ):
            return True
        return any(writes(inner, names) for inner in part.co_consts if isinstance(inner, types.CodeType))

    return bool(code.co_freevars) and writes(code, frozenset(code.co_freevars))


class _Finder(Copier):
    """Finds the modules in a value, and leaves it alone."""

    def __init__(self) -> None:
        super().__init__()
        self.modules: list[nn.Module] = []

    def tensor(self, value: Tensor) -> Tensor:
        return value

    def module(self, value: nn.Module) -> nn.Module:
        self.modules.append(value)
        return value

    def _array(self, kind: type, value: Any) -> Any:
        return super()._array(kind, value) if value.dtype.hasobject else value

    def _random(self, kind: type, value: Any) -> Any:
        del kind
        return value

    def _leading_on(self, function: types.FunctionType) -> dict[str, Any]:
        scope = function.__globals__
        items = {name: scope[name] for name in names_in(function.__code__) & scope.keys()}
        return {name: item for name, item in items.items() if _may_hold_modules(item)}

    def _scope(self, scope: dict[str, Any]) -> dict[str, Any]:
        return dict(scope)


def _may_hold_modules(value: Any) -> bool:
    """Whether the value of a global variable is to be looked through; large ones are not."""
    if isinstance(value, nn.Module):
        return True
    if type(value) in ATOMS or isinstance(value, type | Tensor | np.ndarray):
        return False
    if type(value) is types.FunctionType:
        return not of_library(value)
    inside = value if isinstance(value, list | tuple | dict | set) else getattr(value, "__dict__", ())
    return len(inside) <= _SEVERAL


def modules_in(value: Any) -> list[nn.Module]:
    """Return the modules that can be reached from the value of a variable."""
    return reached_from(value)[0]


def reached_from(value: Any) -> tuple[list[nn.Module], list[types.FunctionType]]:
    """Return the modules, and the functions, that can be reached from the value of a variable."""
    if not _may_hold_modules(value):
        return [], []
    finder = _Finder()
    finder.value(value)
    return finder.modules, [one for one in finder.originals if type(one) is types.FunctionType]


@functools.lru_cache(maxsize=4096)
def names_in(code: types.CodeType) -> frozenset[str]:
    """Return the names of global variables and attributes that code uses, also that of functions inside."""
    inner = (names_in(part) for part in code.co_consts if isinstance(part, types.CodeType))
    return frozenset(code.co_names).union(*inner)


def of_library(function: types.FunctionType) -> bool:
    """Whether a function was written in a library: `functools.wraps` lets others only look like it."""
    return is_of_library(function.__globals__.get("__name__"))


@functools.lru_cache(maxsize=4096)
def is_of_library(name: str | None) -> bool:
    """Whether a module of Python is of an installed package or of Python itself: they hold no networks globally."""
    root = (name or "builtins").partition(".")[0]
    if root in {"torch", "torchvision", "timm", "numpy", "builtins", "cnnwidgets"} or root in sys.stdlib_module_names:
        return True
    place = str(getattr(sys.modules.get(str(name)), "__file__", None) or "")
    return "site-packages" in place or "dist-packages" in place


_WAYS: tuple[tuple[type | tuple[type, ...], str | None], ...] = (
    ((type, types.GenericAlias, np.generic, np.dtype), None),
    (enum.Enum, None),
    (BaseException, None),
    (dict, "_dict"),
    (list, "_list"),
    (tuple, "_tuple"),
    (set, "_set"),
    (frozenset, "_frozenset"),
    (collections.deque, "_deque"),
    (types.MappingProxyType, "_mapping_proxy"),
    ((weakref.WeakValueDictionary, weakref.WeakKeyDictionary, weakref.WeakSet), "_weak_container"),
    (types.FunctionType, "_function"),
    (types.MethodType, "_method"),
    ((types.BuiltinMethodType, types.MethodWrapperType), "_builtin"),
    (functools.partial, "_partial"),
    (type(functools.lru_cache(is_of_library)), "_cached"),
    ((weakref.ProxyType, weakref.CallableProxyType), "_proxy"),
    (weakref.ReferenceType, "_reference"),
    (np.ndarray, "_array"),
    ((bytearray, array.array), "_duplicate"),
    (random.SystemRandom, None),
    ((*_RANDOM, random.Random), "_random"),
    (torch.Generator, "_generator"),
    (queue.Queue, "_queue"),
    (threading.local, "_local"),
    (queue.SimpleQueue, "_simple_queue"),
    (itertools.count, "_count"),
    ((types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType), "_stand_in"),
    # How threads wait for one another: a copy would wait for ever.
    ((threading.Thread, threading.Event, threading.Condition, threading.Semaphore, threading.Barrier), None),
    (types.SimpleNamespace, "_object"),
)


@functools.lru_cache(maxsize=4096)
def _way(kind: type) -> str | None:
    """Return the name of the method of `Copier` that copies objects of a type, None where they are shared."""
    for kinds, way in _WAYS:
        if issubclass(kind, kinds):
            return way
    for part in kind.__mro__:
        name = str(part.__module__)
        if name.partition(".")[0] in _MACHINERY or name.startswith(_TORCH_MACHINERY) or "__del__" in part.__dict__:
            return None
    if kind.__module__ == "itertools":
        return "_stand_in"
    return "_object"
