"""From whatever a person has at hand to a source of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from cnnwidgets.classifier import Classifier
from cnnwidgets.errors import ImageError, MissingDataError
from cnnwidgets.files import FILE, expand, kind_of
from cnnwidgets.patches.sources.dataset import DatasetSource
from cnnwidgets.patches.sources.dataset_facts import length_of
from cnnwidgets.patches.sources.folder import FolderSource
from cnnwidgets.patches.sources.listed import ListedSource
from cnnwidgets.patches.sources.loader import LoaderSource
from cnnwidgets.patches.sources.reader import Reader
from cnnwidgets.patches.sources.source import Source
from cnnwidgets.patches.sources.stream import StreamSource
from cnnwidgets.patches.sources.tensors import TensorSource

if TYPE_CHECKING:
    from collections.abc import Callable

_TAKEN = (
    "Give a folder of pictures, a list of paths or pictures, a tensor (N,C,H,W), a data set, a DataLoader, or an "
    "iterable of images."
)


def source_of(model: Any, images: Any) -> Source:
    """Return images of any form as a source.

    Args:
        model: a `Classifier`, whose preprocessing prepares pictures; with None or a bare `nn.Module` only tensors can
            be made items, but every picture can be looked at.
        images: a folder (its sub-folders are the classes); a list of paths, pictures, arrays and tensors, each alone
            or as (image, label); a tensor (N,C,H,W); an array of pictures; a data set with numbered items, or an
            iterable one; a DataLoader that does not shuffle; any iterable.

    Raises:
        ImageError: what is no data set, or an empty one.
        OptionError: a loader that shuffles.

    """
    if isinstance(images, Source):
        return images
    source = _opened(_reader(model), images)
    if source.total == 0:
        raise ImageError(f"The {_kind(images)} is empty: there is nothing to index.")
    return source


def reopened(
    description: Mapping[str, Any],
    name_of: Callable[[int], str | None],
    model: Any = None,
    root: str | PathLike[str] | None = None,
) -> Source | None:
    """Return the folder or list of paths that an index was made of; None for what only its maker can give.

    Args:
        description: as `Source.describe` gave it.
        name_of: returns the recorded name of an item, None where there is none.
        model: as for `source_of`.
        root: the folder that holds the pictures now, if they were moved; of paths it may hold the last parts only.

    """
    kind, old, total = (description.get(what) for what in ("kind", "root", "total"))
    if kind not in ("folder", "paths") or not isinstance(old, str) or not isinstance(total, int):
        return None
    place = (Path(old) if root is None else expand(root)).absolute()
    names = Recorded(max(0, total), name_of)
    if kind == "folder":
        return FolderSource(_reader(model), place, names)
    if root is not None:
        names = Recorded(len(names), lambda number: _moved(place, name_of(number)))
    return ListedSource(_reader(model), names, place, kind="paths")


def _moved(root: Path, name: str | None) -> str | None:
    """Return where a path lies below another folder: the longest end of it that is there; it never leads out of it."""
    if name is None:
        return None
    path = expand(name)
    parts = [part for part in path.parts[1 if path.anchor else 0 :] if part not in ("..", "~")]
    ends = [Path(root, *parts[start:]) for start in range(len(parts))] or [root]
    return str(next((end for end in ends if _is_there(end)), ends[0]))


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


class Recorded(Sequence[str]):
    """The names of the items of an index, looked up one by one."""

    def __init__(self, total: int, name_of: Callable[[int], str | None]) -> None:
        self._total, self._name_of = total, name_of

    def __len__(self) -> int:
        """Return the number of items."""
        return self._total

    def __getitem__(self, number: Any) -> Any:
        """Return a name."""
        name = self._name_of(number)
        if name is None:
            raise MissingDataError(f"The index has no name for item {number}, so its picture cannot be found.")
        return name


def _reader(model: Any) -> Reader:
    if model is None or isinstance(model, nn.Module):
        return Reader(None)
    plain = isinstance(model, Classifier) and type(model).prepare is Classifier.prepare
    return Reader(model.preparation if plain else model.prepare)


def _opened(reader: Reader, images: Any) -> Source:
    if isinstance(images, str | PathLike):
        return _at(reader, images)
    if isinstance(images, Tensor | np.ndarray | Image.Image | bytes):
        return _values(reader, images)
    if isinstance(images, list | tuple):
        return ListedSource(reader, images)
    if hasattr(images, "iloc") and hasattr(images, "tolist"):  # a column of a pandas table, numbered by its labels
        return ListedSource(reader, images.tolist())
    if isinstance(images, DataLoader):
        streams = isinstance(images.dataset, IterableDataset)
        return StreamSource(reader, images, images.dataset) if streams else LoaderSource(reader, images)
    return _data_set(reader, images)


def _data_set(reader: Reader, images: Any) -> Source:
    if isinstance(images, Mapping):
        names = ", ".join(map(repr, list(images)[:5]))
        raise ImageError(
            f"The images are a mapping with the names {names}. Give one of its values, or pairs of image and label: "
            "list(images.items())."
        )
    if isinstance(images, set | frozenset):
        raise ImageError("A set has no order in which its images could be found again. Give sorted(images).")
    numbered = hasattr(images, "__getitem__") and not isinstance(images, IterableDataset | type)
    if numbered and length_of(images) is not None:
        return DatasetSource(reader, images)
    if (numbered or hasattr(images, "__iter__")) and not isinstance(images, type):
        return StreamSource(reader, images)
    raise ImageError(f"A {_kind(images)} is no data set. {_TAKEN}")


def _at(reader: Reader, images: str | PathLike[str]) -> Source:
    path = expand(images)
    if kind_of(path) == FILE:
        raise ImageError(f"{str(images)!r} is one file. Give its folder, or a list of paths: [{str(images)!r}].")
    return FolderSource(reader, path)


def _values(reader: Reader, images: Any) -> Source:
    if isinstance(images, Tensor) and images.ndim == 4:
        return TensorSource(reader, images)
    if isinstance(images, np.ndarray) and (images.dtype.kind in "OUS" or images.ndim == 4 or _is_grey(images)):
        return ListedSource(reader, images.tolist() if images.dtype.kind in "OUS" else list(images))
    shape = f" of shape {tuple(images.shape)}" if hasattr(images, "shape") else ""
    raise ImageError(f"A {_kind(images)}{shape} is one picture at most. {_TAKEN}")


def _is_grey(array: np.ndarray[Any, Any]) -> bool:
    return array.ndim == 3 and array.shape[2] not in (1, 3, 4)


def _kind(images: Any) -> str:
    return type(images).__name__
