"""Where a result came from: versions, and fingerprints of the model and the image."""

from __future__ import annotations

import hashlib
import platform
import weakref
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import torch
from torch import Tensor, nn

from cnnwidgets._version import __version__


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
    """The state of a model at the time of an explanation, to be hashed when somebody asks.

    Hashing a hundred million weights takes longer than explaining with them, so it waits until a result is saved. The
    stamp notices if the weights have been changed in between.
    """

    model: weakref.ref[nn.Module]
    name: str
    state: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, model: nn.Module) -> ModelStamp:
        """Return the stamp of the model as it is now."""
        return cls(weakref.ref(model), type(model).__name__, _state(model))

    @property
    def current(self) -> bool:
        """Whether the model is still there, and its weights are what they were."""
        model = self.model()
        return model is not None and _state(model) == self.state

    def hash(self) -> str | None:
        """Return `model_hash`, or None if the model is gone or no longer what it was."""
        model = self.model()
        return model_hash(model) if model is not None and self.current else None


def _state(model: nn.Module) -> tuple[tuple[int, int], ...]:
    # `_version` counts in-place changes; the optimisers' steps and load_state_dict are such.
    return tuple((t.data_ptr(), t._version) for t in [*model.parameters(), *model.buffers()])  # noqa: SLF001
