"""The private copy of the user's model, its twin: the same weights, nothing else in common.

Explaining a network means to switch it to evaluation mode, freeze it and watch it from the inside. Done on the
user's own modules, each of these can be seen by their training loop, by a second thread or after an exception. So
none of it is done there: the twin shares the storage of the weights (no copy, and a later change of a weight shows
through) but has modules, flags, hooks, buffers and state of its own. Whatever leads from the model to a module, a
closure, a partial, a weak reference or an object of the user's, leads in the twin to the module's twin.
"""

from __future__ import annotations

import copy
import types
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from cnnwidgets.errors import ModelError
from cnnwidgets.explain.copier import ATOMS, Copier, is_of_library
from cnnwidgets.explain.model_call import bounded

if TYPE_CHECKING:
    from collections.abc import Iterable

_HOLDERS = ("_parameters", "_buffers", "_modules")
_BACKWARD = ("_backward_hooks", "_backward_pre_hooks")
STANDARD = frozenset(nn.Module().__dict__)
_TABLES = frozenset(key for key, value in nn.Module().__dict__.items() if type(value) not in ATOMS)
# Tables of hooks that no forward pass registers: where they are empty they are shared, for speed.
_UNUSED = frozenset(key for key in _TABLES if "state_dict" in key)
_HOOKS = tuple(key for key in _TABLES if "hooks" in key and key not in _BACKWARD and key not in _UNUSED)
_COMPILED = "_compiled_call_impl"  # what `Module.compile()` puts on a module: the original's own code, compiled
#: Weights that a forward pass has been seen to write to. A twin gets copies of them.
_WRITTEN: Any = WeakTensorKeyDictionary()


def unwrap(model: nn.Module) -> nn.Module:
    """Return the module inside `torch.compile` and `DataParallel` wrappers, which hide the layers' names."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def make_twin(model: nn.Module, *, own_weights: bool = False) -> nn.Module:
    """Return a frozen twin of `model` in evaluation mode that shares its weights; see `PrivateCopy`.

    Args:
        model: the original.
        own_weights: give the twin weights of its own, so that it no longer follows the original.

    """
    return PrivateCopy(model, own_weights=own_weights).twin


def note_written(weights: Iterable[Tensor]) -> None:
    """Remember weights to which forward passes write: twins that are made from now on have copies of them."""
    for weight in weights:
        _WRITTEN[weight] = True


def _bare(module: nn.Module) -> nn.Module:
    """Return a module of the same class with nothing in it; a `torch.fx.GraphModule` would make a class of its own."""
    bare: nn.Module = object.__new__(type(module))
    return bare


class Uncompiled(nn.Module):
    """Stands for a child that `torch.compile` wraps: runs what is inside as it is written."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the module inside."""
        return self._modules["_orig_mod"](*args, **kwargs)  # type: ignore[misc]


class PrivateCopy(Copier):
    """A frozen twin of a model in evaluation mode that shares its weights, and what it was made from.

    Buffers are copied: a forward pass may write to them. So is all other state that a pass could change, and what
    leads to a module is rebuilt to lead to its twin. Hooks on the backward pass are left out: they write down what the
    user's own training does, change gradients, and add calls to a forward pass only where gradients are on.

    Args:
        model: the original.
        own_weights: copy all weights.

    Attributes:
        model: the original.
        twin: the copy.
        modules: every module of the user's that was copied, also those that are no registered children.
        shared: the weights whose storage the twin shares, each with its copy.

    Raises:
        ModelError: weights that do not exist yet (lazy modules) or that were made in `torch.inference_mode()`.

    """

    def __init__(self, model: nn.Module, *, own_weights: bool = False) -> None:
        super().__init__()
        self.model, self._own_weights = model, own_weights
        self.modules: list[nn.Module] = []
        self.shared: list[tuple[Tensor, nn.Parameter]] = []
        self._of_class: dict[type, list[tuple[str, Any]]] = {}
        self._hooked: list[tuple[nn.Module, nn.Module]] = []
        self.twin: nn.Module = bounded(self.value, model, model)
        self._bind_hooks_and_methods()
        if not isinstance(model, torch.jit.ScriptModule):
            if self.weak:
                self.twin.__dict__["_weakly_held"] = tuple(self.weak)
            self._evaluate()

    def _evaluate(self) -> None:
        try:
            self.twin.eval()
        except NotImplementedError:  # a graph that torch.export made stays in the mode that it was exported in
            for module in self.twin.modules():
                module.__dict__["training"] = False

    @property
    def twins(self) -> list[nn.Module]:
        """The copies of `modules`."""
        return [self.memo[id(module)] for module in self.modules]

    def tensor(self, value: Tensor) -> Tensor:
        """Share the storage of a weight, copy any other tensor."""
        if isinstance(value, nn.UninitializedParameter | nn.parameter.UninitializedBuffer):
            raise ModelError(
                f"The weight {self._name_of(value)!r} has no shape yet: the model has lazy layers that have not seen "
                "data. Run the model once on a batch, then explain it."
            )
        if value.is_inference() and (isinstance(value, nn.Parameter) or self._name_of(value)):
            raise ModelError(
                f"The weight {self._name_of(value)!r} was made inside torch.inference_mode(), and PyTorch allows no "
                "gradients through such tensors. Build or load the model outside inference_mode (torch.no_grad() is "
                "fine)."
            )
        if not isinstance(value, nn.Parameter):
            return value.detach().clone()
        # `.data` has a version of its own: a training step in another thread does not break a backward pass here.
        if self._own_weights or (len(_WRITTEN) and value in _WRITTEN):
            return nn.Parameter(value.detach().clone(memory_format=torch.preserve_format), requires_grad=False)
        twin = nn.Parameter(value.data, requires_grad=False)
        self.shared.append((value, twin))
        return twin

    def _name_of(self, tensor: Tensor) -> str:
        named = [*self.model.named_parameters(), *self.model.named_buffers()]
        return next((name for name, known in named if known is tensor), "")

    def module(self, value: nn.Module) -> nn.Module:
        """Return the twin of a module, filled with the twins of what it holds."""
        self.modules.append(value)
        if isinstance(value, torch.jit.ScriptModule):
            return _script_copy(value)
        inner = value.__dict__.get("_modules", {}).get("_orig_mod")
        if inner is not None and type(value).__name__ == "OptimizedModule":
            wrapper: nn.Module = self.remember(value, Uncompiled())
            wrapper._modules["_orig_mod"] = self.value(inner)  # noqa: SLF001 - as attributes it would be checked again
            wrapper.__dict__["training"] = False
            return wrapper
        if isinstance(value, nn.Embedding | nn.EmbeddingBag) and value.max_norm is not None:
            note_written([value.weight])  # a pass that looks rows up brings their norm down
        twin: nn.Module = self.remember(value, _bare(value))
        before, self.modules_only = self.modules_only, False  # all that a module holds is the user's
        self._fill(twin, value)
        self.modules_only = before
        self._hooked.append((value, twin))
        return twin

    def _fill(self, twin: nn.Module, value: nn.Module) -> None:
        own = twin.__dict__
        own.update(value.__dict__)
        own["training"] = False
        own.pop(_COMPILED, None)
        for key in _TABLES:
            table = own[key]
            if type(table) is dict and key in _HOLDERS:
                own[key] = {name: None if item is None else self.value(item) for name, item in table.items()}
            elif table and key not in _BACKWARD and "hooks" not in key:
                own[key] = self.value(table)
            elif key not in _UNUSED:
                own[key] = OrderedDict() if type(table) is OrderedDict else type(table)()
                if table:  # the handles of the hooks lead there
                    self.remember(table, own[key])
        for key, item in value.__dict__.items():
            if type(item) not in ATOMS and key not in STANDARD:
                own[key] = self.value(item)
        for key, state in self._of_class_of(value):
            if type(state) is not types.FunctionType and key not in own:
                own[key] = self.value(state)

    def _bind_hooks_and_methods(self) -> None:
        """Have the user's hooks and methods lead to the twins of the modules that they name.

        What else they close over, a list in which a hook writes things down or an event for another thread, they keep.
        """
        self.modules_only = True
        while self._hooked:
            value, twin = self._hooked.pop()
            own = twin.__dict__
            for key in _HOOKS:
                for number, hook in value.__dict__[key].items():
                    own[key][number] = self.value(hook)
            for key, method in self._of_class_of(value):
                if type(method) is types.FunctionType and key not in own:
                    mine = self.value(method)
                    if mine is not method:
                        own[key] = types.MethodType(mine, twin)

    def _of_class_of(self, module: nn.Module) -> list[tuple[str, Any]]:
        """Return what lies on the class itself and may lead to modules: modules, tensors, lists, methods."""
        kind = type(module)
        known = self._of_class.get(kind)
        if known is None:
            found: dict[str, Any] = {}
            for part in kind.__mro__:
                own = () if is_of_library(part.__module__) else part.__dict__.items()
                for key, value in own:
                    found.setdefault(key, value)
            known = self._of_class[kind] = [item for item in found.items() if _may_lead_on(*item, kind)]
        return known


def _may_lead_on(key: str, value: Any, kind: type) -> bool:
    if key.startswith(("__", "_abc_")) or type(value) in ATOMS or getattr(kind, key, None) is not value:
        return False
    return type(value) is types.FunctionType or not hasattr(type(value), "__get__")


def _script_copy(model: torch.jit.ScriptModule) -> nn.Module:
    with torch.no_grad():  # else the copied weights are results of autograd, which cannot be frozen
        clone: nn.Module = copy.deepcopy(model)
    for parameter in clone.parameters():
        parameter.requires_grad_(False)
    return clone.eval()
