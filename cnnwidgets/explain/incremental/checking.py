"""A look whether the engine and the network come to the same, before anybody relies on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from cnnwidgets.explain.incremental.graph import NotIncrementalError

if TYPE_CHECKING:
    from cnnwidgets.explain.incremental.engine import Incremental
    from cnnwidgets.explain.network import Network

_NEAR = {torch.float64: 1e-8, torch.float32: 1e-4}  # share of the largest value of an output
_NEAR_IN_HALF = 5e-2
_MIXED = "the images of a batch influence each other"


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
    noise = torch.randn((2, base.shape[1], *size), generator=generator).to(base)
    patches = base.mean() + noise * base.std(correction=0).clamp_min(1)  # the picture may be all of one colour
    images = _patched(base, tops, lefts, patches)
    if lightly:
        _compare([engine.outputs(tops[:1], lefts[:1], patches[:1])], [_leaves(network.run(images[0]))])
        engine.spent = spent
        return
    expected = [_leaves(network.run(image)) for image in (base, *images)]
    alone = [engine.output, *(engine.outputs([tops[i]], [lefts[i]], patches[i : i + 1]) for i in range(2))]
    _compare(alone, expected)
    both = _leaves(engine.outputs(tops, lefts, patches))
    if not all(_agree([_of_image(leaf, i) for leaf in both], expected[1 + i]) for i in range(2)):
        raise NotIncrementalError(_MIXED)
    engine.spent = spent


def _compare(found: list[Any], expected: list[list[Any]]) -> None:
    if any(isinstance(leaf, Tensor) and not leaf.isfinite().all() for leaves in expected for leaf in leaves):
        raise NotIncrementalError("the network's output holds NaN or infinite values")
    if not all(_agree(_leaves(mine), theirs) for mine, theirs in zip(found, expected, strict=True)):
        raise NotIncrementalError("its graph gives other values than the network itself")


def check_apart(engine: Incremental) -> None:
    """See whether the picture's output stays what it is beside an image of strong noise, before it or behind it.

    Raises:
        NotIncrementalError: it does not.

    """
    base, spent = engine.base, engine.spent
    noise = 10 * torch.randn(base.shape, generator=torch.Generator().manual_seed(0)).to(base)
    for place, images in enumerate(((base, noise), (noise, base))):
        found = _leaves(engine.outputs([0, 0], [0, 0], torch.cat(images)))
        if not _agree([_of_image(leaf, place) for leaf in found], _leaves(engine.output)):
            raise NotIncrementalError(_MIXED)
    engine.spent = spent


def _patched(base: Tensor, tops: list[int], lefts: list[int], patches: Tensor) -> list[Tensor]:
    images = [base.clone() for _ in tops]
    for image, top, left, patch in zip(images, tops, lefts, patches, strict=True):
        image[0, :, top : top + patch.shape[1], left : left + patch.shape[2]] = patch
    return images


def _leaves(output: Any) -> list[Any]:
    return pytree.tree_leaves(output)


def _of_image(leaf: Any, image: int) -> Any:
    return leaf[image] if isinstance(leaf, Tensor) and leaf.ndim and len(leaf) == 2 else leaf


def _agree(mine: list[Any], theirs: list[Any]) -> bool:
    """Whether two raw outputs for one image are the same but for rounding."""
    return len(mine) == len(theirs) and all(_same(a, b) for a, b in zip(mine, theirs, strict=True))


def _same(mine: Any, theirs: Any) -> bool:
    if not isinstance(mine, Tensor) or not isinstance(theirs, Tensor):
        return type(mine) is type(theirs) and bool(mine == theirs)
    if mine.numel() != theirs.numel() or mine.dtype != theirs.dtype:
        return False
    mine, theirs = mine.flatten(), theirs.flatten()  # some networks squeeze the dimension of a single image away
    if not theirs.is_floating_point() or not theirs.numel():
        return torch.equal(mine, theirs)
    near = _NEAR.get(theirs.dtype, _NEAR_IN_HALF) * theirs.abs().max().double()
    return bool(((mine.double() - theirs.double()).abs() <= near + 1e-30).all())
