"""What a network says of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnwidgets.explain.outputs import probabilities
from cnnwidgets.predictions import Predictions, ranked

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from cnnwidgets.classifier import Classifier

BARS = 5


@dataclass(frozen=True, eq=False)
class Scored:
    """One answer of the network.

    Attributes:
        predictions: the likeliest classes.
        shares: (classes,), the probability of each.
        classes: their names; empty if none are known.

    """

    predictions: Predictions
    shares: Tensor
    classes: tuple[str, ...]

    @classmethod
    def of(cls, clf: Classifier, picture: Image.Image) -> Scored:
        """Ask the network.

        Raises:
            ModelError: no class scores, or NaN among them; other exceptions are those of the model.

        """
        scores, kind = clf.scores(picture)
        shares = probabilities(scores, kind)[0].cpu()
        return cls(ranked(scores, kind, clf.classes, min(BARS, len(shares)))[0], shares, clf.classes)

    def share(self, index: int) -> float:
        """Return the probability of a class."""
        return float(self.shares[index])

    def name(self, index: int) -> str:
        """Return the name of a class."""
        return self.classes[index] if self.classes else f"class {index}"
