"""The patches of a data set that each channel of a network answers to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnwidgets.errors import OptionError
from cnnwidgets.files import expand
from cnnwidgets.patches.cut import cut
from cnnwidgets.patches.located import Located
from cnnwidgets.patches.making import making
from cnnwidgets.patches.merging import merged
from cnnwidgets.patches.patch import Patch
from cnnwidgets.patches.plan import Settings
from cnnwidgets.patches.questions import Questions
from cnnwidgets.patches.reporting import reported
from cnnwidgets.patches.scratch import Scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from os import PathLike
    from pathlib import Path

    from PIL import Image

    from cnnwidgets.explain.control import Cancel
    from cnnwidgets.explain.subject import Prepared
    from cnnwidgets.patches.progress import BuildProgress


class PatchIndex(Questions):
    """For every channel of a network the patches of a data set that it answers to most, found in one pass.

    ```python
    index = cw.PatchIndex.build(clf, "photos/", path="photos.patches")
    index.top("layer4", 7)  # the strongest patches, cut at the units' receptive fields
    index.dead("layer1"), index.for_class("tabby"), index.like("layer4", 7)
    ```

    The idea is that of Girshick et al. 2014 (section 3.1: "visualizing learned features" by the regions of images that
    excite a unit) and Zeiler and Fergus 2014; activations are raw values, images enter as they do in a prediction.

    Args:
        path: the file of an index; `PatchIndex.open` is the same with words for where its pictures are.
        images: the data set, where it is not found by itself; for a merged index a list with one for each part.

    Attributes:
        path: the file.
        layers: the layers that were indexed, in order of execution.
        classes: names of the classes.
        k: patches per channel and kind.
        identity: hashes of model, preprocessing and data, and the settings: what tells this index from others.

    """

    def __init__(self, path: str | PathLike[str], images: Any = None) -> None:
        super().__init__(expand(path))
        given = list(images) if len(self._parts) > 1 and images is not None else [images] * len(self._parts)
        if len(given) != len(self._parts):
            raise OptionError(
                f"images= is a list of {len(given)}; the index was merged from {len(self._parts)} data sets: give a "
                "list with one for each, None for those that are where they were."
            )
        self._located = Located(self._parts, self._images, given, self.path, trusted=self._file.sealed)
        self._keep: Scratch | None = None

    @property
    def withheld(self) -> str:
        """Why pictures are not read that the index leads to, with what to do; "" where none are withheld."""
        return self._located.withheld

    def allow(self) -> None:
        """Read the pictures wherever the index says that they are: you trust whoever made it."""
        self._located.allow()

    @property
    def trusted(self) -> bool:
        """Whether it was made here by this user and is as it was made, or has been allowed to lead anywhere."""
        return self._located.trusted

    @property
    def given(self) -> list[Any]:
        """The data sets that were given, one for each that it was made of; None for those found by themselves."""
        return list(self._located.given)

    @classmethod
    def open(cls, path: str | PathLike[str], images: Any = None) -> PatchIndex:
        """Open the file of an index; nothing in it can run, so files of strangers are safe.

        The pictures are read where the index says that they are only if it was made here by you, or if they lie in the
        folder of the file or in the working directory; `withheld` says so. Others are read once `images` is given, or
        after `allow`. Each array is compared with its checksum when it is first read; files of earlier versions have
        none (`has_checksums`).

        Args:
            path: the file.
            images: where the pictures are now. Folders and lists of paths are found again by themselves, other data
                sets have to be given. A merged index takes a list with one for each part.

        Raises:
            IndexFileError: it is no index, a damaged one, or one of another version.

        """
        return cls(path, images)

    @classmethod
    def building(
        cls,
        model: Any,
        images: Any,
        layers: Any = "all",
        k: int = 16,
        path: str | PathLike[str] | None = None,
        *,
        per_image: int = 1,
        chunk: int | None = None,
        seed: int = 0,
        restart: bool = False,
        cancel: Cancel | None = None,
    ) -> Generator[BuildProgress, None, PatchIndex]:
        """Build an index step by step: yields `BuildProgress`, and returns the index (`StopIteration.value`).

        The arguments are those of `build`. Closing the generator stops the build and keeps its work.
        """
        settings = Settings(layers, k, per_image, seed)
        place, keep = _place(path)
        yield from making(model, images, place, settings, chunk=chunk, restart=restart, cancel=cancel)
        index = cls(place, images)
        index._keep = keep
        return index

    @classmethod
    def build(
        cls,
        model: Any,
        images: Any,
        layers: Any = "all",
        k: int = 16,
        path: str | PathLike[str] | None = None,
        *,
        per_image: int = 1,
        chunk: int | None = None,
        seed: int = 0,
        restart: bool = False,
        progress: bool | Callable[[BuildProgress], object] = True,
        cancel: Cancel | None = None,
    ) -> PatchIndex:
        """Build the index of a data set in one pass, or go on with a build that was interrupted.

        Every image goes once through the network, whatever the number of layers. Memory does not grow with the data
        set. The work is kept in the folder `<path>.partial` as it goes, so the same call goes on where an interrupted
        or killed one stopped, and gives the same file. A finished index of the same model, preprocessing, data and
        settings is opened.

        Args:
            model: `Classifier`, or a `nn.Module` for images that are tensors. It is left as found.
            images: a folder (sub-folders are the classes); a list of paths, pictures, arrays or tensors, or of (image,
                label); a data set with or without length, as torchvision's; a DataLoader that does not shuffle; or a
                tensor (N,C,H,W).
            layers: as in `explain.activations`; "all" takes every map of the network once. The last feature map is
                always among them.
            k: patches that are kept of every channel: of the strongest, of the most negative and of a random sample.
            path: the file, "photos.patches"; None keeps the index as long as the object lives.
            per_image: patches of one image among those of a channel, at most.
            chunk: images between two saves; a killed process loses no more. It does not change the result.
            seed: of the random sample.
            restart: begin anew, whatever is at `path`.
            progress: False for none, or a function that is called with `BuildProgress`; True writes a line with the
                time left.
            cancel: a `CancelToken` or `threading.Event` that stops the work with `Cancelled`; what was done is kept.

        Raises:
            IndexMismatchError: what is at `path` belongs to another model, preprocessing, data set or settings.
            ImageError: no image can be read, or a stream of images breaks off; what came before is kept.
            LayerError: a layer that the network does not have.

        """
        steps = cls.building(
            model, images, layers, k, path, per_image=per_image, chunk=chunk, seed=seed, restart=restart, cancel=cancel
        )
        return reported(steps, progress=progress)

    @classmethod
    def merge(cls, parts: Sequence[PatchIndex], path: str | PathLike[str] | None = None) -> PatchIndex:
        """Return the index that one pass over the data sets of several would have given, one after the other.

        Args:
            parts: indexes of one model, preprocessing, layers and settings, in the order of their data sets.
            path: the file of the new one; None keeps it as long as the object lives.

        Raises:
            IndexMismatchError: they differ in more than their images.

        """
        place, keep = _place(path)
        merged(parts, place)
        index = cls(place, [given for part in parts for given in part.given])
        index._keep = keep
        return index

    def picture(self, image: int | Patch) -> Image.Image:
        """Return an image's original picture, RGB.

        Raises:
            MissingDataError: it is gone, cannot be reached, or has another size than when it was indexed.

        """
        return self._located.picture(self._images.number(image.image if isinstance(image, Patch) else image))

    def crop(self, patch: Patch, size: int | None = None) -> Image.Image:
        """Return the part of the original picture in a patch's box.

        Args:
            patch: the patch.
            size: longer side of the result; None keeps the picture's own pixels. Enlarged pixels stay squares.

        Raises:
            MissingDataError: as in `picture`.

        """
        return cut(self.picture(patch), patch.box, size)

    def prepared(self, image: int | Patch, model: Any) -> Prepared:
        """Return an image as the network got it, with its picture and frame.

        Raises:
            MissingDataError: it is gone, or not what was indexed.

        """
        return self._located.prepared(self._images.number(image.image if isinstance(image, Patch) else image), model)


def _place(path: str | PathLike[str] | None) -> tuple[Path, Scratch | None]:
    """Return the file for an index, and the folder that has to be kept for it."""
    if path is not None:
        return expand(path), None
    keep = Scratch()
    return keep.path / "index.patches", keep
