"""Whether two outputs are the same but for rounding, and whether the images of a batch leave each other alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

if TYPE_CHECKING:
    from cnnwidgets.explain.passes import Passes

_NEAR = {torch.float64: 1e-8, torch.float32: 1e-4}  # share of the range of an output
_NEAR_IN_HALF = 5e-2
_PLAIN = bool | int | float | str | None  # leaves that can be compared; of others nothing is known
_ROUNDING = 8  # units in the last place of an output's largest value


def leaves(output: Any) -> list[Any]:
    """Return what a raw output holds, whatever it is packed in."""
    return list(pytree.tree_leaves(output))


def of_image(output: Any, image: int) -> list[Any]:
    """Return the leaves of one image of a raw output for two images."""
    return [
        leaf[image] if isinstance(leaf, Tensor) and leaf.ndim and len(leaf) == 2 else leaf for leaf in leaves(output)
    ]


def agree(mine: list[Any], theirs: list[Any]) -> bool:
    """Whether the leaves of two raw outputs for one image are the same but for rounding."""
    return len(mine) == len(theirs) and all(_same(a, b) for a, b in zip(mine, theirs, strict=True))


def is_undisturbed(passes: Passes) -> bool:
    """Whether the picture's output stays what it is beside an image of strong noise, before it and behind it."""
    base = passes.base
    noise = 10 * torch.randn(base.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32).to(base)
    alone = leaves(passes.outputs([0], [0], base))
    return all(
        agree(of_image(passes.outputs([0, 0], [0, 0], torch.cat(images)), place), alone)
        for place, images in enumerate(((base, noise), (noise, base)))
    )


def _same(mine: Any, theirs: Any) -> bool:
    if not isinstance(mine, Tensor) or not isinstance(theirs, Tensor):
        return isinstance(mine, _PLAIN) and type(mine) is type(theirs) and mine == theirs
    if mine.numel() != theirs.numel() or mine.dtype != theirs.dtype:
        return False
    mine, theirs = mine.flatten(), theirs.flatten()  # some networks squeeze the dimension of a single image away
    if not theirs.is_floating_point() or not theirs.numel():
        return torch.equal(mine, theirs)
    share = _NEAR.get(theirs.dtype, _NEAR_IN_HALF)
    exact = theirs.double()
    largest = exact.abs().max()
    # A common offset of all scores says nothing of how far they are apart. A score alone is measured by itself.
    span = exact.max() - exact.min() if len(exact) > 1 else largest
    near = share * span + _ROUNDING * torch.finfo(theirs.dtype).eps * largest
    return bool(((mine.double() - exact).abs() <= near + 1e-30).all())
