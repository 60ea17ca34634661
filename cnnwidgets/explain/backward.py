"""Backward passes, guarded against a fault of PyTorch: the gradient of normalisations in some orders of memory.

On a CPU, PyTorch (measured: 2.14.1) takes the gradient that comes to a batch normalisation for one in the input's order
of memory where only one of both has its channels last, and is one image with an unusual stride from image to image, as
what was a list of tokens has. Every number is then read from a wrong place, in evaluation mode as well, and without a
warning. Instance normalisations are computed as batch normalisations of one image, so with them any gradient that has
its channels last is read wrong. docs/pytorch-batchnorm-gradient.md has the shortest code that shows it.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cnnwidgets.errors import ModelError
from cnnwidgets.explain.thread_state import DispatchMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.autograd.graph import Node

_aten = torch.ops.aten
_NORMALISATIONS = {_aten.native_batch_norm_backward, _aten.batch_norm_backward}
_CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}  # by the number of dimensions


class _InOrder(DispatchMode):  # type: ignore[no-untyped-call]
    """While active, gives batch normalisations the gradients in an order of memory that they read right.

    The dispatcher shows every operation of a backward pass, also those of TorchScript and of what has no module.
    """

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation."""
        del types
        if func.overloadpacket in _NORMALISATIONS:
            args = (_in_order(args[0], args[1]), *args[1:])
        return func(*args, **(kwargs or {}))


def _in_order(slope: Tensor, x: Tensor) -> Tensor:
    """Return a gradient in an order of memory in which PyTorch reads it right beside the input `x`.

    Measured: what is contiguous goes with what is contiguous, and what has channels last in the usual strides goes
    with everything.
    """
    if x.is_contiguous():
        return slope.contiguous()
    last = _CHANNELS_LAST.get(x.ndim)
    if last is not None and x.is_contiguous(memory_format=last) and slope.is_contiguous():
        return slope.clone(memory_format=last)
    return slope


def _is_endangered(outputs: Tensor) -> bool:
    """Whether a backward pass comes to a normalisation of one image, or to one that cannot be seen, in TorchScript.

    Measured, showing every operation takes 7 % of the time of ResNet-18's backward pass, 25 % of that of
    EfficientNet-B0's. This look at the graph takes 0.3 ms at most, and with two images or more it mostly finds nothing.
    """
    todo: list[Node | None] = [outputs.grad_fn]
    seen: set[Node] = set()
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        name = node.name()
        if "DifferentiableGraph" in name or ("BatchNorm" in name and _images_of(node) == 1):
            return True
        todo.extend(following for following, _ in node.next_functions)
    return False


def _images_of(node: Any) -> int:
    """Return the size of the batch that a normalisation was given, 1 where PyTorch does not tell."""
    results = getattr(node, "_input_metadata", None)
    return int(results[0].shape[0]) if results else 1


class InPlaceError(ModelError):
    """A model that writes over a value that its own gradient needs."""


def gradients(
    outputs: Tensor,
    inputs: Tensor | Sequence[Tensor],
    slope: Tensor | None = None,
    *,
    retain_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor, ...]:
    """Return the gradients of `outputs` with respect to `inputs`: `torch.autograd.grad`, right on every network.

    Args:
        outputs: one number, or with `slope` any tensor.
        inputs: one tensor or several.
        slope: the gradient that comes to `outputs`.
        retain_graph: keep the graph for another backward pass.
        allow_unused: give None for an input on which the outputs do not depend.

    Raises:
        InPlaceError: the forward pass wrote over a value that the gradient needs.

    """
    with _InOrder() if outputs.device.type == "cpu" and _is_endangered(outputs) else nullcontext():  # type: ignore[no-untyped-call]
        try:
            return torch.autograd.grad(outputs, inputs, slope, retain_graph=retain_graph, allow_unused=allow_unused)
        except RuntimeError as error:
            if "modified by an inplace operation" not in str(error):
                raise
            raise InPlaceError(
                "The model's forward pass writes over a value that its gradient needs, so PyTorch cannot differentiate "
                "it. Is there an in-place operation (x += 1, x[...] = 0, inplace=True) behind a ReLU, a sigmoid or a "
                "softmax? Written without it, the model can be explained; explain.occlusion needs no gradients."
            ) from error
