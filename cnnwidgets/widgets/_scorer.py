"""Scoring placings of occluders on one picture, with the weights as they were when it was looked at."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from cnnwidgets.explain.network import check_finite
from cnnwidgets.explain.outputs import class_scores
from cnnwidgets.explain.provenance import ModelStamp
from cnnwidgets.widgets import _protocol as protocol
from cnnwidgets.widgets._engines import Engines
from cnnwidgets.widgets._fills import Fills
from cnnwidgets.widgets._scene import Question, Scene
from cnnwidgets.widgets._score import Reading, Score

if TYPE_CHECKING:
    from cnnwidgets.classifier import Classifier
    from cnnwidgets.widgets._live import Request
    from cnnwidgets.widgets._looked import Looked


class Scorer:
    """One look at a picture, and what it takes to look again with parts of it hidden.

    Args:
        clf: the classifier.
        looked: the picture.
        incremental: whether to recompute only what an occluder can reach.

    """

    def __init__(self, clf: Classifier, looked: Looked, *, incremental: bool) -> None:
        self.looked = looked
        self.engines = Engines(incremental=incremental)
        self._clf = clf
        self._fills = Fills(clf, looked)

    def rest(self) -> None:
        """Let go of engines, fills and the network, which are made again when they are needed."""
        self.engines.clear()
        self._fills.rest()
        self.looked.rest()

    @property
    def stale(self) -> bool:
        """Whether the model's weights have been changed since."""
        return bool(ModelStamp.of(self._clf.model).state != self.looked.weights)

    def clean(self, question: Question) -> Reading:
        """Return what the network says of the picture as it is."""
        return Reading.of(self.looked, self.looked.scores, question.target, question.measure)

    def scene(self, question: Question, request: Request) -> Scene:
        """Return a placing of the occluders, ready for the network."""
        return Scene(self.looked, self._fills, question, request.boxes, request.active)

    def score(self, scene: Scene) -> Score:
        """Run the network on a placing.

        Raises:
            ModelError: no class scores, or NaN among them. The model's own errors come through as they are.

        """
        started = time.perf_counter()
        passes = self.engines.passes(scene)
        top, left, patch = scene.patch()
        output = passes.outputs([top], [left], patch.to(passes.base))
        scores = class_scores(output).detach().float()
        check_finite(scores, "With this part hidden the model's output")
        seconds = time.perf_counter() - started
        question = scene.question
        now, before = (
            Reading.of(self.looked, each, question.target, question.measure) for each in (scores, self.looked.scores)
        )
        likeliest = now.answer.predictions
        return Score(
            boxes=scene.boxes,
            hidden=scene.hidden,
            active=scene.active,
            target=question.target,
            name=self.looked.name_of(question.target),
            score=now.score,
            clean=before.score,
            units=now.units,
            predictions=likeliest,
            before=tuple(before.answer.share(item.index) for item in likeliest),
            probability=now.answer.share(question.target),
            probability_before=before.answer.share(question.target),
            top_changed=likeliest[0].index != before.answer.predictions[0].index,
            seconds=seconds,
        )

    def pack_clean(self, question: Question) -> dict[str, Any]:
        """Return the untouched picture's scores for the browser."""
        clean = self.clean(question)
        return {
            "predictions": protocol.pack_predictions(self.looked.predictions),
            "score": clean.score,
            "units": clean.units,
        }

    def pack_fills(self, question: Question) -> dict[str, Any]:
        """Return what the browser draws in an occluder."""
        return self._fills.packed(question.color)

    def pack_grain(self) -> list[float]:
        """Return how many pixels of the picture one pixel of the input covers: [across, down]."""
        down, across = self.looked.frame.scale
        return [across, down]
