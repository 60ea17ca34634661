"""Taking hold of one value in a network while it is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from cnnwidgets.errors import ModelError
from cnnwidgets.explain.calls import Edit, function_name, not_reached, value_made
from cnnwidgets.explain.interception import OpaqueCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from cnnwidgets.explain.network import Edits
    from cnnwidgets.explain.trace import Trace


class Tap:
    """Keeps a value as it was when it was made, whatever a later in-place operation does to it.

    Args:
        trace: the network's trace.
        number: the value.
        leaf: start the graph of gradients here, so that nothing before it is kept for a backward pass.
        edits: edits that are in force besides; one of the value's own call is run by the tap.

    Attributes:
        edits: what to give to `Network.run`.
        value: the value, after a run. `ModelError` where the run did not come to it.

    """

    def __init__(self, trace: Trace, number: int, *, leaf: bool, edits: Edits | None = None) -> None:
        self._call, self._leaf = trace.calls[number], leaf
        self._copy = number in trace.overwritten
        self._told = number in trace.told
        self._others = dict(edits or {})
        self._inner = self._others.get(self._call.first, ("", _as_it_is))[1]
        self._value: Tensor | None = None

    @property
    def edits(self) -> dict[int, tuple[str, Edit]]:  # noqa: D102 - documented with the class
        # Made when asked for: kept here it would hold this tap in turn, and so the value and its graph of gradients
        # until Python looks for cycles.
        return {**self._others, self._call.first: (self._call.name, self._take)}

    @property
    def value(self) -> Tensor:  # noqa: D102
        if self._value is None:
            raise not_reached(self._call.number, self._call.name)
        return self._value

    def _starts(self, value: Tensor) -> bool:
        """Whether the graph of gradients starts at this value."""
        del value
        return self._leaf

    def _take(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = self._inner(func, args, kwargs)
        out = value_made(result, args, self._call.part)
        if out is None:
            return result
        if not out.is_floating_point():
            raise ModelError(
                f"This layer, {self._call.name!r}, holds {str(out.dtype).removeprefix('torch.')} and no floating point "
                "numbers, so no gradient can be taken of it. Choose another one of explain.layers(model, x)."
            )
        if self._told:
            raise ModelError(
                f"This layer, {self._call.name!r}, is handed to NumPy in the forward pass, which takes no value that "
                "has a gradient, so no gradient can be taken of it. Choose another one of explain.layers(model, x)."
            )
        leaf = self._starts(out)
        if isinstance(func, OpaqueCall) and func.within:
            return self._take_later(func, result, out, leaf=leaf)
        if result is None:  # an assignment, x[mask] = 0: its result is x, for which no copy can be slipped in
            if self._copy:
                raise ModelError(
                    "This layer is an assignment, such as x[mask] = 0, whose result is overwritten by a later in-place "
                    "operation, so it cannot be taken hold of. Choose another one of explain.layers(model, x)."
                )
            self._value = out.requires_grad_(True) if leaf else out
            return result
        if not leaf:
            # The value must stay part of the graph; what follows in place works on a copy of it.
            self._value = out
            return _exchanged(result, out, out.clone()) if self._copy else result
        if self._copy:
            self._value = out.detach().requires_grad_(True)
            return _exchanged(result, out, self._value.clone())
        # Nothing writes over it: mark the tensor itself, which also serves code that kept another name for it.
        self._value = out.requires_grad_(True)
        return result

    def _take_later(self, func: OpaqueCall, result: Any, out: Tensor, *, leaf: bool) -> Any:
        """Take a result of a custom autograd function that is seen from within, before it is part of the graph."""
        if self._copy:
            name = func.__name__
            raise ModelError(
                f"This layer is made by {name}(), a custom autograd function that was kept under another name, and a "
                "later in-place operation writes over it, so it cannot be taken hold of. Call the function as "
                f"{name}(x), or choose another one of explain.layers(model, x)."
            )
        self._value = out
        if leaf:
            func.afterwards.append(lambda: out.requires_grad_(True))
        return result


def can_tap(trace: Trace, number: int) -> bool:
    """Whether a value can be taken hold of with its gradient.

    Not if it holds no floating point numbers, as x > 0 does, is handed to NumPy, or is that of an assignment that is
    overwritten later.
    """
    call = trace.calls[number]
    assigned = call.name == function_name(Tensor.__setitem__)
    return call.dtype.is_floating_point and number not in trace.told and not (assigned and number in trace.overwritten)


def _as_it_is(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return func(*args, **kwargs)


def _exchanged(result: Any, old: Tensor, new: Tensor) -> Any:
    if result is old:
        return new
    if isinstance(result, dict):
        return {key: _exchanged(value, old, new) for key, value in result.items()}
    if isinstance(result, list | tuple):
        values = [_exchanged(value, old, new) for value in result]
        return type(result)(*values) if hasattr(result, "_make") else type(result)(values)
    return result
