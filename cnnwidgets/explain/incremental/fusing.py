"""A convolution and what is done in one go with it: padding before it, normalisation and activation behind it."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from torch import Tensor, fx

from cnnwidgets.explain.folding import Normalisation, folded
from cnnwidgets.explain.incremental.compiler import (
    Compiler,
    Known,
    Whole,
    arguments,
    layout_of,
    operation,
    pair,
    place_of,
    shape_of,
)
from cnnwidgets.explain.incremental.convolution import Activation, Convolution
from cnnwidgets.explain.incremental.patch import Layout
from cnnwidgets.explain.incremental.spans import Sliding
from cnnwidgets.explain.incremental.steps import Convolve, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONVOLUTIONS = ("conv2d.default", "convolution.default", "conv2d.padding")
_NORMALISATIONS = ("_native_batch_norm_legit_no_training.default", "batch_norm.default")


def is_padding(node: Any) -> bool:
    """Whether a call pads rows and columns with zeros, or cuts them."""
    if operation(node) not in ("pad.default", "constant_pad_nd.default") or len(node.args[1]) != 4:
        return False
    mode = next((item for item in node.args[2:] if isinstance(item, str)), "constant")
    value = next((item for item in node.args[2:] if isinstance(item, int | float)), 0)
    return mode == "constant" and value == 0 and not node.kwargs


def vanishes(compiler: Compiler, node: fx.Node) -> bool:
    """Whether a padding is left to the convolution that alone reads it."""
    user = compiler.only_user(node) if is_padding(node) else None
    if user is None or operation(user) not in _CONVOLUTIONS[:2] or user.args[0] is not node:
        return False
    cuts = any(side < 0 for side in arguments(node)[1])  # zeros around what is cut are more than less zeros
    parameters = [item for item in user.args[1:3] if item is not None]
    fixed = all(item in compiler.graph.placeholders and isinstance(compiler.kind(item), Known) for item in parameters)
    return not cuts and fixed and _fits(compiler, user, arguments(node)[0])


def _fits(compiler: Compiler, conv: fx.Node, source: Any) -> bool:
    """Whether a call is a convolution in two dimensions over rows and columns, read from `source`."""
    size = shape_of(source.meta.get("val")) if isinstance(source, fx.Node) else None
    if size is None or len(size) != 4 or (operation(conv) == "convolution.default" and conv.args[6]):
        return False
    kind = compiler.kind(source)
    return isinstance(kind, Whole) or (isinstance(kind, Layout) and kind.is_standard)


def convolve(compiler: Compiler, conv: fx.Node) -> bool:
    """Take the step for a convolution, if it is one in two dimensions with fixed weights; return whether it is."""
    if operation(conv) not in _CONVOLUTIONS:
        return False
    if operation(conv) == "convolution.default":
        _, weight_node, bias_node, stride, padding, dilation, _, _, groups = arguments(conv)
    else:
        _, weight_node, bias_node, stride, padding, dilation, groups = arguments(conv, None, None, None, 1, 0, 1, 1)
    read = arguments(conv)[0]
    pad = read if is_padding(read) and read in compiler.inner else None
    source = read if pad is None else arguments(pad)[0]
    weight_kind, bias_kind = compiler.kind(weight_node), compiler.kind(bias_node)
    if not _fits(compiler, conv, source) or not isinstance(weight_kind, Known) or not isinstance(bias_kind, Known):
        return False
    size: Any = shape_of(source.meta["val"])
    weight, bias = weight_kind.value, bias_kind.value
    kernel, stride, spread = tuple(weight.shape[2:]), pair(stride, 1), pair(dilation, 1)
    before, own = _padding(padding, kernel, spread)
    if pad is not None:
        left, _, top, _ = arguments(pad)[1]
        before, own = (before[0] + top, before[1] + left), None
    norm, activation, members = _behind(compiler, conv)
    if norm is not None:
        weight, bias = folded(weight, bias, norm)
    last = members[-1]
    results = last.meta["val"].shape[2:]
    rows, columns = (Sliding(kernel[i], stride[i], before[i], spread[i], size[2 + i], int(results[i])) for i in (0, 1))
    made = Convolution(
        weight, bias, stride=stride, padding=own, dilation=spread, groups=groups, activation=activation, size=size
    )
    layout = layout_of(last.meta["val"], (2, 3)) if isinstance(compiler.kind(source), Layout) else None
    compiler.inner.update(members)
    step = Convolve(place_of(conv), compiler.slots[source], compiler.new_slot(last), Window(rows, columns), made)
    compiler.add(last, step, layout or Whole())
    return True


def _padding(padding: Any, kernel: Sequence[int], dilation: Sequence[int]) -> tuple[tuple[int, int], Any]:
    """Return the padding before, and the padding to hand to the convolution, None where it is not the same behind."""
    if not isinstance(padding, str):
        return pair(padding), pair(padding)
    extra = [d * (k - 1) if padding == "same" else 0 for d, k in zip(dilation, kernel, strict=True)]
    before = (extra[0] // 2, extra[1] // 2)
    return before, None if any(total % 2 for total in extra) else before


def _behind(compiler: Compiler, conv: fx.Node) -> tuple[Normalisation | None, Activation | None, list[fx.Node]]:
    """Return what can be done in one go with a convolution, and the calls that are."""
    members, norm = [conv], None
    user = compiler.only_user(conv)
    if user is not None and operation(user) in _NORMALISATIONS and user.args[0] is conv:
        norm = _normalisation(compiler, user)
        chain = [user]
        if operation(user).startswith("_native"):
            chain += [item for item in user.users if item.target is operator.getitem and item.users]
        if norm is None or len(chain) > 2 or (len(chain) == 2 and chain[1].args[1] != 0):
            return None, None, members
        members += chain
    user = compiler.only_user(members[-1])
    activation = None if user is None else _activation(user)
    if activation is not None and user is not None:
        members.append(user)
    return norm, activation, members


def _normalisation(compiler: Compiler, node: fx.Node) -> Normalisation | None:
    """Return a batch normalisation whose statistics are fixed."""
    given = [kind for kind in map(compiler.kind, node.args[1:5]) if isinstance(kind, Known)]
    if len(given) < 4:
        return None
    weight, bias, mean, variance = (kind.value for kind in given)
    if not isinstance(mean, Tensor) or not isinstance(variance, Tensor):
        return None
    native = operation(node).startswith("_native")
    if not native and node.args[5]:  # training
        return None
    return Normalisation(weight, bias, mean, variance, float(arguments(node)[6 if native else 7]))


def _activation(node: fx.Node) -> Activation | None:
    name = operation(node).split(".", maxsplit=1)[0]
    if name == "relu":
        return "relu", ()
    if name == "hardtanh":
        _, low, high = arguments(node, None, -1.0, 1.0)
        return "hardtanh", (float(low), float(high))
    if name == "silu":
        return "swish", ()
    return ("hardswish", ()) if name == "hardswish" else None
