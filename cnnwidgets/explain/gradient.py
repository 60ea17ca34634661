"""Saliency: the gradient of a score with respect to the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from cnnwidgets.explain.method import Method, MethodRun, explain, gradient
from cnnwidgets.explain.public import public
from cnnwidgets.explain.targets import Contrast

if TYPE_CHECKING:
    from cnnwidgets.explain.control import Cancel, Progress
    from cnnwidgets.explain.result import Heatmap
    from cnnwidgets.explain.targets import Target, TargetLike


@dataclass(frozen=True)
class Saliency(Method):
    """Simonyan, Vedaldi, Zisserman 2013."""

    name: ClassVar[str] = "saliency"
    title: ClassVar[str] = "Saliency"
    paper: ClassVar[str] = "Simonyan, Vedaldi, Zisserman 2013, arXiv:1312.6034, section 3"
    signed: bool = False
    times_input: bool = False

    def raw(self, run: MethodRun, x: Tensor, target: Target, rows: slice) -> tuple[Tensor, Tensor]:
        """Return the gradient (n,C,H,W)."""
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            score = target.score(run.network.run(x, run.edits), rows)
            return gradient(score, x, "the input", run.network), score.detach()

    def finish(self, raw: Tensor, x: Tensor) -> Tensor:
        """Reduce the colours."""
        if self.times_input:
            return (raw * x).sum(1)
        return raw.sum(1) if self.signed else raw.abs().amax(1)

    def note(self, target: Target) -> str:
        """Say of a contrast that magnitudes do not tell its two classes apart."""
        if self.signed or self.times_input or not isinstance(target, Contrast):
            return ""
        return "Without sign: the two classes swapped give the same map. Grad-CAM, or signed=True, tells them apart."

    def units(self, score: str) -> str:
        """Return a score per unit of input, or a score where the input is multiplied in."""
        return score if self.times_input else f"{score} per unit of input"


@public(Saliency)
def saliency(
    model: Any,
    x: Any,
    target: TargetLike = None,
    *,
    why: TargetLike = None,
    instead_of: TargetLike = None,
    signed: bool = False,
    times_input: bool = False,
    chunk: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Heatmap:
    r"""How much the score changes with each pixel: the gradient of the score with respect to the input.

    $$M_{ij} = \max_c \left| \partial S / \partial x_{cij} \right|$$

    the maximum over the colours of the absolute gradient, as in the paper. The unit is that of the score per unit of
    the network's (normalised) input.

    With `instead_of` the score is a difference, of whose gradient the magnitude is taken all the same: A instead of B
    and B instead of A have one and the same map, which shows where the difference changes, and not in whose favour.
    `signed=True` and `times_input=True` tell the two apart.

    Args:
        model: `nn.Module` or `Classifier`. It is explained as it predicts, in evaluation mode, and left as found.
        x: float tensor (N,C,H,W), or with a Classifier an image or a list of images.
        target: class index, class name, one of these per image, a function of the model's output that gives (N,), or
            None for each image's top class.
        why: the same as `target`, to go with `instead_of`.
        instead_of: a class whose score is subtracted: why this class *instead of* that; see above.
        signed: the sum over the colours of the gradient, with its sign: what happens if the pixel gets brighter.
        times_input: gradient times input, summed over the colours (signed; Shrikumar et al. 2016, arXiv:1605.01713).
        chunk: images per pass. It bounds the memory and does not change the result.
        progress: called with (done, total).
        cancel: a `CancelToken` or `threading.Event` that stops the work with `Cancelled`.

    Returns:
        `Heatmap` with values (N,H,W); of an unsigned contrast `params["note"]` says that it has no direction.

    Raises:
        TargetError: a class that the model does not have.
        ImageError: an `x` that cannot be read.
        ModelError: a model without gradients, or with NaN.

    """
    method = Saliency(signed=signed, times_input=times_input)
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
