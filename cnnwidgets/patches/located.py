"""Finding the pictures of an index again."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnwidgets.errors import MissingDataError
from cnnwidgets.files import expand
from cnnwidgets.patches.lots import digest
from cnnwidgets.patches.permission import member, why_withheld
from cnnwidgets.patches.sources import Source, reopened, source_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

    from cnnwidgets.explain.subject import Prepared
    from cnnwidgets.patches.table import Images


class Located:
    """The data sets that an index was made of, where they can be reached.

    Args:
        parts: descriptions of the data sets; of a merged index there are several.
        images: what is known of the images.
        given: the data sets where the user has given them, one per part; None for those to be found by description.
        path: the file of the index.
        trusted: whether the descriptions are believed wherever they lead: the index was made here, by this user.

    Attributes:
        trusted: the same.

    """

    def __init__(
        self, parts: Sequence[Mapping[str, Any]], images: Images, given: Sequence[Any], path: Path, *, trusted: bool
    ) -> None:
        self._parts, self._images, self.given = parts, images, given
        self._path, self.trusted = path, trusted
        self._sources: dict[int, Source | None] = {}
        self._preparing: dict[int, tuple[Any, Source]] = {}

    def allow(self) -> None:
        """Believe the descriptions of the data sets wherever they lead."""
        self.trusted = True
        self._sources.clear()
        self._preparing.clear()

    @property
    def withheld(self) -> str:
        """Why pictures are not read that the index leads to; "" where none are withheld."""
        return next(filter(None, map(self._why_withheld, range(len(self._parts)))), "")

    def _why_withheld(self, part: int) -> str:
        if self.trusted or self.given[part] is not None:
            return ""
        return why_withheld(self._path, self._parts[part]["source"])

    def _source(self, part: int) -> Source | None:
        if part not in self._sources:
            self._sources[part] = self._found(part, None)
        return self._sources[part]

    def _found(self, part: int, model: Any) -> Source | None:
        given, description = self.given[part], self._parts[part]["source"]
        if isinstance(given, Source):
            return given
        moved = isinstance(given, str | PathLike) and description.get("kind") in ("folder", "paths")
        if given is not None and not moved:
            return source_of(model, given)
        if words := self._why_withheld(part):
            raise MissingDataError(words)
        names = {
            int(item): image
            for image, (item, of) in enumerate(
                zip(self._images.column("item"), self._images.column("part"), strict=True)
            )
            if of == part
        }

        kind, stated = description.get("kind"), description.get("root")
        free = self.trusted and kind == "paths"  # a list of paths leads wherever its maker has found them
        checked = isinstance(stated, str) and not free and not (moved and kind == "paths")
        root = expand(given) if moved else Path(str(stated))

        def name_of(item: int) -> str | None:
            if item not in names:
                return None
            name = self._images.name(names[item])
            return member(name, root, links=moved or self.trusted) if checked else name

        # By their names: there may be more pictures in the folder than when it was indexed.
        return reopened(description, name_of, model, given)

    def picture(self, image: int) -> Image.Image:
        """Return an image's original picture.

        Raises:
            MissingDataError: it is gone, cannot be reached, or has another size than when it was indexed.

        """
        part, item = self._images.origin(image)
        source, name = self._source(part), self._images.name(image)
        if source is None:
            raise _unreachable(name)
        picture = source.picture(item)
        height, width = self._images.size(image)
        if (picture.height, picture.width) != (height, width):
            raise MissingDataError(
                f"The picture {name!r} is not what was indexed: it has {picture.width} x {picture.height} pixels now "
                f"and had {width} x {height}. Build the index anew, or give the old pictures: "
                "PatchIndex.open(path, images=...)."
            )
        return picture

    def prepared(self, image: int, model: Any) -> Prepared:
        """Return an image as the network got it.

        Args:
            image: its number.
            model: the Classifier, or the nn.Module.

        Raises:
            MissingDataError: it is gone, cannot be reached, or is not what was indexed.

        """
        from cnnwidgets.explain.subject import Prepared

        (part, item_number), name = self._images.origin(image), self._images.name(image)
        known = self._preparing.get(part)
        if known is None or known[0] is not model:
            source = self._found(part, model)
            if source is None:
                raise _unreachable(name)
            known = self._preparing[part] = (model, source)
        item = known[1].item(item_number)
        if item.x is None or item.frame is None:
            raise MissingDataError(f"The picture {name!r} cannot be read any more: {item.reason}")
        if digest(item.x) != int(self._images.column("digest")[image]):
            raise MissingDataError(
                f"The picture {name!r} is not what was indexed: the network would get other values now. Build the "
                "index anew, or open it with the preprocessing and the pictures that it was made with."
            )
        try:
            picture = self.picture(image)
        except MissingDataError:
            picture = None
        return Prepared(item.x[None], (picture,), (item.frame,))


def _unreachable(name: str) -> MissingDataError:
    return MissingDataError(
        f"The picture {name!r} cannot be reached: the index does not hold pictures, and its data set has to be given "
        "again: PatchIndex.open(path, images=...)."
    )
