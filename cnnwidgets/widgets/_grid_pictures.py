"""The pictures of an ActivationGrid: one, or a second one to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets

from cnnwidgets.errors import ImageError, OptionError
from cnnwidgets.explain.network import picture_of
from cnnwidgets.widgets import _protocol as protocol
from cnnwidgets.widgets._grid_known import Known
from cnnwidgets.widgets._picture import PictureWidget

if TYPE_CHECKING:
    from torch import nn

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.explain.subject import Prepared
    from cnnwidgets.widgets._looked import Looked


class Pictures(PictureWidget):
    """A widget that looks at one picture or two, and knows the layers of the network for them."""

    other = traitlets.Any(
        None, help="A second picture to compare with, or None, the default. Another one may be set at any time."
    )

    _other_photo = traitlets.Dict().tag(sync=True)
    _other_seen: traitlets.List[Any] = traitlets.List().tag(sync=True)
    _layers: traitlets.List[Any] = traitlets.List().tag(sync=True)

    def __init__(self, clf: Classifier | nn.Module, image: Any, other: Any = None, **options: Any) -> None:
        self._second: Prepared | None = None
        self._given = other
        super().__init__(clf, image, **options)
        del self._given
        self.observe(self._on_other, names=["other"])

    def _begin(self) -> None:
        if self._given is not None:
            self._second = self._prepared(self._given)
            self.set_trait("other", self._given)

    def _prepared(self, other: Any) -> Prepared:
        prepared = self.clf.prepare(other)
        if len(prepared.x) != 1:
            raise OptionError(f"other= is one picture, but {len(prepared.x)} were given.")
        return prepared

    def _known_of(self, looked: Looked, second: Prepared | None) -> Known:
        """Return what there is to know of the pictures, nothing of it computed yet.

        Raises:
            ImageError: the two pictures become inputs of different sizes.
            LayerError: the network has no map.

        """
        if second is None:
            return Known(self.clf, looked)
        first = looked.images
        sizes = [tuple(images.x.shape[1:]) for images in (first, second)]
        if sizes[0] != sizes[1]:
            raise ImageError(
                f"The pictures become inputs of two shapes, {sizes[0]} and {sizes[1]}: they cannot be compared. Give a "
                "Classifier with a preprocessing that brings them to one size, or set other = None."
            )
        return Known(self.clf, looked, second)

    def _look(self, image: Any) -> Looked:
        looked = super()._look(image)
        self._known_of(looked, self._second)
        return looked

    def _see(self, looked: Looked) -> None:
        known = self._known_of(looked, self._second)
        super()._see(looked)
        self._renew(known)

    def _renew(self, known: Known) -> None:
        """Take up pictures or weights that are new: nothing is known of them yet."""
        self._known = known
        with self.hold_sync():
            self._layers = protocol.pack_all_layers(known.layers)
            self._other_photo, self._other_seen = {}, []
            if self._second is not None:
                picture = self._second.pictures[0] or picture_of(self._second.x[0])
                self._other_photo = protocol.pack_photo(picture, getattr(picture, "filename", "") or "")
                self._other_seen = protocol.pack_seen(self._second.frames[0])

    def _on_other(self, change: Any) -> None:
        try:
            second = None if change.new is None else self._prepared(change.new)
            known = self._known_of(self._looked, second)
        except Exception:
            self._put_back(change, self._on_other)
            raise
        with self._lock:
            self._second = second
            self._renew(known)
        self._ask_anew()
