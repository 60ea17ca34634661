"""CAM: the last feature map, weighted by the linear layer's weights of a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from cnnwidgets.errors import ModelError, TargetError
from cnnwidgets.explain.calls import Edit, argument, first_tensor, not_reached
from cnnwidgets.explain.head import Head, find_head
from cnnwidgets.explain.layers import check_paths, layer_list, layer_of_call
from cnnwidgets.explain.method import Method, MethodRun, explain
from cnnwidgets.explain.public import public
from cnnwidgets.explain.targets import ClassScore, Contrast, Target, TargetLike

if TYPE_CHECKING:
    from collections.abc import Callable

    from cnnwidgets.explain.control import Cancel, Progress
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.network import Network
    from cnnwidgets.explain.result import Heatmap


@dataclass(frozen=True)
class Cam(Method):
    """Zhou et al. 2016."""

    name: ClassVar[str] = "cam"
    title: ClassVar[str] = "CAM"
    paper: ClassVar[str] = "Zhou et al. 2016, arXiv:1512.04150, equation 2"

    def start(self, network: Network, target: Target) -> MethodRun:
        """Check that the head has the form that CAM needs."""
        del target
        head = find_head(network.trace)
        layer = _layer_of(network, head)
        check_paths(network, [layer])
        return MethodRun(self, network, layer.name, source=layer)

    def raw(self, run: MethodRun, x: Tensor, target: Target, rows: slice) -> tuple[Tensor, Tensor]:
        """Return the weighted sum of the channels (n,h,w)."""
        head = find_head(run.network.trace)
        taken = _Taken(head)
        with torch.no_grad():
            run.network.run(x, {**run.edits, **taken.edits})
        if isinstance(target, Contrast):
            why, why_score = taken.explain(target.why.indices[rows])
            other, other_score = taken.explain(target.instead_of.indices[rows])
            return why - other, why_score - other_score
        if isinstance(target, ClassScore):
            return taken.explain(target.indices[rows])
        raise TargetError(
            "CAM explains classes: it is made of the weights that the linear layer gives a class. For any other "
            "function of the output use explain.grad_cam."
        )

    def finish(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return the maps as they are."""
        del x
        return raw

    def units(self, score: str) -> str:
        """Return "logit": CAM explains the linear layer's score, whatever softmax follows."""
        del score
        return "logit"


def _layer_of(network: Network, head: Head) -> Layer:
    found = next((layer for layer in layer_list(network.trace) if layer.call == head.features), None)
    return found or layer_of_call(network.trace.calls[head.features])


class _Taken:
    """The feature map and the linear layer's weights, taken from a pass while it runs."""

    def __init__(self, head: Head) -> None:
        self.pool, self.last = head.pool.number, head.linear or head.pool
        self.features: Tensor
        self.weight: Tensor | None = None
        self.scores: Tensor | None = None
        self.edits: dict[int, tuple[str, Edit]] = {head.pool.number: (head.pool.name, self._pool)}
        if head.linear is not None:
            self.edits[head.linear.number] = (head.linear.name, self._linear)

    def _pool(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = first_tensor((args, kwargs))
        if given is None:
            return func(*args, **kwargs)
        self.features = given.float().clone()
        result = func(*args, **kwargs)
        averages = result.flatten(1)
        if self.last.number == self.pool:
            self.scores = averages
        # An average pooling with one window may still look at a part of the map only.
        if not torch.allclose(self.features.mean((2, 3)), averages.float(), rtol=1e-2, atol=1e-4, equal_nan=True):
            cells = "x".join(map(str, given.shape[2:]))
            raise ModelError(
                f"CAM needs an average over the whole feature map; the pooling here looks at a part of its {cells} "
                "cells only, so the map would not add up to the score. Give the network the input size that it was "
                "made for, or use explain.grad_cam."
            )
        return result

    def _linear(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.weight = argument(args, kwargs, 1, "weight").float().flatten(1)
        result = func(*args, **kwargs)
        self.scores = result.flatten(1)
        return result

    def explain(self, classes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Return the maps (n,h,w) of one class per image, and the linear layer's scores (n,)."""
        if self.scores is None:
            raise not_reached(self.last.number, self.last.name)
        index = torch.tensor(classes, device=self.features.device)
        scores = self.scores.gather(1, index[:, None]).squeeze(1)
        if self.weight is None:  # the averaged channels are the scores: every class has its own map
            return self.features[torch.arange(len(index), device=index.device), index], scores
        return torch.einsum("nk,nkij->nij", self.weight[index], self.features), scores


@public(Cam)
def cam(
    model: Any,
    x: Any,
    target: TargetLike = None,
    *,
    why: TargetLike = None,
    instead_of: TargetLike = None,
    chunk: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Heatmap:
    r"""Class activation map: how much each place adds to the score of a class.

    $$M_{ij} = \sum_k w^c_k\, f_k(i, j)$$

    with $f_k$ the feature map that goes into the global average pooling and $w^c$ the weights of class $c$ in the one
    linear layer behind it. The mean of the map plus the bias *is* the score: CAM is exact, and therefore only exists
    for networks of this form (ResNet, DenseNet, GoogLeNet, Inception, MobileNetV2, EfficientNet, ...). A 1x1
    convolution counts as a linear layer, behind the pooling or before it (SqueezeNet). Where a softmax follows, the
    scores before it are explained.

    Args:
        model: `nn.Module` or `Classifier`. It is explained as it predicts, in evaluation mode, and left as found.
        x: float tensor (N,C,H,W), or with a Classifier an image or a list of images.
        target: class index, class name, one of these per image, or None for each image's top class.
        why: the same as `target`, to go with `instead_of`.
        instead_of: a class whose map is subtracted.
        chunk: images per pass. It bounds the memory and does not change the result.
        progress: called with (done, total).
        cancel: a `CancelToken` or `threading.Event` that stops the work with `Cancelled`.

    Returns:
        `Heatmap` with values (N,h,w) at the feature map's own resolution, in logits.

    Raises:
        ModelError: a network of another form; the error names what stands in the way, and the remedy.
        TargetError: a class that the model does not have, or a function.

    """
    return explain(
        Cam(),
        model,
        x,
        target,
        why=why,
        instead_of=instead_of,
        chunk=chunk,
        progress=progress,
        cancel=cancel,
    )
