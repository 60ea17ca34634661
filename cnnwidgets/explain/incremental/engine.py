"""The engine: the clean image's maps, kept, and the outputs for images of which a part is another."""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from cnnwidgets.explain.agreement import is_undisturbed
from cnnwidgets.explain.incremental.apart import keeps_apart
from cnnwidgets.explain.incremental.checking import MIXED, check
from cnnwidgets.explain.incremental.graph import NotIncrementalError, graph_of
from cnnwidgets.explain.incremental.patch import Clean, Patch
from cnnwidgets.explain.incremental.plan import Plan, planned
from cnnwidgets.explain.incremental.spans import Span
from cnnwidgets.explain.incremental.step import Run, filled
from cnnwidgets.explain.provenance import ModelStamp
from cnnwidgets.explain.thread_state import restoring

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cnnwidgets.explain.incremental.graph import Graph
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

    @restoring
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


_TRUSTED: weakref.WeakSet[Graph] = weakref.WeakSet()  # whose plans have come to the same as whole passes
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
    known = _PLANS.get(network)
    if known is not None and known[0] == key:
        with contextlib.suppress(NotIncrementalError):  # weights may change in ways that PyTorch does not count
            return _checked(known[1], network, base, lightly=True)
    plan = _plan(graph, network, base)
    engine = _checked(plan, network, base, lightly=graph in _TRUSTED)
    if graph not in _TRUSTED and not keeps_apart(graph):
        with _giving_up("cannot be run"):
            apart = is_undisturbed(engine)
        if not apart:
            raise NotIncrementalError(MIXED)
        engine.spent = 0
    _TRUSTED.add(graph)
    _PLANS[network] = (key, plan)
    return engine


def _plan(graph: Graph, network: Network, base: Tensor) -> Plan:
    with torch.no_grad(), _giving_up("cannot be planned"):
        return planned(graph, {**graph.constants, **graph.weights_of(network.module)}, tuple(base.shape))


def _checked(plan: Plan, network: Network, base: Tensor, *, lightly: bool) -> Incremental:
    with torch.no_grad(), _giving_up("cannot be run"):
        engine = Incremental(plan, base)
        check(engine, network, lightly=lightly)
    return engine


@contextlib.contextmanager
def _giving_up(what: str) -> Iterator[None]:
    """Turn whatever a graph of somebody else's making stumbles over into a reason for whole passes."""
    try:
        yield
    except NotIncrementalError:
        raise
    except Exception as error:
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise NotIncrementalError(f"its graph {what}: {first[0][:200]}") from error
