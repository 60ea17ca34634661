"""OcclusionCanvas: hide a part of the picture by hand, and see at once what the network thinks now."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar, get_args

import traitlets

from cnnwidgets.errors import Cancelled, OptionError
from cnnwidgets.explain.frame import Box
from cnnwidgets.explain.result import Heatmap
from cnnwidgets.images import colormaps
from cnnwidgets.widgets._hand import Hand
from cnnwidgets.widgets._listeners import Listeners
from cnnwidgets.widgets._live import UNASKED, Live, Request
from cnnwidgets.widgets._looked import Looked
from cnnwidgets.widgets._occluded import occluded
from cnnwidgets.widgets._picture import PictureWidget
from cnnwidgets.widgets._places import checked_active, checked_boxes, first_box
from cnnwidgets.widgets._scene import Question
from cnnwidgets.widgets._score import Score, in_numbers
from cnnwidgets.widgets._scorer import Scorer
from cnnwidgets.widgets._sweep import Order, Sweep, name_of
from cnnwidgets.widgets._traits import Choice, Overlay, refusing
from cnnwidgets.widgets._visited import History, Visited
from cnnwidgets.widgets._words import in_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image
    from torch import nn

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.widgets._live import Found

_QUESTION = ("target", "measure", "fill", "color", "shape", "keep")
_HAND = set(Hand.class_own_traits())
_WRITE_EVERY = 1.0  # seconds: how often places that Python visits go to the page's state


class OcclusionCanvas(Hand, Overlay, PictureWidget):
    """A picture with occluders to drag over it, and what the network thinks of what is left.

    ```python
    canvas = OcclusionCanvas(cw.demo.imagenet(), cw.demo.photo("chelsea"))
    canvas                                  # shows it: drag the occluder
    canvas.boxes = [[60, 40, 140, 120]]     # every control is a trait
    canvas.wait()                           # the Score there
    canvas.sweep(); canvas.wait(); canvas.heatmap
    ```

    Args:
        clf: a `Classifier`, or an `nn.Module`.
        image: the picture: PIL, path, uint8 array, or a float tensor (C,H,W) that is preprocessed already.
        options: initial values of the traits below.

    Raises:
        OptionError: an option that there is not, or a value out of range.
        ImageError: a picture that cannot be read.
        ModelError: a model that cannot be run on the picture, or gives NaN.

    """

    _options: ClassVar[tuple[str, ...]] = (*(_HAND - {"region"}), *Overlay.class_own_traits())
    _of_the_picture = ("target", "boxes", "active", "window", "stride")

    sign = Choice(
        get_args(colormaps.Sign),
        "both",
        help="Which values are drawn: 'positive' (hiding this hurts), 'negative' (hiding this helps), 'absolute' or "
        "'both' (the default).",
    ).tag(sync=True)
    scores = traitlets.Instance(
        Score, allow_none=True, read_only=True, help="The last answer, a `Score`; None until the first one is there."
    )
    heatmap = traitlets.Instance(
        Heatmap, allow_none=True, read_only=True, help="The result of the last sweep, a `Heatmap`; None without one."
    )

    _grain: traitlets.List[Any] = traitlets.List().tag(sync=True)
    _clean = traitlets.Dict().tag(sync=True)
    _fills = traitlets.Dict().tag(sync=True)
    _sweep = traitlets.Dict().tag(sync=True)
    _history = traitlets.Dict().tag(sync=True)
    _answer = traitlets.Dict().tag(sync=True)

    def __init__(self, clf: Classifier | nn.Module, image: Any, **options: Any) -> None:
        self._handling = threading.local()
        self._history_of = History()
        self._newest: dict[str, Any] = {}
        self._written = 0.0
        self._failed: BaseException | None = None
        self._listeners = Listeners("on_score")
        self._loading = True
        super().__init__(clf, image, **options)
        self._loading = False
        self._hold()
        self.observe(self._on_question, names=list(_QUESTION))
        self.observe(self._on_boxes, names=["boxes", "active"])
        self.observe(self._on_region, names=["region"])
        self.on_msg(self._on_message)
        self._ask_anew()

    def _begin(self) -> None:
        self._live = Live(self._scored, self._answered)
        self._sweeps = Sweep(self.clf, self._lock, self._show_sweep, self._say)
        self._say("idle")

    # The picture.

    def _load(self, looked: Looked) -> None:
        self._loading = True
        try:
            self._looked = looked
            size = min(looked.frame.input_size)
            if self.window > size // 3:
                self.window = max(1, round(size / 7))
                self.stride = max(1, self.window // 2)
            self.target = looked.predictions[0].index
            self._see(looked)
            self.boxes = [first_box(self._seen)]
            self.active = 0
            self._hold()
        finally:
            self._loading = False

    def _see(self, looked: Looked) -> None:
        super()._see(looked)
        self._scorer = Scorer(self.clf, looked)
        self._grain = self._scorer.pack_grain()
        self._requestion()

    def _ask_anew(self) -> None:
        boxes, active = self._held
        self._live.ask(Request(UNASKED, boxes, active))

    # What is asked, whatever the place.

    @traitlets.validate("target")
    def _target(self, proposal: Any) -> int:
        return self._class(proposal.value)

    def _question(self) -> Question:
        return Question(**{name: getattr(self, name) for name in _QUESTION})

    def _requestion(self) -> None:
        """Tell the browser what a new question changes; what answered the old one is forgotten."""
        question = self._question()
        self._clean = self._scorer.pack_clean(question)
        self._fills = self._scorer.pack_fills(question)
        self._history_of.begin(None)
        self._history = {}
        self._answer = self._newest = {}
        self._sweeps.forget()

    def _on_question(self, _change: Any) -> None:
        if self._loading:
            return
        with self._lock:
            self._requestion()
        self._ask_anew()

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
        """Take the boxes for those that the hand holds."""
        if self.active >= len(self.boxes):
            self.active = len(self.boxes) - 1
        self._held = tuple(Box(*box) for box in self.boxes), self.active
        self.region = Box(*self.boxes[self.active])

    def _on_boxes(self, change: Any) -> None:
        self._hold()
        # What a page writes has been asked for by a message of its own.
        if change.name == "boxes" and not self._loading and not getattr(self._handling, "page", False):
            self._ask_anew()

    def _on_region(self, change: Any) -> None:
        if list(change.new) != self.boxes[self.active]:
            self.boxes = [list(change.new) if n == self.active else box for n, box in enumerate(self.boxes)]

    # The page.

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the browser sends; what is refused is said in the cell, and nothing is changed by it."""
        self._handling.page = True
        try:
            super().set_state(sync_data)
        finally:
            self._handling.page = False

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> Any:  # noqa: FBT001, FBT002 - as ipywidgets has it
        """Return the state for a page that opens or an export; the places visited up to now are in it."""
        if key is None and hasattr(self, "_live"):
            with self._lock:
                self._write()
        return super().get_state(key, drop_defaults)

    def _refuse(self, message: str) -> None:
        self._say("error", message=message)

    def _say(self, state: str, **more: Any) -> None:
        """Tell the browser how things stand; `more` may set done, total, seconds_left, message and remedy."""
        blank = {"done": 0, "total": 0, "seconds_left": None, "message": "", "remedy": ""}
        self._status = {**blank, **more, "state": state, "method": "occlusion", "ask": 0}

    def _on_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        kind = content.get("kind") if isinstance(content, dict) else None
        if kind == "place":
            self._place(content)
        elif kind == "rest":
            with self._lock:
                self._write()
        elif kind == "sweep":
            self.sweep()
        elif kind == "cancel":
            self.cancel()
        elif kind == "retry":
            if self._sweeps.failed is not None:
                self.sweep()
            else:
                self._ask_anew()
        elif kind == "forget":
            with self._lock:
                self._history_of.clear()
                self._history = {}

    def _place(self, content: dict[str, Any]) -> None:
        number = content.get("id")
        if isinstance(number, bool) or not isinstance(number, int):
            return  # nobody waits for an answer
        try:
            boxes = tuple(self._checked(content.get("boxes")))
            active = checked_active(content.get("active", 0), len(boxes))
        except OptionError as error:
            self._reply(number, error=str(error), remedy="")
            return
        self._held = boxes, active
        self._live.ask(Request(number, boxes, active))

    def _reply(self, number: int, **content: Any) -> None:
        self.send({"kind": "score", "id": number, **content})

    # The answer.

    def _current(self) -> Scorer:
        """Return the scorer, a new one if the weights have been changed. On the worker's thread."""
        scorer = self._scorer
        if scorer.stale:
            looked = Looked.at(self.clf, scorer.looked.network.subject.images)
            with self._lock:
                if scorer is self._scorer:
                    self._see(looked)
        return self._scorer

    def _scored(self, request: Request) -> Found:
        scorer = self._current()
        with self._lock:
            question = self._question()
        scene = scorer.scene(question, request)
        return scene, scorer.score(scene)

    def _answered(self, request: Request, found: Found | None, error: BaseException | None) -> None:
        if found is None or error is not None:
            self._not_answered(request, error or Cancelled("Not scored."))
            return
        scene, score = found
        packed = score.packed()
        with self._lock:
            self._failed = None
            if scene.looked is self._looked and scene.question == self._question():
                if self._history_of.begin((scene.key, scene.question)):
                    self._history = {}
                self._history_of.add(score.region, score.score, score.predictions[0].index)
                self._newest = {"kind": "score", "id": request.id, **packed}
            self._reply(request.id, **packed)
            if request.id == UNASKED:
                self._write(at_most_every=_WRITE_EVERY)
        self._tell(score)

    def _not_answered(self, request: Request, error: BaseException) -> None:
        if isinstance(error, Cancelled):
            if request.id != UNASKED:
                self._reply(request.id, replaced=True)
            return
        self._failed = error
        words = in_words(error, "this place was scored")
        self._reply(request.id, error=words["message"], remedy=words["remedy"])

    def _write(self, at_most_every: float = 0.0) -> None:
        """Put the places visited and the last answer into the page's state, for a reload or an export."""
        now = time.monotonic()
        if now - self._written < at_most_every:
            return
        self._written = now
        self._history = self._history_of.packed()
        self._answer = self._newest

    def _tell(self, score: Score) -> None:
        """Give an answer to Python: the trait, and the functions that wait for one."""
        words = self._listeners.tell(score)
        try:
            self.set_trait("scores", score)
        except Exception as error:  # noqa: BLE001 - an observer of the user's: it may fail, the loop goes on
            words = words or f"An observer of scores: {type(error).__name__}: {error}"
        with self._lock:
            if words and not self._sweeps.busy:
                self._say("error", message=words, remedy="The canvas goes on; the function is called with every score.")
            elif not words and self._status["state"] == "error" and self._sweeps.failed is None:
                self._say("idle")

    def on_score(self, callback: Callable[[Score], object], remove: bool = False) -> None:  # noqa: FBT001, FBT002 - as observe
        """Call a function with every `Score`, in the order of the answers.

        It runs on the worker's thread, and the next score waits for it. An error in it is logged and shown below the
        picture; the hand goes on.

        Args:
            callback: a function of one argument.
            remove: take it away instead.

        """
        self._listeners.change(callback, remove=remove)

    @property
    def score(self) -> float | None:
        """The target's score with the parts hidden; None until there is one."""
        return None if self.scores is None else float(self.scores.score)

    @property
    def clean_score(self) -> float:
        """The target's score on the picture as it is."""
        return self._scorer.clean(self._question()).score

    @property
    def visited(self) -> Visited:
        """The places visited with the present question, and the scores there: a map made by hand."""
        with self._lock:
            question, scorer = self._question(), self._scorer
            clean = scorer.clean(question)
            name = name_of(scorer.looked, question.target)
            size = scorer.looked.frame.picture_size
            return self._history_of.visited(clean=clean.score, units=clean.units, target=name, size=size)

    # The sweep.

    def sweep(self) -> None:
        """Try every place with a window of `window` pixels, in the background; `heatmap` is the result."""
        self._sweeps.start(self._order)

    def cancel(self) -> None:
        """Stop the sweep. The hand goes on being answered."""
        self._sweeps.cancel()

    def _order(self) -> Order:
        looked = self._current().looked
        with self._lock:
            return Order(looked, self._question(), self.window, self.stride)

    def _show_sweep(self, packed: dict[str, Any], heatmap: Heatmap | None) -> None:
        self._sweep = packed
        self.set_trait("heatmap", heatmap)

    # The rest.

    def refresh(self) -> None:
        """Look again: after weights were changed in a way that PyTorch does not count (`.data`)."""
        looked = Looked.at(self.clf, self.image)
        with self._lock:
            self._see(looked)
        self._ask_anew()

    def wait(self, timeout: float | None = None) -> Score | None:
        """Wait until nothing is being computed, and return the last `Score`.

        Args:
            timeout: seconds; None waits as long as it takes.

        Raises:
            TimeoutError: it takes longer.
            CnnWidgetsError: what went wrong, as the cell shows it; other exceptions are those of the model.

        """
        end = None if timeout is None else time.monotonic() + timeout
        for work in (self._live, self._sweeps):
            if not work.wait(None if end is None else max(0.0, end - time.monotonic())):
                raise TimeoutError(f"Still computing after {timeout} s; canvas.cancel() stops a sweep.")
        for error in (self._failed, self._sweeps.failed):
            if error is not None:
                raise error
        found: Score | None = self.scores
        return found

    def _settle(self, seconds: float) -> None:
        self._live.wait(seconds)

    def close(self) -> None:
        """Stop the work and leave the page."""
        if hasattr(self, "_live"):  # Python closes a canvas that refused its arguments, too
            self._live.stop()
            self._sweeps.cancel()
            self._scorer.engines.clear()
        super().close()

    def snapshot(self) -> Image.Image:
        """Return what is shown as a PIL picture: occluders as they are drawn, map, score and bars."""
        with self._lock:
            scene = self._scorer.scene(self._question(), Request(UNASKED, *self._held))
        return occluded(self, scene, self.scores)

    def _described(self) -> str:
        name = name_of(self._looked, self.target)
        if self.scores is None:
            return f"OcclusionCanvas: {name}; no score computed yet."
        return f"OcclusionCanvas: {in_numbers(self.scores)}."
