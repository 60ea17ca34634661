"""All channels of a layer as the browser gets them: what they answer to in numbers, their order, rows of patches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cnnwidgets.widgets._gallery_tiles import Missing, pack_tiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cnnwidgets.patches.index import PatchIndex
    from cnnwidgets.patches.patch import Patch
    from cnnwidgets.widgets._gallery_tiles import Tiles

_TILE = 64  # pixels of a patch's longer side


def overview(index: PatchIndex, layer: str) -> dict[str, Any]:
    """Return what the trait `_overview` holds: every channel's highest value, what was before it, classes."""
    entries = index.entries(layer)
    channels = len(entries.values)
    there = entries.images >= 0
    labels = np.where(there, index.labels[np.where(there, entries.images, 0)], -1)
    highest = np.where(there[:, 0], entries.values[:, 0], np.nan) if there.size else np.full(channels, np.nan)
    dead = np.zeros(channels, np.uint8)
    dead[index.dead(layer)] = 1
    return {
        "layer": layer,
        "k": labels.shape[1],
        "maximum": highest.astype("<f4").tobytes(),
        "preactivation": index.preactivation(layer).astype("<f4").tobytes(),
        "dead": dead.tobytes(),
        "labels": labels.astype("<i4").tobytes(),
    }


def order(index: PatchIndex, layer: str, of: int | str) -> dict[str, Any]:
    """Return what the trait `_order` holds: the channels by likeness to one, or by what is characteristic of a class.

    Args:
        index: the patches.
        layer: name of the layer.
        of: the channel, or the class.

    """
    found: Sequence[Any]
    if isinstance(of, int):
        by, units, found = "likeness", "overlap of the patches", index.like(layer, of, top=None)
    else:
        by, units, found = "class", "standard deviations", index.for_class(of, layer, top=None)
    return {
        "layer": layer,
        "by": by,
        "of": of,
        "channels": np.array([one.channel for one in found], "<i4").tobytes(),
        "scores": np.array([one.score for one in found], "<f4").tobytes(),
        "units": units,
    }


def rows(
    index: PatchIndex, tiles: Tiles, layer: str, channels: Sequence[int], count: int
) -> Iterator[tuple[dict[str, Any], list[bytes]] | None]:
    """Make the rows of some channels in steps; the last one gives the answer and its buffers."""
    packed, shown = [], []
    for channel in channels:
        patches = index.top(layer, channel, count)
        found = []
        for patch in patches:
            found.append(tiles.crop(patch, _TILE))
            yield None
        packed.append({"channel": channel, "patches": [_named(*pair) for pair in zip(patches, found, strict=True)]})
        shown += found
    sheet = pack_tiles(shown)
    data = sheet.pop("data", None)
    yield {"layer": layer, "rows": packed, "sheet": sheet}, [] if data is None else [data]


def _named(patch: Patch, tile: Any) -> dict[str, Any]:
    return {
        "value": patch.value,
        "source": patch.source,
        "label": patch.label,
        "missing": str(tile) if isinstance(tile, Missing) else "",
    }
