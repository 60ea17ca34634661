"""Many images, a batch at a time, as a network takes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from torch import Tensor

from cnnwidgets.errors import ImageError
from cnnwidgets.explain.pairs import pair_of
from cnnwidgets.explain.subject import prepared_tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cnnwidgets.explain.network import Network

_SINGLE = (Tensor, str, bytes, Path, Image.Image, np.ndarray)


def batches(network: Network, images: Any) -> Iterator[Tensor]:
    """Yield images as tensors (n,C,H,W) in the network's dtype and on its device, one item at a time.

    Args:
        network: the network; its subject says how pictures become tensors.
        images: a tensor (N,C,H,W) or (C,H,W), or, with a Classifier, a picture; or any iterable of such items, or of
            (item, label, ...) or mappings as data sets and data loaders give them.

    Raises:
        ImageError: what is no image, or a picture for a bare `nn.Module`; the item is numbered.

    """
    for number, item in enumerate(_items(images)):
        try:
            x = _tensor(network, pair_of(item)[0])
        except ImageError as error:
            raise ImageError(f"Item {number} of the images: {error}") from error
        yield network.taken(x)


def count_of(images: Any) -> int:
    """Return how many items `batches` will go through, 0 where `images` does not know."""
    if isinstance(images, _SINGLE):
        return 1
    try:
        return len(images)
    except TypeError:  # a DataLoader of an IterableDataset has a length that fails
        return 0


def _items(images: Any) -> Any:
    if isinstance(images, _SINGLE):
        return [images]
    if isinstance(images, dict) or not (hasattr(images, "__iter__") or hasattr(images, "__getitem__")):
        raise ImageError(
            f"A {type(images).__name__} is no images. Give a tensor (N,C,H,W), a list of images, or an iterable of "
            "batches, such as a DataLoader."
        )
    if not hasattr(images, "__iter__") and hasattr(images, "__len__"):
        return (images[number] for number in range(len(images)))  # a data set need not raise IndexError at its end
    return images


def _tensor(network: Network, image: Any) -> Tensor:
    if isinstance(image, Tensor):
        x = prepared_tensor(image[None] if image.ndim == 3 else image).x
    else:
        x = (network.subject.prepare or prepared_tensor)(image).x
    channels = network.x.shape[1]
    if x.shape[1] != channels:
        raise ImageError(
            f"It has {x.shape[1]} channel(s), and the network was given images of {channels}. Prepare them alike, such "
            "as x.expand(-1, 3, -1, -1) for grey ones."
        )
    return x
