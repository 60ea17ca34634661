"""Answers to a page that scrolls through the overview: in order, each once, on a lane of its own."""

from __future__ import annotations

import operator
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnwidgets.errors import Cancelled, OptionError
from cnnwidgets.jobs import Job, Lane
from cnnwidgets.widgets._words import in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Answer = tuple[dict[str, Any], list[bytes]]

_WAITING = 32  # requests: a page has one under way and one waiting, and a notebook may have several pages
_CHANNELS, _PATCHES = 8, 64


class Request(NamedTuple):
    """Rows that a page wants."""

    id: int
    layer: str
    channels: tuple[int, ...]
    most: int  # patches in a row

    @classmethod
    def of(cls, content: dict[str, Any]) -> Request:
        """Return the request that a message means.

        Raises:
            OptionError: none.

        """
        try:
            channels = tuple(operator.index(channel) for channel in content["channels"])
            count = operator.index(content["count"])
            layer = content["layer"]
        except (KeyError, TypeError):
            raise OptionError(f"{content!r} asks for no rows.") from None
        if not isinstance(layer, str) or len(channels) > _CHANNELS or not 1 <= count <= _PATCHES:
            raise OptionError(
                f"Rows are asked for in {_CHANNELS} channels of a layer, {_PATCHES} patches each, at most."
            )
        return cls(content["id"], layer, channels, count)


class Rows:
    """Answers requests one after the other.

    Args:
        make: the steps of an answer; the last one gives it.
        send: sends a message with buffers to the page.

    """

    def __init__(
        self, make: Callable[[Request], Iterator[Answer | None]], send: Callable[[dict[str, Any], list[bytes]], None]
    ) -> None:
        self._make, self._send = make, send
        self._lane = Lane()
        self._lock = threading.Lock()
        self._waiting: deque[Request] = deque()
        self._serving = False

    def ask(self, content: dict[str, Any]) -> None:
        """Have a message answered."""
        try:
            request = Request.of(content)
        except OptionError as error:
            self._refuse(content.get("id"), error)
            return
        dropped: Request | None = None
        with self._lock:
            self._waiting.append(request)
            if len(self._waiting) > _WAITING:
                dropped = self._waiting.popleft()
            begin, self._serving = not self._serving, True
        if dropped is not None:
            self._refuse(dropped.id, Cancelled("Too many rows were asked for; newer requests came first."))
        if begin:
            self._lane.submit(Job(self._work, self._ended))

    def stop(self) -> None:
        """Drop what waits."""
        self._lane.cancel()

    def wait(self, timeout: float | None) -> bool:
        """Wait until every request is answered; return whether that was reached in time (seconds)."""
        return self._lane.wait(timeout)

    def _next(self) -> Request | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._serving = False
            return None

    def _work(self, _job: Job) -> Iterator[None]:
        while (request := self._next()) is not None:
            answered = False
            try:
                for answer in self._make(request):
                    if answer is not None:
                        answered = True
                        self._send({"kind": "rows", "id": request.id, **answer[0]}, answer[1])
                    yield
            except Exception as error:  # noqa: BLE001 - an error is an answer, and the next request has its own
                answered = True
                self._refuse(request.id, error)
            finally:
                if not answered:  # stopped between two steps
                    self._refuse(request.id, Cancelled("Cancelled."))

    def _ended(self, _job: Job, error: BaseException | None) -> None:
        if error is None:
            return  # nothing was left, and who came in since has begun anew
        with self._lock:
            left, self._serving = list(self._waiting), False
            self._waiting.clear()
        for request in left:
            self._refuse(request.id, error)

    def _refuse(self, number: Any, error: BaseException) -> None:
        self._send({"kind": "rows", "id": number, "error": in_words(error, "the patches were read")}, [])
