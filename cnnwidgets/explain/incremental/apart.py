"""Whether a graph plainly keeps the images of a batch apart: told from its calls, without running it."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from cnnwidgets.explain.incremental.compiler import VIEWS, arguments, operation

if TYPE_CHECKING:
    from collections.abc import Callable

    from cnnwidgets.explain.incremental.graph import Graph

_RESHAPES = frozenset({*VIEWS, "flatten.using_ints", "unflatten.int", "expand.default"})
_PER_IMAGE = frozenset(
    {"conv2d.default", "conv2d.padding", "max_pool2d.default", "avg_pool2d.default", "adaptive_avg_pool2d.default"}
    | {"pad.default", "constant_pad_nd.default", "hardswish.default", "dropout.default", "prelu.default"}
    | {"clone.default", "contiguous.default", "alias.default", "detach.default", "to.dtype", "_to_copy.default"}
    | {"upsample_bilinear2d.vec", "upsample_nearest2d.vec", "group_norm.default", "linear.default"}
)
# Which argument names the dimensions along which a call mixes.
_ALONG = {
    **dict.fromkeys(("mean.dim", "sum.dim_IntList", "amax.default", "amin.default", "softmax.int", "cat.default"), 1),
    **dict.fromkeys(("transpose.int", "select.int", "slice.Tensor", "unsqueeze.default", "squeeze.dim"), 1),
    **dict.fromkeys(("flip.default", "unbind.int", "stack.default"), 1),
    **dict.fromkeys(("split.Tensor", "split_with_sizes.default", "chunk.default"), 2),
}


def keeps_apart(graph: Graph) -> bool:
    """Whether no image's output depends on the others of its batch; False also where that is not plain to see."""
    return all(_is_apart(node) for node in graph.nodes)


def _is_apart(node: fx.Node) -> bool:
    name = operation(node)
    if name.startswith("sym_size"):  # how many images there are may be used to shape them, and for nothing else
        return all(operation(user) in _RESHAPES for user in node.users)
    if name.startswith("_assert") or not any(_has_batch(given.meta.get("val")) for given in node.all_input_nodes):
        return True
    made: Any = node.meta.get("val")
    if name.startswith("_native_batch_norm"):
        made = made[0]  # the others are empty in evaluation
    if not all(_batch_first(value) for value in (made if isinstance(made, list | tuple) else [made])):
        return False
    if name in _RESHAPES or name in _PER_IMAGE or node.target is operator.getitem:
        return True
    rule = next((rule for names, rule in _RULES.items() if name in names), None)
    return _elementwise(node) if rule is None else rule(node)


def _has_batch(value: Any) -> bool:
    values = value if isinstance(value, list | tuple) else [value]
    return any(isinstance(item, Tensor) and any(not isinstance(n, int) for n in item.shape) for item in values)


def _batch_first(value: Any) -> bool:
    """Whether a traced tensor has the batch as its first dimension, and as that alone."""
    if not isinstance(value, Tensor) or value.ndim == 0:
        return False
    first, *rest = value.shape
    return not isinstance(first, int) and str(first).isidentifier() and all(isinstance(size, int) for size in rest)


def _elementwise(node: fx.Node) -> bool:
    """Whether a call works element by element on tensors whose batches lie on each other."""
    ranks = {given.meta["val"].ndim for given in node.all_input_nodes if _has_batch(given.meta.get("val"))}
    return torch.Tag.pointwise in getattr(node.target, "tags", ()) and ranks == {node.meta["val"].ndim}


def _along_others(node: fx.Node) -> bool:
    place = _ALONG[operation(node)]
    given = arguments(node)
    dims = given[place] if len(given) > place else 0
    first: Any = node.args[0]
    rank = (first[0] if isinstance(first, list | tuple) else first).meta["val"].ndim
    rank += operation(node) in ("unsqueeze.default", "stack.default")
    listed = [dims] if isinstance(dims, int) else list(dims or [0])
    if operation(node) == "transpose.int":
        listed.append(given[2])
    return all(dim % rank != 0 for dim in listed)


def _images_first(node: fx.Node) -> bool:
    return bool(arguments(node)[1][0] == 0)


def _normalises_the_rest(node: fx.Node) -> bool:
    source: Any = node.args[0]
    return bool(len(arguments(node)[1]) < source.meta["val"].ndim)


def _in_evaluation(node: fx.Node) -> bool:
    return operation(node).startswith("_native") or not node.args[5]


_RULES: dict[frozenset[str], Callable[[fx.Node], bool]] = {
    frozenset(_ALONG): _along_others,
    frozenset({"permute.default"}): _images_first,
    frozenset({"layer_norm.default"}): _normalises_the_rest,
    frozenset({"batch_norm.default", "_native_batch_norm_legit_no_training.default"}): _in_evaluation,
}
