"""Making many passes cheaper without changing what they compute.

In evaluation mode a batch normalisation is a fixed scale and shift per channel, which can be folded into the
convolution before it, and the weights can be laid out once in the order that the convolution routines read. Both are
done by editing calls, on copies that live as long as the edits: neither the user's model nor its twin changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from cnnwidgets.explain.calls import Edit, PathError, argument
from cnnwidgets.explain.folding import Normalisation, folded

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from cnnwidgets.explain.network import Network
    from cnnwidgets.explain.trace import Call, Trace

_HAS_ONEDNN: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


class _Convolution:
    """A convolution with the scale and shift of the normalisation behind it, if any, in its weights."""

    def __init__(self, normalisation: nn.modules.batchnorm._BatchNorm | None, layout: torch.memory_format) -> None:
        self._normalisation, self._layout = normalisation, layout
        self._ready: tuple[Tensor, Tensor | None] | None = None
        self._weight: Tensor | None = None

    def _prepare(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        norm = self._normalisation
        if norm is not None:
            # Not None: `normalisation_behind` has looked.
            mean, variance = cast("Tensor", norm.running_mean), cast("Tensor", norm.running_var)
            weight, bias = folded(weight, bias, Normalisation(norm.weight, norm.bias, mean, variance, norm.eps))
        return weight.contiguous(memory_format=self._layout), bias

    def edit(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the convolution with the prepared weights, which are made at the first call if they are parameters."""
        given: Tensor = argument(args, kwargs, 1, "weight")
        bias: Tensor | None = argument(args, kwargs, 2, "bias")
        ready = self._ready
        if not isinstance(given, nn.Parameter) or not isinstance(bias, nn.Parameter | None):
            ready = self._prepare(given, bias)  # made in every pass, maybe of the picture
        elif ready is None:
            self._weight, ready = given, self._prepare(given, bias)
            self._ready = ready
        elif given is not self._weight:
            raise PathError(
                "The model took another path than before: a convolution has other weights now. Models whose forward "
                "pass depends on chance or on the input's values cannot be explained by averages over many passes."
            )
        weight, bias = ready
        rest = {key: value for key, value in kwargs.items() if key not in ("weight", "bias")}
        if _is_better_in_onednn(weight, args, rest):
            _, _, _, stride, padding, dilation, groups = args
            return torch.mkldnn_convolution(args[0], weight, bias, padding, stride, dilation, groups)
        if args:
            return func(args[0], weight, bias, *args[3:], **rest)
        return func(weight=weight, bias=bias, **rest)


def _is_better_in_onednn(weight: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether to call oneDNN's convolution where PyTorch would not.

    With a single thread PyTorch takes another routine for convolutions of 1 x 1. Measured on EfficientNet-Lite0 with a
    thread for each of two passes, oneDNN's takes 0.8 of the time of the whole pass.
    """
    if weight.shape[2:] != (1, 1) or len(args) != 7 or kwargs or not all(isinstance(one, tuple) for one in args[3:6]):
        return False  # as nn.Conv2d calls it: with seven arguments, of which stride, padding and dilation are pairs
    plain = weight.device.type == "cpu" and weight.dtype is args[0].dtype is torch.float32 and args[0].ndim == 4
    return plain and _HAS_ONEDNN and torch.get_num_threads() == 1 and not torch.is_grad_enabled()


def _skipping(norm: nn.modules.batchnorm._BatchNorm) -> Edit:
    def skip(_func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if argument(args, kwargs, 1, "running_mean") is not norm.running_mean:
            raise PathError(
                "The model took another path than before: a normalisation has other statistics now. Models whose "
                "forward pass depends on chance or on the input's values cannot be explained by averages over many "
                "passes."
            )
        return argument(args, kwargs, 0, "input")

    return skip


def normalisation_behind(
    trace: Trace, call: Call, module: nn.Module
) -> tuple[Call, nn.modules.batchnorm._BatchNorm] | None:
    """Return the normalisation that alone uses the convolution's result, if it can be folded."""
    users = trace.consumers.get(call.number, ())
    if len(users) != 1 or trace.output == call.number:
        return None
    user = trace.calls[users[0]]
    if not user.affine:
        return None
    calls = sum(other.owner == user.owner and other.name == "batch_norm" for other in trace.calls)
    return (user, module.get_submodule(user.owner)) if calls == 1 else None  # type: ignore[return-value]


def fused(network: Network, keep: AbstractSet[int] = frozenset()) -> dict[int, tuple[str, Edit]]:
    """Return edits that fold normalisations into convolutions and lay the weights out channels last, if that works.

    Args:
        network: the network.
        keep: convolution calls whose own results are taken, so that nothing may be folded into them.

    """
    trace = network.trace
    if trace.branches:  # what is folded in on one path may be another's on the next
        return {}
    layout = torch.contiguous_format if trace.rigid else torch.channels_last
    edits: dict[int, tuple[str, Edit]] = {}
    for call in trace.calls:
        if call.name != "conv2d":
            continue
        pair = normalisation_behind(trace, call, network.module) if call.number not in keep else None
        if pair is not None:
            edits[pair[0].number] = (pair[0].name, _skipping(pair[1]))
        edits[call.number] = (call.name, _Convolution(pair[1] if pair else None, layout).edit)
    return edits
