"""What layers give for some images: values as they were made, whatever a later in-place operation did to them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from numbers import Real
from typing import TYPE_CHECKING, Any

from torch import nn

from cnnwidgets.errors import LayerError, OptionError
from cnnwidgets.explain.activation_set import Activations
from cnnwidgets.explain.kept import KeptActivations
from cnnwidgets.explain.keywords import spelled
from cnnwidgets.explain.layers import LayerLike, check_paths, default_layer, find_layer, layer_list
from cnnwidgets.explain.method import check_chunk
from cnnwidgets.explain.network import Network, few_images
from cnnwidgets.explain.passes import checked_dtype
from cnnwidgets.explain.subject import subject_of

if TYPE_CHECKING:
    import torch

    from cnnwidgets.explain.control import Cancel, Progress
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.targets import TargetLike


def chosen_layers(network: Network, wanted: Any) -> list[Layer]:
    """Return the layers that a `layers=` argument means, each once."""
    if isinstance(wanted, str) and wanted == "all":
        chosen = layer_list(network.trace) or [default_layer(network.trace)]  # says why there is none
        check_paths(network, chosen)
    elif isinstance(wanted, Iterable) and not isinstance(wanted, str | bytes | nn.Module):
        chosen = [find_layer(network, one) for one in wanted]
    else:
        chosen = [find_layer(network, wanted)]
    if not chosen:
        raise LayerError("No layer was asked for: layers= is empty. Give names, or 'all'.")
    return list({layer.name: layer for layer in chosen}.values())


def _bytes(memory: Any) -> int:
    if isinstance(memory, bool) or not isinstance(memory, Real) or not float(memory) >= 0:
        raise OptionError(f"memory={memory!r}: give the bytes to keep, 0 or more.")
    return int(min(float(memory), sys.maxsize))


@spelled
def activations(
    model: Any,
    x: Any,
    layers: LayerLike | Iterable[LayerLike] = "all",
    *,
    target: TargetLike = None,
    memory: float = 2**30,
    dtype: torch.dtype | None = None,
    chunk: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Activations:
    """Return what layers give for images: the values as they were made.

    One pass serves all layers. Values are as the layer made them, also if a later in-place operation, such as the
    ReLU(inplace=True) after a convolution, overwrites them.

    Args:
        model: `nn.Module` or `Classifier`. It is run as it predicts, in evaluation mode, and left as found.
        x: float tensor (N,C,H,W), or with a Classifier an image or a list of images.
        layers: one layer or a list of them: a name as `explain.layers` lists it, an index into an `nn.Sequential`, the
            module itself, or None for the last feature map. "all" takes every value of the network that is a map,
            once, under its outermost name.
        target: a class, name or function, as in `explain.grad_cam`, whose score the channels' contributions are
            computed for in the same pass. Other targets can be asked for later.
        memory: bytes of values that are kept; math.inf sets no bound. Layers are kept in the order asked for while they
            fit; the others are computed on demand, by a pass that ends at that layer, and the latest ones stay within
            the bound.
        dtype: what values are kept in, such as torch.float16 for half the memory; None is the model's own. They are
            given out as float32 in any case, but for float64.
        chunk: images per pass. It bounds the memory of a pass and does not change the result.
        progress: called with (done, total) in images.
        cancel: a `CancelToken` or `threading.Event` that stops the work with `Cancelled`.

    Raises:
        LayerError: no such layer, or one without rows and columns.
        TargetError: a class that the model does not have.
        ModelError: a pass that does not come to a layer. NaN or infinite values are an error once the values of the
            layer that holds them are asked for; the other layers stay readable.

    """
    check_chunk(chunk)
    network = Network(subject_of(model, x))
    at_once = network.at_once(chunk or few_images(*network.x.shape[2:]))
    kept = KeptActivations(network, _bytes(memory), checked_dtype(dtype), at_once)
    chosen = chosen_layers(network, layers)
    result = Activations(kept, chosen, target)
    result.fill(progress, cancel)
    return result
