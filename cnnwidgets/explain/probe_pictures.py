"""The pictures on which the place of a network's cells is measured: a user's own, else photographs at hand."""

from __future__ import annotations

import importlib.util
import weakref
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from cnnwidgets.errors import ImageError, OptionError
from cnnwidgets.images.convert import to_picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from cnnwidgets.explain.subject import Prepared

COUNT = 3
#: Natural photographs in packages, the preferred ones first. scikit-learn and Matplotlib are always installed.
_PHOTOGRAPHS = (
    ("skimage", "data/chelsea.png"),
    ("skimage", "data/coffee.png"),
    ("skimage", "data/astronaut.png"),
    ("sklearn", "datasets/images/china.jpg"),
    ("sklearn", "datasets/images/flower.jpg"),
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
)


_SHARED: weakref.WeakValueDictionary[tuple[int, int], ProbePictures] = weakref.WeakValueDictionary()


class ProbePictures:
    """Pictures as a network takes them, to be looked at for measuring and never shown.

    Args:
        prepare: turns a picture into the network's input; None standardises photographs to mean 0 and deviation 1.
        images: the user's own, as `Classifier.prepare` takes them, or a function that gives them when they are
            needed; None takes photographs of installed packages. The first three count.

    """

    def __init__(self, prepare: Callable[[Any], Prepared] | None = None, images: Any = None) -> None:
        self._prepare, self._images = prepare, images
        self._preprocess: Any = None

    @classmethod
    def shared(cls, preprocess: Any, prepare: Callable[[Any], Prepared], images: Any) -> ProbePictures:
        """Return the pictures of a preprocessing, the same for every classifier that has it.

        So a network is not measured again where a cell of a notebook makes its classifier anew.

        Args:
            preprocess: the preprocessing itself.
            prepare: turns a picture into the network's input by it.
            images: the user's own, or None.

        """
        key = id(preprocess), id(images)  # both are kept by what is found, so that nothing else takes their place
        found = _SHARED.get(key)
        if found is None or not found.are_of(preprocess, images):
            found = _SHARED[key] = cls(prepare, images)
            found._preprocess = preprocess
        return found

    def are_of(self, preprocess: Any, images: Any) -> bool:
        """Whether these are the pictures of a preprocessing and of the user's images."""
        return self._preprocess is preprocess and self._images is images

    def batch(self, shape: tuple[int, int, int]) -> Tensor:
        """Return (n,C,H,W) float, at most three images of the given (C,H,W).

        Raises:
            ImageError: the preprocessing gives another number of channels, or an image cannot be read.
            OptionError: no images were given.

        """
        given = self._images() if callable(self._images) else self._images
        if given is None:
            found = [self._photograph(picture, shape) for picture in photographs()]
        elif isinstance(given, Tensor):
            found = list((given[None] if given.ndim == 3 else given)[:COUNT].unsqueeze(1))
        else:
            several = list(given)[:COUNT] if isinstance(given, list | tuple) else [given]
            found = [self._own(image, shape) for image in several]
        if not found:
            raise OptionError("probe_images is empty: give a few natural pictures, or None for photographs at hand.")
        return torch.cat([_resize_to(x, shape) for x in found])

    def _own(self, image: Any, shape: tuple[int, int, int]) -> Tensor:
        if isinstance(image, Tensor):
            return image[None] if image.ndim == 3 else image
        return self._photograph(to_picture(image), shape)

    def _photograph(self, picture: Image.Image, shape: tuple[int, int, int]) -> Tensor:
        channels, height, width = shape
        if self._prepare is not None:
            x = self._prepare(picture).x
            # A preprocessing that keeps the size of pictures gets one of the size of the images that are explained.
            return x if x.shape[2:] == shape[1:] else self._prepare(_crop_to(picture, height, width)).x
        picture = _crop_to(picture, height, width)
        pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
        x = pixels.view(1, height, width, 3).permute(0, 3, 1, 2).float()
        if channels != 3:
            x = x.mean(1, keepdim=True).expand(-1, channels, -1, -1)
        return (x - x.mean()) / x.std().clamp(min=1e-6)


@lru_cache(maxsize=1)
def photographs() -> tuple[Image.Image, ...]:
    """Return three photographs of installed packages; fewer where packages are stripped of their files."""
    found: list[Image.Image] = []
    for package, name in _PHOTOGRAPHS:
        folder = package_folder(package)
        if folder is not None and (folder / name).is_file() and len(found) < COUNT:
            found.append(to_picture(folder / name))
    return tuple(found)


def package_folder(package: str) -> Path | None:
    """Return the folder of an installed package, which is not imported; None where it is not installed."""
    spec = importlib.util.find_spec(package)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def _crop_to(picture: Image.Image, height: int, width: int) -> Image.Image:
    """Return the middle of a picture at a size: it looks like a photograph whatever the network's input is."""
    scale = min(picture.width / width, picture.height / height)
    left, top = max(0.0, picture.width - width * scale) / 2, max(0.0, picture.height - height * scale) / 2
    box = (left, top, min(left + width * scale, picture.width), min(top + height * scale, picture.height))
    return picture.resize((width, height), Image.Resampling.BICUBIC, box=box)


def _resize_to(x: Tensor, shape: tuple[int, int, int]) -> Tensor:
    if x.ndim != 4 or x.shape[1] != shape[0]:
        raise ImageError(f"A probe picture became a tensor of shape {tuple(x.shape)}; the network takes {shape}.")
    if tuple(x.shape[2:]) == shape[1:]:
        return x
    return F.interpolate(x.float(), shape[1:], mode="bilinear", antialias=True)
