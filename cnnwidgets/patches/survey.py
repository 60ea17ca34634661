"""What every channel of every layer answers to a batch of images: found in the one pass that computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cnnwidgets.errors import ModelError
from cnnwidgets.explain.fuse import fused
from cnnwidgets.explain.layers import check_paths
from cnnwidgets.explain.outputs import ScoreTypeError, class_scores
from cnnwidgets.patches.glance import Glance
from cnnwidgets.patches.unfolded import Unfolded, folds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnwidgets.explain.calls import Edit
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.network import Edits, Network
    from cnnwidgets.patches.findings import Findings
    from cnnwidgets.patches.glance import Asked

Ints = npt.NDArray[np.int64]


class Survey:
    """Runs passes over batches of one size, and looks at the maps of all layers while they are being made.

    Args:
        network: the network, whose twin is given weights in the order of memory that it works with best.
        layers: the layers.

    Attributes:
        channels: number of channels of all layers together.
        cells: (layers,) number of cells of each layer's map.
        unfolded: the convolutions whose maps are read off the normalisations behind them, and not looked at.

    """

    def __init__(self, network: Network, layers: Sequence[Layer]) -> None:
        self._network, self._layers = network, list(layers)
        counts = np.array([layer.shape[0] for layer in layers])
        ends = np.cumsum(counts)
        parts = {
            layer.call: slice(int(end - count), int(end))
            for layer, count, end in zip(layers, counts, ends, strict=True)
        }
        self.channels = int(ends[-1])
        self.cells: Ints = np.array([layer.shape[1] * layer.shape[2] for layer in layers])
        wanted = parts.keys()
        convolutions = {call.number for call in network.trace.calls if call.name == "conv2d" and call.number in wanted}
        # Half precision rounds scale and shift differently where they are folded in.
        single = network.x.dtype is torch.float32
        # Of a convolution whose own maps are wanted, the normalisation's must be as well: they take its place.
        folded = {
            call: fold
            for call, fold in (folds(network) if single else {}).items()
            if call in convolutions and fold.normalisation in wanted
        }
        self.unfolded = Unfolded.of(folded, parts, self.channels)
        self._inner: Edits = fused(network, convolutions - folded.keys()) if single else {}
        self._looked = [layer for layer in layers if layer.call not in folded]
        numbers = {layer.call: number for number, layer in enumerate(layers)}
        self._sampled = {layer.call: [(numbers[layer.call], parts[layer.call])] for layer in self._looked}
        for call, fold in folded.items():
            self._sampled[fold.normalisation].append((numbers[call], parts[call]))

    def look(self, x: Tensor, asked: Asked) -> Findings:
        """Run a pass.

        Args:
            x: (B,C,H,W) as the network takes it.
            asked: what is asked of it.

        Raises:
            ModelError: the pass takes another path than the one that was traced.

        """
        trace = self._network.trace
        check_paths(self._network, self._layers, x, "this picture, of the batch number")
        looking: dict[int, tuple[str, Edit]] = {}
        glance = Glance(asked, trace, self.channels)
        for layer in self._looked:
            call = trace.calls[layer.call]
            inner = looking.get(call.first, self._inner.get(call.first))  # of several results each is looked at in turn
            edit = glance.edit(layer, inner[1] if inner else None, self._sampled[layer.call])
            looking[call.first] = (call.name, edit)
        with torch.no_grad():
            output = self._network.run(x, {**self._inner, **looking})
        missed = next((layer for layer in self._looked if layer.call not in glance.seen), None)
        if missed is not None:
            raise ModelError(
                f"The pass did not come to the layer {missed.name!r}, which it came to when it was traced. Models "
                "whose forward pass depends on chance or on the input's values cannot be indexed."
            )
        self.unfolded.complete(glance.found)
        glance.found.predicted = _predicted(output, len(x))[: asked.count]
        return glance.found


def _predicted(output: Any, batch: int) -> npt.NDArray[np.int32]:
    """Return (batch,) the likeliest class of each image, -1 where the output has no class scores for each."""
    try:
        scores = class_scores(output)
    except ScoreTypeError:
        raise
    except ModelError:
        scores = None
    if scores is None or len(scores) != batch or not scores.shape[1]:
        return np.full(batch, -1, np.int32)
    predicted: npt.NDArray[np.int32] = scores.argmax(1).cpu().numpy().astype(np.int32)
    return predicted
