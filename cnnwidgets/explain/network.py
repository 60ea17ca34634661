"""A model made ready to be explained: its twin, its trace, and passes through it."""

from __future__ import annotations

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
from cnnwidgets.explain.calls import Edit, Editing, weight_names
from cnnwidgets.explain.fork_lock import ForkLock
from cnnwidgets.explain.guard import Guard, WeightWritten
from cnnwidgets.explain.interception import Interception
from cnnwidgets.explain.model_call import call_model
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
        passed_layers: layers that all images were found to come to as the first one does.

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
        self._branches = False  # as far as is known
        self.passed_layers: set[str] = set()
        self._names: tuple[nn.Module | None, dict[int, str]] = (None, {})
        self.x = self.taken(subject.images.x)

    def become(self, copy: PrivateCopy, guard: Guard | None = None) -> None:
        """Run passes through a private copy from now on.

        Args:
            copy: the copy.
            guard: of the copy from which that one was made in turn.

        """
        self._copy, self.module, self.guard = copy, copy.twin, Guard(copy, guard)
        self._lock = ForkLock()
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
        return self.trace_of(self.x[:1])

    def trace_of(self, x: Tensor) -> Trace:
        """Return what a pass does on one image (1,C,H,W).

        A pass that does not look at values does the same on all images, and is remembered for all of them.
        """
        key: tuple[Any, ...] = (self.structure, tuple(x.shape[1:]), x.dtype, x.device)

        def watch() -> Trace:
            before = python_state()
            found = self._watched(x, common=self.guard.may_draw)
            if self.guard.may_draw or repr(before) == repr(python_state()):
                return found
            # Either another thread drew from them, or the pass did by a way on which nobody could see it coming.
            again = self._watched(x, common=True)
            if again.draws_in_python:
                put_python_state(before)
            return again

        if not self._branches:
            found = remembered(self.model, key, watch)
            self._branches = found.branches
        return remembered(self.model, (*key, tensor_hash(x)), watch) if self._branches else found

    def at_once(self, chunk: int) -> int:
        """Return how many images of `chunk` one pass may take that none changes what the network makes of another."""
        return 1 if self.trace.mixes or self.trace.branches or self._takes_one else chunk

    @cached_property
    def _takes_one(self) -> bool:
        """Whether the network takes single images only, as a graph does that was exported with one."""
        if not _is_exported(self.module):
            return False
        try:
            with torch.no_grad(), PrivateRandomness():
                self.run(self.x[:1].expand(2, -1, -1, -1).clone())
        except Exception:  # noqa: BLE001 - the guards of the graph raise whatever they like
            return True
        return False

    def _watched(self, x: Tensor, *, common: bool) -> Trace:
        while True:
            try:
                return self._watch(x, common=common)
            except WeightWritten as written:
                self.guard.adopt(written)
            except (RuntimeError, AssertionError) as error:
                words = _words_of(error, self.module, x)
                if not words:
                    raise
                raise ModelError(words) from error

    @restoring
    def _watch(self, x: Tensor, *, common: bool) -> Trace:
        before: list[Any] = []
        modules: list[nn.Module] = []

        def make() -> nn.Module:
            self.guard.resting = True  # making a copy reads what is the user's
            try:
                copy = PrivateCopy(self.model)
            finally:
                self.guard.resting = False
            modules[:] = copy.twins
            self.guard.admit([copy.twin, *copy.twins])
            before[:] = fingerprint(modules)
            return copy.twin

        shared = CommonRandomness(seeds=self.guard.may_seed)
        with shared if common else nullcontext(), PrivateRandomness(), ExitStack() as stack:
            stack.enter_context(Interception())
            for watch in self.guard.watching_closely():
                stack.enter_context(watch)
            found = trace(make, x)
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
            stack.enter_context(Interception())
            idle = self.guard.is_idle
            if not idle:
                stack.enter_context(self.guard.watching())
                if self.guard.can_watch_writes:
                    stack.enter_context(self.guard.watching_writes())
            if edits or not idle:
                path, names = (trace.path, self._weight_names()) if edits else ((), {})
                check = None if idle else self.guard.check
                stack.enter_context(Editing(edits or {}, trace.several, path, names, check=check))
            output = self._called(x)
        self._check_refused()
        return output

    def _called(self, x: Tensor) -> Any:
        try:
            return call_model(self.module, x)
        except RuntimeError as error:
            if "numpy() on Tensor that requires grad" not in str(error):
                raise
            raise ModelError(
                "The model's forward pass hands values to NumPy, which knows no gradients, so none can be taken. "
                "Written in PyTorch it can be explained; explain.occlusion and explain.activations need none."
            ) from error

    def _weight_names(self) -> dict[int, str]:
        if self._names[0] is not self.module:
            self._names = (self.module, weight_names(self.module))
        return self._names[1]

    def clean_scores(self, chunk: int) -> Tensor:
        """Return the (N, classes) scores of the images, computed `chunk` images at a time."""
        with torch.no_grad():
            parts = [class_scores(self.run(part)) for part in torch.split(self.x, self.at_once(chunk))]
        return torch.cat(parts)


def _is_exported(module: nn.Module) -> bool:
    """Whether a model is a graph, as torch.export and torch.fx make them."""
    return isinstance(module, torch.fx.GraphModule) or type(module).__module__.startswith("torch.export")


def _words_of(error: Exception, module: nn.Module, x: Tensor) -> str:
    """Return what a first pass that failed means, "" for an error of the model's own."""
    first = (str(error).strip().splitlines() or [""])[0][:200]
    if "HigherOrderOperator" in first:
        return (
            "The model calls torch.cond, torch.while_loop or another operator of higher order, whose inside is not "
            f"shown to anybody who watches a pass ({first}). Written with Python's if and for, it can be explained."
        )
    if _is_exported(module) and not isinstance(error, ModelError):
        return (
            f"The model is an exported graph, and it does not take one image of shape {tuple(x.shape[1:])}: {first}. "
            "Export it with images of this size and with a dynamic number of them (dynamic_shapes=...), or with one, "
            "or give the nn.Module that was exported."
        )
    return ""


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
