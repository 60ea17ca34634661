"""A method from elsewhere: any function (model, x, target) -> Heatmap, so that SmoothGrad can smooth it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.method import Method, MethodRun
from cnnwidgets.explain.result import Heatmap
from cnnwidgets.explain.targets import ClassScore, Contrast, Custom, Target

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Foreign(Method):
    """Calls a function of the user's; the maps lie where the function's last heat map said."""

    name: ClassVar[str] = "function"
    title: ClassVar[str] = "Function"
    paper: ClassVar[str] = ""
    function: Callable[..., Heatmap]
    options: tuple[tuple[str, Any], ...] = ()

    def start(self, network: Any) -> MethodRun:
        """Ask the function once, on the clean images, where its maps lie."""
        heatmap = self._call(network, network.x, {"target": None})
        return MethodRun(self, network, heatmap.layer, heatmap.grid, {"of.units": heatmap.units})

    def raw(self, run: MethodRun, x: Tensor, target: Target, rows: slice) -> tuple[Tensor, Tensor]:
        """Return the function's values."""
        heatmap = self._call(run.network, x, _arguments(target, rows))
        return torch.as_tensor(heatmap.values), torch.as_tensor(heatmap.scores)

    def finish(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return the values as they are."""
        del x
        return raw

    def parameters(self) -> dict[str, Any]:
        """Name the function."""
        return {"function": getattr(self.function, "__name__", repr(self.function)), **dict(self.options)}

    def _call(self, network: Any, x: Tensor, target: dict[str, Any]) -> Heatmap:
        if not callable(self.function):
            raise OptionError(f"of={self.function!r}: give a method of explain, or a function.")
        result = self.function(network.subject.model, x, **target, **dict(self.options))
        if not isinstance(result, Heatmap):
            raise OptionError(f"of={self.function!r} gave a {type(result).__name__}; it must give a Heatmap.")
        return result


def _arguments(target: Target, rows: slice) -> dict[str, Any]:
    if isinstance(target, ClassScore):
        return {"target": target.indices[rows]}
    if isinstance(target, Contrast):
        return {"why": target.why.indices[rows], "instead_of": target.instead_of.indices[rows]}
    if isinstance(target, Custom):
        return {"target": target.function}
    return {"target": target}
