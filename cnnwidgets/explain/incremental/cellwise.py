"""Functions that work cell by cell: a changed part of their input gives the same part of their output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from cnnwidgets.explain.incremental.compiler import VIEWS, Count, Kind, Known, arguments, operation, shape_of
from cnnwidgets.explain.incremental.patch import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SAME = (
    "clone.default",
    "alias.default",
    "detach.default",
    "contiguous.default",
    "dropout.default",
    "_to_copy.default",
    "to.dtype",
    "to.dtype_layout",
    "hardswish.default",
    "log_sigmoid.default",
)
_SOFTMAXES = ("softmax.int", "_softmax.default", "log_softmax.int", "_log_softmax.default")
_CHANNELS = ("sum.dim_IntList", "mean.dim", "amax.default", "amin.default")
_SPLITS = ("split.Tensor", "split_with_sizes.default", "chunk.default", "unbind.int", "select.int", "slice.Tensor")


@dataclass(frozen=True)
class Followed:
    """How a function carries a map on: where rows and columns are afterwards, and its arguments for a part."""

    dims: tuple[int, int]
    rewrite: Callable[[Any, int, int, int], Any] | None = None


def is_pointwise(node: fx.Node) -> bool:
    """Whether PyTorch says that a function works element by element."""
    return torch.Tag.pointwise in getattr(node.target, "tags", ())


def is_global_mean(node: fx.Node, layout: Layout) -> bool:
    """Whether a call is the mean over all rows and columns, and nothing else."""
    name = operation(node)
    if name in ("adaptive_avg_pool2d.default", "_adaptive_avg_pool2d.default"):
        return layout.is_standard and list(arguments(node)[1]) == [1, 1]
    dims = arguments(node, None, None)[1] if name == "mean.dim" else None
    return sorted(dim % len(layout.shape) for dim in dims or ()) == list(layout.dims)


def followed(node: fx.Node, layout: Layout, kind: Callable[[Any], Kind]) -> Followed | None:
    """Return how a call on one map carries it on; None if it does more than work cell by cell."""
    name = operation(node)
    if any(isinstance(kind(argument), Count) for argument in node.all_input_nodes) and name not in VIEWS:
        return None
    rule = _RULES.get(name)
    return None if rule is None else rule(node, layout)


def is_together(node: fx.Node, maps: Sequence[Layout]) -> bool:
    """Whether a call works cell by cell on one or more maps of the same rows and columns."""
    name, first = operation(node), maps[0]
    size = (first.height, first.width)
    if any(m.dims != first.dims or (m.height, m.width) != size or len(m.shape) != len(first.shape) for m in maps):
        return False
    shape = shape_of(node.meta.get("val"))
    if shape is None or len(shape) != len(first.shape):
        return False
    if name == "cat.default":
        dim = arguments(node, None, 0)[1] % len(first.shape)
        return dim not in (0, *first.dims)
    return is_pointwise(node) and tuple(shape[dim] for dim in first.dims) == size


def batch_normalised(node: fx.Node, layout: Layout, kind: Callable[[Any], Kind]) -> Followed | None:
    """Return how a batch normalisation in evaluation mode carries a map on, as one scaling and one shift."""
    if operation(node) not in ("_native_batch_norm_legit_no_training.default", "batch_norm.default"):
        return None
    if not layout.is_standard or not all(isinstance(kind(argument), Known) for argument in node.args[1:]):
        return None
    if operation(node) == "batch_norm.default" and node.args[5]:
        return None
    return Followed(layout.dims)


def _same(node: fx.Node, layout: Layout) -> Followed | None:
    del node
    return Followed(layout.dims)


def _channels_second(node: fx.Node, layout: Layout) -> Followed | None:
    """A function with a number for each channel, and channels are what lies in the second dimension."""
    del node
    return None if 1 in layout.dims else Followed(layout.dims)


def _along_the_last(node: fx.Node, layout: Layout) -> Followed | None:
    last = 1 if operation(node) == "linear.default" else len(arguments(node)[1])
    return Followed(layout.dims) if max(layout.dims) < len(layout.shape) - last else None


def _softmax(node: fx.Node, layout: Layout) -> Followed | None:
    return Followed(layout.dims) if arguments(node)[1] % len(layout.shape) not in (0, *layout.dims) else None


def _view(node: fx.Node, layout: Layout) -> Followed | None:
    """A view that leaves rows and columns alone and only folds what lies between and beside them."""
    after = shape_of(node.meta.get("val"))
    if after is None:
        return None
    down, across = layout.dims
    if across != down + 1:
        return None
    before, behind = _product(layout.shape[1:down]), _product(layout.shape[across + 1 :])
    for place in range(1, len(after) - 1):
        fits = after[place : place + 2] == (layout.height, layout.width)
        if fits and _product(after[1:place]) == before and _product(after[place + 2 :]) == behind:
            return Followed((place, place + 1), _resized(after, place))
    return None


def _resized(after: tuple[int, ...], place: int) -> Callable[[Any, int, int, int], Any]:
    def rewrite(args: Any, batch: int, height: int, width: int) -> Any:
        return (args[0], (batch, *after[1:place], height, width, *after[place + 2 :]))

    return rewrite


def _product(sizes: Sequence[int]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total


def _permuted(node: fx.Node, layout: Layout) -> Followed | None:
    count = len(layout.shape)
    order = list(range(count))
    if operation(node) == "permute.default":
        order = [dim % count for dim in arguments(node)[1]]
    else:
        first, second = (dim % count for dim in arguments(node)[1:3])
        order[first], order[second] = order[second], order[first]
    if order[0] != 0:
        return None
    return Followed((order.index(layout.dims[0]), order.index(layout.dims[1])))


def _unsqueezed(node: fx.Node, layout: Layout) -> Followed | None:
    place = arguments(node)[1] % (len(layout.shape) + 1)
    if place == 0:
        return None
    down, across = (dim + (dim >= place) for dim in layout.dims)
    return Followed((down, across))


def _reduced(node: fx.Node, layout: Layout) -> Followed | None:
    """A sum, mean or maximum over channels."""
    count = len(layout.shape)
    _, dims, keep = arguments(node, None, [], False)[:3]
    gone = {dim % count for dim in ([dims] if isinstance(dims, int) else dims or range(count))}
    if gone & {0, *layout.dims}:
        return None
    if keep:
        return Followed(layout.dims)
    down, across = (dim - sum(g < dim for g in gone) for dim in layout.dims)
    return Followed((down, across))


def _split(node: fx.Node, layout: Layout) -> Followed | None:
    """Some of the channels, or several groups of them."""
    count, name = len(layout.shape), operation(node)
    place = {"split.Tensor": 2, "split_with_sizes.default": 2, "chunk.default": 2}.get(name, 1)
    given = arguments(node)
    dim = (given[place] if len(given) > place else 0) % count
    if dim in (0, *layout.dims):
        return None
    if name in ("select.int", "unbind.int"):
        down, across = (d - (d > dim) for d in layout.dims)
        return Followed((down, across))
    return Followed(layout.dims)


def is_map_first(node: fx.Node, kind: Callable[[Any], Kind]) -> bool:
    """Whether the first argument is the map that a call works on."""
    return bool(node.args) and isinstance(kind(node.args[0]), Layout)


_RULES: dict[str, Callable[[fx.Node, Layout], Followed | None]] = {
    **dict.fromkeys(_SAME, _same),
    **dict.fromkeys(VIEWS, _view),
    **dict.fromkeys(("permute.default", "transpose.int"), _permuted),
    "unsqueeze.default": _unsqueezed,
    **dict.fromkeys(("linear.default", "layer_norm.default"), _along_the_last),
    **dict.fromkeys(("prelu.default", "_prelu_kernel.default"), _channels_second),
    **dict.fromkeys(_SOFTMAXES, _softmax),
    **dict.fromkeys(_CHANNELS, _reduced),
    **dict.fromkeys(_SPLITS, _split),
}
