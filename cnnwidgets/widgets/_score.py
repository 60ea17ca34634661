"""What the network says of a picture with parts hidden, beside what it says of the picture as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cnnwidgets.explain.outputs import UNITS
from cnnwidgets.text import isolated
from cnnwidgets.widgets._scored import Scored

if TYPE_CHECKING:
    from torch import Tensor

    from cnnwidgets.explain.frame import Box
    from cnnwidgets.predictions import Predictions
    from cnnwidgets.widgets._looked import Looked

Measure = Literal["probability", "output"]


@dataclass(frozen=True)
class Score:
    """The answer to one placing of the occluders. Frozen: the hand may have moved on.

    Attributes:
        boxes: where the occluders were put, (left, top, right, bottom) in pixels of the picture.
        hidden: what of the picture was really hidden (or, with `keep`, left): the boxes on whole pixels of the
            network's input. One without area hid nothing: the network does not look there.
        active: which of them the hand held.
        target: index of the class whose score this is.
        name: its name.
        score: its score, in `units`.
        clean: its score on the picture as it is.
        units: "probability", or the unit of the model's output: "logit", "log-probability".
        predictions: the five likeliest classes now, best first.
        before: the probabilities that these had on the picture as it is.
        probability: that of the target now.
        probability_before: that of the target on the picture as it is.
        top_changed: whether another class is now the likeliest.
        seconds: what the pass took.

    """

    boxes: tuple[Box, ...]
    hidden: tuple[Box, ...]
    active: int
    target: int
    name: str
    score: float
    clean: float
    units: str
    predictions: Predictions
    before: tuple[float, ...]
    probability: float
    probability_before: float
    top_changed: bool
    seconds: float

    @property
    def change(self) -> float:
        """The score less that of the picture as it is: negative where hiding costs."""
        return self.score - self.clean

    @property
    def region(self) -> Box:
        """What the occluder in the hand really hid."""
        return self.hidden[self.active]

    def packed(self) -> dict[str, Any]:
        """Return what the browser is told."""
        now = [
            {"index": p.index, "name": p.name, "probability": p.probability, "clean": clean}
            for p, clean in zip(self.predictions, self.before, strict=True)
        ]
        return {
            "boxes": [list(box) for box in self.boxes],
            "hidden": [list(box) for box in self.hidden],
            "active": self.active,
            "score": self.score,
            "change": self.change,
            "units": self.units,
            "predictions": now,
            "target": {
                "index": self.target,
                "name": self.name,
                "probability": self.probability,
                "clean": self.probability_before,
            },
            "top_changed": self.top_changed,
            "seconds": self.seconds,
        }


@dataclass(frozen=True, eq=False)
class Reading:
    """The score of the target in the unit asked for, beside what the output says of all classes.

    Attributes:
        score: the target's score.
        units: its unit.
        answer: probabilities and the likeliest classes.

    """

    score: float
    units: str
    answer: Scored

    @classmethod
    def of(cls, looked: Looked, scores: Tensor, target: int, measure: str) -> Reading:
        """Read (1, classes) scores off as `looked` tells what they are."""
        answer = Scored.read(scores, looked.kind, looked.classes)
        if measure == "probability":
            return cls(answer.share(target), "probability", answer)
        return cls(float(scores[0, target]), UNITS[looked.kind], answer)


def in_numbers(score: Score) -> str:
    """Return a score in words: "tiger cat 12.3 %, 26.9 points less than on the whole picture"."""
    name = isolated(score.name)
    if score.units != "probability":
        more = "more" if score.change > 0 else "less"
        return f"{name} {score.score:.3g} {score.units}, {abs(score.change):.3g} {more} than on the whole picture"
    points = f"{abs(100 * score.change):.1f}"
    more = "as on the whole picture"
    if points != "0.0":
        more = f"{points} points {'more' if score.change > 0 else 'less'} than on the whole picture"
    return f"{name} {100 * score.score:.1f} %, {more}"
