"""OcclusionCanvas: hide a part of the picture by hand, and see at once what the network thinks now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar, get_args

import traitlets

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.result import Heatmap
from cnnwidgets.images import colormaps
from cnnwidgets.text import isolated
from cnnwidgets.widgets._answering import Answering
from cnnwidgets.widgets._hand import Hand
from cnnwidgets.widgets._live import UNASKED, Request
from cnnwidgets.widgets._looked import Looked
from cnnwidgets.widgets._occluded import occluded
from cnnwidgets.widgets._occluders import READING
from cnnwidgets.widgets._page import request_number
from cnnwidgets.widgets._page_tables import OCCLUSION_CANVAS
from cnnwidgets.widgets._places import checked_active
from cnnwidgets.widgets._score import Score, in_numbers
from cnnwidgets.widgets._sweep import Order, Sweep
from cnnwidgets.widgets._traits import Choice, Overlay

if TYPE_CHECKING:
    from PIL import Image
    from torch import nn

    from cnnwidgets.classifier import Classifier


class OcclusionCanvas(Answering, Overlay):
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

    _bundle: ClassVar[str] = "occlusion_canvas"
    _page = OCCLUSION_CANVAS
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
    _results = ("scores", "heatmap")

    heatmap = traitlets.Instance(
        Heatmap,
        allow_none=True,
        read_only=True,
        help="The result of the last sweep, a `Heatmap`; of a cancelled one what was computed, NaN elsewhere. None "
        "while a sweep goes on, and without one.",
    )

    _sweep = traitlets.Dict().tag(sync=True)

    def __init__(self, clf: Classifier | nn.Module, image: Any, **options: Any) -> None:
        super().__init__(clf, image, **options)
        self._asked_otherwise("target")
        self.observe(self._on_window, names=["window", "stride"])
        self.on_msg(self._on_message)
        self._ask_anew()

    def _begin(self) -> None:
        super()._begin()
        self._sweeps = Sweep(self.clf, self._lock, self._show_sweep, self._say)
        self._told: BaseException | None = None  # the sweep's error that `wait` has raised
        self._say("idle")

    def _asked_otherwise(self, name: str) -> None:
        with self._lock:
            super()._asked_otherwise(name)
            if name in READING:
                self._show_sweep()
            elif name != "weights of the sweep":
                self._sweeps.forget()

    def _on_window(self, _change: Any) -> None:
        self._sweeps.forget()  # its places are others

    def _on_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        kind = content["kind"]
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

    def _is_busy(self) -> bool:
        return self._live.busy or self._sweeps.busy

    def _let_go(self) -> None:
        self._scorer.rest()

    def _wake(self, _seconds: float) -> None:
        """Nothing that is shown was let go of."""

    def _place(self, content: dict[str, Any]) -> None:
        number = content["id"]
        try:
            boxes = tuple(self._checked(content["boxes"]))
            active = checked_active(content.get("active", 0), len(boxes))
        except OptionError as error:
            self._reply(number, error=str(error), remedy="")
            return
        self._held = boxes, active
        self._touch()
        self._live.ask(Request(number, boxes, active))

    def _answer_request(self, content: Any, words: str) -> bool:
        number = request_number(content, "place")
        if number is not None:
            self._reply(number, error=words, remedy="")
        return number is not None

    def _refuse(self, message: str) -> None:
        self._say("error", message=message)

    def _complain(self, words: str) -> None:
        if self._sweeps.busy:
            return
        if words:
            self._say("error", message=words, remedy="The hand goes on; the function is called with every score.")
        elif self._status["state"] == "error" and self._sweeps.failed is None:
            self._say("idle")

    def _say(self, state: str, **more: Any) -> None:
        """Tell the browser how things stand; `more` may set done, total, seconds_left, message and remedy."""
        blank = {"done": 0, "total": 0, "seconds_left": None, "message": "", "remedy": ""}
        self._status = {**blank, **more, "state": state, "method": "occlusion", "ask": 0}

    # For Python.

    def sweep(self) -> None:
        """Try every place with a window of `window` pixels, in the background; `heatmap` is the result."""
        self._sweeps.start(self._order)

    def cancel(self) -> None:
        """Stop the sweep: `heatmap` is then what was computed, NaN elsewhere. The hand goes on being answered."""
        self._sweeps.cancel()

    def _order(self) -> Order:
        scorer = self._current(to_sweep=True)
        # Preparing takes seconds in one piece; whole passes have drawn a coarse map by then.
        incremental = self.incremental and not scorer.engines.preparing
        with self._lock:
            return Order(scorer.looked, self._question(), self.window, self.stride, incremental)

    def _show_sweep(self) -> None:
        swept = self._sweeps.swept
        heatmap = self._swept_map()
        self._sweep = {} if swept is None or heatmap is None else swept.packed(heatmap)
        through = swept is not None and (swept.whole or not self._sweeps.busy)
        self.set_trait("heatmap", heatmap if through else None)

    def _swept_map(self) -> Heatmap | None:
        """Return the map of the sweep as far as it has come; None without one."""
        swept = self._sweeps.swept
        return None if swept is None else swept.heatmap(self._question())

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
        swept = self._sweeps.failed
        told, self._told = self._told, swept
        if self._failed is not None:
            raise self._failed
        if swept is not None and swept is not told:  # once: a later score is not made wrong by an earlier sweep
            raise swept
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
            score: Score | None = self.scores
            swept = self._swept_map() if self.show == "sweep" else None
        if score is not None and score.boxes != scene.boxes:
            score = None  # of another place
        return occluded(self, scene, score, swept)

    def _described(self) -> str:
        score = self.scores
        if score is None:
            return f"OcclusionCanvas: {isolated(self._looked.name_of(self.target))}; no score computed yet."
        return f"OcclusionCanvas: {in_numbers(score)}."
