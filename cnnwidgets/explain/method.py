"""What every attribution method shares: targets, chunks, progress, cancelling, and the making of the result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cnnwidgets.errors import ModelError, OptionError, refuse_unknown
from cnnwidgets.explain.backward import gradients
from cnnwidgets.explain.control import Cancel, Progress, check_cancelled, progress_params
from cnnwidgets.explain.differentiability import gradient_obstacle
from cnnwidgets.explain.geometry import Grid
from cnnwidgets.explain.network import Edits, Network, check_finite, few_images
from cnnwidgets.explain.placement import grid_with_places, provisional_grid
from cnnwidgets.explain.provenance import ModelStamp
from cnnwidgets.explain.result import Heatmap
from cnnwidgets.explain.subject import subject_of
from cnnwidgets.explain.targets import Target, resolve
from cnnwidgets.explain.thread_state import restoring_steps
from cnnwidgets.explain.trace import INPUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from torch import Tensor

    from cnnwidgets.explain.layer import Layer

RUN_OPTIONS = ("why", "instead_of", "chunk", "progress", "cancel")


@dataclass(frozen=True)
class Method(ABC):
    """An attribution method with its parameters; a subclass is one paper.

    A method is asked for the raw maps of a chunk of images (`start` then `raw`) and makes the values from them
    (`finish`). What SmoothGrad averages over noise is the raw map.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    progress_unit: ClassVar[str] = "images"  # what a step is called
    passes_apart: ClassVar[bool] = False  # its passes see to it that no image disturbs another, whatever the chunk
    has_gaps: ClassVar[bool] = False  # `steps` gives NaN for what is still to come, and checks the other values itself

    @classmethod
    def made(cls, where: str, options: dict[str, Any]) -> Self:
        """Return the method with the parameters that a public function named `where` was given.

        Raises:
            OptionError: one that it does not take.

        """
        refuse_unknown(where, options, [*(item.name for item in fields(cls)), *RUN_OPTIONS])
        return cls(**options)

    def start(self, network: Network, target: Target) -> MethodRun:
        """Check that the method fits the network and return what one run of it needs."""
        del target
        return MethodRun(self, network)

    @abstractmethod
    def raw(self, run: MethodRun, x: Tensor, target: Target, rows: slice) -> tuple[Tensor, Tensor]:
        """Return the raw maps (n, ...) of the images `x` and their scores (n,)."""

    @abstractmethod
    def finish(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return the values (n,h,w) from raw maps."""

    def units(self, score: str) -> str:
        """Return the unit of the values, given that of the score."""
        return score

    def note(self, target: Target) -> str:
        """Return what a reader of this target's map has to be told, "" for most."""
        del target
        return ""

    def parameters(self) -> dict[str, Any]:
        """Return the parameters as they go into `Heatmap.params`."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name != "layer"}

    def steps(
        self, run: MethodRun, x: Tensor, target: Target, rows: slice, chunk: int
    ) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Yield (steps done, values so far (n,h,w), scores (n,)); `steps_per_image` steps in all for each image."""
        del chunk
        raw, scores = self.raw(run, x, target, rows)
        yield len(x), self.finish(raw, x), scores

    def steps_per_image(self, height: int, width: int) -> int:
        """Return the number of steps that one image of this size takes."""
        del height, width
        return 1

    def default_chunk(self, height: int, width: int) -> int:
        """Return the chunk to use where none is asked for."""
        return few_images(height, width)

    def images_at_once(self, chunk: int) -> int:
        """Return how many images one call of `steps` is given."""
        return chunk


@dataclass(frozen=True, eq=False)
class MethodRun:
    """A method on a network: where the map lies, what was found out on the way, and the edits of its passes.

    Attributes:
        method: the method, with its parameters.
        network: the network.
        layer: name of the layer of the map; None for a map of the input.
        grid: of the map; None for a map of the input's pixels, or of `source`.
        source: the layer whose cells the map has.
        facts: go into `Heatmap.params`.
        edits: are in force in each pass.

    """

    method: Method
    network: Network
    layer: str | None = None
    grid: Grid | None = None
    source: Layer | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    edits: Edits = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Work in progress: steps done of a total, and the heat map as it stands (NaN where no step has been made).

    `is_provisional` says that the values are final, but that it has still to be measured where the cells lie.
    """

    done: int
    total: int
    heatmap: Heatmap
    is_provisional: bool = False


@dataclass(frozen=True, eq=False)
class _Step:
    """A step that was made; the heat map costs a copy, so it is only made on demand, before the next step."""

    done: int
    total: int
    heatmap: Callable[[], Heatmap]
    is_provisional: bool = False


@restoring_steps
def stream(method: Method, model: Any, x: Any, target: Any = None, **how: Any) -> Iterator[Snapshot]:
    """Yield a snapshot after every step of a method; the last one holds the result. Arguments as in `_steps`.

    The values of a layer come first and where its cells lie after that, once per network: till then the snapshot is
    placed as a plain resize would do it, and its `placement` says so.
    """
    for step in _steps(method, model, x, target, **how):
        yield Snapshot(step.done, step.total, step.heatmap(), step.is_provisional)


def _steps(
    method: Method,
    model: Any,
    x: Any,
    target: Any = None,
    *,
    why: Any = None,
    instead_of: Any = None,
    chunk: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Iterator[_Step]:
    """Run a method step by step.

    Args:
        method: the method, as `explain.smoothgrad.method(samples=50)` makes it.
        model: `nn.Module` or `Classifier`.
        x: float tensor (N,C,H,W), or images with a Classifier.
        target: what to explain; None is each image's top class.
        why: the same as `target`, to go with `instead_of`.
        instead_of: a class whose score is subtracted.
        chunk: images (SmoothGrad: samples, occlusion: places) per pass; bounds the memory, does not change the result.
        progress: called with (done, total) after every step.
        cancel: stops the work with `Cancelled` before the next step once its `is_set()` is true.

    """
    check_chunk(chunk)
    network = Network(subject_of(model, x))
    images = network.x
    height, width = images.shape[2:]
    at_once = chunk or few_images(height, width)
    chunk = chunk or method.default_chunk(height, width)
    chunk = chunk if method.passes_apart else network.at_once(chunk)
    bound = resolve(
        target,
        why,
        instead_of,
        count=network.class_count,
        top=lambda: network.clean_scores(at_once).argmax(1).tolist(),
        images=len(images),
        classes=network.subject.classes,
    )
    run = method.start(network, bound)
    provisional = None
    if run.source is not None:
        provisional = provisional_grid(network, run.source)
        run = replace(run, grid=provisional or grid_with_places(network, run.source, cancel, at_once))
    stamp = ModelStamp.of(network.model)
    each = method.steps_per_image(height, width)
    total = each * len(images)
    values: np.ndarray[Any, np.dtype[np.float32]] | None = None
    scores = np.full(len(images), np.nan, dtype=np.float32)
    size = method.images_at_once(chunk)
    for first in range(0, len(images), size):
        rows = slice(first, min(first + size, len(images)))
        before = first * each
        check_cancelled(cancel, before, total)
        for done, part, part_scores in method.steps(run, images[rows], bound, rows, chunk):
            check_finite(part_scores, "The score to explain")
            if not method.has_gaps:
                check_finite(part, "The map")
            part_values = part.detach().float().cpu().numpy()
            if values is None:
                values = np.full((len(images), *part_values.shape[1:]), np.nan, dtype=np.float32)
            values[rows] = part_values
            scores[rows] = part_scores.detach().float().cpu().numpy()
            if progress is not None:
                progress(before + done, total)
            facts = progress_params(before + done, total, method.progress_unit)
            heatmap = partial(_heatmap, run, bound, values, scores, stamp, facts=facts)
            yield _Step(before + done, total, heatmap, provisional is not None and before + done == total)
            if before + done < total:
                check_cancelled(cancel, before + done, total)
    # The values are there; where they lie may take a slow network longer than they did.
    if run.source is not None and provisional is not None:
        check_cancelled(cancel, total, total)
        run = replace(run, grid=grid_with_places(network, run.source, cancel, at_once))
        yield _Step(total, total, partial(_heatmap, run, bound, values, scores, stamp, facts=facts))


def explain(method: Method, model: Any, x: Any, target: Any, **how: Any) -> Heatmap:
    """Run a method to its end and return the result; arguments as in `stream`."""
    for step in _steps(method, model, x, target, **how):
        last = step
    return last.heatmap()


def check_chunk(chunk: int | None) -> None:
    """Raise `OptionError` for a number of images per pass that means nothing."""
    if chunk is None:
        return
    if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:
        raise OptionError(f"chunk={chunk!r}: give the number of images per pass, 1 or more, or None.")


def _heatmap(
    run: MethodRun, target: Target, values: Any, scores: Any, stamp: ModelStamp, *, facts: dict[str, Any]
) -> Heatmap:
    network, method = run.network, run.method
    images = network.subject.images
    height, width = network.x.shape[2:]
    note = method.note(target)
    grid = run.grid or Grid.of_input(height, width)
    return Heatmap(
        values=values,
        method=method.name,
        title=method.title,
        paper=method.paper,
        target=target.names(len(values)),
        scores=scores,
        score_units=target.units(network.kind),
        units=method.units(target.units(network.kind)),
        layer=run.layer,
        params={**method.parameters(), **run.facts, **({"note": note} if note else {}), **facts},
        grid=grid,
        frames=images.frames,
        pictures=run.network.pictures,
        image_hashes=run.network.image_hashes,
        stamp=stamp,
    )


def gradient(score: Tensor, of: Tensor, what: str, network: Network, start: int = INPUT) -> Tensor:
    """Return the gradient of the summed scores with respect to `of`, refusing where there is none.

    Args:
        score: the scores.
        of: what to differentiate with respect to.
        what: the same in words.
        network: the network.
        start: the value of the network that `of` is.

    """
    check_differentiable(score, what, network, start)
    (result,) = gradients(score.sum(), of, allow_unused=True)
    if result is None:
        raise ModelError(
            f"The score does not depend on {what}: no gradient leads there. (Quantised layers, for one, hand none on; "
            "give the model as it was before.) explain.occlusion needs no gradients."
        )
    return result


def check_differentiable(score: Tensor, what: str, network: Network, start: int = INPUT) -> None:
    """Raise `ModelError` if no gradient of the score leads to `what`, which is the value `start` of the network."""
    if not score.requires_grad:
        raise ModelError(
            f"The score does not depend on {what} in a way that PyTorch can differentiate: "
            f"{gradient_obstacle(network, start)} Without that, it can be explained; explain.occlusion and "
            "explain.activations need no gradients."
        )
