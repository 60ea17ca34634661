"""HeatmapView: a picture, what a network makes of it, and where that comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from cnnwidgets.explain.layers import find_layer
from cnnwidgets.explain.provenance import ModelStamp
from cnnwidgets.explain.result import Heatmap
from cnnwidgets.predictions import Predictions
from cnnwidgets.text import isolated
from cnnwidgets.widgets import _protocol as protocol
from cnnwidgets.widgets._answers import Answers
from cnnwidgets.widgets._answers import Question as Asked
from cnnwidgets.widgets._looked import Looked
from cnnwidgets.widgets._methods import CHOICES, pack_choices
from cnnwidgets.widgets._page_tables import HEATMAP_VIEW
from cnnwidgets.widgets._picture import PictureWidget
from cnnwidgets.widgets._question import Question
from cnnwidgets.widgets._still import still
from cnnwidgets.widgets._traits import Overlay, refusing
from cnnwidgets.widgets._words import in_words

if TYPE_CHECKING:
    from PIL import Image
    from torch import nn

    from cnnwidgets.classifier import Classifier

_QUESTION = tuple(Question.class_own_traits())


class HeatmapView(Question, Overlay, PictureWidget):
    """A picture with the map of an explanation on it, and controls to switch method, class, layer and colours.

    ```python
    view = HeatmapView(cw.demo.imagenet(), cw.demo.photo("chelsea"))
    view                       # shows it
    view.target = "tabby"      # every control is a trait
    view.heatmap               # the Heatmap shown
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

    _bundle: ClassVar[str] = "heatmap_view"
    _page = HEATMAP_VIEW
    _options: ClassVar[tuple[str, ...]] = (*_QUESTION, *Overlay.class_own_traits(), "show_box")
    _of_the_picture = _QUESTION
    _results = ("heatmap", "predictions")

    heatmap = traitlets.Instance(
        Heatmap,
        allow_none=True,
        read_only=True,
        help="The `Heatmap` shown; None until it is there. After `cancel()` what there is of it, see "
        "`Heatmap.unfinished`.",
    )
    predictions = traitlets.Instance(Predictions, read_only=True, help="The five likeliest classes.")

    show_box = traitlets.Bool(
        False, help="Outline the box around the largest component above 20 % of the maximum. Default False."
    ).tag(sync=True)

    _maps = traitlets.Dict().tag(sync=True)
    _predictions: traitlets.List[Any] = traitlets.List().tag(sync=True)
    _methods: traitlets.List[Any] = traitlets.List().tag(sync=True)
    _layers: traitlets.List[Any] = traitlets.List().tag(sync=True)
    _ask = traitlets.Int(0).tag(sync=True)

    def __init__(self, clf: Classifier | nn.Module, image: Any, **options: Any) -> None:
        super().__init__(clf, image, **options)
        self.observe(self._on_question, names=[*_QUESTION, "_ask"])
        self.on_msg(self._on_message)
        self._answer()

    def _begin(self) -> None:
        self._answers = Answers(self.clf, self._lock, self._show, self._say)

    # The picture.

    def _load(self, looked: Looked) -> None:
        self._see(looked)
        with self.hold_sync():
            self.target = looked.predictions[0].index
            self.instead_of = None

    def _see(self, looked: Looked) -> None:
        super()._see(looked)
        self.set_trait("predictions", looked.predictions)
        with self.hold_sync():
            self._predictions = protocol.pack_predictions(looked.predictions)
            for name, value in pack_choices(looked.network.trace).items():
                setattr(self, name, value)

    def _ask_anew(self) -> None:
        self._answer()

    # The question.

    @traitlets.validate("target", "instead_of")
    def _classes(self, proposal: Any) -> int | None:
        none = proposal.value is None and proposal.trait.name == "instead_of"
        return None if none else self._class(proposal.value)

    @traitlets.validate("layer")
    def _layer(self, proposal: Any) -> str | None:
        if proposal.value is None:
            return None
        with refusing():
            return find_layer(self._looked.network, proposal.value).name

    def _refuse(self, message: str) -> None:
        self._say("error", self.method, message=message)

    def _question(self, method: str) -> Asked:
        return Asked(
            picture=self._looked.image_hash,
            method=method,
            target=self.target,
            instead_of=self.instead_of,
            own=tuple(getattr(self, name) for name in CHOICES[method].traits),
            weights=self._looked.weights,
        )

    def _unavailable(self, method: str) -> str:
        return next((item["unavailable"] for item in self._methods if item["id"] == method), "")

    def _on_question(self, _change: Any) -> None:
        self._answer()

    def _on_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        kind = content["kind"]
        if kind == "cancel":
            self.cancel()
        elif kind == "retry":
            self._answer(again=True)

    def _is_busy(self) -> bool:
        return self._answers.busy

    def _let_go(self) -> None:
        self._answers.rest([self._question(self.method)])
        self._looked.rest()

    def _wake(self, _seconds: float) -> None:
        self._answer()

    def cancel(self) -> None:
        """Stop the work in the background. What is already there stays, of a map that is half-way, too."""
        self._answers.cancel()

    def close(self) -> None:
        """Stop the work and leave the page."""
        if hasattr(self, "_answers"):  # Python closes a view that refused its arguments, too
            self._answers.cancel()
        super().close()

    def refresh(self) -> None:
        """Compute what is shown anew: after weights were changed in a way that PyTorch does not count (`.data`)."""
        with self._lock:
            self._answers.store.clear()
            self._see(Looked.at(self.clf, self.image))
        self._answer(again=True)

    # The answer.

    def _answer(self, *, again: bool = False) -> None:
        """Show what is known of the question, and have the rest computed."""
        self._touch()
        with self._lock:
            if ModelStamp.of(self.clf.model).state != self._looked.weights and not self._look_again():
                return
            wanted = sorted(CHOICES, key=self._turn) if self.compare else [self.method]
            questions = tuple(self._question(name) for name in wanted if not self._unavailable(name))
            self._show()
            if self._answers.ask(questions, self._looked.images, again=again):
                self._status = {**self._status, "ask": self._ask}
            else:
                self._say("idle", self.method)

    def _look_again(self) -> bool:
        """Look at the picture with the model as it is now, bars and all; return whether the model still runs."""
        try:
            self._see(Looked.at(self.clf, self.image))
        except Exception as error:  # noqa: BLE001 - the user's model may raise anything
            self._answers.fail(error)
            self._say("error", self.method, **in_words(error, "the picture was scored"))
            return False
        return True

    def _turn(self, method: str) -> tuple[bool, bool]:
        return CHOICES[method].slow, method != self.method

    def _show(self) -> None:
        """Give the browser every map that is known of the question."""
        found = {name: self._answers.store.packed(self._question(name)) for name in CHOICES}
        maps = {name: packed for name, packed in found.items() if packed is not None}
        if maps.keys() != self._maps.keys() or any(maps[name] is not self._maps[name] for name in maps):
            self._maps = maps
        self.set_trait("heatmap", self._answers.store.get(self._question(self.method)))

    def _say(self, state: str, method: str, **more: Any) -> None:
        """Tell the browser how things stand; `more` may set done, total, message and remedy."""
        unavailable = self._unavailable(self.method)
        if state == "idle" and unavailable:
            state, more = "error", {"message": unavailable}
        blank = {"done": 0, "total": 0, "message": "", "remedy": ""}
        self._status = {**blank, **more, "state": state, "method": method or self.method, "ask": self._ask}

    def wait(self, timeout: float | None = None) -> Heatmap | None:
        """Wait until nothing is being computed, and return the `Heatmap` shown.

        Args:
            timeout: seconds; None waits as long as it takes.

        Raises:
            TimeoutError: it takes longer.
            CnnWidgetsError: what went wrong, as the cell shows it; other exceptions are those of the model.

        """
        if not self._answers.wait(timeout):
            raise TimeoutError(f"Still computing after {timeout} s; view.cancel() stops it.")
        if self._answers.failed is not None:
            raise self._answers.failed
        found: Heatmap | None = self.heatmap
        return found

    def _settle(self, seconds: float) -> None:
        self._answers.wait(seconds)

    def snapshot(self) -> Image.Image:
        """Return what is shown as a PIL picture: overlay and legend, all methods where `compare` is set."""
        with self._lock:
            known = {name: self._answers.store.get_shown(self._question(name)) for name in CHOICES}
        shown = known if self.compare else {self.method: known[self.method]}
        return still(self._looked.picture, {k: v for k, v in shown.items() if v is not None}, self)

    def _described(self) -> str:
        name = isolated(self.predictions[0].name)
        share = 100 * self.predictions[0].probability
        with self._lock:
            heatmap = self._answers.store.get_shown(self._question(self.method))
        if heatmap is None:
            return f"HeatmapView: {name} ({share:.0f} %); no map computed yet."
        far = heatmap.unfinished and f", {heatmap.unfinished}"
        shown = f"HeatmapView: {name} ({share:.0f} %). {heatmap.title} of {isolated(heatmap.target[0])}{far}."
        return " ".join(filter(None, [shown, heatmap.params.get("note")]))
