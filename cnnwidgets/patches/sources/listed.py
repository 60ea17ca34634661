"""A list of paths, pictures, arrays or tensors as a source."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnwidgets.explain.pairs import image_of, pair_of
from cnnwidgets.files import expand
from cnnwidgets.images.files import read_path
from cnnwidgets.patches.sources.dataset_facts import image_fact
from cnnwidgets.patches.sources.folder import looked_for, printable, size_of
from cnnwidgets.patches.sources.map_source import MapSource
from cnnwidgets.patches.sources.unread import unread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL import Image

    from cnnwidgets.patches.sources.reader import Reader, Reading


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
        self.kind = kind or ("paths" if all(_is_path(image_of(element)) for element in images) else "pictures")

    @property
    def total(self) -> int:
        """Number of items."""
        return len(self._images)

    def name(self, number: int) -> str:
        """Return the name of an item without reading it."""
        image = image_of(self._images[number])
        if _is_path(image):
            return printable(str(fspath(image)))
        return printable(str(getattr(image, "filename", "") or f"item {number}"))

    def _read(self, number: int) -> Reading:
        image, label = pair_of(self._images[number])
        return self.reader.read(self.name(number), self._opened(image), label)

    def _picture(self, number: int) -> Image.Image:
        return self.reader.picture(self._opened(pair_of(self._images[number])[0]))

    def _opened(self, image: Any) -> Any:
        if _is_path(image):
            return read_path(self._root / expand(image), printable(str(fspath(image))), near=False)
        return unread(image)

    def _facts(self) -> Iterator[str | bytes]:
        yield self.kind
        for number, element in enumerate(self._images):
            image, label = image_of(element), element[1:2] if isinstance(element, tuple | list) else ()
            yield f"{self.name(number)}:{self._fact(image)}:{label}"

    def _fact(self, image: Any) -> str:
        if _is_path(image):
            return str(size_of(self._root / expand(image)))
        return image_fact(image)

    def _looked_for(self) -> str:
        return looked_for(self._root) if self.kind == "paths" else ""

    def describe(self) -> dict[str, Any]:
        """Return the kind, and the folder that relative paths begin at."""
        return (
            {**super().describe(), "root": printable(str(self._root))} if self.kind == "paths" else super().describe()
        )


def _is_path(image: Any) -> bool:
    return isinstance(image, str | PathLike)
