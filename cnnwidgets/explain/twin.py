"""A twin of the user's model: the same weights, nothing else in common.

Explaining a network means to switch it to evaluation mode, freeze it and watch it from the inside. Done on the
user's own modules, each of these can be seen by their training loop, by a second thread or after an exception. So
none of it is done there: the twin shares the storage of the weights (no copy, and a later change of a weight shows
through) but has modules, flags, hooks and buffers of its own.
"""

from __future__ import annotations

import copy
import functools
import types
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from cnnwidgets.errors import ModelError

_PLAIN_CONTAINERS = (dict, list, tuple, set)
_ATOMS = frozenset({bool, int, float, str, type(None)})
_HOLDERS = ("_parameters", "_buffers", "_modules")
_BACKWARD = ("_backward_hooks", "_backward_pre_hooks")
_STANDARD = frozenset(key for key, value in nn.Module().__dict__.items() if type(value) not in _ATOMS)


def unwrap(model: nn.Module) -> nn.Module:
    """Return the module inside `torch.compile` and `DataParallel` wrappers, which hide the layers' names."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def make_twin(model: nn.Module, *, share_hooks: bool = False) -> nn.Module:
    """Return a frozen twin of `model` in evaluation mode that shares its weights.

    Buffers are copied: a forward pass may write to them. Python values in the modules are shared, except that
    containers are rebuilt and references to modules lead to their twins. A module that a closure holds from outside
    the tree stays the original. Hooks on the backward pass are left out: they write down what the user's own training
    does, change gradients, and add calls to a forward pass only where gradients are on.

    Args:
        model: the original.
        share_hooks: let the twin share those tables of hooks that are empty, which makes it several times faster to
            make. Nobody may then register a hook on the twin.

    Raises:
        ModelError: weights that do not exist yet (lazy modules) or that were made in `torch.inference_mode()`.

    """
    if isinstance(model, torch.jit.ScriptModule):
        with torch.no_grad():  # else the copied weights are results of autograd, which cannot be frozen
            clone: nn.Module = copy.deepcopy(model)
        for parameter in clone.parameters():
            parameter.requires_grad_(False)
        return clone.eval()
    clone = _Cloner(model, share_hooks=share_hooks).clone
    try:
        return clone.eval()
    except NotImplementedError:  # a graph that torch.export made stays in the mode that it was exported in
        for module in clone.modules():
            module.__dict__["training"] = False
        return clone


def _bare(module: nn.Module) -> nn.Module:
    """Return a module of the same class with nothing in it; a `torch.fx.GraphModule` would make a class of its own."""
    bare: nn.Module = object.__new__(type(module))
    return bare


class _Cloner:
    """Walks the module tree once and rebuilds it; `seen` maps the id of an original to its twin."""

    def __init__(self, model: nn.Module, *, share_hooks: bool) -> None:
        self.model = model
        self.share_hooks = share_hooks
        self.seen: dict[int, Any] = {}
        originals = [module for module in model.modules() if not isinstance(module, torch.jit.ScriptModule)]
        for module in originals:
            self.seen[id(module)] = _bare(module)
        for module in originals:
            self.fill(self.seen[id(module)], module)
        self.clone: nn.Module = self.seen[id(model)]

    def fill(self, clone: nn.Module, module: nn.Module) -> None:
        """Give a new module what the original has."""
        own = clone.__dict__
        own.update(module.__dict__)
        for key in _STANDARD:
            value = own[key]
            if value and key not in _BACKWARD:
                own[key] = self.value(value)
            elif value or not self.share_hooks or key in _HOLDERS:
                own[key] = type(value)()
        for key in own.keys() - _STANDARD:
            if type(own[key]) not in _ATOMS:
                own[key] = self.value(own[key])

    def tensor(self, value: Tensor) -> Tensor:
        """Share the storage of a weight, copy any other tensor."""
        if isinstance(value, nn.UninitializedParameter | nn.parameter.UninitializedBuffer):
            raise ModelError(
                f"The weight {self.name_of(value)!r} has no shape yet: the model has lazy layers that have not seen "
                "data. Run the model once on a batch, then explain it."
            )
        if value.is_inference():
            raise ModelError(
                f"The weight {self.name_of(value)!r} was made inside torch.inference_mode(), and PyTorch allows no "
                "gradients through such tensors. Build or load the model outside inference_mode (torch.no_grad() is "
                "fine)."
            )
        if isinstance(value, nn.Parameter):
            # `.data` has a version of its own: a training step in another thread does not break a backward pass here.
            return nn.Parameter(value.data, requires_grad=False)
        return value.detach().clone()

    def name_of(self, tensor: Tensor) -> str:
        named = [*self.model.named_parameters(), *self.model.named_buffers()]
        return next((name for name, known in named if known is tensor), "an unregistered tensor")

    def value(self, value: Any) -> Any:
        known = self.seen.get(id(value))
        if known is not None:
            return known
        if isinstance(value, Tensor):
            twin: Any = self.tensor(value)
        elif isinstance(value, torch.jit.ScriptModule):
            twin = make_twin(value)
        elif isinstance(value, nn.Module):
            # A module that hangs on an attribute which is no registered child, in a list for instance.
            twin = self.seen[id(value)] = _bare(value)
            self.fill(twin, value)
            twin.__dict__["training"] = False
        elif type(value) in _PLAIN_CONTAINERS or type(value) is OrderedDict:
            return self.container(value)
        elif isinstance(value, types.MethodType) and id(value.__self__) in self.seen:
            return types.MethodType(value.__func__, self.seen[id(value.__self__)])
        elif type(value) is functools.partial:
            return functools.partial(self.value(value.func), *map(self.value, value.args), **value.keywords)
        else:
            return value
        self.seen[id(value)] = twin
        return twin

    def container(self, value: Any) -> Any:
        if isinstance(value, dict):
            rebuilt = type(value)()
            self.seen[id(value)] = rebuilt  # before its items: a container may hold itself
            rebuilt.update({key: self.value(item) for key, item in value.items()})
            return rebuilt
        if isinstance(value, list):
            items: list[Any] = []
            self.seen[id(value)] = items
            items.extend(self.value(item) for item in value)
            return items
        return type(value)(self.value(item) for item in value)
