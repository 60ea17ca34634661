"""Highlighting a channel: its threshold from one picture, or from a whole data set."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from cnnwidgets.errors import ImageError, OptionError
from cnnwidgets.explain.activations import activations
from cnnwidgets.explain.batches import batches, count_of
from cnnwidgets.explain.control import check_cancelled
from cnnwidgets.explain.highlight import Highlight, checked_quantile
from cnnwidgets.explain.keywords import spelled
from cnnwidgets.explain.layers import check_paths
from cnnwidgets.explain.network import check_finite, few_images
from cnnwidgets.explain.samples import MOST, Sample, quantile_of
from cnnwidgets.explain.taps import watch

if TYPE_CHECKING:
    from cnnwidgets.explain.control import Cancel, Progress
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.layers import LayerLike
    from cnnwidgets.explain.network import Network


@spelled
def highlight(
    model: Any,
    x: Any,
    layer: LayerLike,
    channel: int,
    *,
    quantile: float = 0.995,
    over: Any = None,
    threshold: float | None = None,
    chunk: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Highlight:
    """Return where a channel answers strongly, as a mask on each picture.

    The channel's map is laid on the picture, linear between the true centres of its cells, and cut at a quantile of its
    activation (Bau et al. 2017, "Network Dissection", arXiv:1704.05796, section 2.2, where the quantile is 0.995 and
    taken over a whole data set).

    Args:
        model: `nn.Module` or `Classifier`. It is run as it predicts, in evaluation mode, and left as found.
        x: float tensor (N,C,H,W), or with a Classifier an image or a list of images.
        layer: as in `explain.grad_cam`; None is the last feature map.
        channel: the channel's number; a negative one counts from the end.
        quantile: share of the channel's activations that stay below the threshold, over all cells of all images,
            linear between the two nearest ones.
        over: the images to take the quantile over: a tensor, a list of images, or any iterable of images, of batches,
            or of (batch, label) as a DataLoader gives them; None takes those of `x`. They are streamed. Up to 2**24
            activations the quantile is exact, beyond that it is that of a uniform sample of so many, always the same
            one, whose size `Highlight.params` tells.
        threshold: cut here, in units of the activation, instead of at a quantile.
        chunk: images per pass. It bounds the memory and does not change the result.
        progress: called with (done, total) in items of `over`; total is 0 where `over` does not know its length.
        cancel: a `CancelToken` or `threading.Event` that stops the work with `Cancelled`.

    Raises:
        LayerError: no such layer, or one without rows and columns.
        OptionError: a channel, quantile or threshold that means nothing, or `over` together with `threshold`.
        ImageError: what is no image in `over`.

    """
    quantile = checked_quantile(quantile)
    if threshold is not None:
        if over is not None:
            raise OptionError("Both over= and threshold= were given: a threshold needs no images to be taken over.")
        if isinstance(threshold, bool) or not isinstance(threshold, Real) or not np.isfinite(float(threshold)):
            raise OptionError(f"threshold={threshold!r}: give a finite number, in units of the activation.")
    found = activations(model, x, layer, chunk=chunk, cancel=cancel)
    heatmap = found.heatmap(channel)
    if threshold is not None:
        return Highlight.above(heatmap, float(threshold))
    if over is None:
        return Highlight.of(heatmap, quantile)
    stream = _Stream(found.kept.network, found.layer, heatmap.params["channel"], chunk)
    sample = stream.taken(over, progress, cancel)
    params = {"values": sample.seen, "sample": sample.most if sample.seen > sample.most else None}
    words = f"{stream.images} image{'s' if stream.images > 1 else ''}"
    return Highlight.above(heatmap, quantile_of(sample.values, quantile), quantile, words, params)


class _Stream:
    """The activations of one channel over many images."""

    def __init__(self, network: Network, layer: Layer, channel: int, chunk: int | None) -> None:
        self.images = 0
        self._network, self._layer, self._channel, self._chunk = network, layer, channel, chunk

    def taken(self, images: Any, progress: Progress | None, cancel: Cancel | None) -> Sample:
        sample = Sample(MOST)
        total = count_of(images)

        def see(_call: int, value: Tensor) -> None:
            part = value[:, self._channel]
            check_finite(part, f"The layer {self._layer.name!r}")
            sample.add(part.float().cpu().numpy())

        for done, batch in enumerate(batches(self._network, images), 1):
            check_paths(self._network, [self._layer], batch, f"item {done - 1} of over=, image")
            for part in torch.split(batch, self._network.at_once(self._chunk or few_images(*batch.shape[2:]))):
                check_cancelled(cancel, done - 1, total)
                with torch.no_grad():
                    watch(self._network, part, [self._layer.call], see)
            self.images += len(batch)
            if progress is not None:
                progress(done, total)
        if not self.images:
            raise ImageError(
                "over= gave no images, so there is no quantile. A generator can be gone through only once."
            )
        return sample
