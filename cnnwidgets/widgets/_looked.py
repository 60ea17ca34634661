"""What a network makes of one picture at first sight, before anything is explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnwidgets.errors import CnnWidgetsError, OptionError
from cnnwidgets.explain.layers import default_layer, layer_list
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.provenance import ModelStamp
from cnnwidgets.explain.subject import Subject
from cnnwidgets.predictions import Predictions, ranked
from cnnwidgets.widgets import _protocol as protocol
from cnnwidgets.widgets._methods import CHOICES

if TYPE_CHECKING:
    from cnnwidgets.classifier import Classifier
    from cnnwidgets.explain.layers import Layer

_BARS = 5


@dataclass(frozen=True, eq=False)
class Looked:
    """One picture, run once through the network.

    Attributes:
        network: the network with the picture as its input.
        predictions: the likeliest classes.
        weights: the state of the model's weights at that time.

    """

    network: Network
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
        network = Network(Subject(clf.model, prepared, clf.classes, clf.stated_output))
        return cls(network, ranked(scores, kind, clf.classes, min(_BARS, scores.shape[1]))[0], weights)

    def packed(self) -> dict[str, Any]:
        """Return the traits that tell the browser of it."""
        picture = self.network.pictures[0]
        return {
            "_photo": protocol.pack_photo(picture, getattr(picture, "filename", "") or ""),
            "_seen": protocol.pack_seen(self.network.subject.images.frames[0]),
            "_predictions": protocol.pack_predictions(self.predictions),
            "_output_kind": self.network.kind,
            "_methods": [choice.packed(self.network.trace) for choice in CHOICES.values()],
            "_layers": protocol.pack_layers(self._layers()),
        }

    def _layers(self) -> list[Layer]:
        """Return the layers to choose from: modules, and the default if a function makes it."""
        trace = self.network.trace
        try:
            first = default_layer(trace)
        except CnnWidgetsError:
            return []
        return [layer for layer in layer_list(trace) if layer.call == first.call or "()" not in layer.name]
