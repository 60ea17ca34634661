"""How a gallery comes by its index: opens one, or makes one, and where that is kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnwidgets._version import __version__
from cnnwidgets.cache import cache_folder, make_room, touch
from cnnwidgets.demo.pictures import gallery_pictures
from cnnwidgets.errors import CnnWidgetsError, OptionError
from cnnwidgets.files import expand, kind_of
from cnnwidgets.patches.index import PatchIndex
from cnnwidgets.patches.plan import FORMAT, model_identity, preprocess_hash

if TYPE_CHECKING:
    from collections.abc import Generator

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.patches.progress import BuildProgress

_FOLDER, _SUFFIX = "gallery", ".patches"
_ORDER = "before the cap, then chance"  # of equal patches: indexes that order them otherwise are made anew
_KEPT = 8  # indexes of demo pictures, each of one state of one model


@dataclass(eq=False)
class Origin:
    """The index that was asked for.

    Attributes:
        clf: the classifier.
        images: the data set; None for the demo pictures.
        layers: as in `PatchIndex.build`.
        k: patches per channel and kind.
        path: the file, or None.
        words: what there is to say about where it is kept.

    """

    clf: Classifier
    images: Any
    layers: Any
    k: int
    path: Path | None
    words: str = ""
    _own: Path | None = field(default=None, init=False)

    def opened(self) -> PatchIndex | None:
        """Return the index of the demo pictures if it is there already: this takes milliseconds."""
        if self.images is not None or self.path is not None:
            return None
        path = self._cached()
        if not path.is_file():
            return None
        try:
            index = PatchIndex.open(path, gallery_pictures(self.clf))
        except CnnWidgetsError:  # damaged: it is made anew
            path.unlink(missing_ok=True)
            return None
        touch(path)
        return index

    def building(self) -> Generator[BuildProgress, None, PatchIndex]:
        """Make the index, or go on with it."""
        images = gallery_pictures(self.clf) if self.images is None else self.images
        index = yield from PatchIndex.building(self.clf, images, self.layers, self.k, self._place())
        return index

    def forget(self) -> None:
        """Begin anew, after the model has changed, where nobody has said where to keep the index."""
        self._own = None

    def _place(self) -> Path:
        if self.path is not None:
            return self.path
        if self.images is None:
            path = self._cached()
            touch(path.with_name(path.name + ".partial"))  # work that is gone on with is no old thing
            make_room(path.parent, f"*{_SUFFIX}*", _KEPT - 1)
            return path
        if self._own is None:  # so that it can be gone on with, and takes no memory
            self._own = Path(tempfile.mkdtemp(prefix="cnnwidgets-"))
            weakref.finalize(self, shutil.rmtree, self._own, ignore_errors=True)
        return self._own / f"index{_SUFFIX}"

    def _cached(self) -> Path:
        cache = cache_folder()
        self.words = cache.words
        folder = cache.folder / _FOLDER
        folder.mkdir(exist_ok=True)
        pictures = gallery_pictures(self.clf)
        model = model_identity(self.clf), preprocess_hash(self.clf)
        parts = (FORMAT, _ORDER, __version__, pictures.source, model, _key(self.layers), self.k)
        name = hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
        return folder / f"{name}{_SUFFIX}"


def given_index(images: Any, index: Any) -> PatchIndex | None:
    """Return the index that two arguments of a gallery mean, or None where one has to be made.

    Args:
        images: the data set, an index, or the path of one.
        index: an index, the path of one, or None.

    Raises:
        OptionError: two indexes.
        IndexFileError: a path that is no index.

    """
    is_index = isinstance(images, PatchIndex) or (isinstance(images, str | os.PathLike) and _is_index(expand(images)))
    if index is None:
        index, images = (images, None) if is_index else (None, images)
    elif is_index:
        raise OptionError(f"images={images!r} and index={index!r} are both indexes; give one of them.")
    if index is None or isinstance(index, PatchIndex):
        return index
    if not isinstance(index, str | os.PathLike):
        raise OptionError(f"index={index!r} is a {type(index).__name__}; give a PatchIndex or the path of one.")
    return PatchIndex.open(index, images)


def _is_index(path: Path) -> bool:
    """Whether a path is to be opened as an index: also what is no file, such as a pipe, so that it is refused."""
    try:
        return kind_of(path) not in ("", "a folder")
    except OSError:
        return False


def _key(layers: Any) -> Any:
    """Return what tells one choice of layers from another."""
    several = isinstance(layers, list | tuple)
    return [str(layer) for layer in layers] if several else str(layers)
