"""Grad-CAM: a layer's channels, weighted by the gradient of a score."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from cnnwidgets.errors import ModelError
from cnnwidgets.explain.layers import LayerLike, find_layer
from cnnwidgets.explain.method import Method, MethodRun, explain, gradient
from cnnwidgets.explain.public import public
from cnnwidgets.explain.tap import Tap

if TYPE_CHECKING:
    from cnnwidgets.explain.control import Cancel, Progress
    from cnnwidgets.explain.network import Network
    from cnnwidgets.explain.result import Heatmap
    from cnnwidgets.explain.targets import Target, TargetLike


@dataclass(frozen=True)
class GradCam(Method):
    """Selvaraju et al. 2017."""

    name: ClassVar[str] = "grad_cam"
    title: ClassVar[str] = "Grad-CAM"
    paper: ClassVar[str] = "Selvaraju et al. 2017, arXiv:1610.02391, equations 1 and 2"
    layer: LayerLike = None
    relu: bool = False

    def start(self, network: Network, target: Target) -> MethodRun:
        """Find the layer."""
        del target
        layer = find_layer(network, self.layer)
        return MethodRun(replace(self, layer=layer.name), network, layer.name, source=layer)

    def raw(self, run: MethodRun, x: Tensor, target: Target, rows: slice) -> tuple[Tensor, Tensor]:
        """Return the weighted sum of the channels (n,h,w), before the ReLU."""
        layer = find_layer(run.network, run.layer)
        tap = Tap(run.network.trace, layer.call, leaf=True, edits=run.edits)
        with torch.enable_grad():
            score = target.score(run.network.run(x, tap.edits), rows)
            slope = gradient(score, tap.value, f"the layer {layer.name!r}", run.network, layer.call)
        value = tap.value.detach()
        if value.ndim != 4:
            raise ModelError(f"The layer {layer.name!r} gave a tensor of shape {tuple(value.shape)}, not (N,C,h,w).")
        weights = slope.float().mean((2, 3))
        return torch.einsum("nk,nkij->nij", weights, value.float()), score.detach()

    def finish(self, raw: Tensor, x: Tensor) -> Tensor:
        """Keep the sign unless the paper's ReLU is wanted."""
        del x
        return raw.relu() if self.relu else raw


@public(GradCam)
def grad_cam(
    model: Any,
    x: Any,
    target: TargetLike = None,
    *,
    layer: LayerLike = None,
    why: TargetLike = None,
    instead_of: TargetLike = None,
    relu: bool = False,
    chunk: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Heatmap:
    r"""Grad-CAM: which places of a layer speak for the score.

    $$\alpha_k = \frac{1}{Z} \sum_{ij} \frac{\partial S}{\partial A^k_{ij}}, \qquad
      M_{ij} = \sum_k \alpha_k A^k_{ij}$$

    The paper draws $\max(0, M)$. The values here keep their sign, which tells what speaks against the score; the
    views draw the positive part unless told otherwise, and `relu=True` gives the paper's own map.

    Only the part of the network behind the layer is differentiated, so for a late layer the cost is that of a forward
    pass.

    Args:
        model: `nn.Module` or `Classifier`. It is explained as it predicts, in evaluation mode, and left as found.
        x: float tensor (N,C,H,W), or with a Classifier an image or a list of images.
        target: class index, class name, one of these per image, a function of the model's output that gives (N,), or
            None for each image's top class. Any scalar will do: Grad-CAM does not need a classifier.
        layer: name of a layer as `explain.layers` lists them, the module itself, an index into an `nn.Sequential`, or
            None for the last feature map, which is found by tracing. Values are taken as the layer made them, also
            if a later in-place operation overwrites them.
        why: the same as `target`, to go with `instead_of`.
        instead_of: a class whose score is subtracted (the paper's counterfactual turned into a contrast).
        relu: the paper's ReLU.
        chunk: images per pass. It bounds the memory and does not change the result.
        progress: called with (done, total).
        cancel: a `CancelToken` or `threading.Event` that stops the work with `Cancelled`.

    Returns:
        `Heatmap` with values (N,h,w) at the layer's own resolution, in units of the score.

    Raises:
        LayerError: no such layer, or one without rows and columns.
        TargetError: a class that the model does not have.
        ModelError: a score that does not depend on the layer, or NaN.

    """
    method = GradCam(layer=layer, relu=relu)
    return explain(
        method,
        model,
        x,
        target,
        why=why,
        instead_of=instead_of,
        chunk=chunk,
        progress=progress,
        cancel=cancel,
    )
