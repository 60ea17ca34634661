"""Labels of any form as one: a class number, a class name, or none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import Tensor

#: A number in the data set's own order, a name, or None for no class.
Label = int | str | None


def label_of(value: Any) -> Label:
    """Return what a data set gives as label.

    Whole numbers of any type (also in arrays of one element) are class numbers, texts class names, a one-hot vector
    its place. No class are: None, NaN, a negative number (by custom "not labelled"), a number that is not whole
    (a measurement), and what belongs to a picture as a whole in another way: masks, boxes, captions, several classes.
    """
    if isinstance(value, str | bytes):
        return _named(value)
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = value.numpy() if value.numel() < 1 << 16 else None  # larger ones are masks
    elif isinstance(value, list | tuple):
        if any(isinstance(part, str | bytes) for part in value):
            return label_of(value[0]) if len(value) == 1 else None
        value = _array(value)
    if isinstance(value, np.ndarray):
        return label_of(value.reshape(-1)[0].item()) if value.size == 1 else _hot(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        value = int(value) if math.isfinite(value) and value == int(value) else None
    return value if isinstance(value, int) and value >= 0 else None


def _named(value: str | bytes) -> str | None:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.strip() or None


def _array(values: Any) -> Any:
    try:
        return np.asarray(values)
    except Exception:  # noqa: BLE001 - of unequal lengths, or of things that are no numbers and raise any type
        return None


def _hot(values: Any) -> int | None:
    """Return the place of the only 1 in a vector of zeros."""
    vector = values.reshape(-1)
    if vector.size != max(values.shape, default=0) or vector.dtype.kind not in "biuf":
        return None
    places = np.flatnonzero(vector)
    return int(places[0]) if len(places) == 1 and vector[places[0]] == 1 else None
