"""Which layer and which channel a NeuronGallery opens on: ones whose patches say something.

A channel is saturated where more than half of its strongest patches have the same value, as at the cap of a ReLU6: they
are pictures among many that it answers to equally. A layer is saturated where more than half of its channels are.

- **Layer**: the last feature map. Where that is saturated, the nearest layer before it that has weights and is not;
  where there is none, the last feature map all the same.
- **Channel**: of those that are neither dead nor saturated, the one that separates the classes best (see
  `PatchIndex.separation`); without classes the one with the highest value. Where all are dead or saturated, of those
  that are not dead, and of all where all are dead.

Nothing is run for it: the index has all that it takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from cnnwidgets.patches.index import PatchIndex
    from cnnwidgets.patches.indexed_layer import IndexedLayer


def opening_layer(index: PatchIndex) -> IndexedLayer:
    """Return the layer to open on."""
    last = index.feature_layer
    before = [layer for layer in index.layers if layer.call < last.call and layer.parameters > 0]
    return next((one for one in (last, *reversed(before)) if saturated(index, one).mean() <= 0.5), last)


def opening_channel(index: PatchIndex, layer: IndexedLayer) -> int:
    """Return the channel of a layer to open on."""
    alive = np.ones(layer.shape[0], bool)
    alive[index.dead(layer)] = False
    plain = alive & ~saturated(index, layer)
    eligible = plain if plain.any() else alive if alive.any() else ~alive
    scores = index.separation(layer)
    if not scores[eligible].any():
        scores = index.entries(layer).values[:, 0].astype(np.float64)
    return int(np.argmax(np.where(eligible, scores, -np.inf)))


def saturated(index: PatchIndex, layer: IndexedLayer) -> npt.NDArray[np.bool_]:
    """Return (C,), the channels of which more than half of the strongest patches, two at least, have one value."""
    entries = index.entries(layer)
    there = entries.images >= 0
    same = (there & (entries.values == entries.values[:, :1])).sum(1)
    found: npt.NDArray[np.bool_] = (same > 1) & (2 * same > there.sum(1))
    return found
