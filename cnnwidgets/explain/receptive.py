"""What each operation of PyTorch does to receptive fields.

A rule takes the grid of the operation's first argument, the result and the arguments, and returns the grid of the
result, or None where rows and columns are lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from cnnwidgets.explain.axis import Axis, Padding
from cnnwidgets.explain.geometry import Grid

_aten = torch.ops.aten
Rule = Callable[[Grid, Tensor, tuple[Any, ...]], Grid | None]


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


def _pad(mode: Padding) -> Rule:
    def rule(grid: Grid, out: Tensor, args: tuple[Any, ...]) -> Grid | None:
        amounts = list(args[1]) + [0] * (2 * out.ndim - len(args[1]))
        before = {out.ndim - 1 - i // 2: amounts[i] for i in range(0, len(amounts), 2)}
        after = {out.ndim - 1 - i // 2: amounts[i + 1] for i in range(0, len(amounts), 2)}
        rows, columns = grid.dims
        return replace(
            grid,
            y=grid.y.padded(before[rows], after[rows], mode),
            x=grid.x.padded(before[columns], after[columns], mode),
        )

    return rule


def _resample(*, linear: bool) -> Rule:
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


def _select(grid: Grid, out: Tensor, args: tuple[Any, ...]) -> Grid | None:
    gone = args[1] % (out.ndim + 1)
    if gone in grid.dims:
        return None
    rows, columns = (d - (gone < d) for d in grid.dims)
    return replace(grid, dims=(rows, columns))


def _batch_norm(grid: Grid, out: Tensor, args: tuple[Any, ...]) -> Grid | None:
    """Keep the grid; with statistics of the input itself (instance norm), every cell also depends on all others."""
    del out
    training = next((a for a in args[3:] if isinstance(a, bool)), False)
    return replace(grid, sees_all=True) if training else grid


def _layer_norm(grid: Grid, out: Tensor, args: tuple[Any, ...]) -> Grid | None:
    over_places = max(grid.dims) >= out.ndim - len(args[1])
    return replace(grid, sees_all=True) if over_places else grid


def _softmax(grid: Grid, out: Tensor, args: tuple[Any, ...]) -> Grid | None:
    return replace(grid, sees_all=True) if args[1] % out.ndim in grid.dims else grid


def _split(grid: Grid, outs: list[Tensor], args: tuple[Any, ...]) -> list[Grid | None]:
    """Give each part the rows or columns that it is made of."""
    dim = (args[2] if len(args) > 2 else 0) % args[0].ndim
    grids, start = list[Grid | None](), 0
    for out in outs:
        grids.append(_slice(grid, out, (args[0], dim, start)))
        start += out.shape[dim]
    return grids


def _unbind(grid: Grid, outs: list[Tensor], args: tuple[Any, ...]) -> list[Grid | None]:
    dim = args[1] if len(args) > 1 else 0
    return [_select(grid, out, (args[0], dim)) for out in outs]


def _extreme(grid: Grid, out: Tensor, args: tuple[Any, ...]) -> Grid | None:
    """Follow the largest of a dimension, with its index; not that of all values."""
    return _mean(grid, out, (args[0], [args[1]])) if len(args) > 1 and isinstance(args[1], int) else None


def _ordered(position: int) -> Rule:
    """Return the rule of what goes along one dimension, by default the last one, as sorting does."""

    def rule(grid: Grid, out: Tensor, args: tuple[Any, ...]) -> Grid | None:
        dim = args[position] if len(args) > position else -1
        return grid if isinstance(dim, int) and dim % out.ndim not in grid.dims else None

    return rule


RULES: dict[Any, Rule] = {
    _aten.convolution: _convolution,
    _aten.mkldnn_convolution: lambda g, o, a: _convolution(g, o, (*a[:3], a[4], a[3], a[5], False)),
    _aten.max_pool2d_with_indices: _max_pool,
    _aten.max_pool2d: _max_pool,
    _aten.avg_pool2d: _avg_pool,
    _aten._adaptive_avg_pool2d: _adaptive,  # noqa: SLF001
    _aten.adaptive_max_pool2d: _adaptive,
    _aten.constant_pad_nd: _pad("constant"),
    _aten.reflection_pad2d: _pad("reflect"),
    _aten.replication_pad2d: _pad("replicate"),
    _aten.upsample_nearest2d: _resample(linear=False),
    _aten.upsample_bilinear2d: _resample(linear=True),
    _aten.mean: _mean,
    _aten.sum: _mean,
    _aten.amax: _mean,
    _aten.amin: _mean,
    _aten.max: _extreme,
    _aten.median: _extreme,
    _aten.min: _extreme,
    _aten.mode: _extreme,
    _aten.std_mean: _mean,
    _aten.var_mean: _mean,
    _aten.cummax: _ordered(1),
    _aten.cummin: _ordered(1),
    _aten.sort: _ordered(1),
    _aten.topk: _ordered(2),
    _aten.permute: _permute,
    _aten.transpose: _transpose,
    _aten.view: _view,
    _aten._unsafe_view: _view,  # noqa: SLF001
    _aten.reshape: _view,
    _aten.slice: _slice,
    _aten.as_strided_: lambda g, _o, _a: g if g.shape == (1, 1) else None,  # how pooling to one cell sets its layout
    _aten.squeeze: _view,
    _aten.unsqueeze: _view,
    _aten.select: _select,
    _aten.native_batch_norm: _batch_norm,
    _aten.cudnn_batch_norm: _batch_norm,
    _aten.miopen_batch_norm: _batch_norm,
    _aten._batch_norm_with_update: _batch_norm,  # noqa: SLF001
    _aten._batch_norm_no_update: _batch_norm,  # noqa: SLF001
    _aten._native_batch_norm_legit: _batch_norm,  # noqa: SLF001
    _aten._native_batch_norm_legit_no_training: lambda g, _o, _a: g,  # noqa: SLF001
    _aten.native_group_norm: lambda g, _o, _a: replace(g, sees_all=True),
    _aten.native_layer_norm: _layer_norm,
    _aten._softmax: _softmax,  # noqa: SLF001
    _aten._log_softmax: _softmax,  # noqa: SLF001
}
# Gives several results, each of which sees something else.
DIVIDING: dict[Any, Callable[[Grid, list[Tensor], tuple[Any, ...]], list[Grid | None]]] = {
    _aten.split: _split,
    _aten.split_with_sizes: _split,
    _aten.unbind: _unbind,
}
# Cell by cell, as all operations are that PyTorch tags as pointwise.
CELLWISE = {
    _aten.alias,
    _aten.cat,
    _aten._to_copy,  # noqa: SLF001
    _aten.channel_shuffle,
    _aten.copy_,
    _aten.detach,
    _aten.expand,
    _aten.fill_,
    _aten.glu,
    _aten.hardswish,
    _aten.hardswish_,
    _aten.lift_fresh,
    _aten.log_sigmoid_forward,
    _aten.masked_fill,
    _aten.masked_fill_,
    _aten.mish,
    _aten.mish_,
    _aten.native_channel_shuffle,
    _aten.native_dropout,
    _aten._prelu_kernel,  # noqa: SLF001
    _aten.rrelu_with_noise,
    _aten.rrelu_with_noise_,
    _aten.zero_,
}
# Only the shape of their argument is used.
CREATING = {
    _aten.empty_like,
    _aten.full_like,
    _aten.new_empty,
    _aten.new_empty_strided,
    _aten.new_full,
    _aten.new_ones,
    _aten.new_zeros,
    _aten.ones_like,
    _aten.rand_like,
    _aten.randint_like,
    _aten.randn_like,
    _aten.zeros_like,
}
