"""What a SketchPad does in the background: the ink in one lane, the network in another."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from cnnwidgets.errors import Cancelled
from cnnwidgets.jobs import Job, Lane, Worker
from cnnwidgets.widgets._scored import Scored
from cnnwidgets.widgets._tally import Tally
from cnnwidgets.widgets._words import in_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.widgets._drawing import Drawing
    from cnnwidgets.widgets._ground import Ground
    from cnnwidgets.widgets._surface import Surface

_SLOW = 0.5  # seconds of a pass above which the page says that the network computes
NOTHING = Tally(None, message="Draw here with the mouse or a finger.")


class SketchWork:
    """Brings the page and the answer up to date with the latest strokes; what lies between may be left out.

    Args:
        clf: the classifier.
        drawing: the strokes.
        surface: the canvas.
        ground: what is drawn on.
        compares: whether answers are compared with the untouched ground, which is then worth an answer itself.
        tell: called with what is to be shown beside the canvas; here and below on the worker's thread.
        publish: called with each picture that the network got, and what was told of it.

    Attributes:
        failed: what the last answer failed with, or None.
        tally: what was told last.

    """

    def __init__(
        self,
        clf: Classifier,
        drawing: Drawing,
        surface: Surface,
        ground: Ground,
        *,
        compares: bool,
        tell: Callable[[Tally], None],
        publish: Callable[[Image.Image, Tally], None],
    ) -> None:
        self.failed: BaseException | None = None
        self.tally = NOTHING
        self._clf, self._drawing, self._surface, self._ground = clf, drawing, surface, ground
        self._compares, self._tell, self._publish = compares, tell, publish
        self._blank = None if compares else ground
        self._page = object()  # another one for each page or canvas that shows nothing yet
        self._drawn: tuple[Ground, object] | None = None  # what was drawn last, and on which page
        self._seconds = 0.0
        self._unheard: tuple[Image.Image, BaseException] | None = None  # the picture that a follower failed on
        self._lane, self._ink = Lane(), Lane(Worker())  # the ink never waits for a network

    def begin_on(self, ground: Ground) -> None:
        """Take up another picture to draw on; the drawing is empty."""
        self._ground = ground
        self.draw_all()

    def draw_all(self) -> None:
        """Draw on a page that shows nothing yet."""
        self._page = object()
        self._ink.submit(Job(self._draw, self._ended))

    def follow(self, target: int | None) -> None:
        """Draw what is new, and ask the network about it."""
        self._ink.submit(Job(self._draw, self._ended))
        self._lane.submit(Job(lambda _job: self._answer(target), self._ended))

    def say(self, message: str) -> None:
        """Show an error below the bars until the next answer."""
        self._show(replace(self.tally, message=message, is_error=True))

    def cancel(self) -> None:
        """Stop."""
        self._lane.cancel()
        self._ink.cancel()

    @property
    def busy(self) -> bool:
        """Whether something is being drawn or scored."""
        return self._lane.busy or self._ink.busy

    def wait(self, timeout: float | None) -> bool:
        """Wait until page and answer are up to date; return whether that was reached in time (seconds)."""
        end = None if timeout is None else time.monotonic() + timeout
        return self._ink.wait(timeout) and self._lane.wait(None if end is None else max(0.0, end - time.monotonic()))

    def _draw(self, _job: Job) -> None:
        ground, page = self._ground, self._page
        shown = ground.shown
        box = shown.show(self._drawing.strokes)
        if self._drawn != (ground, page):
            box = (0, 0, *ground.size)
        if box is None:
            return
        self._surface.put(shown.pixels, box)
        self._drawn = ground, page
        if not self._drawing.is_down:
            self._surface.keep(shown.pixels)

    def _answer(self, target: int | None) -> None:
        ground, strokes = self._ground, self._drawing.strokes
        picture = ground.painted(strokes)
        failed: Exception | None = None
        tally = NOTHING
        if strokes or ground is not self._blank:
            if self._seconds > _SLOW:
                self._show(replace(self.tally, message="Computing…", is_error=False))
            began = time.monotonic()
            try:
                clean = ground.refresh() if self._compares else None
                tally = Tally(Scored.of(self._clf, picture), clean, target)
            except Exception as error:  # noqa: BLE001 - the user's model may raise anything; the next stroke works
                failed, tally = error, Tally(None, message=_spoken(error), is_error=True)
            self._seconds = time.monotonic() - began
        if ground is self._ground:
            self.failed = failed
            self._show(tally)
            self._give(picture, tally)

    def _give(self, picture: Image.Image, tally: Tally) -> None:
        """Publish an answer; where a follower failed on this very picture, it is not called again, and has failed."""
        before, self._unheard = self._unheard, None
        try:
            self._publish(picture, tally)
        except BaseException as error:
            self._unheard = picture, error
            raise
        if before is not None and before[0] == picture:
            self._unheard = before
            raise before[1]

    def _show(self, tally: Tally) -> None:
        self.tally = tally
        self._tell(tally)

    def _ended(self, _job: Job, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, Cancelled):  # such as: of a widget that follows the picture
            self.failed = error
            self.say(_spoken(error))


def _spoken(error: BaseException) -> str:
    words = in_words(error, "the picture was scored")
    return f"{words['message']} {words['remedy']}".strip()
