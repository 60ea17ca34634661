"""Sweeping once for all targets: as a whole, or as a generator of snapshots."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnwidgets.errors import ModelError
from cnnwidgets.explain.control import check_cancelled
from cnnwidgets.explain.keywords import spelled
from cnnwidgets.explain.method import check_chunk
from cnnwidgets.explain.network import Network, check_finite
from cnnwidgets.explain.occlusion import Occlusion
from cnnwidgets.explain.outputs import class_scores
from cnnwidgets.explain.provenance import ModelStamp
from cnnwidgets.explain.subject import subject_of
from cnnwidgets.explain.sweep import OcclusionSweep
from cnnwidgets.explain.thread_state import restoring_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

    from cnnwidgets.explain.control import Cancel, Progress
    from cnnwidgets.explain.windows import Shape


@dataclass(frozen=True, eq=False)
class SweepSnapshot:
    """A sweep in progress: places done of a total. The scores so far cost a copy, so they are made when asked for."""

    done: int
    total: int
    _make: Callable[[], OcclusionSweep]

    @property
    def sweep(self) -> OcclusionSweep:
        """What is known now. Ask before the next step is made."""
        return self._make()


@spelled
def occlusion_sweep(
    model: Any,
    x: Any,
    *,
    window: int | tuple[int, int] | None = None,
    stride: int | tuple[int, int] | None = None,
    baseline: Any = "mean",
    shape: Shape = "rectangle",
    keep: bool = False,
    sigma: float | None = None,
    seed: int = 0,
    incremental: bool = True,
    dtype: torch.dtype | None = None,
    chunk: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> OcclusionSweep:
    """Hide every place in turn and keep all class scores: then every target costs nothing.

    ```python
    sweep = explain.occlusion_sweep(clf, img, window=32, stride=8)
    sweep.heatmap("tabby"), sweep.heatmap(why="tabby", instead_of="lynx"), sweep.heatmap(explain.Probability(281))
    ```

    It holds 4 bytes for each image, place and class: of one image 0.8 MB for 14 x 14 places and 1000 classes, 150 MB
    for 193 x 193 of them. While it is made it takes twice that, and every snapshot's `sweep` as much again. It is for
    models whose output is a table of class scores (N, classes), or holds one (see `explain.outputs.class_scores`); any
    other model is explained by `explain.occlusion` with a function as target.

    Arguments as for `explain.occlusion`, which also says how places lie and what the baselines are.

    Raises:
        ModelError: the output holds no table of class scores, or NaN.
        ImageError: an `x` that cannot be read.
        OptionError: a window, stride or baseline that means nothing or does not fit the input.

    """
    method = Occlusion(window, stride, baseline, shape, keep, sigma, seed, incremental, dtype)
    for snapshot in _snapshots(method, model, x, chunk=chunk, progress=progress, cancel=cancel):
        last = snapshot
    return last.sweep


def sweep_snapshots(
    model: Any,
    x: Any,
    *,
    chunk: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
    **options: Any,
) -> Iterator[SweepSnapshot]:
    """Run `occlusion_sweep` as a generator of snapshots, coarse to fine: show, stop or skip as you like.

    ```python
    for snapshot in explain.sweep_snapshots(clf, img, window=32):
        heatmap = snapshot.sweep.heatmap("tabby")  # any class, while the work goes on
    ```

    Arguments and errors as for `occlusion_sweep`.
    """
    method = Occlusion.made("explain.sweep_snapshots", options)
    return _snapshots(method, model, x, chunk=chunk, progress=progress, cancel=cancel)


@restoring_steps
def _snapshots(
    method: Occlusion, model: Any, x: Any, *, chunk: int | None, progress: Progress | None, cancel: Cancel | None
) -> Iterator[SweepSnapshot]:
    check_chunk(chunk)
    network = Network(subject_of(model, x))
    try:
        classes = network.class_count()
    except ModelError as error:
        raise ModelError(
            "A sweep keeps the class scores of every place, and this model gives no table of class scores. Use "
            "explain.occlusion(model, x, target), whose target may be any function of the model's output."
        ) from error
    images, subject = network.x, network.subject
    places = method.places(*images.shape[2:])
    method.check_fill(network)
    total = len(places) * len(images)
    check_cancelled(cancel, 0, total)
    params = {**method.parameters(), **method.facts(places)}
    stamp = ModelStamp.of(network.model)
    outputs = np.full((len(images), len(places), classes), np.nan, dtype=np.float32)
    reference = np.full((len(images), classes), np.nan, dtype=np.float32)
    clean = _table(network.clean_scores(1)) if len(images) > 1 else reference.copy()

    def sweep(done: int) -> OcclusionSweep:
        return OcclusionSweep(
            outputs.reshape(len(images), *places.shape, classes),
            clean,
            reference,
            places,
            done,
            network.kind,
            subject.classes,
            params,
            subject.images.frames,
            network.pictures,
            network.image_hashes,
            stamp,
        )

    for index, image in enumerate(images):
        hiding = method.hiding(network, image, index, places)
        params.update(hiding.passes.facts)
        clean[index], reference[index] = (_table(raw)[0] for raw in (hiding.clean, hiding.reference))
        for known, some, raw in hiding.sweep(chunk or len(places)):
            outputs[index, some] = _table(raw)
            done = index * len(places) + known
            if progress is not None:
                progress(done, total)
            yield SweepSnapshot(done, total, partial(sweep, done))
            if done < total:
                check_cancelled(cancel, done, total)


def _table(raw: Any) -> npt.NDArray[np.float32]:
    scores = class_scores(raw).detach()
    check_finite(scores, "The model's output")
    return np.asarray(scores.float().cpu().numpy())
