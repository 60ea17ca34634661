"""The layers of a network: what they are called, and which one a method takes by itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import lru_cache
from numbers import Integral
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from cnnwidgets.errors import LayerError, nearest
from cnnwidgets.explain.calls import PathError
from cnnwidgets.explain.keywords import spelled
from cnnwidgets.explain.layer import Layer
from cnnwidgets.explain.layer_table import Layers
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.subject import subject_of
from cnnwidgets.explain.trace import INPUT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from cnnwidgets.explain.trace import Call, Trace

_POOLING = {
    "max_pool2d",
    "avg_pool2d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "dropout",
    "dropout2d",
    "feature_dropout",
    "contiguous",
    "pad",
}
LayerLike = str | int | nn.Module | Layer | None


@lru_cache(maxsize=16)
def _maps(trace: Trace) -> frozenset[int]:
    """Return the values that are maps: (N,C,h,w) of real numbers, an image a row, with more than one cell.

    Of a value that could not be followed the order of its dimensions is not known. It is taken for N,h,w,C where a
    value of the same shape was followed and is: a Swin transformer mixes such maps with what its windows give.
    """
    channels_last = {call.shape for call in trace.calls if call.grid is not None and call.grid.dims != (2, 3)}
    return frozenset(
        call.number
        for call in trace.calls
        if len(call.shape) == 4
        and not call.dtype.is_complex
        and call.new
        and call.shape[0] == 1
        and call.shape[2] * call.shape[3] > 1
        and (call.shape not in channels_last if call.grid is None else call.grid.dims == (2, 3))
    )


def layer_of_call(call: Call, name: str = "") -> Layer:
    """Return a value as a layer; `name` is by default that of the function that makes it."""
    shape = (call.shape[1], call.shape[2], call.shape[3])
    return Layer(name or _function(call), shape, call.number, call.grid, call.name)


def _function(call: Call) -> str:
    part = f"[{call.part}]" if call.part else ""
    return f"{call.owner}.{call.name}(){part}".lstrip(".")


@lru_cache(maxsize=16)
def _named(trace: Trace) -> dict[str, Layer]:
    """Return every layer under each of its names: a name without "#" also is that of the last of several calls.

    In order of execution; of several modules that return the same value the inner ones come first.
    """
    owned = {module.value for module in trace.modules}
    maps = _maps(trace) & _descendants(trace)
    made = [(_function(call), layer_of_call(call)) for call in trace.calls if call.number in maps - owned]
    for module in trace.modules:
        if module.value in maps:
            call = trace.calls[module.value]
            layer = replace(layer_of_call(call, module.path), kind=module.kind, parameters=module.parameters)
            made.append((module.path, layer))
    made.sort(key=lambda pair: pair[1].call)
    total = Counter(name for name, _ in made)
    times: Counter[str] = Counter()
    found: dict[str, Layer] = {}
    for name, layer in made:
        numbered = f"{name}#{times[name]}" if total[name] > 1 else name
        times[name] += 1
        found[numbered] = found[name] = replace(layer, name=numbered)
    return found


def all_layers(trace: Trace) -> Layers:
    """Return every module call and every other function call that gives a map, in order of execution."""
    return Layers(layer for name, layer in _named(trace).items() if name == layer.name)


def layer_list(trace: Trace) -> list[Layer]:
    """Return all layers in order of execution, a value once, under the outermost module's name."""
    best: dict[int, Layer] = {}
    for layer in all_layers(trace):
        known = best.get(layer.call)
        if known is None or _rank(layer.name) < _rank(known.name):
            best[layer.call] = layer
    return [best[number] for number in sorted(best)]


def _rank(name: str) -> tuple[bool, int, int]:
    return ("()" in name, name.count("."), len(name))


@spelled
def layers(model: Any, x: Any) -> Layers:
    """Return the layers of a network that have a map of more than one cell, in order of execution.

    Every call of a module is a layer, also of one that contains others: where a block and its last module return the
    same value, both are there, the inner one first, with the same `call`. A function is a layer as well where
    no module returns its value, such as the addition in a residual block; of a function with several results each is
    one, as "chunk()" and "chunk()[1]". A module that is called twice is there twice, as "relu#0" and "relu#1".

    Args:
        model: `nn.Module` or `Classifier`. It is left as found.
        x: float tensor (N,C,H,W), or an image with a Classifier; the first image is run once.

    Returns:
        A list of `Layer`, which a notebook shows as a table.

    """
    return all_layers(Network(subject_of(model, x)).trace)


def _descendants(trace: Trace) -> set[int]:
    """Return the values that depend on the network's input; what a network makes of its weights alone is no layer."""
    reached = {INPUT}
    for call in trace.calls:
        if not reached.isdisjoint(call.inputs):
            reached.add(call.number)
    return reached - {INPUT}


def _ancestors(trace: Trace) -> set[int]:
    """Return the values on which the output depends."""
    if trace.output is None:
        return {call.number for call in trace.calls}
    seen: set[int] = set()
    todo = [trace.output]
    while todo:
        number = todo.pop()
        if number >= 0 and number not in seen:
            seen.add(number)
            todo.extend(trace.calls[number].inputs)
    return seen


def default_layer(trace: Trace) -> Layer:
    """Return the layer that Grad-CAM takes by itself: the last feature map.

    It is found by tracing: the last operation on the way to the scores that turns a map into something without rows
    and columns (pooling to one cell, flattening), and before it, past poolings and dropouts, the value that they
    were given. For a ResNet that is `layer4`, for VGG-16 the last ReLU before the last pooling (14x14).

    Raises:
        LayerError: nothing in the network is a map.

    """
    on_path, maps = _ancestors(trace), _maps(trace)
    if not maps & on_path:
        script = any(call.name.startswith("TorchScript.") for call in trace.calls)
        if script:
            raise LayerError(
                "This network has no layer with rows and columns that can be seen: it is, or holds, a TorchScript "
                "module, whose inside is shown to nobody. Give the nn.Module that it was made of; explain.saliency and "
                "explain.occlusion work with this one."
            )
        raise LayerError(
            "This network has no layer with rows and columns, of an input of this size, that leads to its scores, so "
            "there is no map to show. Grad-CAM needs a convolutional network; explain.saliency works with any."
        )
    chosen = trace.calls[max(maps & on_path)]
    for call in reversed(trace.calls):
        if call.number in on_path and call.number not in maps:
            sources = [v for v in call.inputs if v in maps]
            if sources:
                chosen = trace.calls[sources[0]]
                break
    while chosen.name in _POOLING and chosen.inputs and chosen.inputs[0] in maps:
        chosen = trace.calls[chosen.inputs[0]]
    listed = {layer.call: layer for layer in layer_list(trace)}
    return listed.get(chosen.number) or layer_of_call(chosen)


def check_paths(network: Network, layers: Iterable[Layer], x: Tensor | None = None, what: str = "image") -> None:
    """Raise `PathError` where an image's own path through the network does not come to some layers as it was traced.

    Only where the forward pass looks at values, so that its path may depend on them. Each image is then traced.

    Args:
        network: the network.
        layers: the layers.
        x: the images (N,C,H,W), None for the network's own.
        what: what they are called.

    """
    trace = network.trace
    if not trace.branches:
        return
    if x is None:
        layers = [layer for layer in layers if layer.name not in network.passed_layers]
    layers = list(layers)
    last = max((layer.call for layer in layers), default=-1)
    for index, image in enumerate(torch.split(network.x if x is None else x, 1) if layers else ()):
        own = network.trace_of(image)
        named = _named(own)
        for layer in layers:
            other = named.get(layer.name)
            if (
                other is None
                or other.call != layer.call
                or other.shape != layer.shape
                or not _same_path(trace, own, last)
            ):
                raise PathError(
                    f"The layer {layer.name!r} cannot be shown for {what} {index}: the model's forward pass depends on "
                    f"the values of the picture, and it takes another path for this one than for the first one"
                    f"{_difference(trace, own)}. Explain pictures of different paths one by one, in calls of their own."
                )
    if x is None:
        network.passed_layers.update(layer.name for layer in layers)


def _same_path(one: Trace, other: Trace, last: int) -> bool:
    """Whether two passes do the same up to one value."""
    return all(
        (a.name, a.owner, a.weights, a.shape) == (b.name, b.owner, b.weights, b.shape)
        for a, b in zip(one.calls[: last + 1], other.calls[: last + 1], strict=False)
    )


def _difference(one: Trace, other: Trace) -> str:
    """Say where two passes part."""
    for a, b in zip(one.calls, other.calls, strict=False):
        if (a.name, a.owner, a.weights) != (b.name, b.owner, b.weights):
            return f" (call {a.number} is {_words(b)} instead of {_words(a)})"
    return f" ({len(other.calls)} calls instead of {len(one.calls)})" if len(one.calls) != len(other.calls) else ""


def _words(call: Call) -> str:
    return f"{_function(call)!r}" + (f" with {call.weights[0]!r}" if call.weights else "")


def find_layer(network: Network, wanted: LayerLike) -> Layer:
    """Return the layer that a `layer=` argument means.

    Args:
        network: the network.
        wanted: a name as `explain.layers` gives it, the module itself, an index into an `nn.Sequential`, or None for
            the default.

    Raises:
        LayerError: no such layer (near names are offered), or one without a map.

    """
    trace = network.trace
    found: Layer | None
    if wanted is None:
        found = default_layer(trace)
        if found.name not in _named(trace):
            raise LayerError(
                f"The last feature map, which {found.name!r} gives, has no name by which a pass finds it again, as "
                "inside torch.vmap or with a subclass of Tensor. Give one of explain.layers(model, x) as layer=, or "
                "write the forward pass for plain tensors; explain.saliency and explain.occlusion work with this one."
            )
        check_paths(network, [found])
        return found
    name = module_path(network.model, wanted)
    if not isinstance(wanted, Layer):  # a Layer has the trace's own name, and there may be hundreds of them
        name = _own_name(network.model, trace, name)
    found = _named(trace).get(name)
    if found is not None:
        check_paths(network, [found])
        return found
    if name in trace.unseen:
        raise LayerError(
            f"The layer {name!r} is called inside {trace.unseen[name]!r}, a custom autograd function or a TorchScript "
            "module, whose inside cannot be seen. Choose one of explain.layers(model, x), or run it outside of that."
        )
    paths = {path for path, _ in network.model.named_modules()}
    if name in paths:
        shapes = [module.shape for module in trace.modules if module.path == name]
        why = "it is not called in a forward pass, or gives no tensor"
        if trace.branches:
            why = "the forward pass of this picture, whose values decide on the path, does not call it"
        if shapes:
            single = len(shapes[-1]) == 4 and shapes[-1][2:] == (1, 1)
            what = "one cell (would a larger image give more?)" if single else "without rows and columns"
            why = f"its output has shape {shapes[-1]}, {what}"
        raise LayerError(f"The layer {name!r} has no map: {why}. Choose one of explain.layers(model, x).")
    raise LayerError(
        f"The network has no layer {name!r}.{nearest(name, _named(trace))} explain.layers(model, x) lists them all."
    )


def module_path(model: nn.Module, wanted: str | int | nn.Module | Layer) -> str:
    """Return the name that a `layer=` argument means, whether or not there is such a layer.

    Raises:
        LayerError: a module that is not part of the model, an index that it does not have.

    """
    if isinstance(wanted, Layer):
        return wanted.name
    if isinstance(wanted, nn.Module):
        for path, module in model.named_modules():
            if module is wanted:
                return str(path)
        raise LayerError(f"The given layer, a {type(wanted).__name__}, is not part of this model.")
    if isinstance(wanted, Integral) and not isinstance(wanted, bool):
        if not isinstance(model, nn.Sequential):
            raise LayerError(
                f"layer={wanted} is an index, but the model is a {type(model).__name__}, not an nn.Sequential. "
                "Give the layer's name."
            )
        if not -len(model) <= wanted < len(model):
            raise LayerError(f"layer={wanted} is out of range: the model has {len(model)} modules.")
        # `named_children` would leave out the second name of a module that is used twice.
        return str(list(model._modules)[int(wanted)])  # noqa: SLF001
    return str(wanted)


def _own_name(model: nn.Module, trace: Trace, name: str) -> str:
    """Return the name in the trace of a module that stands at several places of the model under several names."""
    modules = dict(model.named_modules(remove_duplicate=False))
    same = [path for path, module in modules.items() if module is modules.get(name)]
    if len(same) < 2:
        return name
    calls = sum(call.path == same[0] for call in trace.modules)
    return f"{same[0]}#{same.index(name)}" if calls == len(same) else same[0]
