"""The convolutional part of a network, as a module of its own."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from cnnwidgets.explain.calls import Editing, value_of_call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cnnwidgets.explain.network import Edits
    from cnnwidgets.explain.trace import Trace


class Trunk(nn.Module):
    """A network up to one of its values; what lies behind is not run.

    Args:
        network: the whole network.
        trace: what it does.
        call: number of the value in the trace.
        layer: what the value is called.

    """

    part = 0  # trunks that were saved before values had parts have neither
    several: Mapping[int, int] = MappingProxyType({})

    def __init__(self, network: nn.Module, trace: Trace, call: int, layer: str) -> None:
        super().__init__()
        self.network = network
        made = trace.calls[call]
        self.call, self.part, self.name, self.layer = made.first, made.part, made.name, layer
        self.several = dict(trace.several)

    def extra_repr(self) -> str:
        """Say where the network is cut."""
        return f"up to {self.layer!r}"

    def forward(self, x: Tensor) -> Tensor:
        """Return the value (N,C,h,w) for the network's input (N,C,H,W)."""

        def run(plan: Edits) -> Any:
            with Editing(plan, self.several):
                return self.network(x)

        return value_of_call(self.call, self.name, {}, run, part=self.part)
