"""What is known while a graph is turned into steps: a kind for every value, a slot where the picture decides it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from cnnwidgets.explain.incremental.patch import Layout
from cnnwidgets.explain.incremental.step import Call, Slot, Step

if TYPE_CHECKING:
    from cnnwidgets.explain.incremental.graph import Graph


@dataclass(frozen=True)
class Whole:
    """A value that depends on the picture in a way that is not followed in space."""


@dataclass(frozen=True)
class Count:
    """A number that depends on how many images there are."""


@dataclass(frozen=True)
class Several:
    """Several maps, as a split gives them."""

    layouts: tuple[Layout, ...]


@dataclass(frozen=True, eq=False)
class Known:
    """A value that does not depend on the picture."""

    value: Any


VIEWS = ("view.default", "_unsafe_view.default", "reshape.default")
Kind = Layout | Whole | Count | Several | Known


@dataclass(eq=False)
class Compiler:
    """The state of the walk through a graph.

    Attributes:
        graph: the graph.
        weights: tensors by placeholder.
        shape: (1,C,H,W) of the picture.
        kinds: kind of every value so far.
        slots: slot of every value that the picture decides.
        steps: the steps so far.
        inner: calls that are done within another step.

    """

    graph: Graph
    weights: dict[str, Tensor]
    shape: tuple[int, ...]
    kinds: dict[fx.Node, Kind] = field(default_factory=dict)
    slots: dict[fx.Node, int] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    inner: set[fx.Node] = field(default_factory=set)

    def kind(self, value: Any) -> Kind:
        """Return the kind of an argument."""
        return self.kinds[value] if isinstance(value, fx.Node) else Known(value)

    def template(self, value: Any) -> Any:
        """Return an argument with nodes replaced by slots or by what is known of them."""
        if isinstance(value, fx.Node):
            kind = self.kinds[value]
            return kind.value if isinstance(kind, Known) else Slot(self.slots[value])
        if isinstance(value, list | tuple):
            items = [self.template(item) for item in value]
            return tuple(items) if isinstance(value, tuple) else items
        if isinstance(value, dict):
            return {key: self.template(item) for key, item in value.items()}
        return value

    def new_slot(self, node: fx.Node) -> int:
        """Give a node a slot."""
        slot = self.slots[node] = len(self.slots)
        return slot

    def call(self, node: fx.Node) -> Call:
        """Return the plain step for a node, which calls its function."""
        # Here maps lie channels last, where a view may not be possible.
        function: Any = torch.reshape if operation(node) in VIEWS else node.target
        args, kwargs = self.template(tuple(node.args)), self.template(dict(node.kwargs))
        return Call(place_of(node), self.new_slot(node), function, args, kwargs)

    def add(self, node: fx.Node, step: Step, kind: Kind) -> None:
        """Take a step whose result is the node's."""
        self.steps.append(step)
        self.kinds[node] = kind

    def only_user(self, node: fx.Node) -> fx.Node | None:
        """Return the one call that reads a value, if there is one alone and the value is no result."""
        users = list(node.users)
        return users[0] if len(users) == 1 and users[0].op == "call_function" else None


def shape_of(value: Any) -> tuple[int, ...] | None:
    """Return the shape for one image of a traced value whose first dimension alone is the batch."""
    if not isinstance(value, Tensor) or value.ndim < 2 or isinstance(value.shape[0], int):
        return None
    first, *rest = value.shape
    if not all(isinstance(size, int) for size in rest) or not str(first).isidentifier():
        return None
    return (1, *rest)


def layout_of(value: Any, dims: tuple[int, int] | None) -> Layout | None:
    """Return the layout of a traced value if it is a batch of maps with rows and columns in `dims`."""
    shape = shape_of(value)
    if shape is None or dims is None or min(dims) < 1 or len(shape) <= max(dims):
        return None
    return Layout(shape, dims)


def operation(node: Any) -> str:
    """Return the ATen name of a call, with its overload: "conv2d.default"."""
    return str(node.target).removeprefix("aten.") if isinstance(node, fx.Node) else ""


def place_of(node: fx.Node) -> str:
    """Return the module in which a call is made, and its function, in words."""
    name = operation(node).split(".", maxsplit=1)[0]
    stack = node.meta.get("nn_module_stack") or {}
    paths = [str(path) for path, _ in stack.values() if path]
    path = paths[-1].removeprefix("L['self'].") if paths else ""
    return f"{path} ({name})" if path else name


def pair(value: Any, default: int = 0) -> tuple[int, int]:
    """Return an argument that is one number or two as (down, across)."""
    if isinstance(value, int):
        return value, value
    items = list(value)
    if not items:
        return default, default
    return (items[0], items[0]) if len(items) == 1 else (items[0], items[1])


def arguments(node: fx.Node, *defaults: Any) -> list[Any]:
    """Return a call's positional arguments, completed by defaults."""
    given = list(node.args)
    return given + list(defaults[len(given) :])
