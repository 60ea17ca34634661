"""Which convolution's filters made the channels of a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnwidgets.explain.kernels import has_filters
from cnnwidgets.explain.trace import INPUT

if TYPE_CHECKING:
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.network import Network

# What can be done to each channel by itself, so that it stays what the filter made it.
_KEEPING = frozenset({
    "batch_norm", "instance_norm", "group_norm", "dropout", "dropout2d", "feature_dropout", "alpha_dropout",
    "relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "celu", "selu", "silu", "gelu", "mish", "softplus",
    "hardtanh", "hardswish", "hardsigmoid", "sigmoid", "tanh", "threshold", "clamp", "clip", "abs", "square", "sqrt",
    "exp", "log", "pow", "add", "sub", "mul", "div", "truediv", "neg", "clone", "contiguous", "detach", "to", "float",
    "half", "double", "bfloat16", "type", "type_as", "identity",
})  # fmt: skip
_CONVOLVING = frozenset({"conv2d", "conv_transpose2d"})


def filters_behind(network: Network, layer: Layer) -> str | None:
    """Return the path of the convolution whose filters made a layer's channels, None if there is no single one.

    The way back leads through what is done to each channel by itself, such as normalisation, activation, dropout and
    the gate of a squeeze-and-excitation. It ends in front of an addition of two maps, a concatenation or a pooling.
    """
    calls = network.trace.calls
    todo, seen = [layer.call], set[int]()
    while todo:  # y * sigmoid(y) is two ways back to y
        number = todo.pop()
        seen.add(number)
        call = calls[number]
        if call.name in _KEEPING:
            maps = {value for value in call.inputs if value == INPUT or calls[value].shape == call.shape}
            if not maps or INPUT in maps:
                return None
            todo.extend(maps - seen)
    made = [calls[number] for number in seen if calls[number].name not in _KEEPING]
    if len(made) != 1 or made[0].name not in _CONVOLVING:
        return None
    module = dict(network.module.named_modules()).get(made[0].owner)
    return made[0].owner if module is not None and has_filters(module) else None
