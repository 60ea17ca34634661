"""Backward passes in which ReLUs hand back no negative gradient: guided backpropagation and the deconvnet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from cnnwidgets.errors import ModelError
from cnnwidgets.explain.interception import OpaqueCall
from cnnwidgets.explain.rectifiers import candidates, chooses, gives_rectified, is_masked, rectified

if TYPE_CHECKING:
    from collections.abc import Callable

    from cnnwidgets.explain.calls import Edit
    from cnnwidgets.explain.trace import Trace

_HIDDEN = {
    "ReluBackward0": (
        "a ReLU that no call of a PyTorch function shows (is part of the model a TorchScript module, or a graph that "
        "torch.export made?)"
    ),
    "DifferentiableGraphBackward": "a TorchScript module, whose ReLUs cannot be seen",
}


class Rectifying:
    """Edits of one pass that give every ReLU another backward pass; the forward pass stays as it is.

    Args:
        trace: the network's trace.
        last: the call behind which nothing is computed.
        gated: whether a gradient also has to pass where the ReLU's own does (guided backpropagation), or everywhere
            (deconvnet).

    Attributes:
        reached: the ReLUs that the signal came through on its way back, by the number of the call.
        passed: calls that could have been ReLUs, but have other bounds, such as `clamp(-1, 1)`.

    """

    def __init__(self, trace: Trace, last: int, *, gated: bool) -> None:
        self._candidates = candidates(trace, last)
        self._gated = gated
        self.reached: dict[int, str] = {}
        self.passed: dict[int, str] = {}

    @property
    def edits(self) -> dict[int, tuple[str, Edit]]:
        """What to give to `Network.run`, with gradients enabled."""
        return {number: (name, self._edit(number, name)) for number, name in self._candidates.items()}

    def _edit(self, number: int, name: str) -> Edit:
        def plainly(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if not chooses(name):
                self.passed[number] = name
            return func(*args, **kwargs)

        def edit(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            x = rectified(name, args, kwargs)
            if x is None:
                return plainly(func, args, kwargs)
            if not x.requires_grad:
                return func(*args, **kwargs)

            def call(given: Tensor) -> Any:
                return func(
                    *(given if value is x else value for value in args),
                    **{key: given if value is x else value for key, value in kwargs.items()},
                )

            if not _is_rectifier(func, name, call, x):
                return plainly(func, args, kwargs)
            result = _Rectified.apply(x, call, self._gated, lambda: self.reached.setdefault(number, name))
            return None if func is Tensor.__setitem__ else result

        return edit

    def check(self, value: Tensor, layer: str, obstacle: Callable[[], str]) -> None:
        """Raise `ModelError` where no gradient leads back from a value, or where it would pass a ReLU unseen.

        Args:
            value: the value.
            layer: what it is called.
            obstacle: says what stops gradients.

        """
        if not value.requires_grad:
            raise ModelError(
                f"No gradient leads from the layer {layer!r} back to the input: {obstacle()} Without that, units of it "
                "can be projected."
            )
        todo, seen = [value.grad_fn], set()
        while todo:
            node = todo.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            for name, what in _HIDDEN.items():
                if node.name().endswith(name):
                    raise ModelError(
                        f"In the model lies {what}, so gradients cannot be cut there. Give the model as plain "
                        "PyTorch modules, with gradient checkpointing switched off."
                    )
            todo.extend(following for following, _ in node.next_functions)


class _Rectified(torch.autograd.Function):
    """A ReLU as it is written, whose gradient is cut below 0."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, call: Callable[[Tensor], Any], gated: bool, reached: Callable[[], Any]) -> Tensor:  # noqa: FBT001 - autograd hands on no keywords
        with torch.enable_grad(), saved_tensors_hooks(_as_it_is, _as_it_is):  # those of a checkpoint are not for this
            leaf = x.detach().requires_grad_(True)
            given = leaf.clone()
            version = given._version  # noqa: SLF001
            result = call(given)
            in_place = given._version != version  # noqa: SLF001
            out = given if in_place else result
            (slope,) = torch.autograd.grad(out, leaf, torch.ones_like(out))
        # Kept as the truth value that it is, also where it is not needed: of a part that gradient checkpointing runs
        # again, PyTorch then notices that another thing was kept.
        ctx.save_for_backward(slope != 0)
        ctx.gated, ctx.reached = gated, reached
        if not in_place:
            return out.detach()
        ctx.mark_dirty(x)
        return x.copy_(out.detach())

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        ctx.reached()
        positive = slopes[0].clamp(min=0)
        (gate,) = ctx.saved_tensors
        return (positive * gate if ctx.gated else positive), None, None, None


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor


def _is_rectifier(func: Any, name: str, call: Callable[[Tensor], Any], x: Tensor) -> bool:
    """Whether a call that may be a ReLU is one, where its values have to tell."""
    if not isinstance(func, OpaqueCall):
        return not is_masked(name) or _gives_maximum(call, x)
    if not gives_rectified(call, x):
        return False
    if func.within:
        raise ModelError(
            f"{name}() is a ReLU, written as a custom autograd function and kept under another name, where its "
            f"gradient cannot be cut. Call it as {name}(x), or use nn.ReLU."
        )
    return True


def _gives_maximum(call: Callable[[Tensor], Any], x: Tensor) -> bool:
    with torch.no_grad():
        given = x.detach().clone()
        result = call(given)
        return torch.equal(given if result is None else result, x.detach().clamp(min=0))
