"""The engine: the clean image's maps, kept, and the outputs for images of which a part is another."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from cnnwidgets.explain.incremental.graph import NotIncrementalError, graph_of
from cnnwidgets.explain.incremental.patch import Clean, Patch
from cnnwidgets.explain.incremental.plan import Plan, planned
from cnnwidgets.explain.incremental.spans import Span
from cnnwidgets.explain.incremental.step import Run, filled
from cnnwidgets.explain.provenance import ModelStamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnwidgets.explain.network import Network


_PIXELS_ON_CPU = 8 * 224 * 224  # measured: larger batches are no faster and take more memory
_PIXELS_ON_GPU = 64 * 224 * 224


class Incremental:
    """Outputs of a network for images that differ from one picture in a part.

    Args:
        plan: the plan of the network.
        base: (1,C,H,W), the picture around the patches.

    Attributes:
        base: the picture.
        output: what the network gives for it.
        at_once: how many images one call takes with bounded memory.
        macs: multiply-accumulates of the convolutions of one whole pass.
        spent: multiply-accumulates of the convolutions so far.
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
        pixels = _PIXELS_ON_CPU if base.device.type == "cpu" else _PIXELS_ON_GPU
        self.at_once = max(1, pixels // (base.shape[2] * base.shape[3]))

    @property
    def cached_bytes(self) -> int:
        """Bytes of the clean image's maps that are kept, with their paddings."""
        return sum(clean.bytes for clean in self._clean.values())

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
            self._clean[plan.image] = Clean(self.base, plan.layouts[plan.image])
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


_PLANS: weakref.WeakKeyDictionary[Network, tuple[Any, Plan]] = weakref.WeakKeyDictionary()


def incremental_passes(network: Network, base: Tensor) -> Incremental:
    """Return the engine for a network and a picture (1,C,H,W), after a look whether both come to the same.

    The plan, with its prepared weights, is kept as long as the network is: another picture around the patches costs
    little.

    Raises:
        NotIncrementalError: the network cannot be followed, or the engine does not agree with it.

    """
    graph = graph_of(network)
    key = (tuple(base.shape), ModelStamp.of(network.model).state)
    with torch.no_grad():
        known = _PLANS.get(network)
        if known is not None and known[0] == key:
            engine = Incremental(known[1], base)
            if _agree(engine.output, network.run(base)):
                return engine  # else weights have changed in a way that PyTorch does not count
        weights = {**graph.constants, **graph.weights_of(network.module)}
        engine = Incremental(planned(graph, weights, tuple(base.shape)), base)
        _check(engine, network)
        _PLANS[network] = (key, engine.plan)
    return engine


def _check(engine: Incremental, network: Network) -> None:
    """Compare with whole passes: for the picture itself, and with a part of it upside down."""
    base = engine.base
    height, width = base.shape[2:]
    top, left, size = height // 3, width // 3, (max(1, height // 8), max(1, width // 8))
    patch = base[:, :, top : top + size[0], left : left + size[1]].flip(2, 3)
    other = base.clone()
    other[:, :, top : top + size[0], left : left + size[1]] = patch
    right = _agree(engine.output, network.run(base)) and _agree(
        engine.outputs([top], [left], patch), network.run(other)
    )
    engine.spent = 0
    if not right:
        raise NotIncrementalError("its graph gives other values than the network itself")


def _agree(mine: Any, theirs: Any) -> bool:
    """Whether two raw outputs are the same but for rounding; NaN agrees with nothing."""
    ours, own = pytree.tree_leaves(mine), pytree.tree_leaves(theirs)
    return len(ours) == len(own) and all(_equal(a, b) for a, b in zip(ours, own, strict=True))


def _equal(mine: Any, theirs: Any) -> bool:
    if not isinstance(mine, Tensor) or not isinstance(theirs, Tensor):
        return bool(mine == theirs)
    if mine.shape != theirs.shape:
        return False
    coarse = theirs.dtype in (torch.bfloat16, torch.float16)
    span = float(theirs.double().abs().amax()) if theirs.numel() else 0.0
    return bool(((mine - theirs).abs() <= (5e-2 if coarse else 1e-4) * span + 1e-12).all())
