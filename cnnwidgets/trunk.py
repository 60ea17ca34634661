"""The convolutional part of a network, as a module of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cnnwidgets.explain.calls import Editing, value_of_call

if TYPE_CHECKING:
    from cnnwidgets.explain.network import Edits


class Trunk(nn.Module):
    """A network up to one of its values; what lies behind is not run.

    Args:
        network: the whole network.
        call: number of the call that makes the value, in a trace of the network.
        name: that call's name.
        layer: what the value is called.

    """

    def __init__(self, network: nn.Module, call: int, name: str, layer: str) -> None:
        super().__init__()
        self.network = network
        self.call, self.name, self.layer = call, name, layer

    def extra_repr(self) -> str:
        """Say where the network is cut."""
        return f"up to {self.layer!r}"

    def forward(self, x: Tensor) -> Tensor:
        """Return the value (N,C,h,w) for the network's input (N,C,H,W)."""

        def run(plan: Edits) -> Any:
            with Editing(plan):
                return self.network(x)

        return value_of_call(self.call, self.name, {}, run)


def own_copy(twin: nn.Module) -> nn.Module:
    """Give a twin weights of its own, so that it no longer follows the original."""
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.data = parameter.detach().clone(memory_format=torch.preserve_format)
    return twin
