"""Turning calls that write in place into calls that do not, where that is plainly the same."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

# They may hand on the memory that they are given, though their schemas do not say so.
_SOMETIMES_VIEWS = (
    "reshape",
    "contiguous",
    "flatten",
    "dropout",
    "feature_dropout",
    "alpha_dropout",
    "to",
    "expand_as",
)


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
        if twin is None or not isinstance(written, fx.Node) or not _is_alone(written, node):
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


def _is_alone(value: fx.Node, writer: fx.Node) -> bool:
    """Whether a value has memory of its own, which only calls without views read."""
    makes = value.op == "call_function" and not _may_view(value)
    return makes and not any(_may_view(user) for user in value.users if user is not writer)


def _may_view(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    if schema is None:  # getitem: a part of what may be views
        return node.op == "call_function"
    if schema.is_mutable:
        return False
    name = schema.name.removeprefix("aten::")
    return name in _SOMETIMES_VIEWS or any(result.alias_info is not None for result in schema.returns)
