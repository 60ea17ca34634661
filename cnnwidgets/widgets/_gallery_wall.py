"""The patches of a channel as the browser gets them."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cnnwidgets.widgets import _protocol as protocol
from cnnwidgets.widgets._gallery_tiles import Missing, pack_tiles
from cnnwidgets.widgets._gallery_traits import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

    from cnnwidgets.patches.index import PatchIndex
    from cnnwidgets.patches.patch import Kind, Patch
    from cnnwidgets.widgets._gallery_tiles import Tiles

WHOLE, PART = 256, 192  # pixels of the longer side of a picture, and of a patch
_ALIKE = 12
SHOW_EVERY = 0.7  # seconds: how often what has been read so far is sent


class Hung(NamedTuple):
    """The patches of a channel in the order in which the browser knows them, and their pictures, each once."""

    patches: tuple[Patch, ...]
    images: tuple[int, ...]

    @classmethod
    def of(cls, index: PatchIndex, layer: str, channel: int) -> Hung:
        """Return the strongest, the sampled and the most negative patches of a channel."""
        patches = tuple(patch for kind in KINDS for patch in getattr(index, kind)(layer, channel))
        return cls(patches, tuple(dict.fromkeys(patch.image for patch in patches)))


class Found(NamedTuple):
    """What has been read: small pictures by the number of the image, and parts by that of the patch."""

    wholes: dict[int, Image.Image | Missing]
    parts: dict[int, Image.Image | Missing]


def wall(index: PatchIndex, tiles: Tiles, layer: str, channel: int) -> Iterator[dict[str, Any] | None]:
    """Make the wall in steps; give it, as the trait `_wall` holds it, whenever there is more to see, complete at last.

    The first one has no pictures, so that values and names are there at once. None: a step without news.
    """
    hung = Hung.of(index, layer, channel)
    packed = _described(index, hung, layer, channel)
    yield packed
    alike = index.like(layer, channel, top=_ALIKE)
    packed = {**packed, "alike": [{"layer": a.layer, "channel": a.channel, "score": float(a.score)} for a in alike]}
    yield None
    found = Found({}, {})
    shown = time.monotonic()
    for image in hung.images:
        found.wholes[image] = whole = tiles.whole(image, WHOLE)
        for number, patch in enumerate(hung.patches):
            if patch.image == image and not isinstance(whole, Missing) and _is_coarse(patch):
                found.parts[number] = tiles.crop(patch, PART)
        if time.monotonic() - shown > SHOW_EVERY:
            yield _pictured(packed, hung, found)
            shown = time.monotonic()
        else:
            yield None
    yield _pictured(packed, hung, found)


def _described(index: PatchIndex, hung: Hung, layer: str, channel: int) -> dict[str, Any]:
    """Return what is known without a look at a picture."""
    place = {image: number for number, image in enumerate(hung.images)}
    first = {patch.image: patch for patch in reversed(hung.patches)}
    pictures = [
        {
            "image": image,
            "source": first[image].source,
            "label": first[image].label,
            "predicted": first[image].predicted,
            "size": list(first[image].picture_size),
            "seen": protocol.pack_seen(index.frame(image)),
            "missing": "",
        }
        for image in hung.images
    ]
    patches = [
        {
            "kind": patch.kind,
            "rank": patch.rank,
            "value": patch.value,
            "picture": place[patch.image],
            "box": list(patch.box),
            "cell": [patch.row, patch.column],
        }
        for patch in hung.patches
    ]
    return {
        "layer": layer,
        "channel": channel,
        "units": index.layer(layer).units,
        "dead": channel in index.dead(layer),
        "ties": {
            kind: found for kind in ("top", "bottom") if (found := _ties(index, layer, channel, kind)) is not None
        },
        "pictures": pictures,
        "patches": patches,
        "images": {},
        "crops": {},
        "histogram": _histogram(index, layer, channel),
        "alike": [],
    }


def _ties(index: PatchIndex, layer: str, channel: int, kind: Kind) -> dict[str, Any] | None:
    """Return how many pictures reach the first value of a kind, and where that stands; None where none but one does."""
    found = index.ties(layer, channel, kind)
    return None if found is None or found.images < 2 else found._asdict()


def _histogram(index: PatchIndex, layer: str, channel: int) -> dict[str, Any]:
    found = index.histogram(layer, channel)
    edges, counts = np.asarray(found.edges), np.asarray(found.counts)
    if not np.isfinite(edges).all() or not counts.any():
        return {}
    return {"edges": edges.tolist(), "counts": [int(count) for count in counts]}


def _pictured(packed: dict[str, Any], hung: Hung, found: Found) -> dict[str, Any]:
    """Return the wall with the pictures that have been found."""
    wholes = [found.wholes.get(image) for image in hung.images]
    pictures = [
        {**picture, "missing": str(whole) if isinstance(whole, Missing) else ""}
        for whole, picture in zip(wholes, packed["pictures"], strict=True)
    ]
    parts = [found.parts.get(number) for number in range(len(hung.patches))]
    return {**packed, "pictures": pictures, "images": pack_tiles(wholes), "crops": pack_tiles(parts)}


def _is_coarse(patch: Patch) -> bool:
    """Whether the tile of the whole picture has fewer pixels of a patch than a tile of its own would have."""
    left, top, right, bottom = patch.box
    longer = max(math.ceil(right) - math.floor(left), math.ceil(bottom) - math.floor(top))
    return WHOLE / max(patch.picture_size) < min(1.0, PART / longer)
