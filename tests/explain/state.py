"""A model's whole state and everything global that an explanation might touch, to be compared before and after."""

from __future__ import annotations

import gc
import random
import threading
import weakref

import numpy as np
import torch
from torch import nn

_HOOKS = [name for name in vars(nn.Module()) if "hook" in name]


def _tensor(tensor):
    if tensor is None:
        return None
    return (
        id(tensor),
        tensor.data_ptr(),
        tensor.detach().clone(),
        tensor.requires_grad,
        None if tensor.grad is None else (id(tensor.grad), tensor.grad.clone()),
        tensor.dtype,
        str(tensor.device),
        tensor.stride(),
        tensor._version,
        tensor.is_leaf,
        len(tensor._backward_hooks or ()),
    )


def state_of(model):
    """Everything by name that can be compared: flags, hooks, weights, buffers, gradients, attributes, per module."""
    found = {}
    for path, module in model.named_modules(remove_duplicate=False):
        found[f"{path}: attributes"] = {key: id(value) for key, value in vars(module).items() if key != "training"}
        found[f"{path}: training"] = module.training
        for name in _HOOKS:
            value = getattr(module, name)
            found[f"{path}: {name}"] = list(value) if isinstance(value, dict) else value
        for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
            found[f"{path}.{name}"] = _tensor(tensor)
    return found


def surroundings():
    """What is global: random numbers, grad mode, modes of this thread, threads, default dtype."""
    return {
        "torch": torch.get_rng_state().clone(),
        "numpy": np.random.get_state()[1].copy(),  # noqa: NPY002
        "random": random.getstate(),
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "dtype": torch.get_default_dtype(),
        "function modes": torch._C._len_torch_function_stack(),
        "dispatch modes": torch._C._len_torch_dispatch_stack(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cudnn": (torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark),
        "threads": torch.get_num_threads(),
        "module hooks": len(torch.nn.modules.module._global_forward_hooks),
        "python threads": threading.active_count(),
    }


def same(before, after):
    """Compare two of the above to the last bit and raise `AssertionError` with the first thing that differs."""
    assert before.keys() == after.keys(), set(before) ^ set(after)
    for key, old in before.items():
        assert _equal(old, after[key]), f"{key} was changed"


def _equal(old, new):
    if isinstance(old, torch.Tensor):
        return old.shape == new.shape and bool(((old == new) | (old.isnan() & new.isnan())).all())
    if isinstance(old, np.ndarray):
        return np.array_equal(old, new)
    if isinstance(old, tuple) and isinstance(new, tuple):
        return len(old) == len(new) and all(_equal(a, b) for a, b in zip(old, new, strict=True))
    return old == new


class Kept:
    """Knows the tensors that are alive now, and finds those that came later and stayed."""

    def __init__(self):
        self.known = [weakref.ref(tensor) for tensor in self.alive()]  # ids alone are used again

    @staticmethod
    def alive():
        gc.collect()
        return [item for item in gc.get_objects() if type(item) in (torch.Tensor, nn.Parameter)]

    def new(self):
        known = {id(reference()) for reference in self.known}
        return [tuple(tensor.shape) for tensor in self.alive() if id(tensor) not in known]
