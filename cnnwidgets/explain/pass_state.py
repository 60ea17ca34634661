"""State that a forward pass changes, put back before the next one: results do not depend on how often a model ran.

A layer that counts its calls, fills a queue or moves running statistics of its own has other state after every pass. It
is the private copy's state, never the user's; and each pass begins with what the user's model has.
"""

from __future__ import annotations

import itertools
import operator
import random
import types
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from cnnwidgets.explain.copier import ATOMS, Copier, attributes_of
from cnnwidgets.explain.twin import STANDARD

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Copies(Copier):
    """Copies what modules hold besides modules, weights and buffers."""

    def __init__(self, keep: Iterable[Tensor]) -> None:
        super().__init__()
        for tensor in keep:
            self.remember(tensor, tensor)

    def module(self, value: nn.Module) -> nn.Module:
        return value


class PassState:
    """State of the modules of a private copy, as it is when this is made.

    Args:
        modules: the copies of the modules.
        lent: weights that are the user's, which no pass writes to.

    """

    def __init__(self, modules: Iterable[nn.Module], lent: Iterable[Tensor]) -> None:
        self._modules = [module for module in modules if not isinstance(module, torch.jit.ScriptModule)]
        self._lent = list(lent)
        self._lent_values = [tensor.data for tensor in self._lent]
        fixed = {id(tensor) for tensor in self._lent}
        self._tables: list[tuple[dict[str, Any], dict[str, Any]]] = [
            (table, dict(table))
            for module in self._modules
            for table in (module._parameters, module._buffers)  # noqa: SLF001
        ]
        tensors = [tensor for table, _ in self._tables for tensor in table.values() if tensor is not None]
        self._tensors = [(t, t.detach().clone()) for t in tensors if id(t) not in fixed and t.device.type != "meta"]
        self._kept = [*self._lent, *(tensor for tensor, _ in self._tensors)]
        copies = _Copies(self._kept)
        self._own = [{key: copies.value(value) for key, value in _own(module).items()} for module in self._modules]

    @torch.no_grad()
    def restore(self) -> None:
        """Put the state back."""
        for table, before in self._tables:
            table.clear()
            table.update(before)
        for tensor, values in self._tensors:
            if tensor.shape == values.shape and tensor.dtype == values.dtype:
                tensor.copy_(values)
            else:
                tensor.data = values.clone()
        for tensor, lent in zip(self._lent, self._lent_values, strict=True):
            if _told(tensor) != _told(lent):  # a pass has given it other values, weight.data = ...
                tensor.data = lent
        copies = _Copies(self._kept)
        for module, saved in zip(self._modules, self._own, strict=True):
            own = module.__dict__
            for key in _own(module).keys() - saved.keys():
                del own[key]
            own.update({key: copies.value(value) for key, value in saved.items()})
            own["training"] = False


def fingerprint(modules: Iterable[nn.Module]) -> list[Any]:
    """Return what tells whether the state of modules has changed: to be compared with what it was."""
    look = _Look()
    return [
        (look.of(_own(module)), _tensors_of(module))
        for module in modules
        if not isinstance(module, torch.jit.ScriptModule)
    ]


def _own(module: nn.Module) -> dict[str, Any]:
    """Return the attributes that are state: not PyTorch's, and no methods of the class, whose closures are shared."""
    return {
        key: value
        for key, value in module.__dict__.items()
        if key not in STANDARD and not (type(value) is types.MethodType and hasattr(type(module), key))
    }


def _tensors_of(module: nn.Module) -> list[Any]:
    tables = (module._parameters, module._buffers)  # noqa: SLF001
    return [(name, _told(t)) for table in tables for name, t in table.items() if t is not None]


def _told(tensor: Tensor) -> Any:
    """Return what tells a tensor's values from others, without reading them."""
    try:
        return tuple(tensor.shape), tensor.data_ptr(), tensor._version  # noqa: SLF001
    except RuntimeError:  # sparse
        return id(tensor)


class _Look:
    """Looks through values, each object once."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._alive: list[Any] = []

    def of(self, value: Any) -> Any:  # noqa: C901, PLR0911, PLR0912 - one for each kind of state
        kind = type(value)
        if kind in ATOMS:
            return repr(value) if kind is float else value
        if isinstance(value, nn.Module | type):
            return id(value)
        if id(value) in self._numbers:
            return self._numbers[id(value)]
        self._numbers[id(value)] = len(self._numbers)
        self._alive.append(value)
        if isinstance(value, Tensor):
            return _told(value)
        if isinstance(value, np.ndarray) and not value.dtype.hasobject:
            return value.shape, value.tobytes() if value.nbytes < (1 << 24) else id(value)
        if isinstance(value, torch.Generator):
            return value.get_state().numpy().tobytes()
        if isinstance(value, np.random.Generator):
            return repr(value.bit_generator.state)
        if isinstance(value, np.random.RandomState):
            return repr(value.get_state(legacy=False))
        if isinstance(value, random.Random):
            return hash(value.getstate())
        if isinstance(value, itertools.count):
            return repr(value)
        if isinstance(value, types.FunctionType):
            cells = [cell.cell_contents for cell in value.__closure__ or () if cell != types.CellType()]
            return value.__code__, [self.of(item) for item in (*cells, value.__defaults__, value.__dict__)]
        if isinstance(value, types.MethodType):
            return self.of(value.__func__), self.of(value.__self__)
        inside: list[Any] = [self.of(item) for _, name, item in attributes_of(value) if name != "__weakref__"]
        if isinstance(value, dict):
            inside += [(self.of(key), self.of(item)) for key, item in list(dict.items(value))]
        elif isinstance(value, list | tuple | set | frozenset) or hasattr(kind, "appendleft"):
            inside += [self.of(item) for item in list(value)]
        elif hasattr(kind, "__next__"):
            inside.append(operator.length_hint(value, -1) if hasattr(kind, "__length_hint__") else 0)
        elif isinstance(value, bytearray):
            inside.append(bytes(value))
        elif hasattr(kind, "typecode") and hasattr(kind, "tobytes"):
            inside.append(value.tobytes())
        elif hasattr(value, "func") and hasattr(value, "args"):
            inside += [self.of(value.func), self.of(value.args), self.of(value.keywords)]
        return inside
