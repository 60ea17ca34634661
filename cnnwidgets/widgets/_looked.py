"""What a network makes of one picture at first sight, before anything is explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.outputs import class_name
from cnnwidgets.explain.provenance import ModelStamp
from cnnwidgets.explain.subject import Subject
from cnnwidgets.widgets import _protocol as protocol
from cnnwidgets.widgets._scored import Scored

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.explain.frame import Frame
    from cnnwidgets.explain.outputs import OutputKind
    from cnnwidgets.predictions import Predictions


@dataclass(frozen=True, eq=False)
class Looked:
    """One picture, run once through the network.

    Attributes:
        network: the network with the picture as its input.
        scores: (1, classes), what it put out.
        kind: what the scores are.
        predictions: the likeliest classes.
        weights: the state of the model's weights at that time.

    """

    network: Network
    scores: Tensor
    kind: OutputKind
    predictions: Predictions
    weights: Any

    @classmethod
    def at(cls, clf: Classifier, image: Any) -> Looked:
        """Run the network on a picture."""
        weights = ModelStamp.of(clf.model).state
        prepared = clf.prepare(image)
        if len(prepared.x) != 1:
            raise OptionError(f"The view shows one picture, but {len(prepared.x)} were given.")
        scores, kind = clf.scores(prepared)
        network = Network(Subject(clf.model, prepared, clf.classes, clf.stated_output, clf.prepare))
        predictions = Scored.read(scores, kind, clf.classes).predictions
        return cls(network, scores, kind, predictions, weights)

    @property
    def picture(self) -> Image.Image:
        """The original picture."""
        return self.network.pictures[0]

    @property
    def frame(self) -> Frame:
        """Where the network's input lies in the picture."""
        return self.network.subject.images.frames[0]

    def name_of(self, index: int) -> str:
        """Return the name of a class."""
        return class_name(index, self.network.subject.classes)

    def packed(self) -> dict[str, Any]:
        """Return the traits that tell the browser of it."""
        return {
            "_photo": protocol.pack_photo(self.picture, getattr(self.picture, "filename", "") or ""),
            "_seen": protocol.pack_seen(self.frame),
            "_output_kind": self.kind,
        }
