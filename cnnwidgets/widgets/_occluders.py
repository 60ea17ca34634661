"""The occluders of a canvas: checked, kept in step with each other, and what is asked about them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import traitlets

from cnnwidgets.explain.frame import Box
from cnnwidgets.widgets._hand import Hand
from cnnwidgets.widgets._picture import PictureWidget
from cnnwidgets.widgets._places import checked_active, checked_boxes, first_box
from cnnwidgets.widgets._scene import Question
from cnnwidgets.widgets._traits import refusing

if TYPE_CHECKING:
    from cnnwidgets.widgets._looked import Looked

READING = ("target", "measure")
HIDING = ("fill", "color", "shape", "keep")


class Occluders(Hand, PictureWidget):
    """A picture with occluders; a subclass has them scored."""

    _of_the_picture = ("target", "boxes", "active", "window", "stride")

    def __init__(self, *args: Any, **options: Any) -> None:
        self._handling = threading.local()
        self._loading = True
        super().__init__(*args, **options)
        self._loading = False
        self._hold()
        self.observe(self._on_question, names=[*READING, *HIDING])
        self.observe(self._on_boxes, names=["boxes", "active"])
        self.observe(self._on_region, names=["region"])

    def _load(self, looked: Looked) -> None:
        self._loading = True
        try:
            self._looked = looked
            size = min(looked.frame.input_size)
            if self.window > size // 3:  # the default of a small input is a seventh, as 32 is of 224
                self.window = max(1, round(size / 7))
                self.stride = max(1, self.window // 2)
            self.target = looked.predictions[0].index
            self._see(looked)
            self._asked_otherwise("image")
            self.boxes = [first_box(self._seen)]
            self.active = 0
            self._hold()
        finally:
            self._loading = False

    # What is asked, whatever the place.

    def _question(self) -> Question:
        return Question(**{name: getattr(self, name) for name in (*READING, *HIDING)})

    def _on_question(self, change: Any) -> None:
        if not self._loading:
            self._asked_otherwise(change.name)
            self._ask_anew()

    def _asked_otherwise(self, name: str) -> None:
        """Forget what answered the question before `name` changed, a trait or "image", and tell the browser."""
        raise NotImplementedError

    @traitlets.validate("target")
    def _target(self, proposal: Any) -> int:
        return self._class(proposal.value)

    # Where the occluders are.

    @traitlets.validate("boxes")
    def _boxes(self, proposal: Any) -> list[list[float]]:
        with refusing():
            return [list(box) for box in self._checked(proposal.value)]

    @traitlets.validate("active")
    def _active(self, proposal: Any) -> int:
        with refusing():
            return checked_active(proposal.value, len(self.boxes))

    @traitlets.validate("region")
    def _region(self, proposal: Any) -> Box:
        with refusing():
            return self._checked([proposal.value])[0]

    def _checked(self, boxes: Any) -> list[Box]:
        return checked_boxes(boxes, self._photo["width"], self._photo["height"])

    def _hold(self) -> None:
        """Take the boxes for those that are to be scored."""
        if self.active >= len(self.boxes):
            self.active = len(self.boxes) - 1
        self._held: tuple[tuple[Box, ...], int] = tuple(Box(*box) for box in self.boxes), self.active
        self.region = Box(*self.boxes[self.active])

    def _on_boxes(self, change: Any) -> None:
        if self._loading:
            return
        self._hold()
        # What a page writes has been asked for by a message of its own, and another active box hides no more. Other
        # boxes than those come from Python, of an observer that corrects the hand.
        if change.name == "boxes" and change.new != getattr(self._handling, "written", None):
            self._ask_anew()

    def _on_region(self, change: Any) -> None:
        if list(change.new) != self.boxes[self.active]:
            self.boxes = [list(change.new) if number == self.active else box for number, box in enumerate(self.boxes)]

    def _take_state(self, state: dict[str, Any]) -> None:
        self._handling.written = state.get("boxes")
        try:
            super()._take_state(state)
        finally:
            self._handling.written = None
