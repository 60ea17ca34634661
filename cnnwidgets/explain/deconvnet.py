"""The deconvnet: projecting one unit back to the pixels by transposed filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnwidgets.explain.keywords import spelled
from cnnwidgets.explain.projecting import Rule, project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnwidgets.explain.control import Cancel, Progress
    from cnnwidgets.explain.layers import LayerLike
    from cnnwidgets.explain.projection import Projection

RULE = Rule("deconvnet", "Deconvnet", "Zeiler and Fergus 2014, ECCV, arXiv:1311.2901, section 2.1", gated=False)


@spelled
def deconvnet(
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
    r"""Project a unit back to the pixels: transposed filters, ReLUs on the way back, max pooling undone by its places.

    With $f = \mathrm{ReLU}(z)$ and $R$ the signal that comes back to $f$,

    $$R_z = [R_f > 0] \cdot R_f$$

    whether or not the ReLU was on in the forward pass. A convolution hands back by its transposed filters, a max
    pooling to the place of the maximum in the forward pass (the paper's switches), and everything else (batch
    normalisation in evaluation mode, average pooling, addition) by its gradient. Only the switches, and gates such as
    squeeze-and-excitation, depend on the image: a network without them gives every image the same picture.

    The signal starts with 1 at the unit. In the paper it starts with the activation, by which its pictures are
    multiplied. The cap of a ReLU6 is not applied on the way back either. ReLUs are found however they are written, and
    other non-linear functions pass their ordinary gradient, as in `explain.guided_backprop`.

    As guided backpropagation it rather recovers the input than it explains a decision (Nie et al. 2018,
    arXiv:1805.07039): it shows which pixels of the patch may excite the unit. One pass forward, which ends at the
    layer, and one back.

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
