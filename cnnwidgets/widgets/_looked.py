"""A picture that a network has looked at: what it got, and what it makes of the whole of it."""

from __future__ import annotations

import threading
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
    from cnnwidgets.explain.subject import Prepared
    from cnnwidgets.predictions import Predictions


class Looked:
    """One picture, run once through the network.

    Args:
        clf: the classifier.
        network: the network with the picture as its input.
        scores: (1, classes), what it put out.
        kind: what the scores are.
        weights: the state of the model at that time.

    Attributes:
        scores: as given.
        kind: as given.
        weights: as given; None where the picture can no longer be brought to what the network got.
        predictions: the likeliest classes.
        picture: the original picture.
        frame: where the network's input lies in the picture.
        classes: the class names.
        image_hash: SHA-256 of the network's input.

    """

    def __init__(self, clf: Classifier, network: Network, scores: Tensor, kind: OutputKind, weights: Any) -> None:
        subject = network.subject
        self.scores, self.kind, self.weights = scores, kind, weights
        self.predictions: Predictions = Scored.read(scores, kind, subject.classes).predictions
        self.picture: Image.Image = network.pictures[0]
        self.frame: Frame = subject.images.frames[0]
        self.classes = subject.classes
        self.image_hash = network.image_hashes[0]
        self._clf, self._prepare = clf, clf.preparation
        # What the input can be made of again: the picture; a tensor that came without one stays.
        self._source = None if subject.images.pictures[0] is None else self.picture
        self._subject: Subject | None = subject
        self._network: Network | None = network
        self._lock = threading.Lock()

    @classmethod
    def at(cls, clf: Classifier, image: Any) -> Looked:
        """Run the network on a picture."""
        weights = ModelStamp.of(clf.model).state
        prepared = clf.prepare(image)
        if len(prepared.x) != 1:
            raise OptionError(f"The view shows one picture, but {len(prepared.x)} were given.")
        scores, kind = clf.scores(prepared)
        network = Network(Subject(clf.model, prepared, clf.classes, clf.stated_output, clf.prepare))
        return cls(clf, network, scores, kind, weights)

    @property
    def network(self) -> Network:
        """The network with the picture as its input; made again where it was let go of."""
        with self._lock:
            if self._network is None:
                self._network = self._made_again()
            return self._network

    @property
    def images(self) -> Prepared:
        """The network's input with its picture; made again where it was let go of."""
        with self._lock:
            return self._asked().images

    def _asked(self) -> Subject:
        if self._subject is None:
            clf, images = self._clf, self._prepare(self._source)
            return Subject(clf.model, images, self.classes, clf.stated_output, clf.prepare)
        return self._subject

    def _made_again(self) -> Network:
        self._subject = self._asked()
        network = Network(self._subject)
        if network.image_hashes[0] != self.image_hash:
            self.weights = None  # the picture has been written to since: whoever compares looks again
        return network

    def rest(self) -> None:
        """Let go of the network, which is made again when it is needed, and of its input."""
        with self._lock:
            self._network = None
            if self._source is not None:
                self._subject = None

    def name_of(self, index: int) -> str:
        """Return the name of a class."""
        return class_name(index, self.classes)

    def packed(self) -> dict[str, Any]:
        """Return the traits that tell the browser of it."""
        return {
            "_photo": protocol.pack_photo(self.picture, getattr(self.picture, "filename", "") or ""),
            "_seen": protocol.pack_seen(self.frame),
            "_output_kind": self.kind,
        }
