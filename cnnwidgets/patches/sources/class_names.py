"""Names of classes, listed beforehand or met on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cnnwidgets.patches.sources.labels import Label


class ClassNames:
    """Numbers classes: those that a data set lists first, then others in the order in which they are met.

    Args:
        listed: names in the order of the data set's own numbers. Of equal ones the later get their number added:
            ImageNet has two classes "crane".

    """

    def __init__(self, listed: Iterable[str] = ()) -> None:
        self._listed = distinct(listed)
        self._numbers = {name: number for number, name in enumerate(self._listed)}

    @property
    def known(self) -> tuple[str, ...]:
        """All names so far; the place of each is its number."""
        return tuple(self._numbers)

    def recall(self, names: Iterable[str]) -> None:
        """Number names that were met before, in their order."""
        for name in names:
            self._number(name)

    def number(self, label: Label) -> int | None:
        """Return the number of the class that a label means; None for none."""
        if label is None:
            return None
        if isinstance(label, str):
            return self._number(label)
        if self._listed:
            return label if label < len(self._listed) else None
        return self._number(str(label))

    def _number(self, name: str) -> int:
        return self._numbers.setdefault(name, len(self._numbers))


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of which no two are equal: a later equal one has its number in brackets."""
    taken: dict[str, None] = {}
    for number, name in enumerate(names):
        taken[name if name not in taken else f"{name} ({number})"] = None
    return tuple(taken)
