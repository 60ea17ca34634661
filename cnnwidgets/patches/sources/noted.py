"""Data sets that transform their pictures themselves, as torchvision's do, with the pictures before it."""

from __future__ import annotations

import copy
import threading
from typing import Any

from PIL import Image

from cnnwidgets.framing import Frames


class Noted:
    """A data set that also tells what its transform was given.

    The user's data set is not touched: a shallow copy of it gets a transform that takes notes.

    Args:
        data: a data set; one without an attribute `transform` has nothing to tell.

    Attributes:
        frames: where the transform looks in a picture of a given size; None without a transform.

    """

    def __init__(self, data: Any) -> None:
        self._data = data
        self._notes: Notes | None = None
        self.frames: Frames | None = None
        transform: Any = getattr(data, "transform", None)
        if not callable(transform):
            return
        self._notes, self.frames = Notes(transform), Frames(transform)
        self._data = copy.copy(data)
        self._data.transform = self._notes
        pair = getattr(data, "transforms", None)  # torchvision's: the transforms of image and label in one
        if getattr(pair, "transform", None) is transform:
            self._data.transforms = copy.copy(pair)
            self._data.transforms.transform = self._notes

    def get(self, number: int) -> tuple[Any, Image.Image | None, Any]:
        """Return an element of the data set, the picture that the transform was given, and what it made of it."""
        try:
            element = self._data[number]
        finally:
            given, made = (None, None) if self._notes is None else self._notes.take()
        return element, given, made


class Notes:
    """A transform that remembers the last picture it was given by each thread, until it is asked."""

    def __init__(self, transform: Any) -> None:
        self._transform = transform
        self._last: dict[int, tuple[Image.Image | None, Any]] = {}

    def __getattr__(self, name: str) -> Any:
        """Give whatever else the data set asks of its transform."""
        if name.startswith("__") or name == "_transform":
            raise AttributeError(name)
        return getattr(self._transform, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Transform, and remember."""
        made = self._transform(*args, **kwargs)
        picture = args[0] if len(args) == 1 and isinstance(args[0], Image.Image) else None
        self._last[threading.get_ident()] = (picture, made)
        return made

    def take(self) -> tuple[Image.Image | None, Any]:
        """Return picture and result of this thread's last call, and forget them."""
        return self._last.pop(threading.get_ident(), (None, None))
