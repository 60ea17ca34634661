"""Following receptive fields through the operations of a forward pass.

PyTorch's dispatcher shows every operation with its real arguments, whether a module, a function or an operator
called it, so any network can be followed without rewriting it. An operation that is not known in `receptive` simply
gives its result no grid.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from cnnwidgets.explain.calls import tensors_in
from cnnwidgets.explain.geometry import Grid
from cnnwidgets.explain.receptive import CELLWISE, CREATING, DIVIDING, RULES
from cnnwidgets.explain.thread_state import DispatchMode


class Follower(DispatchMode):
    """While active, follows the receptive fields from `x` through every operation of this thread.

    Attributes:
        grids: for every live tensor that depends on `x`, its grid, or None where that is not known.
        origins: for every live tensor that is no numbered value itself, the numbers of those that it was made of.
        draws: whether an operation drew random numbers.
        reads: whether Python was told a value that depends on `x` or on chance: what comes next may depend on it.

    """

    def __init__(self, x: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.grids: Any = WeakTensorKeyDictionary()
        self.grids[x] = Grid.of_input(x.shape[2], x.shape[3])
        self.origins: Any = WeakTensorKeyDictionary()
        self.values: Any = {}
        self.draws = False
        self.reads = False

    def made_of(self, tensor: Tensor) -> frozenset[int]:
        """Return the number of a value, or those of the values that a tensor was made of."""
        if tensor in self.values:
            return frozenset({self.values[tensor]})
        found: frozenset[int] = self.origins.get(tensor, frozenset())
        return found

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation and note what its result sees."""
        del types
        # What TorchScript runs inside is shown to nobody but a dispatcher mode: it must not be numbered by this repeat.
        with torch._C.DisableTorchFunction():  # noqa: SLF001 - there is no public name
            result = func(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded in func.tags:
            self.draws = True
        given = list(tensors_in((args, kwargs)))
        sources = {t: self.grids[t] for t in given if t in self.grids}
        outs = list(tensors_in(result))
        if (sources or self.draws) and _tells_values(func, args):
            self.reads = True
        origin = frozenset[int]().union(*(self.made_of(t) for t in given))
        for out in outs if origin else ():
            self.origins[out] = origin
        if sources and outs and func.overloadpacket not in CREATING:
            for out, grid in zip(outs, self._grids(func, outs, args, sources), strict=True):
                self._note(out, grid if grid is not None and fits(grid, out) else None)
        return result

    def _note(self, out: Tensor, grid: Grid | None) -> None:
        """Set the grid of a result; one that was written in place also changes the views that share its memory."""
        if self.grids.get(out, grid) is not grid:
            memory = out.untyped_storage().data_ptr()
            for other in list(self.grids):
                if other is not out and other.untyped_storage().data_ptr() == memory:
                    self.grids[other] = None
        self.grids[out] = grid

    def _grids(
        self, func: Any, outs: list[Tensor], args: tuple[Any, ...], sources: dict[Tensor, Grid | None]
    ) -> list[Grid | None]:
        """Return the grid of each result."""
        kind = func.overloadpacket
        if kind in RULES or kind in DIVIDING:
            grid = sources.get(args[0]) if args and isinstance(args[0], Tensor) else None
            if grid is None:
                return [None] * len(outs)
            if kind in DIVIDING:
                return DIVIDING[kind](grid, outs, args)
            return [RULES[kind](grid, outs[0], args)] * len(outs)
        if torch.Tag.pointwise in func.tags or kind in CELLWISE:
            return [_merged(list(sources.items()), outs[0])] * len(outs)
        return [None] * len(outs)


def _tells_values(func: Any, args: tuple[Any, ...]) -> bool:
    """Whether an operation tells Python values: by a number, or by how many of them there are in its result."""
    if torch.Tag.data_dependent_output in func.tags:
        return True
    if func.overloadpacket is torch.ops.aten.index:
        return any(one.dtype in (torch.bool, torch.uint8) for one in tensors_in(args[1]))
    return torch.Tag.dynamic_output_shape in func.tags


def fits(grid: Grid, out: Tensor) -> bool:
    """Whether `out` has the rows and columns that `grid` speaks of."""
    return max(grid.dims) < out.ndim and (out.shape[grid.dims[0]], out.shape[grid.dims[1]]) == grid.shape


def _merged(sources: list[tuple[Tensor, Grid | None]], out: Tensor) -> Grid | None:
    """Return the grid of an operation that works cell by cell: addition, activation, cat.

    What depends on the input but does not lie cell on cell, as an average does, is seen by every cell.
    """
    merged: Grid | None = None
    sees_all = False
    for tensor, grid in sources:
        if grid is None or not fits(grid, out) or tensor.ndim != out.ndim:
            sees_all = True
        elif merged is None:
            merged = grid
        elif merged.dims != grid.dims:
            return None
        elif merged is not grid:
            merged = replace(
                merged,
                y=merged.y.joined(grid.y),
                x=merged.x.joined(grid.x),
                sees_all=merged.sees_all or grid.sees_all,
            )
    if merged is not None and sees_all:
        merged = replace(merged, sees_all=True)
    return merged
