"""What can go wrong, in words: every error names the thing, its value and the remedy."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


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


def nearest(name: object, names: Iterable[str], count: int = 3) -> str:
    """Return a sentence that offers the nearest of `names`, with a leading space, or "" if none is near."""
    known = {candidate.casefold(): candidate for candidate in names}
    text = str(name).casefold()
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
