"""What is known of a data set without reading its pictures."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor
from torch.utils.data import ConcatDataset, Subset

from cnnwidgets.patches.sources.folder import size_of
from cnnwidgets.patches.sources.tensors import sampled_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

_LABELS = ("targets", "labels", "_labels", "y")
_VALUES = ("data", "images", "imgs", "x")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def facts_of(data: Any) -> Iterator[str]:
    """Yield type, length, transforms, paths with sizes in bytes, labels, and hashes of arrays in memory."""
    yield f"{type(data).__module__}.{type(data).__qualname__}:{length_of(data)}"
    if isinstance(data, Subset):
        yield hashlib.sha256(np.asarray(data.indices, dtype=np.int64).tobytes()).hexdigest()
        yield from facts_of(data.dataset)
    elif isinstance(data, ConcatDataset):
        for part in data.datasets:
            yield from facts_of(part)
    else:
        yield from _facts_of_leaf(data)


def _facts_of_leaf(data: Any) -> Iterator[str]:
    for name in ("transform", "target_transform"):
        yield _ADDRESS.sub("", repr(getattr(data, name, None)))
    yield str(getattr(data, "_fingerprint", ""))  # Hugging Face's own
    root = str(getattr(data, "root", ""))
    for number in range(length_of(data) or 0):
        path = path_of(data, number, root)
        if path is None:
            break
        yield f"{path}:{size_of(Path(root, path))}"
    tensors = getattr(data, "tensors", ())
    for values in tensors if isinstance(tensors, tuple | list) else ():
        yield sampled_hash(values)
    for name in _LABELS + _VALUES:
        values = getattr(data, name, None)
        if isinstance(values, list) and values and isinstance(values[0], int | float | str):
            yield hashlib.sha256(repr(values).encode("utf-8", "surrogateescape")).hexdigest()
        elif isinstance(values, np.ndarray | Tensor) and values.ndim:
            yield sampled_hash(values)


def path_of(data: Any, number: int, root: str | None = None) -> str | None:
    """Return the path of an item, relative to the data set's folder, where it lists them as ImageFolder does."""
    samples = getattr(data, "samples", None)
    if not isinstance(samples, list) or not 0 <= number < len(samples):
        return None
    sample = samples[number]
    path = sample[0] if isinstance(sample, tuple | list) and sample else sample
    if not isinstance(path, str | os.PathLike):
        return None
    folder = str(getattr(data, "root", "")) if root is None else root
    inside = os.path.relpath(path, folder) if folder and Path(path).is_relative_to(folder) else os.fspath(path)
    return str(inside).replace(os.sep, "/")


def length_of(data: Any) -> int | None:
    """Return the number of items, None where a data set does not tell."""
    try:
        return len(data)
    except (TypeError, NotImplementedError):
        return None
