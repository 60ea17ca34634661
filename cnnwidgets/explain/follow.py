"""Following receptive fields through the operations of a forward pass.

PyTorch's dispatcher shows every operation with its real arguments, whether a module, a function or an operator
called it, so any network can be followed without rewriting it. An operation that is not known here simply gives its
result no grid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from cnnwidgets.explain.geometry import Axis, Grid

_aten = torch.ops.aten
_Rule = Callable[[Grid, Tensor, tuple[Any, ...]], Grid | None]


def _pair(values: Sequence[int] | int, default: Sequence[int] = (1, 1)) -> tuple[int, int]:
    if isinstance(values, int):
        return values, values
    values = list(values) or list(default)
    return (values[0], values[0]) if len(values) == 1 else (values[-2], values[-1])


def _windowed(  # noqa: PLR0917
    grid: Grid,
    out: Tensor,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    *,
    transposed: bool = False,
) -> Grid | None:
    if grid.dims != (2, 3) or out.ndim != 4:
        return None
    axes = []
    for index, axis in enumerate((grid.y, grid.x)):
        step = Axis.transposed if transposed else Axis.convolved
        axes.append(step(axis, out.shape[2 + index], kernel[index], stride[index], padding[index], dilation[index]))
    return replace(grid, y=axes[0], x=axes[1])


def _convolution(grid: Grid, out: Tensor, args: tuple[Any, ...]) -> Grid | None:
    _, weight, _, stride, padding, dilation, transposed = args[:7]
    kernel = tuple(weight.shape[2:])
    if len(kernel) != 2:
        return None
    return _windowed(grid, out, kernel, _pair(stride), _pair(padding), _pair(dilation), transposed=bool(transposed))


def _max_pool(grid: Grid, out: Tensor, args: tuple[Any, ...]) -> Grid | None:
    kernel = _pair(args[1])
    stride = _pair(args[2], kernel) if len(args) > 2 else kernel
    padding = _pair(args[3]) if len(args) > 3 else (0, 0)
    dilation = _pair(args[4]) if len(args) > 4 else (1, 1)
    return _windowed(grid, out, kernel, stride, padding, dilation)


def _avg_pool(grid: Grid, out: Tensor, args: tuple[Any, ...]) -> Grid | None:
    return _max_pool(grid, out, args[:4])


def _adaptive(grid: Grid, out: Tensor, _: tuple[Any, ...]) -> Grid | None:
    if grid.dims != (2, 3):
        return None
    return replace(grid, y=grid.y.adaptive(out.shape[2]), x=grid.x.adaptive(out.shape[3]))


def _pad(grid: Grid, out: Tensor, args: tuple[Any, ...]) -> Grid | None:
    amounts = list(args[1]) + [0] * (2 * out.ndim - len(args[1]))
    before = {out.ndim - 1 - i // 2: amounts[i] for i in range(0, len(amounts), 2)}
    after = {out.ndim - 1 - i // 2: amounts[i + 1] for i in range(0, len(amounts), 2)}
    rows, columns = grid.dims
    return replace(grid, y=grid.y.padded(before[rows], after[rows]), x=grid.x.padded(before[columns], after[columns]))


def _resample(*, linear: bool) -> _Rule:
    def rule(grid: Grid, out: Tensor, args: tuple[Any, ...]) -> Grid | None:
        if grid.dims != (2, 3) or out.ndim != 4:
            return None
        aligned = linear and len(args) > 2 and args[2] is True
        return replace(
            grid,
            y=grid.y.resampled(out.shape[2], align_corners=aligned, linear=linear),
            x=grid.x.resampled(out.shape[3], align_corners=aligned, linear=linear),
        )

    return rule


def _mean(grid: Grid, out: Tensor, args: tuple[Any, ...]) -> Grid | None:
    source: Tensor = args[0]
    dims = {d % source.ndim for d in (args[1] if len(args) > 1 and args[1] is not None else range(source.ndim))}
    kept = out.ndim == source.ndim
    if dims & set(grid.dims):
        if not kept or not set(grid.dims) <= dims:
            return None
        return replace(grid, y=grid.y.adaptive(1), x=grid.x.adaptive(1))
    if kept:
        return grid
    rows, columns = (d - sum(1 for gone in dims if gone < d) for d in grid.dims)
    return replace(grid, dims=(rows, columns))


def _permute(grid: Grid, out: Tensor, args: tuple[Any, ...]) -> Grid | None:
    order = [d % out.ndim for d in args[1]]
    return replace(grid, dims=(order.index(grid.dims[0]), order.index(grid.dims[1])))


def _transpose(grid: Grid, out: Tensor, args: tuple[Any, ...]) -> Grid | None:
    order = list(range(out.ndim))
    first, second = args[1] % out.ndim, args[2] % out.ndim
    order[first], order[second] = order[second], order[first]
    return _permute(grid, out, (args[0], order))


def _view(grid: Grid, out: Tensor, args: tuple[Any, ...]) -> Grid | None:
    """Keep the grid when rows and columns are still dimensions of their own at either end of the shape."""
    source: Tensor = args[0]
    from_end = [d - source.ndim for d in grid.dims]
    same = tuple(source.shape[min(grid.dims) :]) == tuple(out.shape[min(from_end) :])
    if same and out.ndim >= -min(from_end):
        return replace(grid, dims=(out.ndim + from_end[0], out.ndim + from_end[1]))
    if tuple(source.shape[: max(grid.dims) + 1]) == tuple(out.shape[: max(grid.dims) + 1]):
        return grid
    return None


def _slice(grid: Grid, out: Tensor, args: tuple[Any, ...]) -> Grid | None:
    dim = (args[1] if len(args) > 1 else 0) % out.ndim
    if dim not in grid.dims:
        return grid
    start = args[2] if len(args) > 2 and args[2] is not None else 0
    step = args[4] if len(args) > 4 else 1
    start = start + args[0].shape[dim] if start < 0 else start
    if dim == grid.dims[0]:
        return replace(grid, y=grid.y.picked(start, step, out.shape[dim]))
    return replace(grid, x=grid.x.picked(start, step, out.shape[dim]))


_RULES: dict[Any, _Rule] = {
    _aten.convolution: _convolution,
    _aten.mkldnn_convolution: lambda g, o, a: _convolution(g, o, (*a[:3], a[4], a[3], a[5], False)),
    _aten.max_pool2d_with_indices: _max_pool,
    _aten.max_pool2d: _max_pool,
    _aten.avg_pool2d: _avg_pool,
    _aten._adaptive_avg_pool2d: _adaptive,  # noqa: SLF001
    _aten.adaptive_max_pool2d: _adaptive,
    _aten.constant_pad_nd: _pad,
    _aten.reflection_pad2d: _pad,
    _aten.replication_pad2d: _pad,
    _aten.upsample_nearest2d: _resample(linear=False),
    _aten.upsample_bilinear2d: _resample(linear=True),
    _aten.mean: _mean,
    _aten.sum: _mean,
    _aten.amax: _mean,
    _aten.permute: _permute,
    _aten.transpose: _transpose,
    _aten.view: _view,
    _aten._unsafe_view: _view,  # noqa: SLF001
    _aten.reshape: _view,
    _aten.slice: _slice,
}
_REFUSED = {
    _aten.flip,
    _aten.roll,
    _aten.index,
    _aten.matmul,
    _aten.bmm,
    _aten.mm,
    _aten.addmm,
    _aten.as_strided,
}


class Follower(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While active, follows the receptive fields from `x` through every operation of this thread.

    Attributes:
        grids: the grid of every live tensor for which it is known.
        draws: whether an operation drew random numbers.

    """

    def __init__(self, x: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.grids: Any = WeakTensorKeyDictionary()
        self.grids[x] = Grid.of_input(x.shape[2], x.shape[3])
        self.draws = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation and note what its result sees."""
        del types
        result = func(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded in func.tags:
            self.draws = True
        first = result[0] if isinstance(result, tuple | list) and result else result
        if isinstance(first, Tensor):
            grid = self._grid(func.overloadpacket, first, args)
            for out in result if isinstance(result, tuple | list) else (result,):
                if isinstance(out, Tensor) and grid is not None and fits(grid, out):
                    self.grids[out] = grid
                elif isinstance(out, Tensor) and out in self.grids and grid is None:
                    del self.grids[out]
        return result

    def _grid(self, packet: Any, out: Tensor, args: tuple[Any, ...]) -> Grid | None:
        if packet in _REFUSED:
            return None
        rule = _RULES.get(packet)
        if rule is not None:
            source = args[0] if args and isinstance(args[0], Tensor) else None
            grid = None if source is None else self.grids.get(source)
            return None if grid is None else rule(grid, out, args)
        tensors = [a for arg in args for a in (arg if isinstance(arg, list | tuple) else (arg,))]
        return _merged([(t, self.grids.get(t)) for t in tensors if isinstance(t, Tensor)], out)


def fits(grid: Grid, out: Tensor) -> bool:
    """Whether `out` has the rows and columns that `grid` speaks of."""
    return max(grid.dims) < out.ndim and (out.shape[grid.dims[0]], out.shape[grid.dims[1]]) == grid.shape


def _merged(sources: list[tuple[Tensor, Grid | None]], out: Tensor) -> Grid | None:
    """Return the grid of an operation that works cell by cell: addition, activation, normalisation, cat."""
    merged: Grid | None = None
    sees_all = False
    for tensor, grid in sources:
        if grid is None:
            continue
        if fits(grid, out) and tensor.ndim == out.ndim:
            if merged is None:
                merged = grid
            elif merged.dims == grid.dims and merged is not grid:
                merged = replace(
                    merged,
                    y=merged.y.joined(grid.y),
                    x=merged.x.joined(grid.x),
                    sees_all=merged.sees_all or grid.sees_all,
                )
        elif grid.shape == (1, 1):
            sees_all = True
    if merged is not None and sees_all:
        merged = replace(merged, sees_all=True)
    return merged
