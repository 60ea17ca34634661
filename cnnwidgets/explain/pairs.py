"""An element of a data set as image and label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnnwidgets.errors import ImageError

_IMAGES = ("image", "img", "pixel_values", "picture", "images")
_LABELS = ("label", "labels", "target", "class", "cls", "fine_label")


def pair_of(element: Any) -> tuple[Any, Any]:
    """Return (image, label), label None where there is none.

    Args:
        element: an image, (image, label, ...), or a mapping with an image under one of the customary names.

    Raises:
        ImageError: a mapping or sequence without an image.

    """
    if isinstance(element, Mapping):
        return _of_mapping(element)
    if isinstance(element, tuple | list):
        if not element:
            raise ImageError("It is an empty sequence; expected is an image, or (image, label).")
        return element[0], element[1] if len(element) > 1 else None
    return element, None


def image_of(element: Any) -> Any:
    """Return the image of an element, None where it has none."""
    try:
        return pair_of(element)[0]
    except ImageError:
        return None


def _of_mapping(element: Mapping[Any, Any]) -> tuple[Any, Any]:
    found = next((key for key in _IMAGES if element.get(key) is not None), None)
    if found is None:
        raise ImageError(
            f"It has no image under one of the names {', '.join(map(repr, _IMAGES))}; its names are "
            f"{', '.join(map(repr, element)) or 'none'}. Rename the one that holds the image, or map the data set to "
            "(image, label) pairs."
        )
    image = element[found]
    if isinstance(image, Mapping):  # Hugging Face's images that were not decoded
        image = image.get("bytes") or image.get("path")
    return image, next((element[key] for key in _LABELS if element.get(key) is not None), None)
