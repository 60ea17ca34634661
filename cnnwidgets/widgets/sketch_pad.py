"""SketchPad: draw, or paint over a photograph, and the network says at once what it sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import ipywidgets
import traitlets
from PIL import Image
from torch import nn

from cnnwidgets.classifier import Classifier
from cnnwidgets.errors import OptionError, nearest
from cnnwidgets.explain.drawing import beside
from cnnwidgets.explain.targets import class_index
from cnnwidgets.images.convert import to_picture
from cnnwidgets.predictions import Predictions
from cnnwidgets.widgets._base import Base
from cnnwidgets.widgets._closing import close_whole
from cnnwidgets.widgets._drawing import Drawing, checked_strokes
from cnnwidgets.widgets._ground import DRAWING, PAINTING, SIDE, Ground
from cnnwidgets.widgets._memory import RESIDENTS
from cnnwidgets.widgets._sketch_controls import SketchControls
from cnnwidgets.widgets._sketch_traits import SketchChoices, SketchResults
from cnnwidgets.widgets._sketch_work import SketchWork
from cnnwidgets.widgets._surface import Surface
from cnnwidgets.widgets._traits import RefusedOptionError, refusing

if TYPE_CHECKING:
    from cnnwidgets.images.strokes import Stroke
    from cnnwidgets.widgets._tally import Tally

_BRUSH = {True: 0.1, False: 0.075}  # of the shorter side, on a photograph and without one
_WIDEST = 0.5  # of the longer side
_CHOICES = tuple(SketchChoices.class_own_traits())


class SketchPad(SketchChoices, SketchResults, Base, ipywidgets.Box):  # type: ignore[misc]
    """A pad to draw on by hand, or a photograph to paint over, with what the network makes of it.

    ```python
    pad = SketchPad(cw.demo.digits())  # white on black, as the digits are
    pad  # shows it: draw a digit
    pad.predictions  # what the network took it for

    pad = SketchPad(cw.demo.imagenet(), cw.demo.photo("chelsea"))  # hide parts with a brush
    traitlets.dlink((pad, "image"), (view, "image"))  # let a HeatmapView follow
    ```

    The ink follows the hand however long the network takes; the network gets the latest state. `image`, `predictions`
    and `score` are set when it has answered; `wait()` waits for that. On the canvas Control-Z and Control-Y undo and
    redo, in JupyterLab.

    Args:
        clf: a `Classifier`, or an `nn.Module`.
        image: the photograph to paint over: PIL, path or uint8 array; None for a black pad to draw on in white.
        options: initial values of `tool`, `brush` and `target`.

    Raises:
        OptionError: an option that there is not, or a value out of range.
        ImageError: a picture that cannot be read.
        ModelError: a model that cannot be run on the picture, or gives NaN.

    """

    _options: ClassVar[tuple[str, ...]] = _CHOICES

    def __init__(self, clf: Classifier | nn.Module, image: Any = None, **options: Any) -> None:
        self._refuse_unknown(options)
        if isinstance(clf, nn.Module):
            clf = Classifier(clf)
        if not isinstance(clf, Classifier):
            raise OptionError(f"The model is a {type(clf).__name__}; give a cnnwidgets.Classifier or an nn.Module.")
        self.clf = clf
        self._paints = image is not None
        self._tools = PAINTING if self._paints else DRAWING
        self._drawing = Drawing()
        self._ground = self._ground_of(Image.new("RGB", (SIDE, SIDE)) if image is None else image)
        self._black = None if self._paints else self._ground
        self._published, self._adopted = self._ground.picture, self._ground
        choices = self._default_choices() | {name: options.pop(name) for name in _CHOICES if name in options}
        super().__init__(**options)
        for name, value in choices.items():
            self.set_trait(name, value)
        self.set_trait("image", self._published)
        self._surface = Surface(
            *self._ground.size,
            down=self._on_down,
            move=self._on_move,
            up=self._on_up,
            key=self._on_key,
            ready=self._on_ready,
        )
        self._controls = SketchControls(self, self._tools, clf.classes if self._paints else ())
        self._work = SketchWork(
            clf,
            self._drawing,
            self._surface,
            self._ground,
            compares=self._paints,
            tell=self._tell,
            publish=self._publish,
        )
        self.children = (self._surface.canvas, self._controls.side)
        self.add_class("cnnw-sketch")
        self.observe(self._on_choice, names=list(_CHOICES))
        self.observe(self._on_image, names=["image"])
        self._changed()

    def _default_choices(self) -> dict[str, Any]:
        share = _BRUSH[self._paints] * min(self._ground.picture.size)
        return {"tool": next(iter(self._tools)), "brush": max(1, round(share)), "target": self._default_target()}

    def _default_target(self) -> int | None:
        return self._ground.clean.predictions[0].index if self._paints else None

    # Memory: what is put to rest when other widgets have been asked something since.

    @property
    def is_shown(self) -> bool:
        """Whether a page has said that it has a view of it: nothing in a page counts those of a pad."""
        return False

    def rest(self) -> bool:
        """Let go of the painted pixels: the strokes are drawn again when needed; return False while it works."""
        if self._work.busy:
            return False
        self._ground.rest()
        return True

    # The picture.

    def _ground_of(self, image: Any) -> Ground:
        """Return a picture to draw on, once the network has shown that it can read it."""
        return Ground(self.clf, to_picture(image), tuple(self._tools))

    @traitlets.validate("image")
    def _image(self, proposal: Any) -> Image.Image:
        picture: Image.Image = proposal.value
        if picture is not self._published:
            self._adopted = self._ground_of(picture)
            picture = self._adopted.picture
        return picture

    def _on_image(self, change: Any) -> None:
        if change.new is self._adopted.picture and self._adopted is not self._ground:  # else the pad's own
            self._begin_on(self._adopted)

    def _begin_on(self, ground: Ground) -> None:
        brush = self.brush * min(ground.picture.size) / min(self._ground.picture.size)
        brush = min(max(1.0, brush), max(ground.picture.size))
        self._drawing.forget()
        self._ground = ground
        self._surface.resize(*ground.size)
        self._work.begin_on(ground)
        self.brush = brush
        self.target = self._default_target()
        self._changed()

    @property
    def strokes(self) -> tuple[Stroke, ...]:
        """What is drawn, a `Stroke` each. May be set, also by lists of points (x, y) in pixels of the picture."""
        return self._drawing.strokes

    @strokes.setter
    def strokes(self, value: Any) -> None:
        self._drawing.replace(checked_strokes(value, self._tools, self.tool, self.brush))
        self._changed()

    def undo(self) -> None:
        """Take the last step back: a stroke, or a clearing."""
        if self._drawing.undo():
            self._changed()

    def redo(self) -> None:
        """Take the last step that was undone again."""
        if self._drawing.redo():
            self._changed()

    def clear(self) -> None:
        """Begin anew, with black or with the photograph as it is."""
        if self._black is None or self._ground is self._black:
            self.strokes = ()
        else:
            self._begin_on(self._black)

    # The choices.

    @traitlets.validate("tool")
    def _tool(self, proposal: Any) -> str:
        tool = str(proposal.value)
        if tool not in self._tools:
            raise RefusedOptionError(
                f"tool={tool!r} is not known.{nearest(tool, self._tools)} This pad has: {', '.join(self._tools)}."
            )
        return tool

    @traitlets.validate("brush")
    def _width(self, proposal: Any) -> float:
        width, longer = float(proposal.value), max(self._ground.picture.size)
        if width > longer:
            raise RefusedOptionError(f"brush={width:g}: give 1 to {longer} pixels, the picture's longer side.")
        return width

    @traitlets.validate("target")
    def _class(self, proposal: Any) -> int:
        with refusing():
            return class_index(proposal.value, len(self._ground.clean.shares), self.clf.classes)

    def _on_choice(self, change: Any) -> None:
        if change.name == "target":
            if self.target is None and self._paints:
                self.target = self._default_target()
                return
            self._changed()
        else:
            self._show_state()

    def _show_state(self) -> None:
        """Show the state in the controls."""
        target = self.target if self._paints else None
        self._controls.follow(
            max(self._ground.picture.size) * _WIDEST,
            can_undo=self._drawing.can_undo,
            can_redo=self._drawing.can_redo,
            target="" if target is None else self._ground.clean.name(target),
        )

    def say(self, message: str) -> None:
        """Show an error below the bars until the next answer."""
        self._work.say(message)

    # The hand: what is called for each event of the mouse only notes and enqueues.

    def _point(self, x: float, y: float) -> tuple[float, float]:
        return x / self._ground.scale, y / self._ground.scale

    def _on_down(self, x: float, y: float) -> None:
        self._drawing.begin(self.tool, self.brush, self._point(x, y))
        self._work.follow(self.target)

    def _on_move(self, x: float, y: float) -> None:
        if self._drawing.is_down and self._drawing.extend(self._point(x, y)):
            self._work.follow(self.target)

    def _on_up(self) -> None:
        if self._drawing.end():
            self._changed()

    def _on_key(self, name: str, shift: bool, control: bool) -> None:  # noqa: FBT001 - as the surface reports it
        if control and name.lower() in ("z", "y"):
            self.redo() if shift or name.lower() == "y" else self.undo()
        elif name == "Tab":
            self._controls.focus()

    def _on_ready(self) -> None:
        self._work.draw_all()

    def _changed(self) -> None:
        """Have a new state shown and scored."""
        RESIDENTS.touch(self)
        self._work.follow(self.target)
        self._show_state()

    # The answer.

    def _tell(self, tally: Tally) -> None:
        self._controls.tally.value = tally.html()

    def _publish(self, picture: Image.Image, tally: Tally) -> None:
        self.set_trait("predictions", Predictions() if tally.scored is None else tally.scored.predictions)
        self.set_trait("score", tally.share)
        self._published = picture
        self.set_trait("image", picture)

    def wait(self, timeout: float | None = None) -> Predictions:
        """Wait until the network has answered to what is drawn, and return the `predictions`.

        Args:
            timeout: seconds; None waits as long as it takes.

        Raises:
            TimeoutError: it takes longer.
            CnnWidgetsError: what went wrong, as the cell shows it; other exceptions are those of the model.

        """
        if not self._work.wait(timeout):
            raise TimeoutError(f"Still computing after {timeout} s.")
        if self._work.failed is not None:
            raise self._work.failed
        found: Predictions = self.predictions
        return found

    def close(self) -> None:
        """Stop the work and leave the page."""
        if hasattr(self, "_work"):  # Python closes a pad that refused its arguments, too
            self._work.cancel()
            close_whole(self._controls.side)
            self._surface.close()
        super().close()

    def snapshot(self) -> Image.Image:
        """Return the pad with the bars beside it as a PIL picture."""
        painted = self._ground.painted(self._drawing.strokes).resize(self._ground.size, Image.Resampling.BICUBIC)
        return beside([painted, self._work.tally.picture()])

    def _settle(self, seconds: float) -> None:
        self._work.wait(seconds)

    def _described(self) -> str:
        return f"SketchPad: {self._work.tally.words()}."
