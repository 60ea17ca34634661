"""Names as they can be shown: those of classes, layers and files are the user's, and may hold any character.

`displayable` is for pictures, plots and sentences, `isolated` for a name within a sentence of a page, `sendable` for
what goes to a page whole. The names themselves stay as they are: they are keys.
"""

from __future__ import annotations

import re
from typing import Any

MOST = 200
"""Characters of a displayed name."""

_MARK = "\N{REPLACEMENT CHARACTER}"
_FIRST, _LAST = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
_BREAKS = re.compile("[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")
# Control characters, directions that are set and never ended, halves of characters, and what is no character.
_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")


def displayable(words: str, most: int = MOST) -> str:
    """Return words in one line of at most `most` characters, without what cannot be seen.

    Line breaks and tabs become spaces; control characters, marks of writing direction and halves of characters become
    the replacement mark; what is too long ends in an ellipsis. The isolates of `isolated` are left out.
    """
    words = words[: most + 1].replace(_FIRST, "").replace(_LAST, "")
    shown = _clean(words.rstrip("\r\n"))
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def sentence(words: str, most: int) -> str:
    """Return a sentence as `displayable` returns it, with the isolates that stand around names in it."""
    parts = re.split(f"([{_FIRST}{_LAST}])", words[: most + 1])
    shown = "".join(part if part in (_FIRST, _LAST) else _clean(part) for part in parts)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _clean(words: str) -> str:
    return _CONTROLS.sub(_MARK, _BREAKS.sub(" ", words))


def displayable_lines(words: str, most: int = MOST) -> str:
    """Return words of several lines, each as `displayable` returns it."""
    return "\n".join(displayable(line, most) for line in words.split("\n"))


def isolated(name: str, most: int = MOST) -> str:
    """Return a name for a sentence; one with letters that run from right to left leaves those around it in place."""
    shown = displayable(name, most)
    return f"{_FIRST}{shown}{_LAST}" if _RIGHT_TO_LEFT.search(shown) else shown


def sendable(value: Any) -> Any:
    """Return what JSON can hold, with halves of characters replaced in every text: names of files may have them."""
    if isinstance(value, str):
        if value.isascii():
            return value
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {sendable(key): sendable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [sendable(item) for item in value]
    return value
