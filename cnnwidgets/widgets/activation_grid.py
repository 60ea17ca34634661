"""ActivationGrid: what every channel of a layer makes of a picture, and where it looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from cnnwidgets.errors import Cancelled, OptionError
from cnnwidgets.explain.highlight import Highlight
from cnnwidgets.explain.layer import times
from cnnwidgets.explain.layer_activations import LayerActivations
from cnnwidgets.text import isolated
from cnnwidgets.widgets._errand import Errand
from cnnwidgets.widgets._grid_known import Task
from cnnwidgets.widgets._grid_pinning import Pinning
from cnnwidgets.widgets._grid_ranking import ranking
from cnnwidgets.widgets._grid_region import checked_region
from cnnwidgets.widgets._grid_still import grid_still, plain
from cnnwidgets.widgets._grid_traits import Arranging, Looking, Painted
from cnnwidgets.widgets._looked import Looked
from cnnwidgets.widgets._page_tables import ACTIVATION_GRID
from cnnwidgets.widgets._traits import Overlay, Recomputed, refusing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image
    from torch import nn

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.explain.layer_table import Layers
    from cnnwidgets.explain.ranking import Ranking
    from cnnwidgets.jobs import Job
    from cnnwidgets.widgets._grid_known import Known

_SENT = {"sheet": "_sheet", "contributions": "_contributions", "filters": "_filters", "kernel": "_kernel"}


class ActivationGrid(Arranging, Painted, Pinning):
    """A picture, and what every channel of a layer of the network makes of it: tiles to sort, to pin and to compare.

    ```python
    grid = ActivationGrid(cw.demo.imagenet(), cw.demo.photo("chelsea"))
    grid                                   # shows it
    grid.layer = "blocks.2"                # every control is a trait
    grid.pin(12, 3, 5)                     # channel 12, the cell in row 3 and column 5
    grid.wait().values                     # (1,C,h,w), the activations of the layer shown
    grid.unit                              # {'layer': 'blocks.2', 'channel': 12, 'y': 3, 'x': 5}
    ```

    Args:
        clf: a `Classifier`, or an `nn.Module`.
        image: the picture: PIL, path, uint8 array, or a float tensor (C,H,W) that is preprocessed already.
        other: a second picture to compare with, or None.
        options: initial values of the traits below.

    Raises:
        OptionError: an option that there is not, or a value out of range.
        ImageError: a picture that cannot be read, or two that become inputs of different sizes.
        LayerError: a network without a map.
        ModelError: a model that cannot be run on the picture, or gives NaN.

    """

    _bundle: ClassVar[str] = "activation_grid"
    _page = ACTIVATION_GRID
    _options: ClassVar[tuple[str, ...]] = (
        *Looking.class_own_traits(),
        *Arranging.class_own_traits(),
        *Overlay.class_own_traits(),
    )
    _of_the_picture = ("sort", "target", "region", *Looking.class_own_traits())
    _results = ("activations",)
    _bulk = ("_sheet", "_filters", "_kernel")

    activations = Recomputed(
        LayerActivations,
        allow_none=True,
        read_only=True,
        help="The `LayerActivations` of the layer shown, at full precision; None until they are there.",
    )

    _sheet = traitlets.Dict().tag(sync=True)
    _contributions = traitlets.Dict().tag(sync=True)
    _filters = traitlets.Dict().tag(sync=True)
    _kernel = traitlets.Dict().tag(sync=True)
    _ask = traitlets.Int(0).tag(sync=True)

    def __init__(self, clf: Classifier | nn.Module, image: Any, other: Any = None, **options: Any) -> None:
        super().__init__(clf, image, other, **options)
        self.observe(self._ask_anew, names=["sort", "target", "tab", "_ask"])
        self.on_msg(self._on_message)
        self._answer()

    def _begin(self) -> None:
        super()._begin()
        self._errand = Errand(self._lock, self._say, lambda: self._show(waiting=False), "the activations were computed")
        self._say("idle")

    # The pictures.

    def _load(self, looked: Looked) -> None:
        self._see(looked)
        self._afterwards(self._begin_anew)

    def _begin_anew(self) -> None:
        with self.hold_sync():
            self.target = self._looked.predictions[0].index
            self.region = []

    def _renew(self, known: Known) -> None:
        super()._renew(known)
        with self.hold_sync():
            for name in _SENT.values():
                setattr(self, name, {})
        self.set_trait("activations", None)
        self._afterwards(self._compare_no_more)

    def _compare_no_more(self) -> None:
        if self._second is None and self.sort == "difference":
            self.sort = "maximum"

    # What is asked.

    @traitlets.validate("target")
    def _target(self, proposal: Any) -> int:
        return self._class(proposal.value)

    @traitlets.validate("sort")
    def _sort(self, proposal: Any) -> str:
        with refusing():
            if proposal.value == "difference" and self.other is None:
                raise OptionError("sort='difference' compares two pictures, and there is one. Set other first.")
        return str(proposal.value)

    @traitlets.validate("region")
    def _region(self, proposal: Any) -> list[dict[str, Any]]:
        with refusing():
            return checked_region(proposal.value)

    def _refuse(self, message: str) -> None:
        self._say("error", message=message)

    def _ask_anew(self, _change: Any = None) -> None:
        self._answer()

    def _on_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        kind = content["kind"]
        if kind == "cancel":
            self.cancel()
        elif kind == "retry":
            self._answer(again=True)

    def _tasks(self) -> tuple[Task, ...]:
        """Return what has to be known for what is shown; what takes no pass first."""
        tasks = [Task("sheet", self.layer)]
        if self.sort == "contribution":
            tasks.append(Task("contributions", self.layer, self.target))
        if self.tab == "filters":
            weights = [Task("filters", self.layer)]
            if self.channel is not None:
                weights.append(Task("kernel", self.layer, self.channel))
            tasks = [*weights, *tasks]
        return tuple(tasks)

    # The answer. `_work` runs on the worker's thread.

    def _answer(self, *, again: bool = False) -> None:
        """Show what is known, and have the rest computed."""
        self._touch()
        with self._lock:
            known, stale = self._known, self._known.stale
            missing = [(known, task) for task in self._tasks() if stale or not known.is_made(task)]
            self._show(waiting=bool(missing))
            if self._errand.start(missing, self._work, lambda: self._say("busy"), again=again):
                self._status = {**self._status, "ask": self._ask}
            else:
                self._say("idle")

    def _work(self, job: Job) -> Iterator[None]:
        known, tasks = self._current()
        for number, task in enumerate(tasks):
            if number:
                yield  # only between two: what has been done to the end is not cancelled
            if job.cancel.is_set() or known.layer(task.layer) is None:  # gone with a change of the model
                raise Cancelled("Cancelled.")
            for _ in known.make(task, job.cancel):
                with self._lock:
                    if self._errand.is_latest(job):
                        self._show(waiting=True)

    def _current(self) -> tuple[Known, tuple[Task, ...]]:
        """Return what there is to know and to do; look again if the weights have been changed."""
        known = self._known
        if known.stale:
            looked = Looked.at(self.clf, self._looked.images)
            with self._lock:
                if known is self._known:
                    self._see(looked)
        with self._lock:
            return self._known, self._tasks()

    def _show(self, *, waiting: bool) -> None:
        """Give the browser what is known; while it waits, it keeps the sheet of the layer before."""
        known, stale = self._known, self._known.stale
        found = {task.kind: None if stale else known.packed(task) for task in self._tasks()}
        with self.hold_sync():
            for kind, name in _SENT.items():
                packed = found.get(kind)
                if packed is None and waiting and kind == "sheet":
                    continue
                if packed is not getattr(self, name):
                    setattr(self, name, packed or {})
        self.set_trait("activations", None if found["sheet"] is None else known.activations(self.layer))

    def _say(self, state: str, _what: str = "", **more: Any) -> None:
        """Tell the browser how things stand; `more` may set message and remedy."""
        blank = {"done": 0, "total": 0, "message": "", "remedy": ""}
        self._status = {**blank, **more, "state": state, "method": "activations", "ask": self._ask}

    # Memory.

    def _is_busy(self) -> bool:
        return self._errand.goes_on

    def _let_go(self) -> None:
        self._known.rest()
        self._errand.rest()
        self._trait_values["activations"] = None  # unheard: whoever asks for them has them computed again

    def _wake(self, seconds: float) -> None:
        self._answer()
        self._settle(seconds)

    # For Python.

    @property
    def layers(self) -> Layers:
        """The layers to choose from: those of `explain.layers`."""
        return self._known.layers

    @property
    def ranking(self) -> Ranking | None:
        """The order of the channels that `sort` gives, for the first picture; None until the activations are there.

        It is that of the tiles, dead channels included. It is that by "maximum" where "likeness" has no `channel` or
        "region" no `region`, and until the contributions are there.
        """
        found = self.activations
        return None if found is None else ranking(found, self._known.contributions(self.layer, self.target), self)

    @property
    def highlight(self) -> Highlight | None:
        """What `threshold` highlights of `channel`; None where either is not set, or nothing is known yet."""
        found, channel = self.activations, self.channel
        if found is None or channel is None or not self.threshold:
            return None
        return Highlight.of(found.heatmap(channel), self.threshold)

    def cancel(self) -> None:
        """Stop the work in the background. What is already there stays."""
        self._errand.cancel()

    def refresh(self) -> None:
        """Compute what is shown anew: after weights were changed in a way that PyTorch does not count (`.data`)."""
        looked = Looked.at(self.clf, self._looked.images)
        with self._lock:
            self._see(looked)
        self._answer(again=True)

    def wait(self, timeout: float | None = None) -> LayerActivations | None:
        """Wait until nothing is being computed, and return the activations of the layer shown.

        Args:
            timeout: seconds; None waits as long as it takes.

        Raises:
            TimeoutError: it takes longer.
            CnnWidgetsError: what went wrong, as the cell shows it; other exceptions are those of the model.

        """
        if not self._errand.wait(timeout):
            raise TimeoutError(f"Still computing after {timeout} s; grid.cancel() stops it.")
        if self._errand.failed is not None:
            raise self._errand.failed
        found: LayerActivations | None = self.activations
        return found

    def _settle(self, seconds: float) -> None:
        self._errand.wait(seconds)

    def close(self) -> None:
        """Stop the work and leave the page."""
        if hasattr(self, "_errand"):  # Python closes a grid that refused its arguments, too
            self._errand.cancel()
        super().close()

    def snapshot(self) -> Image.Image:
        """Return what is shown as a PIL picture: the photograph with what is pinned, and the first tiles."""
        self.wake()
        with self._lock:
            unit, shown = self._pinned, self._shown()
            convolution = self._sheet.get("filters", "") if self.tab == "filters" else ""
        if shown is None:
            return plain(self, self._looked.picture)
        return grid_still(self, shown[0], unit, shown[1], convolution)

    def _shown(self) -> tuple[LayerActivations, Ranking] | None:
        """Return the activations and the order of the tiles; None while there are none of the present weights."""
        found, order = self.activations, self.ranking
        return None if found is None or order is None or self._known.stale else (found, order)

    def _described(self) -> str:
        self.wake()
        with self._lock:
            unit, shown = self._pinned, self._shown()
        if shown is None:
            return f"ActivationGrid: {isolated(unit.layer)}; not computed yet."
        pinned = "" if unit.channel is None else f"; channel {unit.channel}"
        return f"ActivationGrid: {isolated(unit.layer)}, {times(shown[0].layer.shape)}, by {shown[1].words}{pinned}."
