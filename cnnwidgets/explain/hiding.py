"""Hiding places of one image, and running the network on what is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cnnwidgets.explain.baselines import local_mean, mean
from cnnwidgets.explain.passes import Passes, make_passes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

    from cnnwidgets.explain.network import Network
    from cnnwidgets.explain.places import Places
    from cnnwidgets.explain.windows import Spot


def patch(around: Tensor, under: Tensor, spot: Spot) -> Tensor:
    """Return the pixels of a spot's box, (C,h,w): `under` the window, `around` it where it is no rectangle.

    Args:
        around: (C,H,W).
        under: (C,H,W), or (C,1,1) for one colour.
        spot: the place.

    """
    box = spot.box
    inner = under[:, *box] if under.shape[1:] == around.shape[1:] else under
    return torch.where(spot.mask.to(around.device), inner, around[:, *box])


def hidden(x: Tensor, fill: Tensor | None, spots: list[Spot], *, keep: bool = False) -> Tensor:
    """Return an image with several places hidden, or with everything else hidden.

    Args:
        x: (C,H,W), the image.
        fill: (C,H,W) or (C,1,1), what hidden pixels are replaced by. None is their own mean: of each place for
            itself; with `keep`, of everything that is hidden.
        spots: the places; they may overlap.
        keep: hide all but the places.

    Returns:
        (C,H,W), a new tensor.

    """
    if keep:
        seen = torch.zeros(x.shape[1:], dtype=torch.bool, device=x.device)
        for spot in spots:
            seen[spot.box] |= spot.mask.to(x.device)
        if fill is None:
            fill = mean(x if bool(seen.all()) else x[:, ~seen][:, None])
        return torch.where(seen, x, fill)
    result = x.clone()
    for spot in spots:
        result[:, *spot.box] = patch(result, local_mean(x, spot) if fill is None else fill, spot)
    return result


@dataclass(frozen=True, eq=False)
class Hiding:
    """The places of one image, one after the other hidden (or, with `keep`, alone left).

    Attributes:
        x: (C,H,W).
        fill: (C,H,W), the image with everything hidden; None for the mean of what is hidden.
        places: where.
        keep: show the place and hide everything else.
        passes: runs the network.
        clean: the network's raw output for the whole image.
        reference: the raw output that the outputs are compared with: `clean`, or with `keep` that of the image with
            everything hidden.

    """

    x: Tensor
    fill: Tensor | None
    places: Places
    keep: bool
    passes: Passes
    clean: Any
    reference: Any

    @classmethod
    def of(
        cls,
        network: Network,
        x: Tensor,
        fill: Tensor | None,
        places: Places,
        *,
        keep: bool = False,
        incremental: bool = True,
        dtype: torch.dtype | None = None,
    ) -> Hiding:
        """Prepare the passes and run the first one or two; arguments as the attributes and `make_passes`."""
        if not keep:
            passes = make_passes(network, x[None], incremental=incremental, dtype=dtype)
            clean = _untouched(passes, places)
            return cls(x, fill, places, keep, passes, clean, clean)
        clean = _untouched(make_passes(network, x[None], incremental=False, dtype=dtype), places)
        base = mean(x).expand_as(x) if fill is None else fill
        # The mean of what is hidden differs from place to place all over the image: nothing can be reused.
        passes = make_passes(network, base[None], incremental=incremental and fill is not None, dtype=dtype)
        return cls(x, fill, places, keep, passes, clean, _untouched(passes, places))

    def sweep(self, chunk: int) -> Iterator[tuple[int, npt.NDArray[np.int64], Any]]:
        """Yield (places done, the places of this step, the raw output for them), coarse to fine."""
        size = min(chunk, self.passes.at_once)
        order = self.places.order
        for first in range(0, len(order), size):
            some = order[first : first + size]
            yield first + len(some), some, self.outputs(some)

    def outputs(self, places: npt.NDArray[np.int64]) -> Any:
        """Return the raw output for some places, counted in reading order."""
        spots = [self.places.spot(int(place)) for place in places]
        fill = self.fill
        if self.keep and fill is None:
            whole = torch.stack([hidden(self.x, None, [spot], keep=True) for spot in spots])
            return self.passes.outputs([0] * len(spots), [0] * len(spots), whole)
        if self.keep and fill is not None:
            patches = [patch(fill, self.x, spot) for spot in spots]
        else:
            patches = [patch(self.x, local_mean(self.x, spot) if fill is None else fill, spot) for spot in spots]
        return self.passes.outputs([s.top for s in spots], [s.left for s in spots], torch.stack(patches))


def _untouched(passes: Passes, places: Places) -> Any:
    """Return the output for the picture around the patches, by a patch of its own pixels."""
    height, width = places.window.height, places.window.width
    return passes.outputs([0], [0], passes.base[:, :, :height, :width])
