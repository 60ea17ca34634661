"""Which calls of a pass are ReLUs, however they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cnnwidgets.explain.calls import argument, tensors_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cnnwidgets.explain.trace import Trace

    Args = tuple[Any, ...]
    Kwargs = Mapping[str, Any]

SMOOTH = frozenset(
    {
        "celu", "elu", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "leaky_relu", "log_softmax",
        "logsigmoid", "mish", "prelu", "rrelu", "selu", "sigmoid", "silu", "softmax", "softmin", "softplus",
        "softshrink", "softsign", "tanh", "tanhshrink",
    }
)  # fmt: skip
_COMPARISONS = {"gt", "ge", "lt", "le"}
_CASTS = {
    "bfloat16", "bitwise_not", "bool", "clone", "contiguous", "detach", "double", "float", "half", "invert",
    "logical_not", "to", "type", "type_as",
}  # fmt: skip
_MAXIMA = {"max", "maximum", "fmax"}
_BY_MASK = {"mul", "where", "masked_fill", "setitem"}


def _first(args: Args, kwargs: Kwargs) -> Tensor | None:
    found: Tensor | None = argument(args, kwargs, 0, "input")
    return found


def _floored(position: int, name: str) -> Callable[[Args, Kwargs], Tensor | None]:
    """Return a test of whether the lower bound among a call's arguments is 0: a ReLU, maybe with a cap."""

    def test(args: Args, kwargs: Kwargs) -> Tensor | None:
        return _first(args, kwargs) if _is_zero(argument(args, kwargs, position, name)) else None

    return test


def _threshold(args: Args, kwargs: Kwargs) -> Tensor | None:
    bounds = argument(args, kwargs, 1, "threshold"), argument(args, kwargs, 2, "value")
    return _first(args, kwargs) if all(map(_is_zero, bounds)) else None


def _larger(args: Args, kwargs: Kwargs) -> Tensor | None:
    one, other = _first(args, kwargs), argument(args, kwargs, 1, "other")
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one if _is_zero(other) else other if _is_zero(one) else None
    return None


def _masked(args: Args, kwargs: Kwargs) -> Tensor | None:
    """Return the value that a comparison with 0 masks; asked only where the trace knows of the comparison."""
    found = [t for t in tensors_in((args, kwargs)) if t.requires_grad and t.is_floating_point()]
    return found[0] if len(found) == 1 else None


_TESTS: dict[str, Callable[[Args, Kwargs], Tensor | None]] = {
    "relu": _first,
    "relu6": _first,
    "hardtanh": _floored(1, "min_val"),
    "clamp": _floored(1, "min"),
    "clip": _floored(1, "min"),
    "clamp_min": _floored(1, "min"),
    "threshold": _threshold,
    **dict.fromkeys(_MAXIMA, _larger),
}


def rectified(name: str, args: Args, kwargs: Kwargs) -> Tensor | None:
    """Return the tensor of which a call gives max(x, 0), with or without a cap; None where it is another function."""
    return _TESTS.get(name, _masked)(args, kwargs)


def is_opaque(name: str) -> bool:
    """Whether a call of this name is a custom autograd function, of which only the values tell what it is."""
    return name.endswith(".apply")


def gives_rectified(call: Callable[[Tensor], Any], x: Tensor) -> bool:
    """Whether a function gives max(x, 0), with or without a cap, of values of both signs and of any size."""
    with torch.no_grad():
        span = x.detach().abs().amax().clamp_min(1)
        for given in (
            x.detach(),
            -x.detach(),
            100 * span * torch.sign(x.detach()),
            -100 * span * torch.sign(x.detach()),
        ):
            probe = given.clone()
            result = call(probe)
            result = probe if result is None else result
            if not isinstance(result, Tensor) or result.shape != given.shape:
                return False
            if not torch.equal(result, given.clamp(min=0).clamp(max=result.amax().clamp_min(0))):
                return False
    return True


def candidates(trace: Trace, last: int) -> dict[int, str]:
    """Return the calls up to the value `last` that may be ReLUs: number and name; their arguments decide."""
    return {
        call.number: call.name
        for call in trace.calls[: last + 1]
        if not call.part
        and (call.name in _TESTS or is_opaque(call.name) or (call.name in _BY_MASK and _compares(trace, call.inputs)))
    }


def chooses(name: str) -> bool:
    """Whether a call of this name, where it is no ReLU, picks the largest of several values, as a pooling does."""
    return name in _MAXIMA


def is_masked(name: str) -> bool:
    """Whether a call of this name is a ReLU only if its result says so."""
    return name in _BY_MASK


def _compares(trace: Trace, inputs: tuple[int, ...]) -> bool:
    """Whether one of some values is a mask that was made by comparing another one of them with a constant."""
    sources = {_source(trace, number) for number in inputs}
    return any(_compared(trace, number) in sources for number in sources)


def _compared(trace: Trace, number: int) -> int | None:
    """Return the value that a comparison with a constant compares; None where a call is none."""
    if number < 0 or trace.calls[number].name not in _COMPARISONS or len(trace.calls[number].inputs) != 1:
        return None
    return _source(trace, trace.calls[number].inputs[0])


def _source(trace: Trace, number: int) -> int:
    """Return the value of which another is a cast or a copy."""
    while number >= 0 and trace.calls[number].name in _CASTS and trace.calls[number].inputs:
        number = trace.calls[number].inputs[0]
    return number


def _is_zero(bound: Any) -> bool:
    if isinstance(bound, Tensor):
        return not bound.requires_grad and not bool(torch.any(bound != 0))
    return isinstance(bound, int | float) and bound == 0
