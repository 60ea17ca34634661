"""What each channel of a layer contributes to a score: activation times gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cnnwidgets.explain.backward import gradients
from cnnwidgets.explain.control import check_cancelled
from cnnwidgets.explain.method import check_differentiable
from cnnwidgets.explain.network import check_finite
from cnnwidgets.explain.outputs import class_scores
from cnnwidgets.explain.tap import can_tap
from cnnwidgets.explain.taps import Taps, watch
from cnnwidgets.explain.targets import ClassScore, Target, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from cnnwidgets.explain.control import Cancel, Progress
    from cnnwidgets.explain.gathered import Gathered
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.network import Network


@dataclass(frozen=True, eq=False)
class Contributions:
    r"""What the channels of some layers contribute to a score.

    $$c_k = \sum_{ij} A^k_{ij} \frac{\partial S}{\partial A^k_{ij}}$$

    the first-order Taylor estimate of what the score loses if the channel is set to zero (Molchanov et al. 2017,
    arXiv:1611.06440, equation 7, without its absolute value and its average over the cells).

    Attributes:
        values: (N,C) float32, read-only, by the number of the layer's call; NaN where the layer holds NaN.
        target: what the score is, in words, one text per image.
        units: unit of the score and of the contributions.

    """

    values: dict[int, npt.NDArray[np.float32]]
    target: tuple[str, ...]
    units: str


def contributions_of(
    network: Network,
    layers: Sequence[Layer],
    target: Any,
    chunk: int,
    *,
    gathered: Gathered | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Contributions:
    """Return the contributions of the channels of all layers, by one pass and one backward pass over the images.

    Args:
        network: the network with its images.
        layers: the layers. Where there are several, those that cannot be taken hold of are left out.
        target: as in `explain.grad_cam`; None is each image's top class.
        chunk: images per pass.
        gathered: is shown the values of its layers, in the same pass.
        progress: called with (done, total).
        cancel: stops the work with `Cancelled`.

    Raises:
        TargetError: a class that the model does not have.
        ModelError: a score that depends on none of the layers, or is NaN.

    """
    x, trace = network.x, network.trace
    layers = [layer for layer in layers if can_tap(trace, layer.call)] or layers[:1]  # the tap says why it cannot
    bound = None if target is None else _bound(network, target)
    what = f"the layer {layers[0].name!r}" if len(layers) == 1 else "any of the layers"
    found: dict[int, list[Tensor]] = {layer.call: [] for layer in layers}
    tops: list[int] = []
    for first in range(0, len(x), chunk):
        check_cancelled(cancel, first, len(x))
        rows = slice(first, min(first + chunk, len(x)))
        taps = Taps(trace, found)
        with torch.enable_grad():
            if gathered is None:
                output = network.run(x[rows], taps.edits)
            else:
                gathered.rows = rows
                output = watch(
                    network, x[rows], gathered.layers, gathered.see, clip=gathered.clip, edits=taps.edits, whole=True
                )
            if bound is None:
                scores = class_scores(output)
                top = scores.argmax(1)
                tops += top.tolist()
                score = scores.gather(1, top[:, None])
            else:
                score = bound.score(output, rows)
            check_finite(score, "The score to explain")
            check_differentiable(score, what)
            values = taps.values
            slopes = gradients(score.sum(), list(values.values()), allow_unused=True)
        for (call, value), slope in zip(values.items(), slopes, strict=True):
            found[call].append(_products(value.detach(), slope))
        if progress is not None:
            progress(rows.stop, len(x))
    if bound is None:
        bound = ClassScore(tuple(tops), network.subject.classes)
    return Contributions(
        {call: _joined(parts) for call, parts in found.items()}, bound.names(len(x)), bound.units(network.kind)
    )


def _bound(network: Network, target: Any) -> Target:
    return resolve(
        target,
        None,
        None,
        count=network.class_count,
        top=tuple,
        images=len(network.x),
        classes=network.subject.classes,
    )


def _products(value: Tensor, slope: Tensor | None) -> Tensor:
    """Return activation times gradient, summed over the cells (n,C); zero where the score does not depend on it."""
    if slope is None:
        return torch.zeros(value.shape[:2], dtype=torch.float32)
    wide = torch.promote_types(value.dtype, torch.float32)
    product = torch.einsum("nkij,nkij->nk", value.to(wide), slope.to(wide))
    return product.float().cpu()


def _joined(parts: list[Tensor]) -> npt.NDArray[np.float32]:
    array: npt.NDArray[np.float32] = torch.cat(parts).numpy()
    array.flags.writeable = False
    return array
