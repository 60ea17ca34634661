"""The stem of a network: its first, linear operations, through which many gradients can be carried at once.

The gradient of the input is the gradient behind the first convolution, carried through that convolution, which is
linear. So the mean of many gradients of the input is the mean of the gradients behind it, carried through once; and
carrying a gradient through the first convolution, the one with the largest maps, is dear.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cnnwidgets.explain.calls import tensors_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from cnnwidgets.explain.network import Edits, Network

_INPUT = -1


class _Enough(Exception):  # noqa: N818 - it ends a pass, nothing is wrong
    pass


def find_stem(network: Network) -> int | None:
    """Return the last call of the network's linear beginning, None if it does not begin with a convolution."""
    trace = network.trace
    value, stem = _INPUT, None
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
    taken: list[Tensor] = []
    name = network.trace.calls[stem].name
    inner = edits.get(stem)

    def stop(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = inner[1](func, args, kwargs) if inner else func(*args, **kwargs)
        taken.extend(tensors_in(result))
        raise _Enough

    with torch.enable_grad():
        x = x.detach().requires_grad_(True)
        with suppress(_Enough):
            network.run(x, {**edits, stem: (name, stop)})
        (result,) = torch.autograd.grad(taken[0], x, slope)
    return result
