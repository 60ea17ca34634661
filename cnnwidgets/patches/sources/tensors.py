"""A tensor of images as a source."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnwidgets.explain.provenance import tensor_hash
from cnnwidgets.explain.subject import check_readable, prepared_tensor
from cnnwidgets.patches.sources.map_source import MapSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image
    from torch import Tensor

    from cnnwidgets.patches.sources.reader import Reader, Reading

_SAMPLE = 256


class TensorSource(MapSource):
    """The images of a tensor (N,C,H,W), preprocessed already."""

    kind = "tensor"

    def __init__(self, reader: Reader, x: Tensor) -> None:
        check_readable(x)
        if len(x):
            prepared_tensor(x[:1].nan_to_num())  # the form is checked here, the values image by image
        super().__init__(reader)
        self._x = x

    @property
    def total(self) -> int:
        """Number of items."""
        return len(self._x)

    def name(self, number: int) -> str:
        """Return the name of an item without reading it."""
        return f"item {number}"

    def _read(self, number: int) -> Reading:
        return self.reader.read(self.name(number), self._x[number])

    def _picture(self, number: int) -> Image.Image:
        return self.reader.picture(self._x[number])

    def _facts(self) -> Iterator[str | bytes]:
        yield from (self.kind, sampled_hash(self._x))


def sampled_hash(values: Any) -> str:
    """Return a SHA-256 of a tensor or array: shape, type, and up to 256 of its entries, evenly spread."""
    places = np.unique(np.linspace(0, len(values) - 1, min(len(values), _SAMPLE)).astype(int)) if len(values) else ()
    digest = hashlib.sha256(f"{values.dtype}{tuple(values.shape)}".encode())
    for place in places:
        part = values[int(place)]
        digest.update(part.tobytes() if isinstance(part, np.ndarray | np.generic) else tensor_hash(part).encode())
    return digest.hexdigest()
