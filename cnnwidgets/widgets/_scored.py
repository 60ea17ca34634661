"""What a network says of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnwidgets.explain.outputs import class_name, probabilities
from cnnwidgets.predictions import Predictions, ranked

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.explain.outputs import OutputKind

_BARS = 5


@dataclass(frozen=True, eq=False)
class Scored:
    """One answer of the network.

    Attributes:
        predictions: the five likeliest classes.
        shares: (classes,), the probability of each.
        classes: their names; empty if none are known.

    """

    predictions: Predictions
    shares: Tensor
    classes: tuple[str, ...]

    @classmethod
    def read(cls, scores: Tensor, kind: OutputKind, classes: tuple[str, ...]) -> Scored:
        """Read (1, classes) scores of a kind."""
        return cls(ranked(scores, kind, classes, _BARS)[0], probabilities(scores, kind)[0].cpu(), classes)

    @classmethod
    def of(cls, clf: Classifier, picture: Image.Image) -> Scored:
        """Ask the network.

        Raises:
            ModelError: no class scores, or NaN among them; other exceptions are those of the model.

        """
        return cls.read(*clf.scores(picture), clf.classes)

    def share(self, index: int) -> float:
        """Return the probability of a class."""
        return float(self.shares[index])

    def name(self, index: int) -> str:
        """Return the name of a class."""
        return class_name(index, self.classes)
