"""What stops the gradient on its way through a network, in words."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch

from cnnwidgets.explain.calls import CallMode, is_numbered, tensors_in
from cnnwidgets.explain.interception import OpaqueCall
from cnnwidgets.explain.trace import INPUT

if TYPE_CHECKING:
    from cnnwidgets.explain.network import Network
    from cnnwidgets.explain.trace import Trace


class _Obstacles(CallMode):
    """Notes the calls whose result has no gradient though what they were given has.

    Attributes:
        found: number of the call, and whether gradients were switched off when it was made.
        off: the calls that were made while gradients were switched off.

    """

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self._several = trace.several
        self.found: dict[int, bool] = {}
        self.off: set[int] = set()

    def called(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = any(tensor.requires_grad for tensor in tensors_in((args, kwargs)))
        result = func(*args, **kwargs)
        if not is_numbered(func, result):
            return result
        if isinstance(func, OpaqueCall) and func.within:  # its results become part of the graph when it has ended
            self.count += self._several.get(self.count, 1)
            return result
        outs = [out for out in tensors_in(result) if out.is_floating_point()]
        off = not torch.is_grad_enabled()
        if off:
            self.off.add(self.count)
        if given and not any(out.requires_grad for out in outs):
            self.found[self.count] = off
        for out in outs:
            if not out.requires_grad:
                with suppress(RuntimeError):  # a view of one that is a leaf
                    out.requires_grad_(True)  # to see what comes behind it
        self.count += self._several.get(self.count, 1)
        return result


def gradient_obstacle(network: Network, start: int = INPUT) -> str:
    """Return a sentence about what stops the gradient between a value and the scores.

    Args:
        network: the network.
        start: the value, by default the network's input.

    """
    trace = network.trace
    general = "does its forward pass compute under torch.no_grad(), detach its values, round them or take an argmax?"
    mode = _Obstacles(trace)
    x = network.x[:1].clone().requires_grad_(True)
    try:
        with torch.enable_grad(), mode:
            network.run(x)
    except Exception:  # noqa: BLE001 - a leaf that is written to in place; no reason to say less than in general
        if not mode.found:
            return general
    behind = _behind(trace, start)
    number = next((number for number in sorted(mode.found) if number in behind), None)
    if number is None:
        return general
    call = trace.calls[number]
    if not mode.found[number]:
        where = f" in the module {call.owner!r}" if call.owner else " in the model's forward"
        return f"{call.name}(){where} hands no gradient on."
    owner = _outermost(trace, mode.off, call.owner)
    where = f"the forward of the model ({type(network.model).__name__})"
    if owner:
        where = f"the module {owner!r} ({type(network.model.get_submodule(owner)).__name__}), or what calls it,"
    return (
        f"{where} computes under torch.no_grad() or torch.inference_mode(), by a decorator or in a with block. Take "
        "that away, and use it around the calls of the model instead."
    )


def _behind(trace: Trace, start: int) -> set[int]:
    """Return the values that depend on a value."""
    reached = {start}
    for call in trace.calls:
        if not reached.isdisjoint(call.inputs):
            reached.add(call.number)
    return reached - {start}


def _outermost(trace: Trace, off: set[int], owner: str) -> str:
    """Return the outermost module all of whose calls were made without gradients, given an inner one."""
    paths = [".".join(owner.split(".")[:depth]) for depth in range(owner.count(".") + 2 if owner else 1)]
    for path in ["", *paths] if owner else [""]:
        inside = [
            call.number
            for call in trace.calls
            if not call.part and (not path or call.owner == path or call.owner.startswith(f"{path}."))
        ]
        if off.issuperset(inside):
            return path
    return owner
