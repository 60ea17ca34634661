"""The controls beside a sketch: tool, brush, undo, redo, clear, and the class that is watched."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

import ipywidgets

from cnnwidgets.errors import CnnWidgetsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cnnwidgets.widgets.sketch_pad import SketchPad


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
        self._tool = ipywidgets.ToggleButtons(
            options=[(label, name) for name, label in tools.items()],
            value=pad.tool,
            tooltip="Tool",
            style={"button_width": "auto"},
        )
        self._brush = ipywidgets.FloatSlider(
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
        self._target = ipywidgets.Combobox(
            options=names,
            description="Class",
            continuous_update=False,
            layout={"width": "auto", "display": "" if names else "none"},
            style={"description_width": "auto"},
        )
        self.tally = ipywidgets.HTML()
        self._style = ipywidgets.HTML(f"<style>{_css()}</style>", layout={"display": "none"})
        buttons = ipywidgets.HBox([self._undo, self._redo, self._clear])
        self.side = ipywidgets.VBox([self._tool, self._brush, buttons, self._target, self.tally, self._style])
        self.side.add_class("cnnw-sketch-side")
        self._undo.on_click(lambda _: pad.undo())
        self._redo.on_click(lambda _: pad.redo())
        self._clear.on_click(lambda _: pad.clear())
        self._tool.observe(lambda change: setattr(pad, "tool", change.new), "value")
        self._brush.observe(lambda change: setattr(pad, "brush", change.new), "value")
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

    def _on_target(self, change: Any) -> None:
        try:
            self._pad.target = change.new or None
        except CnnWidgetsError as error:
            self._pad.say(str(error))

    def close(self) -> None:
        """Leave the page."""
        row = self.side.children[2]
        for widget in (*row.children, *self.side.children, self.side):
            widget.close()


_BUTTONS = (("Undo", "undo"), ("Redo", "repeat"), ("Clear", "trash"))


def _button(name: str, icon: str) -> ipywidgets.Button:
    return ipywidgets.Button(description=name, icon=icon, layout={"width": "auto"})


def _css() -> str:
    return resources.files(__package__).joinpath("sketch_pad.css").read_text("utf-8")
