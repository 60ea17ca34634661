"""The methods that a person can choose between in a view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnwidgets.errors import CnnWidgetsError, ModelError
from cnnwidgets.explain.cam import cam
from cnnwidgets.explain.grad_cam import grad_cam
from cnnwidgets.explain.gradient import saliency
from cnnwidgets.explain.head import find_head
from cnnwidgets.explain.layers import default_layer, layer_list
from cnnwidgets.explain.smoothgrad import smoothgrad
from cnnwidgets.widgets import _protocol as protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.trace import Trace


@dataclass(frozen=True)
class Choice:
    """A method as a view offers it.

    Attributes:
        function: the public function of `explain`.
        traits: the view's traits that go to the function as keywords, besides the target.
        slow: whether it takes many passes; where several methods are wanted, the quick ones come first.
        obstacle: tells, given a trace, in words why the method does not fit the network; "" if it does.

    """

    function: Callable[..., Any]
    traits: tuple[str, ...] = ()
    slow: bool = False
    obstacle: Callable[[Trace], str] = lambda _: ""

    @property
    def name(self) -> str:
        """The method's name."""
        return str(self.function.method.name)  # type: ignore[attr-defined]

    @property
    def progress_unit(self) -> str:
        """What its steps are called."""
        return str(self.function.method.progress_unit)  # type: ignore[attr-defined]

    def packed(self, trace: Trace) -> dict[str, Any]:
        """Return what the browser needs to offer it."""
        method = self.function.method  # type: ignore[attr-defined]
        return {
            "id": method.name,
            "label": method.title,
            "paper": method.paper,
            "uses_layer": "layer" in self.traits,
            "unavailable": self.obstacle(trace),
        }


def _no_cam(trace: Trace) -> str:
    try:
        find_head(trace)
    except ModelError as error:
        return str(error)
    return ""


CHOICES: dict[str, Choice] = {
    choice.name: choice
    for choice in (
        Choice(saliency),
        Choice(smoothgrad, ("samples", "noise", "seed"), slow=True),
        Choice(cam, obstacle=_no_cam),
        Choice(grad_cam, ("layer",)),
    )
}


def pack_choices(trace: Trace) -> dict[str, Any]:
    """Return the traits that tell the browser between what it can choose on this network."""
    return {
        "_methods": [choice.packed(trace) for choice in CHOICES.values()],
        "_layers": protocol.pack_layers(_layers(trace)),
    }


def _layers(trace: Trace) -> list[Layer]:
    """Return the layers to choose from: modules, and the default if a function makes it."""
    try:
        first = default_layer(trace)
    except CnnWidgetsError:
        return []
    return [layer for layer in layer_list(trace) if layer.call == first.call or "()" not in layer.name]
