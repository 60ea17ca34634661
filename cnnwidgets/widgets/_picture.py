"""What widgets about one picture and one network share: the picture, the class that is looked at, the status."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets
from torch import nn

from cnnwidgets.classifier import Classifier
from cnnwidgets.errors import CnnWidgetsError, OptionError
from cnnwidgets.explain.targets import class_index
from cnnwidgets.widgets import _protocol as protocol
from cnnwidgets.widgets._base import Widget
from cnnwidgets.widgets._lock import ViewLock
from cnnwidgets.widgets._looked import Looked
from cnnwidgets.widgets._traits import refusing

if TYPE_CHECKING:
    from collections.abc import Callable

_LOG = logging.getLogger(__name__)


class PictureWidget(Widget):
    """A widget that shows one picture and asks one network about it.

    Args:
        clf: a `Classifier`, or an `nn.Module`.
        image: the picture: PIL, path, uint8 array, or a float tensor (C,H,W) that is preprocessed already.
        options: initial values of traits; those named in `_of_the_picture` are set once the picture is known.

    """

    _of_the_picture: ClassVar[tuple[str, ...]] = ()
    _results: ClassVar[tuple[str, ...]] = ()  # traits that the work sets: observers hear of them outside of the lock

    image = traitlets.Any(help="The picture that is looked at. Another one may be set at any time.")

    _photo = traitlets.Dict().tag(sync=True)
    _seen: traitlets.List[Any] = traitlets.List().tag(sync=True)
    _status = traitlets.Dict().tag(sync=True)
    _output_kind = traitlets.Unicode("logits").tag(sync=True)
    _class_names: traitlets.List[Any] = traitlets.List().tag(sync=True)
    _colormaps = traitlets.Dict().tag(sync=True)

    def __init__(self, clf: Classifier | nn.Module, image: Any, **options: Any) -> None:
        if isinstance(clf, nn.Module):
            clf = Classifier(clf)
        if not isinstance(clf, Classifier):
            raise OptionError(f"The model is a {type(clf).__name__}; give a cnnwidgets.Classifier or an nn.Module.")
        self.clf = clf
        self._lock = ViewLock()
        self._looked = Looked.at(clf, image)
        later = {name: options.pop(name) for name in self._of_the_picture if name in options}
        super().__init__(**options)
        self._begin()
        self._class_names = list(clf.classes)
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

    def _refuse(self, message: str) -> None:
        """Say in the cell why a value from the browser was not taken."""
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

    def _put_back(self, change: Any, handler: Callable[[Any], None]) -> None:
        """Give a trait the value that it had, unheard by the handler that refuses the new one."""
        with self._lock:
            self.unobserve(handler, names=[change.name])
            self.set_trait(change.name, change.old)
            self.observe(handler, names=[change.name])

    def _class(self, value: Any) -> int:
        """Return the index of a class given by index or name; None is the likeliest."""
        if value is None:
            return self._looked.predictions[0].index
        with refusing():
            return class_index(value, self._looked.scores.shape[1], self.clf.classes)

    def notify_change(self, change: Any) -> None:
        """Tell the observers of a trait; those of a result once the view's lock is free."""
        if change["name"] in self._results:
            self._lock.later(lambda: self._tell(change))
        else:
            super().notify_change(change)

    def _tell(self, change: Any) -> None:
        try:
            super().notify_change(change)
        except BaseException as error:  # noqa: BLE001 - an observer of the user's: it may fail, the work goes on
            words = f"An observer of {change['name']}: {type(error).__name__}: {error}"
            _LOG.warning("%s", words, exc_info=True)
            self._failed_to_hear(change["name"], words)

    def _failed_to_hear(self, name: str, words: str) -> None:
        """Take note that an observer of a result has failed; it has been logged."""

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the browser sends; what is refused is said in the cell, and nothing is changed by it."""
        try:
            super().set_state(sync_data)
        except (CnnWidgetsError, traitlets.TraitError) as error:
            self._refuse(str(error))
            self.send_state([name for name in sync_data if name in self.keys])
