"""Classifier: a model with its preprocessing and its class names."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cnnwidgets.errors import ImageError, ModelError, OptionError
from cnnwidgets.explain.network import Network, check_finite
from cnnwidgets.explain.outputs import OutputKind, check_kind, output_kind
from cnnwidgets.explain.probe_pictures import ProbePictures
from cnnwidgets.explain.subject import Prepared, Subject, prepared_tensor
from cnnwidgets.explain.targets import class_index
from cnnwidgets.explain.thread_state import restoring
from cnnwidgets.predictions import ranked
from cnnwidgets.preparation import Preparation
from cnnwidgets.preprocess import Preprocess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Self

    from PIL import Image


class Classifier:
    """Any `nn.Module` that gives class scores, with what is needed to ask it about pictures.

    Args:
        model: the network. It stays yours: it is run and explained as it predicts, in evaluation mode, through a twin
            that shares its weights, and is left exactly as it is.
        preprocess: turns a PIL picture into the network's input, a float tensor (C,H,W): `Preprocess`, a torchvision
            or timm transform, or any function without chance. None takes pictures at their own size, scaled to 0..1.
        classes: the class names in the order of the outputs, or a dict from index to name. Line breaks at the end of
            a name are left out, so the lines of a file will do: `classes=open("names.txt").readlines()`.
        output: what the scores are: "logits", "softmax" or "log_softmax". None tells from their values.
        probe_images: a few pictures like those that the network was trained on, on which it is measured once where the
            cells of its layers lie (see `explain.Placement`): pictures, paths, arrays or tensors, or a function that
            gives them when they are needed. The first three count. None takes photographs of installed packages.

    Attributes:
        model: the network.
        preprocess: the preprocessing.
        classes: the class names, a tuple; empty if none are known.
        probe_images: as given.

    """

    def __init__(
        self,
        model: nn.Module,
        preprocess: Callable[[Image.Image], Tensor] | None = None,
        classes: Iterable[str] | None = None,
        *,
        output: OutputKind | None = None,
        probe_images: Any = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            hint = " Of an ExportedProgram, that is its .module()." if type(model).__name__ == "ExportedProgram" else ""
            raise OptionError(f"The model is a {type(model).__name__}; a Classifier takes a torch.nn.Module.{hint}")
        if isinstance(classes, str):
            raise OptionError(f"classes={classes!r} is one text; give a list of names, one per class.")
        self.model = model
        self.preprocess: Callable[[Image.Image], Tensor] = preprocess or Preprocess(
            channels=1 if input_channels(model) == 1 else 3
        )
        if isinstance(classes, Mapping):
            classes = [classes[index] for index in sorted(classes)]
        self.classes: tuple[str, ...] = tuple(str(name).rstrip("\r\n") for name in classes or ())
        self.stated_output: OutputKind | None = None if output is None else check_kind(output)
        self._detected: OutputKind | None = None
        self._count = sys.maxsize  # of classes, until a prediction tells
        self._preparation = Preparation(self.preprocess)
        self.probe_images = probe_images
        self._probes: ProbePictures | None = None

    def __repr__(self) -> str:
        """Return the model's name, the number of classes, and what the scores are."""
        kind = self.output or "output not seen yet"
        return f"<Classifier {type(self.model).__name__}, {len(self.classes) or 'unnamed'} classes, {kind}>"

    @classmethod
    def from_torchvision(cls, name: str, weights: Any = "DEFAULT") -> Self:
        """Return a torchvision model with the transforms and class names of its weights.

        Args:
            name: as torchvision lists it, "resnet18".
            weights: "DEFAULT", the name of other weights ("IMAGENET1K_V1"), a member of the weights' enum, or None for
                random weights, still with the default weights' transforms and names.

        Raises:
            OptionError: no such model or weights; near names are offered.
            MissingDataError: the weights are not on this machine and cannot be downloaded.

        """
        from cnnwidgets.sources import torchvision_parts

        return cls(*torchvision_parts(name, weights))

    @classmethod
    def from_timm(cls, name: str, *, pretrained: bool = True) -> Self:
        """Return a timm model with the transform that its weights were made with, and ImageNet's class names.

        Args:
            name: as timm lists it, "resnet50.a1_in1k".
            pretrained: False gives random weights.

        Raises:
            OptionError: no such model; near names are offered.
            MissingDataError: timm or the weights are not on this machine and cannot be downloaded.

        """
        from cnnwidgets.sources import timm_parts

        return cls(*timm_parts(name, pretrained=pretrained))

    @property
    def output(self) -> OutputKind | None:
        """What the scores are: as set, or as detected in the first prediction; None before that."""
        return self.stated_output or self._detected

    @output.setter
    def output(self, kind: OutputKind | None) -> None:
        self.stated_output = None if kind is None else check_kind(kind)

    def prepare(self, images: Any) -> Prepared:
        """Return images as the network's input, with their pictures and frames.

        Args:
            images: one image or a list of them: PIL picture, path, bytes, uint8 array (H,W[,3|4]); or a float tensor
                (N,C,H,W) or (C,H,W) that is preprocessed already.

        Raises:
            ImageError: an image that cannot be read, or images that do not become tensors of one shape.

        """
        if isinstance(images, Prepared):
            return images
        if isinstance(images, Tensor):
            return prepared_tensor(images[None] if images.ndim == 3 else images)
        several = isinstance(images, list | tuple)
        sources = list(images) if several else [images]
        if not sources:
            raise ImageError("The list of images is empty: there is nothing to look at.")
        return joined([self.preparation(source) for source in sources])

    @property
    def preparation(self) -> Preparation:
        """What `prepare` does with one image, without the model."""
        if self._preparation.preprocess is not self.preprocess:
            self._preparation = Preparation(self.preprocess)
        return self._preparation

    @property
    def probes(self) -> ProbePictures:
        """The pictures on which it is measured where the cells of the network lie."""
        if self._probes is None or not self._probes.are_of(self.preprocess, self.probe_images):
            self._probes = ProbePictures.shared(self.preprocess, self.preparation, self.probe_images)
        return self._probes

    def predict(self, images: Any, top: int = 5) -> Any:
        """Return the likeliest classes with their probabilities.

        Args:
            images: as in `prepare`.
            top: how many classes.

        Returns:
            `Predictions` (a tuple of `Prediction`, best first) for one image, a list of these for a list or batch.

        Raises:
            ImageError: an image that cannot be read.
            ModelError: no class scores, or NaN among them.

        """
        if isinstance(top, bool) or not isinstance(top, int) or top < 1:
            raise OptionError(f"top={top!r}: give the number of classes to name, 1 or more.")
        prepared = self.prepare(images)
        scores, kind = self.scores(prepared)
        named = ranked(scores, kind, self.classes, top)
        one = not isinstance(images, list | tuple) and not (isinstance(images, Tensor) and images.ndim == 4)
        return named[0] if one else named

    @restoring
    def scores(self, images: Any) -> tuple[Tensor, OutputKind]:
        """Return (N, classes) scores, and what they are.

        Raises:
            ModelError: no class scores, NaN among them, or another number of classes than names.

        """
        prepared = images if isinstance(images, Prepared) else self.prepare(images)
        network = Network(Subject(self.model, prepared, self.classes, self.stated_output))
        scores = network.clean_scores(4)
        check_finite(scores, "The model's output")
        if self.classes and scores.shape[1] != len(self.classes):
            raise ModelError(
                f"The model gives {scores.shape[1]} scores, but {len(self.classes)} class names were given."
            )
        self._detected, self._count = output_kind(scores), scores.shape[1]
        return scores, self.stated_output or self._detected

    def index_of(self, name: int | str) -> int:
        """Return the index of a class given by name or index.

        Raises:
            TargetError: no such class; near names are offered.

        """
        return class_index(name, len(self.classes) or self._count, self.classes)


def joined(parts: Sequence[Prepared]) -> Prepared:
    """Return several prepared images as one batch."""
    shapes = {tuple(part.x.shape[1:]) for part in parts}
    if len(shapes) > 1:
        raise ImageError(
            f"The images become tensors of different shapes: {', '.join(map(str, sorted(shapes)))}. Give the "
            "Classifier a preprocessing that brings them to one size, or explain them one by one."
        )
    return Prepared(
        torch.cat([part.x for part in parts]),
        tuple(picture for part in parts for picture in part.pictures),
        tuple(frame for part in parts for frame in part.frames),
    )


def input_channels(model: nn.Module) -> int | None:
    """Return how many channels the first convolution takes; None without one."""
    first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    return None if first is None else first.in_channels
