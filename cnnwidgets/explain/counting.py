"""Numbers of things that are counted from 0, or from the end: images, channels, rows, columns."""

from __future__ import annotations

import operator
from contextlib import suppress
from typing import Any

from cnnwidgets.errors import OptionError


def counted(name: str, value: Any, count: int, there: str) -> int:
    """Return a number counted from 0.

    Args:
        name: of the argument.
        value: what was given; a negative number counts from the end.
        count: how many there are.
        there: what there is, in words: "the layer 'conv' has 8 channels".

    Raises:
        OptionError: it is no whole number, or out of range.

    """
    number = None
    if not isinstance(value, bool):
        with suppress(TypeError):
            number = operator.index(value)
    if number is None:
        raise OptionError(f"{name}={value!r} is no whole number, but a {type(value).__name__}: {there}.")
    if not -count <= number < count:
        raise OptionError(f"{name}={number} is out of range: {there}.")
    return number % count
