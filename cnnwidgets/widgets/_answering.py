"""Occluders that are scored: the live answers, the places visited, and who is told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import traitlets

from cnnwidgets.errors import Cancelled
from cnnwidgets.widgets._listeners import Listeners
from cnnwidgets.widgets._live import UNASKED, Live, Request
from cnnwidgets.widgets._looked import Looked
from cnnwidgets.widgets._occluders import READING, Occluders
from cnnwidgets.widgets._score import Score
from cnnwidgets.widgets._scorer import Scorer
from cnnwidgets.widgets._visited import History, Visited
from cnnwidgets.widgets._words import in_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from cnnwidgets.widgets._live import Found

_WRITE_EVERY = 1.0  # seconds: how often places that Python visits go to the page's state


class Answering(Occluders):
    """A picture with occluders, and what the network says of every place that they are put."""

    scores = traitlets.Instance(
        Score,
        allow_none=True,
        read_only=True,
        help="The last answer to the present question, a `Score`; None until it is there.",
    )

    _grain: traitlets.List[Any] = traitlets.List().tag(sync=True)
    _clean = traitlets.Dict().tag(sync=True)
    _fills = traitlets.Dict().tag(sync=True)
    _history = traitlets.Dict().tag(sync=True)
    _answer = traitlets.Dict().tag(sync=True)

    def __init__(self, *args: Any, **options: Any) -> None:
        self._places = History()
        self._newest: dict[str, Any] = {}
        self._written = 0.0
        self._failed: BaseException | None = None
        self._unheard = ""  # what an observer of the last answer failed with
        self._listeners = Listeners("on_score")
        super().__init__(*args, **options)
        self.observe(self._on_incremental, names=["incremental"])

    def _begin(self) -> None:
        self._live = Live(self._scored, self._answered)

    # What is asked.

    def _see(self, looked: Looked) -> None:
        super()._see(looked)
        before: Scorer | None = getattr(self, "_scorer", None)
        if before is not None:
            before.engines.clear()  # what is being prepared for another picture is not wanted any more
        self._scorer = Scorer(self.clf, looked, incremental=self.incremental)
        self._grain = self._scorer.pack_grain()

    def _asked_otherwise(self, name: str) -> None:
        question = self._question()
        self._clean = self._scorer.pack_clean(question)
        if name not in (*READING, "fill", "shape", "keep"):
            self._fills = self._scorer.pack_fills(question)
        self._places.begin(None)
        self._history, self._answer, self._newest = {}, {}, {}
        self.set_trait("scores", None)

    def _on_incremental(self, change: Any) -> None:
        self._scorer.engines.switch(incremental=change.new)
        self._ask_anew()

    def _ask_anew(self) -> None:
        self._touch()
        self._live.ask(Request(UNASKED, *self._held))

    def _complain(self, words: str) -> None:
        """Say what is wrong with a function of the user's; "" if nothing is."""
        raise NotImplementedError

    # The answer. `_scored` runs on the worker's thread, `_answered` there or where a newer request came in.

    def _current(self, *, to_sweep: bool = False) -> Scorer:
        """Return the scorer, a new one if the weights have been changed."""
        scorer = self._scorer
        if scorer.stale:
            looked = Looked.at(self.clf, scorer.looked.images)
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
                    self.set_trait("scores", score)
                    self._lock.later(lambda: self._call(score))
                self._reply(request.id, **score.packed())
                if request.id == UNASKED and time.monotonic() - self._written > _WRITE_EVERY:
                    self._write()

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

    def _failed_to_hear(self, name: str, words: str) -> None:
        if name == "scores":
            self._unheard = words

    def _call(self, score: Score) -> None:
        """Call the functions that wait for an answer; its observers have been told."""
        words = self._listeners.tell(score)
        words, self._unheard = self._unheard or words, ""
        with self._lock:
            self._complain(words)

    # For Python.

    def on_score(self, callback: Callable[[Score], object], remove: bool = False) -> None:  # noqa: FBT001, FBT002 - as observe
        """Call a function with every `Score` that answers the present question, in the order of the answers.

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
        found = self.scores
        return None if found is None else float(found.score)

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
