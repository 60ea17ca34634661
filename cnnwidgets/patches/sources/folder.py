"""A folder of pictures, whose sub-folders are the classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnwidgets.errors import ImageError, nearest
from cnnwidgets.files import FILE, expand, home_hint, in_words, kind_of
from cnnwidgets.images.files import read_path
from cnnwidgets.patches.sources.listing import Listing, listing
from cnnwidgets.patches.sources.map_source import MapSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL import Image

    from cnnwidgets.patches.sources.reader import Reader, Reading


class FolderSource(MapSource):
    """The pictures in a folder and below it, in the order of their relative paths.

    Args:
        reader: prepares the pictures.
        root: the folder.
        names: relative POSIX paths of the pictures, where they are known; None lists the folder.

    Raises:
        ImageError: no such folder, one that cannot be listed, or one without pictures.

    """

    kind = "folder"

    def __init__(self, reader: Reader, root: Path, names: Sequence[str] | None = None) -> None:
        self.root = expand(root).absolute()
        found = _listed(self.root) if names is None else None
        self._paths: Sequence[str] = found.names if found else names or ()
        self._unlisted = found.unlisted if found else {}
        super().__init__(reader, sorted({first for name in found.names if (first := _class(name))}) if found else ())

    @property
    def total(self) -> int:
        """Number of items."""
        return len(self._paths)

    def name(self, number: int) -> str:
        """Return the name of an item without reading it."""
        return printable(self._paths[number])

    def _read(self, number: int) -> Reading:
        return self.reader.read(self.name(number), self._picture(number), _class(self._paths[number]))

    def _picture(self, number: int) -> Image.Image:
        name = self._paths[number]
        if name in self._unlisted:
            raise ImageError(self._unlisted[name])
        return read_path(self.root / name, printable(name), near=False)

    def _facts(self) -> Iterator[str | bytes]:
        yield self.kind
        for name in self._paths:
            yield f"{name}:{size_of(self.root / name)}"

    def _looked_for(self) -> str:
        return looked_for(self.root)

    def describe(self) -> dict[str, Any]:
        """Return the kind and the folder."""
        return {**super().describe(), "root": printable(str(self.root))}


def _listed(root: Path) -> Listing:
    with in_words(root, "looked into"):
        kind = kind_of(root)
    if kind != "a folder":
        if kind not in ("", FILE):
            raise ImageError(f"{str(root)!r} is {kind} and no folder. Give a folder of pictures.")
        near = nearest(root.name, (e.name for e in root.parent.iterdir())) if root.parent.is_dir() else ""
        raise ImageError(f"There is no folder {str(root)!r}.{near}{_no_user(root)}")
    found = listing(root)
    if "." in found.unlisted:
        raise ImageError(f"{found.unlisted['.'].replace(repr('.'), repr(str(root)))} Check your rights to it.")
    if not found.names:
        others = ", ".join(sorted(suffix or "no suffix" for suffix in found.others)[:8])
        raise ImageError(
            f"There are no pictures in the folder {str(root)!r}"
            + (f"; its files have {others}, which are not read." if others else ": it is empty.")
        )
    return found


def _no_user(root: Path) -> str:
    """Return why a `~` that a path began with was left as it stands; "" for other paths."""
    first = next((part for part in root.parts if part.startswith("~")), "")
    return home_hint(Path(first)) if first else ""


def _class(name: str) -> str | None:
    first, slash, _ = name.partition("/")
    return printable(first) if slash else None


def looked_for(root: Path) -> str:
    """Return a sentence that says where pictures are looked for, with a leading space."""
    return (
        f" It was looked for in {printable(str(root))!r}. If the pictures were moved, say where to: "
        "PatchIndex.open(path, images=...)."
    )


def size_of(path: Path) -> int:
    """Return the size of a file in bytes, -1 where it cannot be asked."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return -1


def printable(name: str) -> str:
    """Return a path as text: bytes of a file name that are no UTF-8 become replacement characters."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
