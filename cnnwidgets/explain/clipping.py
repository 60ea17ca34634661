"""Clipped activations: functions that give many values the same result, as a ReLU6 does above 6 and below 0.

Which of these values was the larger one is known before the function only: its argument, at the same cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from cnnwidgets.explain.trace import Call

#: Functions that keep the order of values, and give the same bits for a value wherever it stands.
_MONOTONE = frozenset({
    "relu", "relu6", "hardtanh", "hardsigmoid", "clamp", "clip", "clamp_min", "clamp_max", "minimum", "maximum",
    "min", "max",
})  # fmt: skip
#: Functions with a plateau that do not keep the order.
_NON_MONOTONE = frozenset({"hardswish"})


class Clipping:
    """A call of a function that clips: with one argument that is maps, and bounds that are single numbers.

    Args:
        name: plain name of the function.
        func: the function.
        args: what it is called with.
        kwargs: likewise.
        place: which of `args` are the values.

    Attributes:
        argument: the values before, (B,C,h,w); an in-place function writes over them.
        monotone: whether a larger value never gives a smaller one.

    """

    def __init__(
        self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], place: int
    ) -> None:
        self.argument: Tensor = args[place].detach()
        self.monotone = name in _MONOTONE
        self._func, self._args, self._kwargs, self._place = func, args, kwargs, place

    @classmethod
    def of(cls, call: Call, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Clipping | None:
        """Return a call as one that clips, or None where it does not.

        Args:
            call: the call as the trace has it.
            func: the function.
            args: what it is called with.
            kwargs: likewise.

        """
        if not can_clip(call):
            return None
        if "input" in kwargs:
            args, kwargs = (kwargs["input"], *args), {name: one for name, one in kwargs.items() if name != "input"}
        tensors = {number: one for number, one in enumerate(args) if isinstance(one, Tensor)}
        values = [n for n, one in tensors.items() if one.ndim == 4 and one.shape[1:] == call.shape[1:]]
        bounds = [one for n, one in tensors.items() if n not in values]
        bounds += [one for one in kwargs.values() if isinstance(one, Tensor)]
        if len(values) != 1 or not args[values[0]].is_floating_point() or any(one.numel() != 1 for one in bounds):
            return None
        if call.name in {"min", "max"} and not bounds:  # the smallest value of all, or along a dimension
            return None
        return cls(call.name, func, args, kwargs, values[0])

    @property
    def cap(self) -> float:
        """What the function gives at most; infinity where it has no bound."""
        return float(self(torch.full((1,), float("inf"), dtype=torch.float32)))

    def __call__(self, values: Tensor) -> Tensor:
        """Return what the function makes of other values of any shape, which it does not write over."""
        mine = values.to(self.argument.device, self.argument.dtype, copy=True)
        args = (*self._args[: self._place], mine, *self._args[self._place + 1 :])
        with torch.no_grad():  # a bound may be a parameter
            made: Tensor = self._func(*args, **self._kwargs)
        return made.reshape(values.shape)


class Preactivation(NamedTuple):
    """What a function that clips was given, in a few numbers.

    Attributes:
        maxima: (N,C) float32, of each map the largest value before it, at a cell that has the largest value behind it.
        cap: what it gives at most, as a ReLU6 gives 6; infinity for a ReLU, which only has a floor.

    """

    maxima: npt.NDArray[np.float32]
    cap: float


def can_clip(call: Call) -> bool:
    """Whether a call of the trace may be one that clips, by its name."""
    return (call.name in _MONOTONE or call.name in _NON_MONOTONE) and call.dtype.is_floating_point


def clipped_maxima(clipping: Clipping) -> Tensor:
    """Return (B,C), of each map the largest value before the function, at a cell that has the largest value behind it.

    To be asked before the function is run, which may write over the values.
    """
    before = clipping.argument
    if clipping.monotone:
        return before.amax((2, 3))
    behind = clipping(before)
    highest = behind.amax((2, 3), keepdim=True)
    return before.masked_fill(behind != highest, float("-inf")).amax((2, 3))
