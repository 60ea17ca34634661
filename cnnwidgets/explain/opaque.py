"""Whether a call whose inside cannot be seen works cell by cell, found by changing some of its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from cnnwidgets.explain.calls import value_made

if TYPE_CHECKING:
    from collections.abc import Callable

_TRIES = 4


def is_cellwise(
    func: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    source: Tensor,
    *,
    dims: tuple[int, int],
    part: int = 0,
) -> bool:
    """Whether each cell of a call's result depends on nothing but the same cell of `source`, as far as it shows.

    Half of the cells, drawn anew each time, are given other values: the result may differ there, and nowhere else.

    Args:
        func: the call.
        args: its arguments, `source` among them.
        kwargs: its keywords.
        source: maps; the result has the same shape.
        dims: where their rows and columns are.
        part: which of the call's results.

    """
    generator = torch.Generator().manual_seed(0)
    size = [length if dim in dims else 1 for dim, length in enumerate(source.shape)]
    span = (source.amax() - source.amin()).clamp_min(1)

    def result(given: Tensor) -> Tensor | None:
        # Copies: the function may write over what it is given.
        packed = pytree.tree_map(
            lambda one: given.clone() if one is source else one.clone() if isinstance(one, Tensor) else one,
            (args, kwargs),
        )
        made = value_made(func(*packed[0], **packed[1]), packed[0], part)
        return None if made is None else made.clone()

    try:
        with torch.no_grad():
            before = result(source)
            moved = False
            for _ in range(_TRIES):
                chosen = torch.rand(size, generator=generator, dtype=torch.float32).to(source.device) < 0.5
                noise = torch.randn(source.shape, generator=generator, dtype=torch.float32).to(source) * span
                after = result(torch.where(chosen, noise, source))
                if before is None or after is None or before.shape != source.shape or after.shape != before.shape:
                    return False
                differs = before != after
                if bool((differs & ~chosen).any()):
                    return False
                moved |= bool(differs.any())
    except Exception:  # noqa: BLE001 - code of the user's, given values that it was not made for
        return False
    return moved
