"""A list of paths, pictures, arrays or tensors as a source."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from torch import Tensor

from cnnwidgets.errors import ImageError
from cnnwidgets.images.files import read_path
from cnnwidgets.patches.sources.folder import printable, size_of
from cnnwidgets.patches.sources.map_source import MapSource
from cnnwidgets.patches.sources.pairs import pair_of
from cnnwidgets.patches.sources.tensors import sampled_hash
from cnnwidgets.patches.sources.unread import unread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cnnwidgets.patches.sources.reader import Reader


class ListedSource(MapSource):
    """The images of a list, of one type or of several, each alone or with its label.

    Args:
        reader: prepares the images.
        images: the list.
        root: the folder that relative paths begin at; None is the working directory.
        kind: "paths" or "pictures"; None looks.

    """

    def __init__(
        self, reader: Reader, images: Sequence[Any], root: Path | None = None, *, kind: str | None = None
    ) -> None:
        super().__init__(reader)
        self._images = images
        self._root = Path.cwd() if root is None else root
        self.kind = kind or ("paths" if all(_is_path(_image(element)) for element in images) else "pictures")

    @property
    def total(self) -> int:
        """Number of items."""
        return len(self._images)

    def name(self, number: int) -> str:
        """Return the name of an item without reading it."""
        image = _image(self._images[number])
        if _is_path(image):
            return printable(str(fspath(image)))
        return printable(str(getattr(image, "filename", "") or f"item {number}"))

    def _get(self, number: int) -> tuple[Any, Any]:
        image, label = pair_of(self._images[number])
        if _is_path(image):
            return read_path(self._root / Path(fspath(image)).expanduser(), str(fspath(image))), label
        return unread(image), label

    def _facts(self) -> Iterator[str | bytes]:
        yield self.kind
        for number, element in enumerate(self._images):
            image, label = _image(element), element[1:2] if isinstance(element, tuple | list) else ()
            yield f"{self.name(number)}:{self._fact(image)}:{label}"

    def _fact(self, image: Any) -> str:
        if _is_path(image):
            return str(size_of(self._root / Path(fspath(image)).expanduser()))
        if isinstance(image, Tensor | np.ndarray):
            return sampled_hash(image)
        if isinstance(image, Image.Image):
            return f"{image.mode}{image.size}"
        return type(image).__name__

    def describe(self) -> dict[str, Any]:
        """Return the kind, and the folder that relative paths begin at."""
        return (
            {**super().describe(), "root": printable(str(self._root))} if self.kind == "paths" else super().describe()
        )


def _is_path(image: Any) -> bool:
    return isinstance(image, str | PathLike)


def _image(element: Any) -> Any:
    try:
        return pair_of(element)[0]
    except ImageError:
        return None
