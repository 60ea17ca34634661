"""The controls beside a sketch: tool, brush, undo, redo, clear, and the class that is watched."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

import ipywidgets

from cnnwidgets.errors import CnnWidgetsError
from cnnwidgets.widgets._page import FromPage
from cnnwidgets.widgets._page_tables import BUTTON, CHOICE, FIELD, SLIDER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cnnwidgets.widgets.sketch_pad import SketchPad


class _Part(FromPage):
    """A part of a pad: what its page may send is checked as that of any widget, and refusals stand below the bars."""

    pad: SketchPad | None = None

    def _refuse(self, message: str) -> None:
        if self.pad is not None:
            self.pad.say(message)


class _Choice(_Part, ipywidgets.ToggleButtons):  # type: ignore[misc]
    _page = CHOICE


class _Slider(_Part, ipywidgets.FloatSlider):  # type: ignore[misc]
    _page = SLIDER


class _Button(_Part, ipywidgets.Button):  # type: ignore[misc]
    _page = BUTTON


class _Field(_Part, ipywidgets.Combobox):  # type: ignore[misc]
    _page = FIELD


class _Html(_Part, ipywidgets.HTML):  # type: ignore[misc]
    pass


class _Row(_Part, ipywidgets.HBox):  # type: ignore[misc]
    pass


class _Column(_Part, ipywidgets.VBox):  # type: ignore[misc]
    pass


class SketchControls:
    """Plain ipywidgets that follow the pad's traits and set them.

    Args:
        pad: the pad.
        tools: names of the tools and what they are called on the page.
        names: the class names to choose from; empty for no choice.

    Attributes:
        side: all of it, to be shown beside the canvas.
        tally: the headline and the bars, HTML.

    """

    def __init__(self, pad: SketchPad, tools: Mapping[str, str], names: tuple[str, ...]) -> None:
        self._pad = pad
        self._tool = _Choice(
            options=[(label, name) for name, label in tools.items()],
            value=pad.tool,
            tooltip="Tool",
            style={"button_width": "auto"},
        )
        self._brush = _Slider(
            value=pad.brush,
            min=1,
            max=max(pad.brush, 2),
            step=1,
            description="Brush",
            readout_format=".0f",
            layout={"width": "auto"},
            style={"description_width": "auto"},
        )
        self._undo, self._redo, self._clear = (_button(name, icon) for name, icon in _BUTTONS)
        self._target = _Field(
            options=names,
            description="Class",
            continuous_update=False,
            layout={"width": "auto", "display": "" if names else "none"},
            style={"description_width": "auto"},
        )
        self.tally = _Html()
        self._style = _Html(f"<style>{_css()}</style>", layout={"display": "none"})
        buttons = _Row([self._undo, self._redo, self._clear])
        self.side = _Column([self._tool, self._brush, buttons, self._target, self.tally, self._style])
        self.side.add_class("cnnw-sketch-side")
        parts = (self._tool, self._brush, *buttons.children, self._target, self.tally, self._style, buttons, self.side)
        for part in parts:
            part.pad = pad
        self._undo.on_click(lambda _: pad.undo())
        self._redo.on_click(lambda _: pad.redo())
        self._clear.on_click(lambda _: pad.clear())
        self._tool.observe(lambda change: setattr(pad, "tool", change.new), "value")
        self._brush.observe(self._on_brush, "value")
        self._target.observe(self._on_target, "value")

    def follow(self, longest: float, *, can_undo: bool, can_redo: bool, target: str) -> None:
        """Show the pad's state; `longest` is the widest brush that makes sense."""
        pad = self._pad
        self._tool.value = pad.tool
        self._brush.max = max(self._brush.max, pad.brush)
        self._brush.value = pad.brush
        self._brush.max = max(longest, pad.brush)  # last: a slider whose end falls below its value moves the value
        self._undo.disabled, self._redo.disabled = not can_undo, not can_redo
        self._target.value = target

    def focus(self) -> None:
        """Take the keyboard over: ipycanvas keeps every key to itself, the one that leaves it too."""
        self._clear.focus()

    def _on_brush(self, change: Any) -> None:
        try:
            self._pad.brush = change.new
        except CnnWidgetsError as error:
            self._pad.say(str(error))
            self._brush.value = self._pad.brush

    def _on_target(self, change: Any) -> None:
        try:
            self._pad.target = change.new or None
        except CnnWidgetsError as error:
            self._pad.say(str(error))


_BUTTONS = (("Undo", "undo"), ("Redo", "repeat"), ("Clear", "trash"))


def _button(name: str, icon: str) -> _Button:
    return _Button(description=name, icon=icon, layout={"width": "auto"})


def _css() -> str:
    return resources.files(__package__).joinpath("sketch_pad.css").read_text("utf-8")
