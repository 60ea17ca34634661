"""What is known of a data set without reading its pictures."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from torch import Tensor
from torch.utils.data import ConcatDataset, Subset

from cnnwidgets.explain.pairs import image_of
from cnnwidgets.patches.sources.folder import size_of
from cnnwidgets.patches.sources.tensors import sampled_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Attributes under which data sets keep their labels and names, and such under which they keep values or paths.
_LABELS = ("targets", "labels", "_labels", "y", "names")
_VALUES = ("data", "images", "imgs", "x", "paths", "files")
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
    root = str(getattr(data, "root", ""))
    for name in _LABELS:
        yield from _held(getattr(data, name, None), root)
    known = [*_known(data, root)]
    inner = getattr(data, "dataset", None)
    if length_of(inner):  # a data set of the user's around another one
        known += facts_of(inner)
    yield from known or _looked_at(data)


def _known(data: Any, root: str) -> Iterator[str]:
    """Yield what a data set holds that tells its images from others."""
    if isinstance(fingerprint := getattr(data, "_fingerprint", None), str):  # Hugging Face's own
        yield fingerprint
    for number in range(length_of(data) or 0):
        path = path_of(data, number, root)
        if path is None:
            break
        yield f"{path}:{size_of(Path(root, path))}"
    tensors = getattr(data, "tensors", ())
    for values in [*(tensors if isinstance(tensors, tuple | list) else ()), *(getattr(data, n, None) for n in _VALUES)]:
        yield from _held(values, root)


def _held(values: Any, root: str) -> Iterator[str]:
    """Yield the hash of an array, a tensor, or a list of numbers and texts."""
    if isinstance(values, np.ndarray | Tensor) and values.ndim:
        yield sampled_hash(values)
    elif isinstance(values, list | tuple) and values and _is_plain(values[0]):
        text = repr(values).replace(root, "") if root else repr(values)
        yield hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return isinstance(value, int | float | str | os.PathLike)


def _looked_at(data: Any) -> Iterator[str]:
    """Yield what the first, the middle and the last image are, for data sets that tell nothing else."""
    length = length_of(data) or 0
    for number in sorted({0, length // 2, length - 1} if length and hasattr(data, "__getitem__") else ()):
        try:
            yield image_fact(image_of(data[number]))
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - an item that cannot be read is a fact as well
            yield type(error).__name__


def image_fact(image: Any) -> str:
    """Return what tells one image from another: of files their size in bytes, of what is in memory its values."""
    if isinstance(image, np.ndarray | Tensor):
        return sampled_hash(image) if image.ndim else str(image)
    if isinstance(image, Image.Image):
        name = str(getattr(image, "filename", ""))
        content = size_of(Path(name)) if name else hashlib.sha256(image.tobytes()).hexdigest()
        return f"{image.mode}{image.size}{content}"
    if isinstance(image, bytes | bytearray | memoryview):
        return hashlib.sha256(image).hexdigest()
    return str(image) if _is_plain(image) else type(image).__name__


def name_of(data: Any, number: int) -> str | None:
    """Return the name of an item, where a data set lists paths or `names`."""
    names = getattr(data, "names", None)
    if isinstance(names, list | tuple) and len(names) == length_of(data) and isinstance(names[number], str):
        return str(names[number])
    return path_of(data, number)


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
