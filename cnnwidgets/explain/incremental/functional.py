"""Turning calls that write in place into calls that do not, where that is plainly the same."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

# They make new memory for their results and no view of what they are given, as do calls that work element by element.
# A list of those that do not cannot be had: some hand on what they are given without saying so in their schemas.
_MAKERS = frozenset(
    {"conv2d", "convolution", "batch_norm", "_native_batch_norm_legit_no_training", "layer_norm", "group_norm"}
    | {"linear", "matmul", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "mean", "sum", "cat", "stack"}
    | {"hardswish", "prelu", "sym_size"}
)
_HANDED_ON = frozenset({"positive", "conj_physical"})


def without_writing(graph: fx.Graph) -> bool:
    """Replace every in-place call of an exported graph by its twin that makes a new tensor.

    That is the same where nobody else has a view of the memory that is written to. Where somebody may have,
    False is returned, and the graph is only partly changed.
    """
    order = {node: place for place, node in enumerate(graph.nodes)}
    for node in list(graph.nodes):
        schema = getattr(node.target, "_schema", None)
        if node.op != "call_function" or schema is None or not schema.is_mutable:
            continue
        twin, written = _twin(node.target), node.args[0] if node.args else None
        if twin is None or not isinstance(written, fx.Node):
            return False
        if not _writes_nothing(node) and not (_is_alone(written, node) and _keeps(written, node)):
            return False
        node.target = twin
        later = [user for user in written.users if user is not node and order[user] > order[node]]
        for user in later:  # they were to see what was written
            user.replace_input_with(written, node)
    return True


def _twin(function: Any) -> Any:
    name, overload = function._schema.name.removeprefix("aten::"), function._overloadname  # noqa: SLF001
    packet = getattr(torch.ops.aten, name[:-1], None) if name.endswith("_") else None
    found = getattr(packet, overload, None)
    return None if found is None or found._schema.is_mutable else found  # noqa: SLF001


def _writes_nothing(node: fx.Node) -> bool:
    """Whether a call is a dropout in evaluation mode, often the one that writes to a view: of flattened maps."""
    return "dropout_" in str(node.target) and node.args[2:] == (False,)


def _is_alone(value: fx.Node, writer: fx.Node) -> bool:
    """Whether a value has memory of its own, which only calls without views read."""
    return _makes(value) and all(user is writer or user.op == "output" or _makes(user) for user in value.users)


def _makes(node: fx.Node) -> bool:
    """Whether a call surely gives memory of its own, or writes to the memory that it is given and gives that."""
    schema = getattr(node.target, "_schema", None)
    if node.op != "call_function" or schema is None:
        return False
    name = schema.name.removeprefix("aten::")
    if schema.is_mutable:
        return True
    elementwise = torch.Tag.pointwise in getattr(node.target, "tags", ()) and name not in _HANDED_ON
    return elementwise or name in _MAKERS


def _keeps(written: fx.Node, writer: fx.Node) -> bool:
    """Whether the twin gives what is written its shape and dtype, which memory that is written to keeps."""
    value: Any = written.meta["val"]
    others = [node.meta["val"] for node in writer.all_input_nodes if isinstance(node.meta.get("val"), torch.Tensor)]
    return all(other.dtype == value.dtype for other in others) and all(other.ndim <= value.ndim for other in others)
