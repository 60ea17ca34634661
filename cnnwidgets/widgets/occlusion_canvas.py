"""OcclusionCanvas: hide a part of the picture by hand, and see at once what the network thinks now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar, get_args

import traitlets

from cnnwidgets.errors import Cancelled, OptionError
from cnnwidgets.explain.result import Heatmap
from cnnwidgets.images import colormaps
from cnnwidgets.widgets._hand import Hand
from cnnwidgets.widgets._listeners import Listeners
from cnnwidgets.widgets._live import UNASKED, Live, Request
from cnnwidgets.widgets._looked import Looked
from cnnwidgets.widgets._occluded import occluded
from cnnwidgets.widgets._occluders import READING, Occluders
from cnnwidgets.widgets._places import checked_active
from cnnwidgets.widgets._score import Score, in_numbers
from cnnwidgets.widgets._scorer import Scorer
from cnnwidgets.widgets._sweep import Order, Sweep
from cnnwidgets.widgets._traits import Choice, Overlay
from cnnwidgets.widgets._visited import History, Visited
from cnnwidgets.widgets._words import in_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image
    from torch import nn

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.widgets._live import Found

_WRITE_EVERY = 1.0  # seconds: how often places that Python visits go to the page's state


class OcclusionCanvas(Occluders, Overlay):
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

    _options: ClassVar[tuple[str, ...]] = (
        *(name for name in Hand.class_own_traits() if name != "region"),
        *Overlay.class_own_traits(),
    )

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
        self._places = History()
        self._newest: dict[str, Any] = {}
        self._written = 0.0
        self._failed: BaseException | None = None
        self._listeners = Listeners("on_score")
        super().__init__(clf, image, **options)
        self._asked_otherwise("target")
        self.on_msg(self._on_message)
        self._ask_anew()

    def _begin(self) -> None:
        self._live = Live(self._scored, self._answered)
        self._sweeps = Sweep(self.clf, self._lock, self._show_sweep, self._say)
        self._say("idle")

    # What is asked.

    def _see(self, looked: Looked) -> None:
        super()._see(looked)
        self._scorer = Scorer(self.clf, looked, incremental=self.incremental)
        self._grain = self._scorer.pack_grain()

    def _asked_otherwise(self, name: str) -> None:
        with self._lock:
            question = self._question()
            self._clean = self._scorer.pack_clean(question)
            if name not in (*READING, "fill", "shape", "keep"):
                self._fills = self._scorer.pack_fills(question)
            self._places.begin(None)
            self._history, self._answer, self._newest = {}, {}, {}
            if name in READING:
                self._show_sweep()
            elif name != "weights of the sweep":
                self._sweeps.forget()

    def _ask_anew(self) -> None:
        self._live.ask(Request(UNASKED, *self._held))

    def _on_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        kind = content.get("kind") if isinstance(content, dict) else None
        if kind == "place":
            self._place(content)
        elif kind == "rest":
            self._write()
        elif kind == "sweep":
            self.sweep()
        elif kind == "cancel":
            self.cancel()
        elif kind == "retry":
            (self._ask_anew if self._sweeps.failed is None else self.sweep)()
        elif kind == "forget":
            with self._lock:
                self._places.clear()
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

    # The answer. `_scored` runs on the worker's thread, `_answered` there or where a newer request came in.

    def _current(self, *, to_sweep: bool = False) -> Scorer:
        """Return the scorer, a new one if the weights have been changed."""
        scorer = self._scorer
        if scorer.stale:
            looked = Looked.at(self.clf, scorer.looked.network.subject.images)
            with self._lock:
                if scorer is self._scorer:
                    self._see(looked)
                    self._asked_otherwise("weights of the sweep" if to_sweep else "weights")
        return self._scorer

    def _scored(self, request: Request) -> Found:
        scorer = self._current()
        scene = scorer.scene(self._question(), request)
        return scene, scorer.score(scene)

    def _answered(self, request: Request, found: Found | None, error: BaseException | None) -> None:
        if isinstance(error, Cancelled):
            if request.id != UNASKED:
                self._reply(request.id, replaced=True)
        elif found is None or error is not None:
            self._failed = error
            words = in_words(error or RuntimeError("no score"), "this place was scored")
            self._reply(request.id, error=words["message"], remedy=words["remedy"])
        else:
            scene, score = found
            with self._lock:
                self._failed = None
                if scene.looked is self._looked and scene.question == self._question():
                    self._note(request, scene.key, score)
                self._reply(request.id, **score.packed())
                if request.id == UNASKED and time.monotonic() - self._written > _WRITE_EVERY:
                    self._write()
            self._tell(score)

    def _note(self, request: Request, key: Any, score: Score) -> None:
        if self._places.begin(key):
            self._history = {}
        self._places.add(score.region, score.score, score.predictions[0].index)
        self._newest = {"kind": "score", "id": request.id, **score.packed()}

    def _reply(self, number: int, **content: Any) -> None:
        self.send({"kind": "score", "id": number, **content})

    def _write(self) -> None:
        """Put the places visited and the last answer into the page's state, for a reload or an export."""
        with self._lock:
            self._written = time.monotonic()
            self._history = self._places.packed()
            self._answer = self._newest

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> Any:  # noqa: FBT001, FBT002 - as ipywidgets has it
        """Return the state for a page that opens or an export; the places visited up to now are in it."""
        if key is None and hasattr(self, "_live"):
            self._write()
        return super().get_state(key, drop_defaults)

    def _tell(self, score: Score) -> None:
        """Give an answer to Python: the trait, and the functions that wait for one."""
        words = self._listeners.tell(score)
        try:
            self.set_trait("scores", score)
        except Exception as error:  # noqa: BLE001 - an observer of the user's: it may fail, the hand goes on
            words = words or f"An observer of scores: {type(error).__name__}: {error}"
        with self._lock:
            if self._sweeps.busy:
                return
            if words:
                self._say("error", message=words, remedy="The hand goes on; the function is called with every score.")
            elif self._status["state"] == "error" and self._sweeps.failed is None:
                self._say("idle")

    def _refuse(self, message: str) -> None:
        self._say("error", message=message)

    def _say(self, state: str, **more: Any) -> None:
        """Tell the browser how things stand; `more` may set done, total, seconds_left, message and remedy."""
        blank = {"done": 0, "total": 0, "seconds_left": None, "message": "", "remedy": ""}
        self._status = {**blank, **more, "state": state, "method": "occlusion", "ask": 0}

    # For Python.

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
            clean, name = self._scorer.clean(self._question()), self._looked.name_of(self.target)
            size = self._looked.frame.picture_size
            return self._places.visited(clean=clean.score, units=clean.units, target=name, size=size)

    def sweep(self) -> None:
        """Try every place with a window of `window` pixels, in the background; `heatmap` is the result."""
        self._sweeps.start(self._order)

    def cancel(self) -> None:
        """Stop the sweep. The hand goes on being answered."""
        self._sweeps.cancel()

    def _order(self) -> Order:
        looked = self._current(to_sweep=True).looked
        with self._lock:
            return Order(looked, self._question(), self.window, self.stride, self.incremental)

    def _show_sweep(self) -> None:
        swept = self._sweeps.swept
        heatmap = None if swept is None else swept.heatmap(self._question())
        self._sweep = {} if swept is None or heatmap is None else swept.packed(heatmap)
        self.set_trait("heatmap", heatmap if swept is not None and swept.whole else None)

    def refresh(self) -> None:
        """Look again: after weights were changed in a way that PyTorch does not count (`.data`)."""
        looked = Looked.at(self.clf, self.image)
        with self._lock:
            self._see(looked)
            self._asked_otherwise("weights")
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
        super().close()

    def snapshot(self) -> Image.Image:
        """Return what is shown as a PIL picture: occluders as they are drawn, map, score and bars."""
        with self._lock:
            scene = self._scorer.scene(self._question(), Request(UNASKED, *self._held))
        return occluded(self, scene, self.scores)

    def _described(self) -> str:
        if self.scores is None:
            return f"OcclusionCanvas: {self._looked.name_of(self.target)}; no score computed yet."
        return f"OcclusionCanvas: {in_numbers(self.scores)}."
