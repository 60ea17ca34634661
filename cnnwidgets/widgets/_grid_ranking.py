"""The order of the channels in an ActivationGrid, by the rules that the browser follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnwidgets.explain.ranking import Ranking, likeness
from cnnwidgets.explain.regions import cell_shares_of
from cnnwidgets.widgets._grid_region import Inside

if TYPE_CHECKING:
    from cnnwidgets.explain.contributions import Contributions
    from cnnwidgets.explain.layer_activations import LayerActivations


def ranking(activations: LayerActivations, contributions: Contributions | None, grid: Any) -> Ranking:
    """Return the order of the channels for the first picture; by maximum where what the chosen one needs is missing.

    Args:
        activations: those of the layer shown.
        contributions: those of its channels to the target, or None.
        grid: has the traits `sort`, `channel` and `region`.

    """
    if grid.sort == "region" and grid.region:
        point = tuple(grid.region[0]["points"][0])
        shares = cell_shares_of(activations.grid, activations.frames[0], Inside(grid.region), point)
        if shares.any():
            scores = likeness(activations.values[0], shares)
            return Ranking.of(scores, "region", "correlation", "likeness to the region")
    if grid.sort == "likeness" and grid.channel is not None:
        return activations.rank("likeness", channel=grid.channel)
    if grid.sort == "contribution" and contributions is not None:
        scores = contributions.values[activations.layer.call][0]
        return Ranking.of(scores, "contribution", contributions.units, f"contribution to {contributions.target[0]}")
    if grid.sort in ("contribution", "likeness", "region"):
        return activations.rank("maximum")
    return activations.rank(grid.sort)
