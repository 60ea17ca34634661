"""Guided backpropagation: which pixels of an image excite one unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnwidgets.explain.keywords import spelled
from cnnwidgets.explain.projecting import Rule, project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnwidgets.explain.control import Cancel, Progress
    from cnnwidgets.explain.layers import LayerLike
    from cnnwidgets.explain.projection import Projection

RULE = Rule(
    "guided_backprop",
    "Guided backpropagation",
    "Springenberg, Dosovitskiy, Brox, Riedmiller 2014, arXiv:1412.6806, section 3.4",
    gated=True,
)


@spelled
def guided_backprop(
    model: Any,
    x: Any,
    layer: LayerLike,
    channel: int,
    cell: tuple[int, int] | Sequence[tuple[int, int]] | None = None,
    *,
    chunk: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Projection:
    r"""Which pixels of an image excite a unit: its gradient, where each ReLU only hands back what is positive.

    With $f = \mathrm{ReLU}(z)$ and $R$ the signal that comes back to $f$,

    $$R_z = [z > 0] \cdot [R_f > 0] \cdot R_f$$

    The signal starts with 1 at the unit, as the layer gives it, and the result is the one that reaches the input. So it
    is 0 for a unit that is the output of a ReLU which is off. (In the paper's pictures the signal starts with the
    activation, by which the result is then multiplied.)

    A ReLU counts however it is written: as a module, used once or several times, in place or not, as a function, as
    `clamp(min=0)` or as a mask `x * (x > 0)`; so do ReLU6 and other caps, by their own gradient, which is 0 above the
    cap. Other non-linear functions (SiLU, a leaky ReLU, the sigmoid of a gate), for which the paper has no rule, pass
    their ordinary gradient; `Projection.params["plain"]` lists them.

    **What it does not show.** It fails the sanity checks of Adebayo et al. 2018 (arXiv:1810.03292): with the weights of
    the upper layers replaced by random ones the pictures hardly change. Nie et al. 2018 (arXiv:1805.07039) prove why:
    it partly recovers the input, much as an edge detector does. It shows which pixels of the patch excite the unit; it
    does not explain a class.

    One pass forward, which ends at the layer, and one back.

    Args:
        model: `nn.Module` or `Classifier`. It is run as it predicts, in evaluation mode, and left as found.
        x: float tensor (N,C,H,W), or with a Classifier an image or a list of images.
        layer: name of a layer as `explain.layers` lists them, a `Layer`, the module itself, an index into an
            `nn.Sequential`, or None for the last feature map.
        channel: number of the channel; negative numbers count from the end.
        cell: (row, column) of the unit, or a list of one per image; negative numbers count from the end. None is each
            image's strongest cell of the channel.
        chunk: images per pass. It bounds the memory and does not change the result.
        progress: called with (done, total) in images.
        cancel: a `CancelToken` or `threading.Event` that stops the work with `Cancelled`.

    Returns:
        `Projection` with values (N,C,H,W), in activation per unit of the network's (normalised) input.

    Raises:
        LayerError: no such layer, or one without rows and columns.
        OptionError: no such channel or cell.
        ImageError: an `x` that cannot be read.
        ModelError: a layer before which there are non-linear functions, but no ReLU; ReLUs that cannot be seen
            (TorchScript, gradient checkpointing); a model without gradients, or with NaN.

    """
    how: dict[str, Any] = {"chunk": chunk, "progress": progress, "cancel": cancel}
    return project(RULE, model, x, layer=layer, channel=channel, cell=cell, **how)
