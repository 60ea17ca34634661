"""From a graph to a plan: which step each call becomes, and what has to be remembered of the clean image."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, fx

from cnnwidgets.explain.incremental import cellwise
from cnnwidgets.explain.incremental.compiler import (
    Compiler,
    Count,
    Known,
    Several,
    Whole,
    layout_of,
    operation,
    place_of,
    shape_of,
)
from cnnwidgets.explain.incremental.fusing import convolve, vanishes
from cnnwidgets.explain.incremental.graph import NotIncrementalError
from cnnwidgets.explain.incremental.patch import Clean, Layout
from cnnwidgets.explain.incremental.sliding import slide
from cnnwidgets.explain.incremental.step import Slot, Step
from cnnwidgets.explain.incremental.steps import Batch, Cellwise, GlobalMean, Item, Together

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cnnwidgets.explain.incremental.graph import Graph


@dataclass(frozen=True, eq=False)
class Plan:
    """Steps in order, and what they need.

    Attributes:
        steps: the steps.
        image: slot of the picture.
        layouts: layout of every slot that holds a map.
        needs: slots of which the clean map is read.
        results: what the network returns, with its slots.
        form: how the network packs it.

    """

    steps: tuple[Step, ...]
    image: int
    layouts: dict[int, Layout]
    needs: frozenset[int]
    results: tuple[Any, ...]
    form: Any


def planned(graph: Graph, weights: dict[str, Tensor], shape: tuple[int, ...]) -> Plan:
    """Return the plan of a graph with the given weights for pictures of shape (1,C,H,W)."""
    compiler = Compiler(graph, weights, shape)
    for node in graph.placeholders:
        _placeholder(compiler, node)
    for node in graph.nodes:
        if node not in compiler.inner and not _nothing(compiler, node):
            _take(compiler, node)
    results = compiler.template(tuple(graph.results))
    returned = [item.index for item in results if isinstance(item, Slot)]
    layouts = {compiler.slots[node]: kind for node, kind in compiler.kinds.items() if isinstance(kind, Layout)}
    _free(compiler.steps, keep=returned)
    needs = {slot for step in compiler.steps for slot in step.needs} | set(returned)
    image = next(slot for node, slot in compiler.slots.items() if node.op == "placeholder")
    return Plan(tuple(compiler.steps), image, layouts, frozenset(needs & layouts.keys()), results, graph.form)


def _placeholder(compiler: Compiler, node: fx.Node) -> None:
    if node.name == compiler.graph.image:
        compiler.new_slot(node)
        compiler.kinds[node] = Layout(compiler.shape)
    elif isinstance(compiler.weights.get(node.name), Tensor):
        compiler.kinds[node] = Known(compiler.weights[node.name])
    else:
        raise NotIncrementalError(f"what its forward pass takes besides the picture is unknown: {node.name}")


def _nothing(compiler: Compiler, node: fx.Node) -> bool:
    """Take care of a call that needs no step: an assertion, a constant, a padding that a convolution does."""
    if operation(node).startswith(("_assert", "sym_constrain")):
        compiler.kinds[node] = Known(None)
    elif all(isinstance(compiler.kinds[argument], Known) for argument in node.all_input_nodes):
        args, kwargs = compiler.template((tuple(node.args), dict(node.kwargs)))
        function: Any = node.target
        compiler.kinds[node] = Known(function(*args, **kwargs))
    elif vanishes(compiler, node):
        compiler.inner.add(node)
        compiler.kinds[node] = Whole()
    else:
        return False
    return True


def _take(compiler: Compiler, node: fx.Node) -> None:
    """Take the step for a call: the first of these that fits it."""
    if not isinstance(node.meta.get("val"), Tensor | list | tuple):
        call = compiler.call(node)
        counts = operation(node).startswith("sym_size")
        compiler.add(node, Batch(call) if counts else call, Count())
        return
    inputs = [compiler.kinds[argument] for argument in node.all_input_nodes]
    maps = [kind for kind in inputs if isinstance(kind, Layout)]
    followed = bool(maps) and not any(isinstance(kind, Whole | Several) for kind in inputs)
    if convolve(compiler, node) or _item(compiler, node):
        return
    if followed and (
        (len(maps) == 1 and (_slide(compiler, node, maps[0]) or _alone(compiler, node, maps[0])))
        or _together(compiler, node, maps)
    ):
        return
    compiler.add(node, compiler.call(node), Whole())


def _item(compiler: Compiler, node: fx.Node) -> bool:
    if node.target is not operator.getitem:
        return False
    source: Any = node.args[0]
    kind = compiler.kind(source)
    if not isinstance(kind, Several):
        return False
    index: Any = node.args[1]
    step = Item(place_of(node), compiler.slots[source], compiler.new_slot(node), index)
    compiler.add(node, step, kind.layouts[index])
    return True


def _slide(compiler: Compiler, node: fx.Node, layout: Layout) -> bool:
    after = layout_of(node.meta["val"], layout.dims)
    step = None if after is None else slide(compiler, node, layout)
    if after is None or step is None:
        return False
    compiler.add(node, step, after)
    return True


def _alone(compiler: Compiler, node: fx.Node, layout: Layout) -> bool:
    """Take a function of one map and nothing else that the picture decides."""
    if not cellwise.is_map_first(node, compiler.kind):
        return False
    if cellwise.is_global_mean(node, layout):
        keepdim = node.meta["val"].ndim == len(layout.shape)
        compiler.add(node, GlobalMean(compiler.call(node), layout, keepdim=keepdim), Whole())
        return True
    normalised = cellwise.batch_normalised(node, layout, compiler.kind)
    found = normalised or cellwise.followed(node, layout, compiler.kind)
    if found is None:
        return False
    value: Any = node.meta["val"]
    kind: Any
    if isinstance(value, list | tuple):
        shapes = [shape_of(item) for item in (value[:1] if normalised else value)]
        if None in shapes or not all(user.target is operator.getitem for user in node.users):
            return False
        kind = Several(tuple(Layout(shape, found.dims) for shape in shapes if shape is not None))
    else:
        kind = layout_of(value, found.dims)
    if kind is None:
        return False
    compiler.add(node, Cellwise(compiler.call(node), found.rewrite), kind)
    return True


def _together(compiler: Compiler, node: fx.Node, maps: list[Layout]) -> bool:
    if not cellwise.is_together(node, maps):
        return False
    layout = layout_of(node.meta["val"], maps[0].dims)
    if layout is None or (operation(node) == "cat.default" and not _only_maps(compiler, node)):
        return False
    fixed: list[tuple[int, Clean]] = []
    for place, argument in enumerate(node.args):
        kind = compiler.kind(argument) if not isinstance(argument, list | tuple) else None
        if isinstance(kind, Count):
            return False
        value = kind.value if isinstance(kind, Known) else None
        if isinstance(value, Tensor) and not _is_flat(value, layout):
            shape = (1,) * (len(layout.shape) - value.ndim) + tuple(value.shape)
            extent = tuple(layout.shape[dim] if dim in layout.dims else size for dim, size in enumerate(shape))
            fixed.append((place, Clean(value.reshape(shape).expand(extent), Layout(extent, layout.dims))))
    if any(isinstance(compiler.kind(argument), Known) for argument in node.kwargs.values() if _is_node(argument)):
        return False
    compiler.add(node, Together(compiler.call(node), layout, fixed), layout)
    return True


def _is_node(value: Any) -> bool:
    return isinstance(value, fx.Node)


def _is_flat(value: Tensor, layout: Layout) -> bool:
    """Whether a constant is the same in every row and column, once broadcast to a map."""
    behind = [dim - len(layout.shape) for dim in layout.dims]
    return all(value.ndim < -dim or value.shape[dim] == 1 for dim in behind)


def _only_maps(compiler: Compiler, node: fx.Node) -> bool:
    """Whether a concatenation takes nothing but maps: a constant would need their batch."""
    items: Any = node.args[0]
    return all(isinstance(compiler.kind(item), Layout) for item in items)


def _free(steps: list[Step], keep: Iterable[int]) -> None:
    """Note on each step which slots nobody reads after it."""
    seen = set(keep)
    for step in reversed(steps):
        step.frees = tuple({*step.inputs, step.out} - seen)
        seen.update((*step.inputs, step.out))
