"""Taking hold of many values of a network in one pass."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch

from cnnwidgets.errors import LayerError
from cnnwidgets.explain.calls import Edit, Enough, first_tensor, not_reached, value_made
from cnnwidgets.explain.clipping import Clipping
from cnnwidgets.explain.interception import OpaqueCall
from cnnwidgets.explain.tap import Tap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor

    from cnnwidgets.explain.network import Edits, Network
    from cnnwidgets.explain.trace import Call, Trace


class _Joining(Tap):
    """A tap that starts a graph of gradients only where none comes along from an earlier one."""

    def _starts(self, value: Tensor) -> bool:
        return not value.requires_grad


class Taps:
    """Keeps several values of one pass, all part of one graph of gradients.

    The graph starts at the earliest of them on each path, so that nothing before it is kept for the backward pass.

    Args:
        trace: the network's trace.
        numbers: the values.

    """

    def __init__(self, trace: Trace, numbers: Iterable[int]) -> None:
        self._taps: dict[int, Tap] = {}
        before: dict[int, Tap] = {}  # the last tap of each call: the next one of the same call runs it
        for number in numbers:
            first = trace.calls[number].first
            edits = before[first].edits if first in before else None
            self._taps[number] = before[first] = _Joining(trace, number, leaf=True, edits=edits)

    @property
    def edits(self) -> dict[int, tuple[str, Edit]]:
        """What to give to `Network.run`, with gradients enabled."""
        return {number: edit for tap in self._taps.values() for number, edit in tap.edits.items()}

    @property
    def values(self) -> dict[int, Tensor]:
        """The values by number, after a run. `ModelError` where the run did not come to one of them."""
        return {number: tap.value for number, tap in self._taps.items()}


def watch(
    network: Network,
    x: Tensor,
    numbers: Iterable[int],
    see: Callable[[int, Tensor], None],
    *,
    clip: Callable[[int, Clipping], None] | None = None,
    edits: Edits | None = None,
    whole: bool = False,
) -> Any:
    """Run a pass and show some of its values at the moment when each is made.

    Whoever wants to keep a value must copy it inside `see`: a later in-place operation may write over it.

    Args:
        network: the network.
        x: (N,C,H,W).
        numbers: the values.
        see: called with the number of a value and the value.
        clip: called with the number of a value that is about to be clipped, and what does it.
        edits: edits that are in force besides.
        whole: run to the end also where the last of the values has been seen.

    Returns:
        The model's raw output, None where the pass ended early.

    Raises:
        ModelError: the pass did not come to one of the values.

    """
    waiting, calls = set(numbers), network.trace.calls
    parts: dict[int, list[Call]] = {}
    for number in sorted(waiting):
        parts.setdefault(calls[number].first, []).append(calls[number])

    def seeing(wanted: list[Call], inner: Edit | None) -> Edit:
        def edit(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            given = first_tensor((args, kwargs))
            if given is not None and torch._C._functorch.is_batchedtensor(given):  # noqa: SLF001 - no public name
                raise LayerError(
                    f"The values of {wanted[0].name}() lie inside torch.vmap, which shows them for no image by itself. "
                    "Write the forward pass for a batch; explain.saliency and explain.occlusion work with this one."
                )
            clipping = None if clip is None else Clipping.of(wanted[0], func, args, kwargs)
            if clip is not None and clipping is not None:
                clip(wanted[0].number, clipping)
            result = inner(func, args, kwargs) if inner else func(*args, **kwargs)
            for call in wanted:
                value = value_made(result, args, call.part)
                if value is not None:
                    see(call.number, value)
                    waiting.discard(call.number)
            # A result that is not part of the graph of gradients yet becomes so when its function has ended.
            if not waiting and not whole and not (isinstance(func, OpaqueCall) and func.within):
                raise Enough
            return result

        return edit

    before = dict(edits or {})
    watched = {
        first: (wanted[0].name, seeing(wanted, before[first][1] if first in before else None))
        for first, wanted in parts.items()
    }
    output = None
    with suppress(Enough):
        output = network.run(x, {**before, **watched})
    if waiting:
        first = min(waiting)
        raise not_reached(first, calls[first].name)
    return output
