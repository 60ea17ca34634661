"""A look whether the engine and the network come to the same, before anybody relies on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cnnwidgets.explain.agreement import agree, leaves, of_image
from cnnwidgets.explain.incremental.graph import NotIncrementalError

if TYPE_CHECKING:
    from cnnwidgets.explain.incremental.engine import Incremental
    from cnnwidgets.explain.network import Network

MIXED = "the images of a batch influence each other"


def check(engine: Incremental, network: Network, *, lightly: bool = False) -> None:
    """Compare with whole passes of single images: the picture itself, and noise in its middle and in a corner.

    Args:
        engine: the engine.
        network: the network.
        lightly: compare with the noise in the middle alone, where only weights or the picture are new.

    Raises:
        NotIncrementalError: they differ, or the images of a batch influence each other.

    """
    base, spent = engine.base, engine.spent
    (height, width), size = base.shape[2:], [max(1, cells // 8) for cells in base.shape[2:]]
    tops, lefts = [height // 3, height - size[0]], [width // 2 - size[1] // 2, width - size[1]]
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((2, base.shape[1], *size), generator=generator, dtype=torch.float32).to(base)
    patches = base.mean() + noise * base.std(correction=0).clamp_min(1)  # the picture may be all of one colour
    images = _patched(base, tops, lefts, patches)
    if lightly:
        _compare([engine.outputs(tops[:1], lefts[:1], patches[:1])], [leaves(network.run(images[0]))])
        engine.spent = spent
        return
    expected = [leaves(network.run(image)) for image in (base, *images)]
    alone = [engine.output, *(engine.outputs([tops[i]], [lefts[i]], patches[i : i + 1]) for i in range(2))]
    _compare(alone, expected)
    both = engine.outputs(tops, lefts, patches)
    if not all(agree(of_image(both, i), expected[1 + i]) for i in range(2)):
        raise NotIncrementalError(MIXED)
    engine.spent = spent


def _compare(found: list[Any], expected: list[list[Any]]) -> None:
    if any(isinstance(leaf, Tensor) and not leaf.isfinite().all() for output in expected for leaf in output):
        raise NotIncrementalError("the network's output holds NaN or infinite values")
    if not all(agree(leaves(mine), theirs) for mine, theirs in zip(found, expected, strict=True)):
        raise NotIncrementalError("its graph gives other values than the network itself")


def _patched(base: Tensor, tops: list[int], lefts: list[int], patches: Tensor) -> list[Tensor]:
    images = [base.clone() for _ in tops]
    for image, top, left, patch in zip(images, tops, lefts, patches, strict=True):
        image[0, :, top : top + patch.shape[1], left : left + patch.shape[2]] = patch
    return images
