"""Taking hold of many values of a network in one pass."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cnnwidgets.explain.calls import Edit, Enough, first_tensor, not_reached
from cnnwidgets.explain.clipping import Clipping
from cnnwidgets.explain.tap import Tap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor

    from cnnwidgets.explain.network import Edits, Network
    from cnnwidgets.explain.trace import Trace


class _Joining(Tap):
    """A tap that starts a graph of gradients only where none comes along from an earlier one."""

    def _starts(self, value: Tensor) -> bool:
        return not value.requires_grad


class Taps:
    """Keeps the values of several calls in one pass, all part of one graph of gradients.

    The graph starts at the earliest of them on each path, so that nothing before it is kept for the backward pass.

    Args:
        trace: the network's trace.
        numbers: the calls that make the values.

    """

    def __init__(self, trace: Trace, numbers: Iterable[int]) -> None:
        self._taps = {number: _Joining(trace, number, leaf=True) for number in numbers}

    @property
    def edits(self) -> dict[int, tuple[str, Edit]]:
        """What to give to `Network.run`, with gradients enabled."""
        return {number: edit for tap in self._taps.values() for number, edit in tap.edits.items()}

    @property
    def values(self) -> dict[int, Tensor]:
        """The values by call, after a run. `ModelError` where the run did not come to one of the calls."""
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
    """Run a pass and show the values of some of its calls at the moment when each is made.

    Whoever wants to keep a value must copy it inside `see`: a later in-place operation may write over it.

    Args:
        network: the network.
        x: (N,C,H,W).
        numbers: the calls.
        see: called with the number of a call and the first tensor of its result.
        clip: called with the number of one that is about to clip, and what it does.
        edits: edits that are in force besides.
        whole: run to the end also where the last of the calls has been seen.

    Returns:
        The model's raw output, None where the pass ended early.

    Raises:
        ModelError: the pass did not come to one of the calls.

    """
    waiting = set(numbers)

    def seeing(number: int, inner: Edit | None) -> Edit:
        def edit(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            clipping = None if clip is None else Clipping.of(calls[number], func, args, kwargs)
            if clip is not None and clipping is not None:
                clip(number, clipping)
            result = inner(func, args, kwargs) if inner else func(*args, **kwargs)
            out = first_tensor(result)
            see(number, args[0] if out is None else out)  # x[mask] = 0 gives nothing and makes a new x
            waiting.discard(number)
            if not waiting and not whole:
                raise Enough
            return result

        return edit

    before = dict(edits or {})
    calls = network.trace.calls
    watched = {n: (calls[n].name, seeing(n, before[n][1] if n in before else None)) for n in waiting}
    output = None
    with suppress(Enough):
        output = network.run(x, {**before, **watched})
    if waiting:
        first = min(waiting)
        raise not_reached(first, calls[first].name)
    return output
