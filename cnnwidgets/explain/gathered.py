"""Values of several calls, put together from the passes over chunks of the images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cnnwidgets.errors import ModelError
from cnnwidgets.explain.clipping import Preactivation, clipped_maxima
from cnnwidgets.explain.storage import storage_place

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cnnwidgets.explain.clipping import Clipping
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.network import Network


class Gathered:
    """Values of several calls, as they were when they were made.

    A value that nothing writes over is kept as the tensor that the network made, which costs no copy; every other one
    is copied at once.

    Args:
        network: the network with its images.
        layers: the layers.
        dtype: what to keep the values in.
        copying: copy every value.

    Attributes:
        layers: the layers by call.
        rows: the images of the pass that is running.
        preactivations: of layers that a function made which clips, by call, what it was given.

    """

    def __init__(self, network: Network, layers: Iterable[Layer], dtype: torch.dtype, *, copying: bool = False) -> None:
        self.layers = {layer.call: layer for layer in layers}
        self.rows = slice(0, len(network.x))
        self._images, self._dtype, self._copying = len(network.x), dtype, copying
        self._overwritten = network.trace.overwritten
        lasting = [network.x, *network.module.parameters(), *network.module.buffers()]
        self._lasting = {storage_place(tensor) for tensor in lasting}
        self._found: dict[int, Tensor] = {}
        self.preactivations: dict[int, Preactivation] = {}
        self._versions: dict[int, int] = {}

    def see(self, call: int, value: Tensor) -> None:
        """Take what the running pass shows."""
        layer, count = self.layers[call], self.rows.stop - self.rows.start
        if value.shape != (count, *layer.shape):
            raise ModelError(
                f"The layer {layer.name!r} gave a tensor of shape {tuple(value.shape)} for {count} image(s); "
                f"{(count, *layer.shape)} was expected."
            )
        value = value.detach()
        if count < self._images:
            if call not in self._found:
                last = value.is_contiguous(memory_format=torch.channels_last)
                order = torch.channels_last if last else torch.contiguous_format
                shape = (self._images, *layer.shape)
                self._found[call] = torch.empty(shape, dtype=self._dtype, memory_format=order)
            self._found[call][self.rows] = value
        elif self._copying or call in self._overwritten or not self._alone(value):
            self._found[call] = value.to("cpu", self._dtype, copy=True)
        else:
            self._found[call], self._versions[call] = value, value._version  # noqa: SLF001

    def clip(self, call: int, clipping: Clipping) -> None:
        """Take what the running pass is about to clip."""
        maxima = clipped_maxima(clipping).to("cpu", torch.float32).numpy()
        if call not in self.preactivations:
            every = np.full((self._images, maxima.shape[1]), np.nan, np.float32)
            self.preactivations[call] = Preactivation(every, clipping.cap)
        self.preactivations[call].maxima[self.rows] = maxima

    def _alone(self, value: Tensor) -> bool:
        """Whether a value can be kept as it is: in the right form, and all of a memory that the pass made."""
        memory = value.untyped_storage()
        return (
            value.device.type == "cpu"
            and value.dtype is self._dtype
            and memory.nbytes() == value.nbytes
            and memory.data_ptr() not in self._lasting
        )

    def values(self) -> dict[int, Tensor]:
        """Return the values (N,C,h,w) by call, on the CPU, in either order of memory.

        One that was written over after all, which the trace did not foretell, is left out. (A reshape may be a copy in
        one order of memory, and in another one a view.)
        """
        return {
            call: value
            for call, value in self._found.items()
            if self._versions.get(call, value._version) == value._version  # noqa: SLF001
        }
