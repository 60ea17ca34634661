"""What a classifier says of an image."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from cnnwidgets.explain.outputs import UNITS, OutputKind, class_name, probabilities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True)
class Prediction:
    """One class and how likely the network finds it.

    Attributes:
        index: the class.
        name: its name.
        probability: 0 to 1.
        score: the number that the network puts out for it, in `units`.
        units: "logit", "probability" or "log-probability".

    """

    index: int
    name: str
    probability: float
    score: float
    units: str


class Predictions(tuple[Prediction, ...]):
    """The likeliest classes of one image, best first: a tuple that shows itself as a table."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return a line per class."""
        return "\n".join(f"{100 * item.probability:6.2f} %  {item.name}" for item in self) or "(no classes)"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'>{escape(item.name)}</td><td>{100 * item.probability:.2f} %</td>"
            f"<td>{item.score:.3g} {item.units}</td></tr>"
            for item in self
        )
        return f"<table><tr><th>class</th><th>probability</th><th>score</th></tr>{rows}</table>"


def ranked(scores: Tensor, kind: OutputKind, classes: Sequence[str], top: int) -> list[Predictions]:
    """Return the `top` likeliest classes for each row of (N, classes) scores."""
    shares = probabilities(scores, kind).cpu()
    found = []
    for row, share in zip(scores.detach().float().cpu(), shares, strict=True):
        order = share.argsort(descending=True, stable=True)[:top].tolist()
        found.append(
            Predictions(
                Prediction(i, class_name(i, classes), float(share[i]), float(row[i]), UNITS[kind]) for i in order
            )
        )
    return found
