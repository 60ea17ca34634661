"""The engine: the clean image's maps, kept, and the outputs for images of which a part is another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from cnnwidgets.explain.incremental.graph import NotExportedError, graph_of
from cnnwidgets.explain.incremental.patch import Clean, Patch
from cnnwidgets.explain.incremental.plan import Plan, planned
from cnnwidgets.explain.incremental.spans import Span
from cnnwidgets.explain.incremental.steps import Run, filled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnwidgets.explain.network import Network


class Incremental:
    """Outputs of a network for images that differ from one picture in a part.

    Args:
        plan: the plan of the network.
        base: (1,C,H,W), the picture around the patches.

    Attributes:
        base: the picture.
        output: what the network gives for it.
        macs: multiply-accumulates of the convolutions of one whole pass.
        facts: what an explanation says about it.

    """

    def __init__(self, plan: Plan, base: Tensor) -> None:
        self.plan, self.base = plan, base.contiguous(memory_format=torch.channels_last)
        self._clean: dict[int, Clean] = {}
        run = Run(1, self._clean)
        with torch.no_grad():
            self.output = self._computed(run, self.base, keep=True)
        self.macs = run.macs
        self.spent = 0
        self.facts: dict[str, Any] = {"engine": "incremental"}

    def outputs(self, tops: Sequence[int], lefts: Sequence[int], patches: Tensor) -> Any:
        """Return the network's raw output for images that are the picture but for one patch each.

        Args:
            tops: first row of each patch.
            lefts: first column of each patch.
            patches: (B,C,h,w), inside the picture.

        """
        rows, columns = Span(tuple(tops), patches.shape[2]), Span(tuple(lefts), patches.shape[3])
        patch = Patch(patches.to(self.base).contiguous(memory_format=torch.channels_last), rows, columns)
        run = Run(len(patches), self._clean)
        with torch.no_grad():
            found = self._computed(run, patch)
        self.spent += run.macs
        if run.whole_at:
            self.facts.setdefault("whole_maps_from", run.whole_at)
        return found

    def _computed(self, run: Run, image: Tensor | Patch, *, keep: bool = False) -> Any:
        plan = self.plan
        values: dict[int, Any] = {plan.image: image}
        if keep and plan.image in plan.needs:
            self._clean[plan.image] = Clean(image, plan.layouts[plan.image])  # type: ignore[arg-type]
        for step in plan.steps:
            given = [values[slot] for slot in step.inputs]
            partly = any(isinstance(value, Patch) for value in given)
            result = values[step.out] = step.on_part(run, given) if partly else step.on_whole(run, given)
            if keep and step.out in plan.needs:
                self._clean[step.out] = Clean(result, plan.layouts[step.out])
            for slot in step.frees:
                del values[slot]
        whole = {slot: run.whole(slot, value) for slot, value in values.items()}
        return pytree.tree_unflatten(list(filled(plan.results, whole)), plan.form)


def incremental_passes(network: Network, base: Tensor) -> Incremental | None:
    """Return the engine for a network and a picture (1,C,H,W), or None where the network cannot be followed."""
    try:
        graph = graph_of(network)
    except NotExportedError:
        return None
    weights = {**graph.constants, **graph.weights_of(network.module)}
    with torch.no_grad():
        return Incremental(planned(graph, weights, tuple(base.shape)), base)
