"""Where a result came from: versions, and fingerprints of the model and the image."""

from __future__ import annotations

import hashlib
import platform
import weakref
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor, nn

from cnnwidgets._version import __version__
from cnnwidgets.explain.storage import data_place


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    found = {"cnnwidgets": __version__, "python": platform.python_version()}
    for package in ("torch", "torchvision", "timm", "numpy", "pillow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def tensor_hash(tensor: Tensor) -> str:
    """Return the SHA-256 of a tensor's dtype, shape and values, in hexadecimal."""
    digest = hashlib.sha256()
    _add(digest, "", tensor)
    return digest.hexdigest()


def model_hash(model: nn.Module) -> str:
    """Return the SHA-256 of a model's structure and weights: class names, settings, and every tensor by name."""
    digest = hashlib.sha256(repr(model).encode())
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        _add(digest, name, tensor)
    return digest.hexdigest()


def _add(digest: hashlib._Hash, name: str, tensor: Tensor) -> None:
    digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
    data = tensor.detach().to("cpu").contiguous()
    # NumPy has no bfloat16; any dtype can be read as bytes.
    digest.update(data.reshape(-1).view(torch.uint8).numpy().data if data.numel() else b"")


@dataclass(frozen=True, eq=False)
class ModelStamp:
    """The state of a model at the time of an explanation, its weights and its structure, to be hashed on request.

    Hashing a hundred million weights takes longer than explaining with them, so it waits until a result is saved. The
    stamp notices if weights, modules, their settings, hooks or forwards have been changed in between.
    """

    model: weakref.ref[nn.Module]
    name: str
    state: tuple[Any, ...]

    @classmethod
    def of(cls, model: nn.Module) -> ModelStamp:
        """Return the stamp of the model as it is now."""
        return cls(weakref.ref(model), type(model).__name__, _state(model))

    @property
    def current(self) -> bool:
        """Whether the model is still there, and its weights and its structure are what they were."""
        model = self.model()
        return model is not None and _state(model) == self.state

    def hash(self) -> str | None:
        """Return `model_hash`, or None if the model is gone or no longer what it was."""
        model = self.model()
        return model_hash(model) if model is not None and self.current else None


def _state(model: nn.Module) -> tuple[Any, ...]:
    # `_version` counts in-place changes; the optimisers' steps and load_state_dict are such.
    weights = tuple((data_place(t), t._version) for t in [*model.parameters(), *model.buffers()])  # noqa: SLF001
    return weights, structure(model)


_HOOKS = ("_forward_pre_hooks", "_forward_hooks")
_NO_SETTINGS = frozenset(nn.Module().__dict__)  # tables of weights, children and hooks, and the mode
_PLAIN = frozenset({bool, int, float, str, bytes, type(None), torch.dtype})
_MOST_ENTRIES = 64  # of a setting that is a list; longer ones are rather data


def structure(model: nn.Module) -> tuple[Any, ...]:
    """Return what a model does besides its weights: of each module its path, class, forward, hooks and settings.

    Functions count by identity. The mode (training or not) does not count: a model is explained as it predicts. It is
    asked for with every move of a hand, hence one flat loop.
    """
    found: list[Any] = []
    for path, part in model.named_modules(remove_duplicate=False):
        kind, own = type(part), part.__dict__
        found += (path, kind)
        if isinstance(part, torch.jit.ScriptModule):  # what it does is compiled, and cannot be changed
            continue
        found.append(id(getattr(kind, "forward", None)))
        for table in _HOOKS:
            if own.get(table):
                found += ((key, id(hook)) for key, hook in own[table].items())
        for key, value in own.items():
            if key not in _NO_SETTINGS:
                found += (key, value if type(value) in _PLAIN else _setting(value))
    return tuple(found)


def _setting(value: Any) -> Any:
    """Return what tells a setting from another one; None for what is none, such as a tensor that a forward notes."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, tuple | list):
        return tuple(map(_setting, value)) if len(value) <= _MOST_ENTRIES else len(value)
    return id(value) if callable(value) else None
