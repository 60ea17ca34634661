"""The contributions of some layers to targets, each computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from cnnwidgets.explain.contributions import Contributions, contributions_of
from cnnwidgets.explain.fork_lock import ForkLock
from cnnwidgets.explain.gathered import Gathered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnwidgets.explain.control import Cancel, Progress
    from cnnwidgets.explain.kept import KeptActivations
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.targets import TargetLike

_TARGETS = 16  # whose contributions are remembered


class Contributed:
    """Contributions of all channels of some layers, by target; may be used from several threads.

    Args:
        kept: the network with its images.
        layers: the layers.
        target: the target where none is asked for; None is each image's top class.

    """

    def __init__(self, kept: KeptActivations, layers: Sequence[Layer], target: TargetLike) -> None:
        self._kept, self._layers, self._target = kept, tuple(layers), target
        self._known: dict[Any, Contributions] = {}
        self._lock = ForkLock()

    def fill(self, first: Sequence[Layer], progress: Progress | None = None, cancel: Cancel | None = None) -> None:
        """Compute those to the target, and keep the values of the `first` layers, in one pass."""
        kept = self._kept
        gathered = Gathered(kept.network, first, kept.dtype)
        found = contributions_of(
            kept.network,
            self._layers,
            self._target,
            kept.chunk,
            gathered=gathered,
            progress=progress,
            cancel=cancel,
        )
        with self._lock:
            self._known[_key(self._target)] = found
        for call, value in gathered.values().items():
            kept.keep(call, value)
        kept.preactivations |= gathered.preactivations

    def to(self, target: TargetLike = None) -> Contributions:
        """Return the contributions to a target, None for that of all."""
        wanted = self._target if target is None else target
        key = _key(wanted)
        with self._lock:
            found = self._known.get(key)
            if found is None:
                self._kept.check_current()
                found = contributions_of(self._kept.network, self._layers, wanted, self._kept.chunk)
                while len(self._known) >= _TARGETS:
                    self._known.pop(next(iter(self._known)))
                self._known[key] = found
        return found


def _key(target: Any) -> Any:
    """Return what a target is remembered by."""
    if isinstance(target, Tensor | np.ndarray):
        target = target.tolist()
    plain = tuple(target) if isinstance(target, list) else target
    try:
        hash(plain)
    except TypeError:  # a callable object that compares by its values has no hash
        return type(plain), _Same(plain)
    return type(plain), plain


class _Same:
    """An object to be looked up by who it is; as a key it is also kept alive."""

    def __init__(self, item: Any) -> None:
        self.item = item

    def __hash__(self) -> int:
        return id(self.item)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.item is other.item
