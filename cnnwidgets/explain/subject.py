"""Who and what is explained: a model, its input, and the pictures that the input came from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from cnnwidgets.errors import ImageError, ModelError, OptionError
from cnnwidgets.explain.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL import Image

    from cnnwidgets.explain.outputs import OutputKind
    from cnnwidgets.explain.probe_pictures import ProbePictures

_MOST_SPREAD = 2**32  # bytes


@dataclass(frozen=True, eq=False)
class Prepared:
    """Images as a network takes them.

    Attributes:
        x: (N,C,H,W) float.
        pictures: the original pictures, or None where only a tensor was given.
        frames: where the input lies in each picture.

    """

    x: Tensor
    pictures: tuple[Image.Image | None, ...]
    frames: tuple[Frame, ...]


@runtime_checkable
class Explainable(Protocol):
    """What `explain` asks of a model that brings its preprocessing along: `cnnwidgets.Classifier` does."""

    model: nn.Module

    @property
    def classes(self) -> Sequence[str]:
        """Class names, or empty."""

    @property
    def stated_output(self) -> OutputKind | None:
        """What the scores are, where the user has set it."""

    def prepare(self, images: Any) -> Prepared:
        """Turn images into the network's input."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A model and the images it is explained on, checked.

    Attributes:
        model: the network.
        images: its input.
        classes: class names, or empty.
        output: what the scores are, where the user has set it.
        prepare: turns further pictures into input as these were; None where the preprocessing is not known.
        probes: pictures to measure on where the cells of the network lie; None takes photographs at hand.

    """

    model: nn.Module
    images: Prepared
    classes: tuple[str, ...] = ()
    output: OutputKind | None = None
    prepare: Callable[[Any], Prepared] | None = None
    probes: ProbePictures | None = None


def subject_of(model: Any, x: Any) -> Subject:
    """Return the `Subject` that the first two arguments of every public function mean.

    Args:
        model: a `torch.nn.Module`, or a `Classifier`.
        x: a float tensor (N,C,H,W), already preprocessed; with a Classifier also an image or a list of images.

    Raises:
        OptionError: `model` is neither.
        ImageError: `x` is not such a tensor, is empty or holds NaN or infinity.

    """
    if isinstance(model, nn.Module):
        return Subject(model, prepared_tensor(x))
    if isinstance(model, Explainable):
        images = prepared_tensor(x) if isinstance(x, Tensor) else model.prepare(x)
        probes = getattr(model, "probes", None)
        return Subject(model.model, images, tuple(model.classes), model.stated_output, model.prepare, probes)
    raise OptionError(f"The model is a {type(model).__name__}; give a torch.nn.Module or a cnnwidgets.Classifier.")


def prepared_tensor(x: Any) -> Prepared:
    """Return a tensor as `Prepared`, after checking it."""
    if not isinstance(x, Tensor):
        raise ImageError(
            f"x is a {type(x).__name__}. A bare nn.Module takes a float tensor (N,C,H,W); to explain pictures or "
            "files, wrap it with its preprocessing: cnnwidgets.Classifier(model, preprocess=...)."
        )
    _refuse_unreadable(x)
    if x.ndim != 4:
        hint = " Add the batch dimension: x[None]." if x.ndim == 3 else ""
        raise ImageError(f"x has shape {tuple(x.shape)}; it must be (N,C,H,W).{hint}")
    if not x.is_floating_point():
        raise ImageError(
            f"x has dtype {x.dtype}; a network takes floating point. Preprocess it as in training, e.g. "
            "(x.float() / 255 - mean) / std."
        )
    if 0 in x.shape:
        raise ImageError(f"x has shape {tuple(x.shape)}: there is nothing to explain in it.")
    _refuse_spread(x)
    if not _all_finite(x):
        raise ImageError("x holds NaN or infinite values; no network answers sensibly to these.")
    frame = Frame.whole(x.shape[2], x.shape[3])
    return Prepared(x, (None,) * len(x), (frame,) * len(x))


def _refuse_unreadable(x: Tensor) -> None:
    """Raise `ImageError` for a tensor that does not hold its values one by one."""
    if x.device.type == "meta":
        raise ImageError(
            f"x of shape {_shape(x)} lies on the device 'meta': it has a shape and no values. Give one with "
            "values, such as torch.zeros(x.shape)."
        )
    if x.is_nested:
        raise ImageError(
            "x is a nested tensor, of images of several sizes. Bring them to one size, or give them one by one."
        )
    if x.layout != torch.strided:
        raise ImageError(f"x of shape {_shape(x)} is sparse ({x.layout}). Give all of its values: x.to_dense().")
    if x.is_quantized:
        raise ImageError(f"x of shape {_shape(x)} is quantized ({x.dtype}). Give its values: x.dequantize().")


def _refuse_spread(x: Tensor) -> None:
    """Raise `ImageError` for few values that are spread out, as by `expand`, to more than can be computed with."""
    size = x.numel() * x.element_size()
    if size > _MOST_SPREAD and size > x.untyped_storage().nbytes():
        raise ImageError(
            f"x of shape {_shape(x)} is {x.untyped_storage().nbytes():,} bytes in memory, spread out by expand; "
            f"one by one its values are {size / 2**30:.0f} GiB. Give fewer or smaller images."
        )


def _shape(x: Tensor) -> tuple[int, ...]:
    return tuple(x.shape)


def _all_finite(x: Tensor) -> bool:
    # A sum is read once and finite only where every value is; the slow way decides where it overflows.
    return math.isfinite(x.detach().sum().item()) or bool(torch.isfinite(x).all())


def refuse_inference_mode() -> None:
    """Raise `ModelError` inside `torch.inference_mode()`, where PyTorch can give no gradients."""
    if torch.is_inference_mode_enabled():
        raise ModelError(
            "Explanations need gradients, and torch.inference_mode() forbids them for good. Call explain outside of "
            "it, or use torch.no_grad() instead: that one is lifted for the time of the explanation."
        )
