"""A model made ready to be explained: its twin, its trace, and passes through it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from cnnwidgets.errors import ModelError
from cnnwidgets.explain.calls import Edit, Editing
from cnnwidgets.explain.guard import Guard, WeightWritten
from cnnwidgets.explain.outputs import OutputKind, class_scores
from cnnwidgets.explain.pass_state import PassState, fingerprint
from cnnwidgets.explain.provenance import tensor_hash
from cnnwidgets.explain.randomness import CommonRandomness, PrivateRandomness, put_python_state, python_state
from cnnwidgets.explain.subject import Subject, refuse_inference_mode
from cnnwidgets.explain.thread_state import restoring
from cnnwidgets.explain.trace import INPUT, Trace, remembered, signature, trace
from cnnwidgets.explain.twin import PrivateCopy, unwrap

_FEW_WEIGHTS = 8_000_000
_PIXELS_PER_CHUNK = 4 * 224 * 224
Edits = Mapping[int, tuple[str, Edit]]


class Network:
    """A twin of the subject's model, and the subject's input in the model's dtype and on its device.

    Attributes:
        model: the user's model, for reading names only.
        module: the frozen twin in evaluation mode.
        guard: keeps passes off what is the user's.
        structure: tells networks apart of which a trace of one does not hold for the other.
        x: (N,C,H,W).

    """

    def __init__(self, subject: Subject) -> None:
        refuse_inference_mode()
        self.subject = subject
        self.model = unwrap(subject.model)
        self.module: nn.Module
        self.guard: Guard
        copy = PrivateCopy(self.model)
        self.structure = structure(self.model, copy.modules)
        self.become(copy)
        self._light = self._is_light()
        self.x = self.taken(subject.images.x)

    def become(self, copy: PrivateCopy, guard: Guard | None = None) -> None:
        """Run passes through a private copy from now on.

        Args:
            copy: the copy.
            guard: of the copy from which that one was made in turn.

        """
        self._copy, self.module, self.guard = copy, copy.twin, Guard(copy, guard)
        self._lock = threading.RLock()
        self._state: PassState | None = None

    def taken(self, x: Tensor) -> Tensor:
        """Return images (N,C,H,W) as this network takes them: in its dtype, on its device, in its order in memory."""
        weight = next((p for p in self.module.parameters() if p.is_floating_point()), None)
        if weight is not None:
            x = x.to(device=weight.device, dtype=weight.dtype)
        x = (x.clone() if x.is_inference() else x).detach()
        return x.contiguous(memory_format=torch.channels_last) if self._light else x

    def _is_light(self) -> bool:
        """Whether the convolutions have few weights, as those of MobileNets, EfficientNets and DenseNets.

        With channels last PyTorch's CPU convolutions rearrange their weights in every pass. Measured, that is repaid
        up to about eight million weights: MobileNetV2 takes 0.85 of the time, ResNet18 1.1 of it.
        """
        return sum(p.numel() for p in self.module.parameters() if p.ndim == 4) < _FEW_WEIGHTS

    @cached_property
    def trace(self) -> Trace:
        """What a pass does: watched on the first image, remembered while the model's structure stays the same."""
        if self.x.is_meta:
            raise ModelError("The model's weights have no values: they are on PyTorch's meta device. Load the weights.")
        key = (self.structure, tuple(self.x.shape[1:]), self.x.dtype, self.x.device)

        def watch() -> Trace:
            before = python_state()
            found = self._watched(common=self.guard.may_draw)
            if self.guard.may_draw or repr(before) == repr(python_state()):
                return found
            # Either another thread drew from them, or the pass did by a way on which nobody could see it coming.
            again = self._watched(common=True)
            if again.draws_in_python:
                put_python_state(before)
            return again

        return remembered(self.model, key, watch)

    def _watched(self, *, common: bool) -> Trace:
        while True:
            try:
                return self._watch(common=common)
            except WeightWritten as written:
                self.guard.adopt(written)

    @restoring
    def _watch(self, *, common: bool) -> Trace:
        before: list[Any] = []
        modules: list[nn.Module] = []

        def make() -> nn.Module:
            self.guard.resting = True  # making a copy reads what is the user's
            try:
                copy = PrivateCopy(self.model)
            finally:
                self.guard.resting = False
            modules[:] = copy.twins
            before[:] = fingerprint(modules)
            return copy.twin

        shared = CommonRandomness(seeds=self.guard.may_seed)
        with shared if common else nullcontext(), PrivateRandomness(), ExitStack() as stack:
            for watch in self.guard.watching_closely():
                stack.enter_context(watch)
            found = trace(make, self.x[:1])
        self._check_refused()
        return replace(
            found,
            draws=found.draws or shared.drawn,
            draws_in_python=shared.drawn or shared.seeded,
            seeds=shared.seeded,
            rewinds=fingerprint(modules) != before,
        )

    def _check_refused(self) -> None:
        """Raise what the guard refused, also where the forward pass went on."""
        if self.guard.refused is not None:
            raise self.guard.refused

    @cached_property
    def pictures(self) -> tuple[Image.Image, ...]:
        """The original pictures; where there are none, pictures of the input tensors."""
        images = self.subject.images
        return tuple(
            picture_of(x) if picture is None else picture for x, picture in zip(images.x, images.pictures, strict=True)
        )

    @cached_property
    def image_hashes(self) -> tuple[str, ...]:
        """SHA-256 of each image's tensor as it was given."""
        return tuple(tensor_hash(x) for x in self.subject.images.x)

    @property
    def kind(self) -> OutputKind:
        """What the scores are: set by the user, else told from their values."""
        return self.subject.output or self.trace.kind

    def class_count(self) -> int:
        """Return the number of classes.

        Raises:
            ModelError: the output is no table of class scores.

        """
        if self.trace.classes is None:
            with torch.no_grad():
                class_scores(self.run(self.x[:1].clone()))  # raises, in words
            raise ModelError("The model's output changed its form between two calls.")
        return self.trace.classes

    def run(self, x: Tensor, edits: Edits | None = None) -> Any:
        """Return the model's raw output for `x`, with the numbered calls of the trace edited.

        Raises:
            ModelError: the pass comes to a module of the user's own.

        """
        if not self.trace.rewinds:
            return self._run(x, edits)
        with self._lock:  # passes at the same time would change each other's state
            return self._run(x, edits)

    def _run(self, x: Tensor, edits: Edits | None) -> Any:
        while True:
            try:
                return self._pass(x, edits)
            except WeightWritten as written:
                if self._state is not None:
                    self._state.restore()
                self.guard.adopt(written)
                self._state = None

    @restoring
    def _pass(self, x: Tensor, edits: Edits | None) -> Any:
        trace = self.trace
        if trace.rigid:
            x = x.clone(memory_format=torch.contiguous_format)  # one channel is contiguous in either order
        if INPUT in trace.overwritten:
            x = x.clone()  # the network may not write to ours, nor to a leaf of autograd
        if trace.rewinds:
            if self._state is None:
                self._state = PassState(self._copy.twins, [twin for _, twin in self._copy.shared])
            else:
                self._state.restore()
        with ExitStack() as stack:
            if trace.draws_in_python:
                stack.enter_context(CommonRandomness(seeds=trace.seeds))
            if trace.draws and not trace.seeds:
                stack.enter_context(PrivateRandomness())
            if self.guard.is_suspicious:
                stack.enter_context(self.guard.watching())
            idle = self.guard.is_idle
            if edits or not idle:
                stack.enter_context(Editing(edits or {}, trace.several, None if idle else self.guard.check))
            output = self.module(x)
        self._check_refused()
        return output

    def clean_scores(self, chunk: int) -> Tensor:
        """Return the (N, classes) scores of the images, computed `chunk` images at a time."""
        with torch.no_grad():
            parts = [class_scores(self.run(part)) for part in torch.split(self.x, chunk)]
        return torch.cat(parts)


def structure(model: nn.Module, modules: Sequence[nn.Module]) -> tuple[Any, ...]:
    """Return what a trace of a model depends on besides the input's shape.

    Args:
        model: the model.
        modules: all that belong to it, also those that are no registered children.

    """
    registered = {id(module) for module in model.modules()}
    return signature(model), *(signature(module) for module in modules if id(module) not in registered)


def few_images(height: int, width: int) -> int:
    """Return how many images of this size one pass takes where nobody says: more are no faster and take memory."""
    return max(1, _PIXELS_PER_CHUNK // (height * width))


def picture_of(x: Tensor) -> Image.Image:
    """Return a tensor (C,H,W) as an RGB picture, its range stretched to black and white.

    A normalised tensor does not say what it was normalised with, so the colours are only like those of the picture.
    One channel is grey; of two or more than three, the first counts.
    """
    values = x.detach()[: 3 if len(x) >= 3 else 1].float().cpu().numpy()
    low, high = values.min(), values.max()
    stretched = (values - low) * (255 / (high - low)) if high > low else np.full_like(values, 127.5)
    pixels = stretched.round().astype(np.uint8).transpose(1, 2, 0)
    return Image.fromarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)).copy())


def check_finite(values: Tensor, what: str, remedy: str = "") -> None:
    """Raise `ModelError` if `values` are not all finite: NaN is said, not drawn."""
    if not bool(torch.isfinite(values).all()):
        bad = "NaN" if bool(torch.isnan(values).any()) else "infinite"
        raise ModelError(
            f"{what} holds {bad} values, so there is nothing true to show. Look for NaN in the weights (a training "
            f"that diverged?) or for a float16 overflow.{remedy}"
        )
