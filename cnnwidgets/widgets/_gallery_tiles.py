"""The pictures of an index, read when they are wanted, and small versions of them and of their parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image

from cnnwidgets.errors import CnnWidgetsError
from cnnwidgets.images.atlas import Atlas
from cnnwidgets.patches.cut import cut
from cnnwidgets.widgets._bounded import Bounded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cnnwidgets.explain.frame import Box
    from cnnwidgets.patches.index import PatchIndex
    from cnnwidgets.patches.patch import Patch

_READ, _CUT = 64 * 2**20, 64 * 2**20  # bytes of whole pictures, and of small ones, that are kept


class Missing(str):
    """Why there is no picture, in words."""

    __slots__ = ()


class Tiles:
    """Small pictures by what they show. What cannot be read now is tried again the next time.

    Args:
        index: where the pictures come from.

    """

    def __init__(self, index: PatchIndex) -> None:
        self._index = index
        self._read: Bounded[int, Image.Image] = Bounded(_READ, _bytes)
        self._cut: Bounded[tuple[Any, ...], Image.Image] = Bounded(_CUT, _bytes)

    def whole(self, image: int, side: int) -> Image.Image | Missing:
        """Return a picture, its longer side `side` pixels at most."""
        return self._made((image, side), image, None, side)

    def crop(self, patch: Patch, side: int) -> Image.Image | Missing:
        """Return what a patch shows of its picture, its longer side `side` pixels at most."""
        return self._made((patch.image, patch.box, side), patch.image, patch.box, side)

    def picture(self, image: int) -> Image.Image | Missing:
        """Return a whole picture as it is."""
        found = self._read.get(image)
        if found is None:
            try:
                found = self._index.picture(image).convert("RGB")
            except CnnWidgetsError as error:
                return Missing(error)
            except Exception as error:  # noqa: BLE001 - a data set of the user's: one picture less, the others are shown
                return Missing(f"{type(error).__name__}: {error}")
            self._read.keep(image, found)
        return found

    def _made(self, key: tuple[Any, ...], image: int, box: Box | None, side: int) -> Image.Image | Missing:
        found = self._cut.get(key)
        if found is None:
            picture = self.picture(image)
            if isinstance(picture, Missing):
                return picture
            found = reduced(picture if box is None else cut(picture, box), side)
            self._cut.keep(key, found)
        return found


def reduced(picture: Image.Image, side: int) -> Image.Image:
    """Return a picture with a longer side of `side` pixels at most; it is never enlarged."""
    factor = side / max(picture.size)
    if factor >= 1:
        return picture
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def pack_tiles(tiles: Iterable[Image.Image | Missing | None]) -> dict[str, Any]:
    """Return tiles as one file for the browser, with the place of each: None where there is none; {} without any."""
    atlas = Atlas.of([tile if isinstance(tile, Image.Image) else None for tile in tiles])
    if atlas is None:
        return {}
    return {
        "mime": atlas.encoded.mime,
        "data": atlas.encoded.data,
        "places": [None if place is None else list(place) for place in atlas.places],
    }


def _bytes(picture: Image.Image) -> int:
    return 3 * picture.width * picture.height
