"""The stem of a network: its first, linear operations, through which many gradients can be carried at once.

The gradient of the input is the gradient behind the first convolution, carried through that convolution, which is
linear. So the mean of many gradients of the input is the mean of the gradients behind it, carried through once; and
carrying a gradient through the first convolution, the one with the largest maps, is dear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cnnwidgets.explain.backward import gradients
from cnnwidgets.explain.calls import value_of_call
from cnnwidgets.explain.trace import INPUT

if TYPE_CHECKING:
    from cnnwidgets.explain.network import Edits, Network


def find_stem(network: Network) -> int | None:
    """Return the last call of the network's linear beginning, None if it does not begin with a convolution."""
    trace = network.trace
    value, stem = INPUT, None
    while len(trace.consumers.get(value, ())) == 1:
        call = trace.calls[trace.consumers[value][0]]
        fixed = call.name == "batch_norm" and _is_fixed(network.module, call.owner)
        if call.name not in ("pad", "conv2d") and not fixed:
            break
        if call.number == trace.output:
            break
        value = call.number
        stem = stem if call.name == "pad" else call.number
    return stem


def _is_fixed(module: nn.Module, owner: str) -> bool:
    norm = module.get_submodule(owner) if owner else module
    return isinstance(norm, nn.modules.batchnorm._BatchNorm) and norm.running_mean is not None  # noqa: SLF001


def carry_back(network: Network, stem: int, x: Tensor, slope: Tensor, edits: Edits) -> Tensor:
    """Return the gradient (n,C,H,W) of the input, given that behind the stem."""
    name = network.trace.calls[stem].name
    with torch.enable_grad():
        x = x.detach().requires_grad_(True)
        value = value_of_call(stem, name, edits, lambda plan: network.run(x, plan))
        (result,) = gradients(value, x, slope)
    return result
