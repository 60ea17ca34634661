"""Activations kept within a bound of memory, and computed again where they were not."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cnnwidgets.errors import ModelError
from cnnwidgets.explain.control import check_cancelled
from cnnwidgets.explain.fork_lock import ForkLock
from cnnwidgets.explain.gathered import Gathered
from cnnwidgets.explain.network import check_finite
from cnnwidgets.explain.provenance import ModelStamp
from cnnwidgets.explain.subject import refuse_inference_mode
from cnnwidgets.explain.taps import watch
from cnnwidgets.explain.thread_state import restoring

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cnnwidgets.explain.clipping import Preactivation
    from cnnwidgets.explain.control import Cancel, Progress
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.network import Network

_WIDE = (torch.float32, torch.float64)


class KeptActivations:
    """The values of layers for all images of a network, on the CPU; may be used from several threads.

    Args:
        network: the network with its images.
        memory: bytes that are kept at most. What goes beyond is computed again when it is asked for.
        dtype: what values are kept in; None is the model's own.
        chunk: images per pass.

    Attributes:
        preactivations: as `Gathered` has it, of all layers that were computed.

    """

    def __init__(self, network: Network, memory: int, dtype: torch.dtype | None, chunk: int) -> None:
        self.network, self.memory, self.dtype, self.chunk = network, memory, dtype or network.x.dtype, chunk
        self.stamp = ModelStamp.of(network.model)
        self.preactivations: dict[int, Preactivation] = {}
        self._kept: OrderedDict[int, Tensor] = OrderedDict()
        self._versions: dict[int, int] = {}
        self._bytes = 0
        self._finite: set[int] = set()
        self._lock = ForkLock()

    def fitting(self, layers: Iterable[Layer]) -> list[Layer]:
        """Return the layers whose values fit into the memory together, taken in the given order."""
        left, chosen = self.memory, []
        for layer in {layer.call: layer for layer in layers}.values():
            channels, height, width = layer.shape
            need = len(self.network.x) * channels * height * width * self.dtype.itemsize
            if need <= left:
                left -= need
                chosen.append(layer)
        return chosen

    def fill(self, layers: Sequence[Layer], progress: Progress | None = None, cancel: Cancel | None = None) -> None:
        """Compute and keep the values of several layers, all of them in one pass over the images."""
        for call, value in self._computed(layers, progress, cancel).items():
            self.keep(call, value)

    def keep(self, call: int, value: Tensor) -> None:
        """Keep a value that fits into the memory; those that were used longest ago make room for it."""
        with self._lock:
            self._taken(call)
            if value.nbytes > self.memory:
                return
            while self._bytes + value.nbytes > self.memory:
                self._taken(next(iter(self._kept)))
            self._kept[call], self._versions[call] = value, value._version  # noqa: SLF001
            self._bytes += value.nbytes

    def _taken(self, call: int) -> Tensor | None:
        """Take a value out; None where there is none, or somebody, such as a hook of the user's, wrote over it."""
        found = self._kept.pop(call, None)
        if found is None:
            return None
        self._bytes -= found.nbytes
        return found if found._version == self._versions[call] else None  # noqa: SLF001

    def values(self, layer: Layer) -> Tensor:
        """Return a layer's values (N,C,h,w) in float32 or float64, not to be written to.

        Raises:
            ModelError: NaN or infinite values; or they have to be computed again, and the model's weights are not
                what they were.

        """
        with self._lock:
            found = self._taken(layer.call)
            if found is None:
                self.check_current()
                found = self._computed([layer])[layer.call]
            found = found.contiguous()
            self.keep(layer.call, found)
            if layer.call not in self._finite:  # said here: the other layers may well be sound
                remedy = " Values beyond 65504 need dtype=torch.bfloat16." if self.dtype is torch.float16 else ""
                check_finite(found, f"The layer {layer.name!r}, kept in {self.dtype},", remedy)
                self._finite.add(layer.call)
        return found if found.dtype in _WIDE else found.float()

    def check_current(self) -> None:
        """Raise `ModelError` if the model has been changed since the first pass, or no pass can be made here."""
        refuse_inference_mode()
        if not self.stamp.current:
            raise ModelError(
                "The model's weights have been changed since these activations were computed, so what is missing "
                "would not belong to the rest. Call explain.activations again; more memory= keeps more layers."
            )

    @restoring
    def _computed(
        self,
        layers: Sequence[Layer],
        progress: Progress | None = None,
        cancel: Cancel | None = None,
        *,
        copying: bool = False,
    ) -> dict[int, Tensor]:
        x = self.network.x
        found = Gathered(self.network, layers, self.dtype, copying=copying)
        for first in range(0, len(x) if layers else 0, self.chunk):
            check_cancelled(cancel, first, len(x))
            part = x[first : first + self.chunk]
            found.rows = slice(first, first + len(part))
            with torch.no_grad():
                watch(self.network, part, found.layers, found.see, clip=found.clip)
            if progress is not None:
                progress(first + len(part), len(x))
        values = found.values()
        self.preactivations |= found.preactivations
        missing = [layer for layer in layers if layer.call not in values]
        return values | self._computed(missing, copying=True) if missing else values
