"""What can go wrong, in words: every error names the thing, its value and the remedy."""

from __future__ import annotations

import difflib
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST = 100  # characters of a name that is compared with others: the time grows with the square


class CnnWidgetsError(Exception):
    """Base of every error that cnnwidgets raises on purpose."""


class ImageError(CnnWidgetsError, ValueError):
    """A picture that cannot be read or is not of a form that is understood."""


class ModelError(CnnWidgetsError, RuntimeError):
    """A model that cannot be explained as it stands."""


class TargetError(CnnWidgetsError, ValueError):
    """A target that the model's output does not have."""


class LayerError(CnnWidgetsError, ValueError):
    """A layer that the model does not have or that has no spatial map."""


class OptionError(CnnWidgetsError, TypeError, ValueError):
    """A keyword or value that a function or widget does not take."""


class FileError(CnnWidgetsError, OSError):
    """A file or folder that cannot be read or written, or a path that names something else."""


class IndexFileError(CnnWidgetsError, ValueError):
    """A file that is no patch index, or a damaged one."""


class IndexMismatchError(CnnWidgetsError, ValueError):
    """A patch index, or the work begun on one, that belongs to another model, preprocessing, data set or settings."""


class MissingDataError(CnnWidgetsError, RuntimeError):
    """Weights, data or an optional package that are not on this machine."""


class Cancelled(CnnWidgetsError):  # noqa: N818 - an outcome, not a fault
    """Work that was stopped on request, before it was done."""


def brief(value: object, room: int = 80) -> str:
    """Return a value as Python writes it, cut to about `room` characters: for the words of an error.

    It takes no longer for a huge value than for a small one, and never raises.
    """
    return clipped(_brief(value, room, 3), room)


def _brief(value: object, room: int, depth: int) -> str:
    if isinstance(value, str | bytes):
        return repr(value[:room])
    if isinstance(value, bool | float) or value is None:
        return repr(value)
    if isinstance(value, int):
        return str(value) if value.bit_length() < 256 else "a huge number"
    if isinstance(value, dict | list | tuple) and depth:
        first = list(islice(value.items() if isinstance(value, dict) else value, 4))
        more = ["..."] if len(value) > len(first) else []
        if isinstance(value, dict):
            parts = [f"{_brief(key, room, 0)}: {_brief(item, room, depth - 1)}" for key, item in first]
            return "{" + ", ".join(parts + more) + "}"
        return "[" + ", ".join([_brief(item, room, depth - 1) for item in first] + more) + "]"
    return f"a {type(value).__name__}"


def clipped(words: str, room: int = 600) -> str:
    """Return words cut to a length, with an ellipsis where something is left out."""
    return words if len(words) <= room else words[: room - 1] + "…"


def nearest(name: object, names: Iterable[str], count: int = 3) -> str:
    """Return a sentence that offers the nearest of `names`, with a leading space, or "" if none is near."""
    known = {candidate.casefold(): candidate for candidate in names if len(candidate) <= _LONGEST}
    text = str(name)[:_LONGEST].casefold()
    close = difflib.get_close_matches(text, known, n=count, cutoff=0.55)
    close += [key for key in known if text and text in key and key not in close][: count - len(close)]
    if not close:
        return ""
    return " Did you mean " + " or ".join(repr(known[key]) for key in close) + "?"


def refuse_unknown(where: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise `OptionError` for the first of `given` that is not among `known`."""
    known = list(known)
    for name in given:
        if name not in known:
            hint = nearest(name, known) or " Known are: " + ", ".join(known) + "."
            raise OptionError(f"{where} takes no option {name!r}.{hint}")
