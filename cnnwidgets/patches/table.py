"""What an index knows of its images."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnwidgets.explain.counting import counted
from cnnwidgets.explain.frame import Box, Frame
from cnnwidgets.patches.partial import RECORD

if TYPE_CHECKING:
    import numpy.typing as npt

    from cnnwidgets.patches.tensors import Tensors


_FARTHEST = 2.0**40  # pixels


class Images:
    """A row per image, read from the file where it is looked at.

    Args:
        file: the file of the index.
        count: number of images.
        input_size: (height, width) of the network's input.
        parts: number of data sets that they come from.

    """

    def __init__(self, file: Tensors, count: int, input_size: tuple[int, int], parts: int) -> None:
        self._file, self._count, self._input_size, self._parts = file, count, input_size, parts
        self._columns: dict[str, npt.NDArray[Any]] = {}

    def __len__(self) -> int:
        return self._count

    def column(self, field: str) -> npt.NDArray[Any]:
        """Return one thing that is known of all images."""
        if field not in self._columns:
            dtype = RECORD[field]
            self._columns[field] = self._file.get(f"image_{field}", dtype.base, self._count, *dtype.shape)
        return self._columns[field]

    def number(self, image: int) -> int:
        """Return the number of an image, counted from 0; negative ones count from the end.

        Raises:
            OptionError: there is no such image.

        """
        return counted("image", image, self._count, f"the index has {self._count} image(s)")

    @cached_property
    def _names(self) -> npt.NDArray[np.uint8]:
        names: npt.NDArray[np.uint8] = self._file.get("names", np.uint8, None)
        return names

    def name(self, image: int) -> str:
        """Return what an image is called."""
        ends = self.column("name_end")
        start, end = int(ends[image - 1]) if image else 0, int(ends[image])
        if not 0 <= start <= end <= len(self._names):
            raise self._file.damaged("the names of its images do not fit")
        return self._names[start:end].tobytes().decode("utf-8", "surrogateescape")

    def size(self, image: int) -> tuple[int, int]:
        """Return (height, width) of the original picture."""
        return int(self.column("height")[image]), int(self.column("width")[image])

    def origin(self, image: int) -> tuple[int, int]:
        """Return the number of the data set that an image comes from, and its own number in it."""
        part, item = int(self.column("part")[image]), int(self.column("item")[image])
        if not 0 <= part < self._parts or item < 0:
            raise self._file.damaged(f"image {image} comes from nowhere")
        return part, item

    def frame(self, image: int) -> Frame:
        """Return where the network's input lies in the original picture."""
        edges = self.column("box")[image]
        if not (np.abs(edges) < _FARTHEST).all() or min(self.size(image)) < 1:
            raise self._file.damaged(f"image {image} lies nowhere in its picture")
        box = Box(*(float(edge) for edge in edges))
        return Frame(box, self._input_size, self.size(image), exact=bool(self.column("exact")[image]))
