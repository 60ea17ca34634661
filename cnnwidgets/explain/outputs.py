"""What comes out of a network: finding the class scores, and telling logits from probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from cnnwidgets.errors import ModelError, OptionError

OutputKind = Literal["logits", "softmax", "log_softmax"]
UNITS: dict[str, str] = {"logits": "logit", "softmax": "probability", "log_softmax": "log-probability"}
_KEYS = ("logits", "out", "output", "scores")


def check_kind(kind: str) -> OutputKind:
    """Return `kind` if it is one of "logits", "softmax", "log_softmax".

    Raises:
        OptionError: it is not.

    """
    for known in get_args(OutputKind):
        if kind == known:
            return known  # type: ignore[no-any-return]
    raise OptionError(f"output={kind!r} is not known. Known are 'logits', 'softmax' and 'log_softmax'.")


def class_name(index: int, classes: Sequence[str]) -> str:
    """Return what a class is called; `classes` is empty where no names are known."""
    return classes[index] if classes else f"class {index}"


def class_scores(output: Any) -> Tensor:
    """Return the (N, classes) tensor of real numbers in a model's output.

    It may be the output itself, one entry of a dict or dataclass ("logits", "out", "output", "scores", or the only
    two-dimensional one) or the first two-dimensional entry of a tuple (the main output, before auxiliary ones).

    Raises:
        ModelError: there is none, or a dict has several without a telling name.
        ScoreTypeError: the scores are complex, truth values or integers.

    """
    return _checked(_score_table(output))


class ScoreTypeError(ModelError):
    """Class scores that are no floating point numbers."""


def _checked(scores: Tensor) -> Tensor:
    """Return scores if they are floating point numbers."""
    if scores.is_floating_point():
        return scores
    dtype = str(scores.dtype).removeprefix("torch.")
    what = "truth values" if dtype == "bool" else "integers, such as an argmax gives"
    what = "complex numbers, which have no order," if scores.is_complex() else what
    remedy = "the logits before they are compared or counted"
    if scores.is_complex():
        remedy = "its real part or its magnitude"
    raise ScoreTypeError(
        f"The model's output of shape {tuple(scores.shape)} holds {what} ({dtype}), and class scores are floating "
        f"point numbers. Let the model return {remedy}, or give a function as target that makes a float of the output, "
        "one per image."
    )


def _score_table(output: Any) -> Tensor:
    if isinstance(output, Tensor):
        if output.ndim == 2:
            return output
        if output.ndim == 4 and tuple(output.shape[2:]) == (1, 1):
            return output.flatten(1)
        raise ModelError(
            f"The model's output has shape {tuple(output.shape)}; class scores have shape (N, classes). Give a "
            "function as target that turns this output into one number per image, such as "
            "target=lambda output: output[:, 3].mean(dim=(1, 2))."
        )
    if is_dataclass(output) and not isinstance(output, type):
        output = {one.name: getattr(output, one.name) for one in fields(output)}
    if isinstance(output, Mapping):
        named = [output[key] for key in _KEYS if key in output]
        flat = _tables(output.values())
        if named:
            return _score_table(named[0])
        if len(flat) == 1:
            return flat[0]
        raise ModelError(
            f"The model's output has the keys {list(output)}; none of them is clearly the class scores. "
            "Give a function as target, such as target=lambda output: output['key'][:, 3]."
        )
    if isinstance(output, list | tuple):
        flat = _tables(output)
        if flat:
            return flat[0]
    raise ModelError(
        f"The model's output is a {type(output).__name__} without a tensor of shape (N, classes). Give a function "
        "as target that turns it into one number per image."
    )


def _tables(values: Iterable[Any]) -> list[Tensor]:
    """Return the two-dimensional tensors among some values; those of floating point numbers, where there are any."""
    tables = [value for value in values if isinstance(value, Tensor) and value.ndim == 2]
    return [table for table in tables if table.is_floating_point()] or tables


def output_kind(scores: Tensor) -> OutputKind:
    """Tell from the values what (N, classes) scores are.

    Rows of numbers in 0..1 that add up to one are "softmax", rows whose exponentials do are "log_softmax", everything
    else is "logits". A single class tells nothing and counts as a logit.
    """
    values = scores.detach().double()
    if values.ndim != 2 or values.shape[1] < 2 or not bool(torch.isfinite(values).any()):
        return "logits"
    coarse = scores.dtype in (torch.float16, torch.bfloat16)
    tolerance = 2e-2 if coarse else 1e-3
    one = torch.ones(len(values), dtype=values.dtype, device=values.device)
    if bool((values >= 0).all()) and torch.allclose(values.sum(1), one, atol=tolerance):
        return "softmax"
    if bool((values <= 0).all()) and torch.allclose(values.exp().sum(1), one, atol=tolerance):
        return "log_softmax"
    return "logits"


def probabilities(scores: Tensor, kind: OutputKind) -> Tensor:
    """Turn (N, classes) scores of a kind into probabilities, float32."""
    return as_probabilities(scores.detach().float(), kind)


def as_probabilities(values: Tensor, kind: OutputKind) -> Tensor:
    """Turn (N, classes) scores of a kind into probabilities; gradients pass through."""
    if kind == "softmax":
        return values
    if kind == "log_softmax":
        return values.exp()
    if values.shape[1] == 1:  # one logit is a yes or no
        return values.sigmoid()
    return values.softmax(1)
