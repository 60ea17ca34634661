"""What widgets about one picture and one network share: the picture, the class that is looked at, the status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from cnnwidgets.explain.targets import class_index
from cnnwidgets.widgets import _protocol as protocol
from cnnwidgets.widgets._looked import Looked
from cnnwidgets.widgets._modelled import ModelWidget, classifier_of
from cnnwidgets.widgets._traits import refusing

if TYPE_CHECKING:
    from torch import nn

    from cnnwidgets.classifier import Classifier


class PictureWidget(ModelWidget):
    """A widget that shows one picture and asks one network about it.

    Args:
        clf: a `Classifier`, or an `nn.Module`.
        image: the picture: PIL, path, uint8 array, or a float tensor (C,H,W) that is preprocessed already.
        options: initial values of traits; those named in `_of_the_picture` are set once the picture is known.

    """

    _of_the_picture: ClassVar[tuple[str, ...]] = ()

    image = traitlets.Any(help="The picture that is looked at. Another one may be set at any time.")

    _photo = traitlets.Dict().tag(sync=True)
    _seen: traitlets.List[Any] = traitlets.List().tag(sync=True)
    _output_kind = traitlets.Unicode("logits").tag(sync=True)
    _class_names: traitlets.List[Any] = traitlets.List().tag(sync=True)
    _colormaps = traitlets.Dict().tag(sync=True)

    def __init__(self, clf: Classifier | nn.Module, image: Any, **options: Any) -> None:
        self.clf = classifier_of(clf)
        self._looked = Looked.at(self.clf, image)
        later = {name: options.pop(name) for name in self._of_the_picture if name in options}
        super().__init__(**options)
        self._begin()
        self._class_names = list(self.clf.classes)
        self._colormaps = protocol.pack_colormaps()
        self.set_trait("image", image)
        self._load(self._looked)
        with self.hold_trait_notifications():
            for name, value in later.items():
                setattr(self, name, value)
        self.observe(self._on_image, names=["image"])

    def _begin(self) -> None:
        """Make what the widget works with, before the picture is taken up."""
        raise NotImplementedError

    def _load(self, looked: Looked) -> None:
        """Take up a picture that is new, with the questions that it suggests."""
        raise NotImplementedError

    def _see(self, looked: Looked) -> None:
        """Take up what the network makes of the picture: a new one, or the same after the weights have changed."""
        self._looked = looked
        with self.hold_sync():
            for name, value in looked.packed().items():
                setattr(self, name, value)

    def _ask_anew(self) -> None:
        """Start the work that a new picture makes."""
        raise NotImplementedError

    def _look(self, image: Any) -> Looked:
        """Return what the network makes of a picture; raise where it cannot be taken up."""
        return Looked.at(self.clf, image)

    def _on_image(self, change: Any) -> None:
        try:
            looked = self._look(change.new)
        except Exception:
            self._put_back(change, self._on_image)
            raise
        with self._lock:
            self._load(looked)
        self._ask_anew()

    def _class(self, value: Any) -> int:
        """Return the index of a class given by index or name; None is the likeliest."""
        if value is None:
            return self._looked.predictions[0].index
        with refusing():
            return class_index(value, self._looked.scores.shape[1], self.clf.classes)
