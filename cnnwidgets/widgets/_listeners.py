"""Functions of the user's that are called with every answer, and may fail without harm."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from cnnwidgets.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

_LOG = logging.getLogger(__name__)


class Listeners:
    """The functions in the order in which they came.

    Args:
        name: what they are called, for the words about an error: "on_score".

    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: list[Callable[[Any], object]] = []
        self._said: dict[Callable[[Any], object], str] = {}

    def change(self, call: Callable[[Any], object], *, remove: bool) -> None:
        """Add a function, or take it away again.

        Raises:
            OptionError: it is not callable, or is to be removed and was never added.

        """
        if not callable(call):
            raise OptionError(f"{self._name}({call!r}): give a function of one argument.")
        if not remove:
            self._calls = [*self._calls, call]
            return
        if call not in self._calls:
            raise OptionError(f"{self._name}({call!r}, remove=True): this function was not added.")
        self._calls = [known for known in self._calls if known != call]
        self._said.pop(call, None)

    def tell(self, value: Any) -> str:
        """Call every function; return what went wrong, in words, or "".

        An error is logged with its traceback once, not again with every answer of a moving hand.
        """
        words = ""
        for call in self._calls:
            try:
                call(value)
            except BaseException as error:  # noqa: BLE001 - the user's own code may fail or call sys.exit(): the loop goes on
                words = f"{self._name} callback {getattr(call, '__name__', call)!s}: {type(error).__name__}: {error}"
                if self._said.get(call) != words:
                    self._said[call] = words
                    _LOG.exception("%s", words)
        return words
