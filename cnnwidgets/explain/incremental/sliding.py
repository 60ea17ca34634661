"""Pooling, padding and cropping: the sliding operations without weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx
from torch.nn import functional as F

from cnnwidgets.explain.incremental.compiler import Compiler, arguments, operation, pair, place_of
from cnnwidgets.explain.incremental.fusing import is_padding
from cnnwidgets.explain.incremental.patch import Layout, windows
from cnnwidgets.explain.incremental.spans import Sliding, Span
from cnnwidgets.explain.incremental.steps import Slide, Window

if TYPE_CHECKING:
    from collections.abc import Callable


def slide(compiler: Compiler, node: fx.Node, layout: Layout) -> Slide | None:
    """Return the step for a call on one map, if it slides over it."""
    name = operation(node)
    results = tuple(int(size) for size in node.meta["val"].shape[2:]) if hasattr(node.meta["val"], "shape") else ()
    whole = compiler.call(node)
    slot = whole.inputs[0] if len(whole.inputs) == 1 else -1
    found: tuple[Window, Callable[[Tensor, Span, Span], Tensor]] | None = None
    if slot >= 0 and len(results) == 2 and layout.is_standard:
        if name == "max_pool2d.default":
            found = _max_pool(node, layout, results)
        elif name == "avg_pool2d.default":
            found = _average_pool(node, layout, results)
        elif name == "adaptive_avg_pool2d.default":
            found = _adaptive(layout, results)
        elif is_padding(node):
            found = _padded(node, layout, results)
        elif name == "slice.Tensor":
            found = _sliced(node, layout, results)
    if found is None:
        del compiler.slots[node]
        return None
    return Slide(place_of(node), slot, whole.out, found[0], apply=found[1], whole=lambda x: whole.called({slot: x}))


def _window(
    layout: Layout, results: tuple[int, ...], kernel: Any, stride: Any, before: Any = (0, 0), **more: Any
) -> Window:
    size = (layout.height, layout.width)
    spread, fill = more.get("dilation", (1, 1)), more.get("fill", 0.0)
    rows, columns = (Sliding(kernel[i], stride[i], before[i], spread[i], size[i], results[i]) for i in (0, 1))
    return Window(rows, columns, fill)


def _max_pool(node: fx.Node, layout: Layout, results: tuple[int, ...]) -> Any:
    _, kernel, stride, padding, dilation, _ = arguments(node, None, None, [], 0, 1, False)
    size = pair(kernel)
    step, spread = pair(stride or kernel), pair(dilation, 1)
    window = _window(layout, results, size, step, pair(padding), dilation=spread, fill=-torch.inf)
    return window, lambda found, _rows, _columns: F.max_pool2d(found, size, step, 0, spread)


def _average_pool(node: fx.Node, layout: Layout, results: tuple[int, ...]) -> Any:
    _, kernel, stride, padding, *rest = arguments(node, None, None, [], 0, False, True, None)
    size, step = pair(kernel), pair(stride or kernel)
    window = _window(layout, results, size, step, pair(padding))
    # What one cell of a map of ones gives, and how many of its cells are real, tell what the sum is divided by.
    ones = torch.ones(1, 1, layout.height, layout.width, dtype=torch.float64)
    real = F.avg_pool2d(F.pad(ones, window.sides), size, step, divisor_override=1)
    means = F.avg_pool2d(ones, size, step, pair(padding), *rest)
    share = means / real
    even = bool((share == share[0, 0, 0, 0]).all())

    def apply(found: Tensor, rows: Span, columns: Span) -> Tensor:
        if even:
            return F.avg_pool2d(found, size, step, divisor_override=1).mul_(float(share[0, 0, 0, 0]))
        return F.avg_pool2d(found, size, step, divisor_override=1) * windows(share, (2, 3), rows, columns).to(found)

    return window, apply


def _adaptive(layout: Layout, results: tuple[int, ...]) -> Any:
    size = (layout.height, layout.width)
    if 1 in results or any(cells % wanted for cells, wanted in zip(size, results, strict=True)):
        return None
    step = (size[0] // results[0], size[1] // results[1])
    window = _window(layout, results, step, step)
    return window, lambda found, _rows, _columns: found if step == (1, 1) else F.avg_pool2d(found, step)


def _padded(node: fx.Node, layout: Layout, results: tuple[int, ...]) -> Any:
    left, _, top, _ = arguments(node)[1]
    window = _window(layout, results, (1, 1), (1, 1), (top, left))
    return window, lambda found, _rows, _columns: found


def _sliced(node: fx.Node, layout: Layout, results: tuple[int, ...]) -> Any:
    """Every so many rows or columns, from one on: a subsampling shortcut."""
    _, dim, start, _, step = arguments(node, None, 0, None, None, 1)
    dim, start = dim % 4, start or 0
    if dim not in layout.dims or not isinstance(start, int) or not isinstance(step, int):
        return None
    size = (layout.height, layout.width)
    if start < 0:
        start = max(0, start + size[dim - 2])
    strides = tuple(step if dim == 2 + i else 1 for i in (0, 1))
    before = tuple(-start if dim == 2 + i else 0 for i in (0, 1))
    window = _window(layout, results, (1, 1), strides, before)
    return window, lambda found, _rows, _columns: found[:, :, :: strides[0], :: strides[1]]
