"""What is explained: a target turns a model's output into one number per image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cnnwidgets.errors import OptionError, TargetError, nearest
from cnnwidgets.explain.outputs import UNITS, OutputKind, as_probabilities, class_name, class_scores, output_kind

TargetLike = int | str | Callable[[Any], Tensor] | Sequence[int | str] | Tensor | np.ndarray[Any, Any] | None


class Target(ABC):
    """One number per image, read off the model's output."""

    @abstractmethod
    def score(self, output: Any, rows: slice) -> Tensor:
        """Return (n,), the numbers to explain, for the images `rows` of the batch that gave `output`."""

    @abstractmethod
    def names(self, count: int) -> tuple[str, ...]:
        """Return in words what is explained, one text per image."""

    def units(self, kind: OutputKind) -> str:
        """Return the unit of the number."""
        return UNITS[kind]

    def repeated(self, image: int, count: int) -> Target:
        """Return the target of one image for `count` copies of it."""
        del image, count
        return self


def _pick(scores: Tensor, indices: Sequence[int], rows: slice) -> Tensor:
    wanted = torch.tensor(indices[rows], device=scores.device)
    return scores.gather(1, wanted[:, None]).squeeze(1)


@dataclass(frozen=True)
class ClassScore(Target):
    """The score of one class per image, in what the model puts out (a logit, for most)."""

    indices: tuple[int, ...]
    classes: tuple[str, ...] = ()

    def score(self, output: Any, rows: slice) -> Tensor:
        """Return (n,) scores."""
        return _pick(class_scores(output), self.indices, rows)

    def repeated(self, image: int, count: int) -> ClassScore:
        """Return the class of one image for `count` copies of it."""
        return ClassScore((self.indices[image],) * count, self.classes)

    def names(self, count: int) -> tuple[str, ...]:
        """Return the class names."""
        return tuple(class_name(index, self.classes) for index in self.indices[:count])


@dataclass(frozen=True)
class Contrast(Target):
    """The score of one class minus that of another: why this *instead of* that."""

    why: ClassScore
    instead_of: ClassScore

    def score(self, output: Any, rows: slice) -> Tensor:
        """Return (n,) differences."""
        return self.why.score(output, rows) - self.instead_of.score(output, rows)

    def repeated(self, image: int, count: int) -> Contrast:
        """Return the classes of one image for `count` copies of it."""
        return Contrast(self.why.repeated(image, count), self.instead_of.repeated(image, count))

    def names(self, count: int) -> tuple[str, ...]:
        """Return "this instead of that"."""
        pairs = zip(self.why.names(count), self.instead_of.names(count), strict=True)
        return tuple(f"{why} instead of {other}" for why, other in pairs)


def _real(value: Tensor) -> Tensor:
    """Return what a target function gave, if it is numbers that have an order."""
    if value.is_complex() or value.dtype is torch.bool:
        raise TargetError(
            f"The target function gave values of the dtype {str(value.dtype).removeprefix('torch.')}; it must give "
            "real numbers. Take .abs() or .real of complex ones, .float() of truth values."
        )
    return value


@dataclass(frozen=True)
class Custom(Target):
    """Any function of the model's raw output that gives one number per image."""

    function: Callable[[Any], Tensor]

    def score(self, output: Any, rows: slice) -> Tensor:
        """Return (n,), checked."""
        value = self.function(output)
        count = rows.stop - rows.start
        if not isinstance(value, Tensor) or value.shape not in ((count,), (count, 1)):
            if isinstance(value, Tensor) and value.ndim == 0 and count == 1:
                return _real(value[None])
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise TargetError(
                f"The target function gave {got} for {count} image(s); it must give one number per image, a tensor "
                f"of shape ({count},)."
            )
        return _real(value.reshape(count))

    def names(self, count: int) -> tuple[str, ...]:
        """Return the function's name."""
        return (getattr(self.function, "__name__", type(self.function).__name__).strip("<>"),) * count

    def units(self, kind: OutputKind) -> str:
        """Return "score": a function has no unit of its own."""
        del kind
        return str(getattr(self.function, "units", "score"))


class Probability:
    """A target: the probability of a class, as `target=Probability(281)`.

    Unlike the logit it also falls when *another* class gains.

    Args:
        index: the class.
        output: what the model's scores are, "logits", "softmax" or "log_softmax"; None tells from their values.

    """

    units = "probability"

    def __init__(self, index: int, output: OutputKind | None = None) -> None:
        self.index, self.output = index, output
        self.__name__ = f"probability of class {index}"

    def __call__(self, output: Any) -> Tensor:
        """Return (N,) probabilities."""
        scores = class_scores(output)
        index = class_index(self.index, scores.shape[1])
        return as_probabilities(scores, self.output or output_kind(scores))[:, index]


def class_index(name: int | str, count: int, classes: Sequence[str] = ()) -> int:
    """Return the index of a class given by index or name.

    A name counts if it is one of `classes` but for case, or one of the alternatives in it ("tabby" in "tabby, tabby
    cat"). Negative indices are refused: -1 is rather a slip than a class.

    Raises:
        TargetError: no such class; nearest names are offered.

    """
    if isinstance(name, str):
        if not classes:
            raise TargetError(
                f"The target is the name {name!r}, but this model has no class names. Give an index from 0 to "
                f"{count - 1}, or wrap the model: cnnwidgets.Classifier(model, classes=[...])."
            )
        wanted = name.strip().casefold()
        exact = [i for i, known in enumerate(classes) if known.casefold() == wanted]
        loose = [i for i, known in enumerate(classes) if wanted in [p.strip().casefold() for p in known.split(",")]]
        found = exact or loose
        if not found:
            raise TargetError(f"No class is called {name!r}.{nearest(name, classes)}")
        return found[0]
    if isinstance(name, bool) or not isinstance(name, int | np.integer):
        raise TargetError(f"The target {name!r} is a {type(name).__name__}; give an index, a name or a function.")
    if not 0 <= int(name) < count:
        raise TargetError(f"The target {int(name)} is out of range: this model has {count} classes, 0 to {count - 1}.")
    return int(name)


def _indices(target: Any, images: int, count: int, classes: Sequence[str]) -> tuple[int, ...]:
    if isinstance(target, Tensor | np.ndarray):
        target = target.tolist()
    if isinstance(target, Iterable) and not isinstance(target, str):
        wanted = list(target)
        if len(wanted) != images:
            raise TargetError(f"{len(wanted)} targets were given for {images} image(s): give one, or one per image.")
        return tuple(class_index(item, count, classes) for item in wanted)
    return (class_index(target, count, classes),) * images


def resolve(
    target: Any,
    why: Any,
    instead_of: Any,
    *,
    count: Callable[[], int],
    top: Callable[[], Sequence[int]],
    images: int,
    classes: Sequence[str],
) -> Target:
    """Return the `Target` that the arguments of a public function mean.

    Args:
        target: index, name, function, one per image, or None for each image's top class.
        why: the same as `target`, in the phrase why=..., instead_of=...
        instead_of: the class to subtract.
        count: gives the number of classes; called only where needed.
        top: gives each image's top class; called only where needed.
        images: N.
        classes: class names, or empty.

    Raises:
        TargetError: a target that the model does not have.
        OptionError: arguments that do not go together.

    """
    if why is not None and target is not None:
        raise OptionError("Both target= and why= were given; they mean the same, so give one of them.")
    wanted = target if why is None else why
    if isinstance(wanted, Target):
        return wanted
    if callable(wanted):
        if instead_of is not None:
            raise OptionError("instead_of= goes with a class, not with a function; subtract inside the function.")
        return Custom(wanted)
    known, names = count(), tuple(classes)
    if wanted is None:
        wanted = top()
    main = ClassScore(_indices(wanted, images, known, names), names)
    if instead_of is None:
        return main
    return Contrast(main, ClassScore(_indices(instead_of, images, known, names), names))
