"""A method from elsewhere: any function (model, x, target) -> Heatmap, so that SmoothGrad can smooth it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.method import Method, MethodRun
from cnnwidgets.explain.result import Heatmap
from cnnwidgets.explain.targets import ClassScore, Contrast, Custom, Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from cnnwidgets.explain.network import Network


@dataclass(frozen=True)
class Foreign(Method):
    """Calls a function of the user's; the maps lie where the function's last heat map said."""

    name: ClassVar[str] = "function"
    title: ClassVar[str] = "Function"
    paper: ClassVar[str] = ""
    function: Callable[..., Heatmap]
    options: tuple[tuple[str, Any], ...] = ()
    unit: str = "score"

    def start(self, network: Network, target: Target) -> MethodRun:
        """Ask the function once, on the first clean image, where its maps lie and what their unit is."""
        heatmap = self._call(network, network.x[:1], _arguments(target, slice(0, 1)))
        return MethodRun(replace(self, unit=heatmap.units), network, heatmap.layer, heatmap.grid)

    def raw(self, run: MethodRun, x: Tensor, target: Target, rows: slice) -> tuple[Tensor, Tensor]:
        """Return the function's values."""
        heatmap = self._call(run.network, x, _arguments(target, rows))
        return torch.tensor(heatmap.values), torch.tensor(heatmap.scores)  # copies: a heat map is read-only

    def finish(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return the values as they are."""
        del x
        return raw

    def units(self, score: str) -> str:
        """Return the unit of the function's heat maps."""
        del score
        return self.unit

    def parameters(self) -> dict[str, Any]:
        """Name the function."""
        return {"function": getattr(self.function, "__name__", repr(self.function)), **dict(self.options)}

    def _call(self, network: Network, x: Tensor, target: dict[str, Any]) -> Heatmap:
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
