"""From an image of any form to the network's input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from torch import Tensor, uint8

from cnnwidgets.errors import CnnWidgetsError, ImageError, OptionError
from cnnwidgets.explain.network import picture_of
from cnnwidgets.explain.subject import prepared_tensor
from cnnwidgets.images.convert import to_picture
from cnnwidgets.images.modes import is_rgb
from cnnwidgets.patches.sources.labels import Label, label_of
from cnnwidgets.preparation import Preparation

if TYPE_CHECKING:
    from collections.abc import Callable

    from cnnwidgets.explain.frame import Frame
    from cnnwidgets.explain.subject import Prepared


class UnpreparedError(ImageError):
    """There is no Classifier that prepares pictures."""


#: What is not the fault of one item, and ends a pass.
PASSED_ON = (MemoryError, OptionError, UnpreparedError)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """An item before its class has a number: what a data loader's worker sends.

    Attributes:
        name: of the item.
        label: as the data set numbers or names its classes.
        x: (C,H,W) float, or None.
        frame: where `x` lies in the picture, or None.
        reason: why there is no `x`.

    """

    name: str
    label: Label = None
    x: Tensor | None = None
    frame: Frame | None = None
    reason: str | None = None


class Reader:
    """Prepares images one by one.

    Args:
        prepare: turns a picture into the network's input; None where only tensors are taken.

    """

    def __init__(self, prepare: Callable[[Any], Prepared] | None) -> None:
        self._prepare = prepare

    def read(self, name: str, image: Any, label: Any = None) -> Reading:
        """Return an image as a reading; one that cannot be read has its reason.

        Raises:
            ImageError: there is no Classifier for what is no tensor.
            OptionError: a preprocessing that cannot be used.

        """
        if self._prepare is None and not isinstance(image, Tensor):
            raise UnpreparedError(
                f"The images are of type {type(image).__name__}. A bare nn.Module takes float tensors (C,H,W); for "
                "pictures and files wrap it with its preprocessing: cnnwidgets.Classifier(model, preprocess=...)."
            )
        known = label_of(label)
        try:
            prepared = self._prepared(image)
        except PASSED_ON:
            raise
        except Exception as error:  # noqa: BLE001 - data sets and preprocessings raise any type
            return Reading(name, known, reason=words(error))
        return Reading(name, known, prepared.x[0], prepared.frames[0])

    def _prepared(self, image: Any) -> Prepared:
        if isinstance(image, Tensor):
            image = image.detach().as_subclass(Tensor)
            if self._prepare is None or image.dtype != uint8:
                return prepared_tensor(one_of(image)[None])
        if isinstance(self._prepare, Preparation) and isinstance(image, Image.Image) and is_rgb(image):
            return self._prepare.of_picture(image)  # nobody else keeps the result, so no copy is needed
        return self._prepare(picture_source(image))  # type: ignore[misc] # None was refused above

    def picture(self, image: Any) -> Image.Image:
        """Return the picture that the frame of `read` means.

        Raises:
            ImageError: it cannot be read.

        """
        if isinstance(image, Tensor) and image.dtype != uint8:
            return picture_of(one_of(image.as_subclass(Tensor)))
        source = picture_source(image)
        if self._prepare is None:
            return to_picture(source)
        prepared = self._prepare(source)
        return prepared.pictures[0] or picture_of(prepared.x[0])


def picture_source(image: Any) -> Any:
    """Return what `to_picture` takes for an image: tensors of bytes (C,H,W) are pictures whose channels come first."""
    if isinstance(image, Tensor):
        return np.ascontiguousarray(one_of(image.detach()).permute(1, 2, 0).cpu().numpy())
    return image


def one_of(x: Tensor) -> Tensor:
    """Return a tensor (C,H,W) or (1,C,H,W) as (C,H,W)."""
    if x.ndim == 4 and len(x) == 1:
        return x[0]
    if x.ndim != 3:
        raise ImageError(f"It has shape {tuple(x.shape)}; one image is (C,H,W).")
    return x


def words(error: Exception) -> str:
    """Return an error as a reason."""
    text = str(error).strip()
    if isinstance(error, CnnWidgetsError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def broken_off(data: Any, number: int, error: Exception) -> ImageError:
    """Return the error for a stream that ends before its time."""
    return ImageError(
        f"The {type(data).__name__} broke off at item {number}: {words(error)}. What came before it is kept; mend the "
        "data, and the same call goes on from there."
    )
