"""Passes over images that equal one picture but for a patch: what a sweep of occluders asks of a network."""

from __future__ import annotations

import copy
import weakref
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.agreement import is_undisturbed
from cnnwidgets.explain.calls import PathError
from cnnwidgets.explain.fuse import fused
from cnnwidgets.explain.storage import data_place
from cnnwidgets.explain.thread_state import restoring
from cnnwidgets.explain.twin import PrivateCopy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnwidgets.explain.network import Network

_PIXELS_ON_CPU = 4 * 224 * 224  # measured: larger batches are no faster and take more memory
_PIXELS_ON_GPU = 64 * 224 * 224


class Passes(Protocol):
    """Runs a network on images that equal `base` but for a patch each.

    Attributes:
        base: (1,C,H,W), the picture around the patches, as the network takes it.
        facts: what a result says about how it was computed; goes into `Heatmap.params`.

    """

    base: Tensor
    facts: dict[str, Any]

    @property
    def at_once(self) -> int:
        """How many images one call takes with bounded memory; more in a call only cost memory."""

    def outputs(self, tops: Sequence[int], lefts: Sequence[int], patches: Tensor) -> Any:
        """Return the network's raw output, a batch of B, for `base` with a patch each.

        Args:
            tops: first row of each patch, B of them.
            lefts: first column of each patch.
            patches: (B,C,h,w), all inside the picture.

        """


class FullPasses:
    """One pass through the whole network for every image: right for any network.

    Args:
        network: the network.
        base: (1,C,H,W).

    """

    def __init__(self, network: Network, base: Tensor) -> None:
        self._network = network
        self._edits = fused(network)
        self.base = base
        pixels = _PIXELS_ON_CPU if base.device.type == "cpu" else _PIXELS_ON_GPU
        self._most = max(1, pixels // (base.shape[2] * base.shape[3]))
        self.facts: dict[str, Any] = {"engine": "full passes"}

    @cached_property
    def at_once(self) -> int:
        """How many images one pass takes: one, where a network's output for an image depends on those beside it."""
        alone = self._network.trace.stands_alone and self._network.at_once(self._most) > 1 and is_undisturbed(self)
        return self._most if alone else 1

    @restoring
    def outputs(self, tops: Sequence[int], lefts: Sequence[int], patches: Tensor) -> Any:
        """Return the network's raw output; see `Passes.outputs`."""
        height, width = patches.shape[2:]
        images = self.base.expand(len(patches), -1, -1, -1).clone(memory_format=torch.channels_last)
        for image, top, left, patch in zip(images, tops, lefts, patches, strict=True):
            image[:, top : top + height, left : left + width] = patch
        with torch.no_grad():
            try:
                return self._network.run(images, self._edits)
            except PathError:  # the forward pass depends on the values of its input
                self._edits = {}
                return self._network.run(images)


def make_passes(
    network: Network, base: Tensor, *, incremental: bool = True, dtype: torch.dtype | None = None
) -> Passes:
    """Return the fastest exact way to run a network on images that equal `base` but for a patch.

    Args:
        network: the network.
        base: (1,C,H,W), as the network takes it.
        incremental: recompute only what a patch can reach, where the network's graph is understood. False runs
            whole passes.
        dtype: what to compute in, such as `torch.bfloat16`; None is the network's own.

    Raises:
        OptionError: `dtype` is none of floating point.

    """
    if dtype is not None and checked_dtype(dtype) is not None:
        network, base = _cast(network, dtype), base.to(dtype)
    passes = _passes(network, base, incremental=incremental)
    if dtype is not None:
        passes.facts["dtype"] = str(dtype).removeprefix("torch.")
    return passes


def _passes(network: Network, base: Tensor, *, incremental: bool) -> Passes:
    if not incremental:
        return FullPasses(network, base)
    mixes = "it normalises over the batch, so the images of a batch influence each other"
    reason = "its forward pass draws random numbers" if network.trace.draws else mixes
    if network.trace.branches:
        reason = "its forward pass depends on the values of the picture"
    if network.trace.stands_alone:
        # Loading what writes a graph takes a second, which whole passes need not pay.
        from cnnwidgets.explain.incremental import NotIncrementalError, incremental_passes

        try:
            return incremental_passes(network, base)
        except NotIncrementalError as error:
            reason = str(error)
    whole = FullPasses(network, base)
    whole.at_once = 1  # in what cannot be followed, an image's output may depend on the others of its batch
    whole.facts["engine"] = f"full passes: {reason}"
    return whole


_CASTS: weakref.WeakKeyDictionary[Network, dict[torch.dtype, Network]] = weakref.WeakKeyDictionary()


def _cast(network: Network, dtype: torch.dtype) -> Network:
    """Return the network with a twin of its own in another dtype; the same one each time, so that plans are kept."""
    casts = _CASTS.setdefault(network, {})
    other = casts.get(dtype)
    if other is None:
        other = casts[dtype] = copy.copy(network)
        other.become(PrivateCopy(network.module), network.guard)
        other.module.to(dtype)
        other.x = network.x.to(dtype)
        vars(other)["trace"] = network.trace  # as it was watched in the network's own dtype
        return other
    # Its weights are copies, and the user's may have changed.
    for mine, own in zip(other.module.parameters(), network.module.parameters(), strict=True):
        if data_place(mine) != data_place(own):
            mine.copy_(own)
    return other


def checked_dtype(dtype: Any) -> torch.dtype | None:
    """Return a floating dtype, or None.

    Raises:
        OptionError: anything else.

    """
    if dtype is None or dtype in (torch.bfloat16, torch.float16, torch.float32, torch.float64):
        return dtype  # type: ignore[no-any-return]
    raise OptionError(
        f"dtype={dtype!r}: give a floating point dtype such as torch.bfloat16, or None for the model's own."
    )
