"""The index behind a NeuronGallery: opened, or made in the background and taken up when it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from cnnwidgets.errors import IndexMismatchError
from cnnwidgets.explain.provenance import ModelStamp
from cnnwidgets.files import expand
from cnnwidgets.widgets import _protocol as protocol
from cnnwidgets.widgets._gallery_building import Building, pack_done
from cnnwidgets.widgets._gallery_known import Known
from cnnwidgets.widgets._gallery_origin import Origin, given_index
from cnnwidgets.widgets._modelled import ModelWidget, classifier_of

if TYPE_CHECKING:
    from torch import nn

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.patches.index import PatchIndex

_CHANGED = (
    "The model's weights have been changed since the pictures were indexed: the patches shown are those of the weights "
    "before."
)


class Indexing(ModelWidget):
    """A widget that looks into an index of patches.

    Args:
        clf: a `Classifier`, or an `nn.Module`.
        images: the data set, an index, the path of one, or None for the demo pictures.
        index: an index, or the path of one.
        origin: layers, k and path of an index that has to be made.
        options: initial values of traits.

    """

    _results: ClassVar[tuple[str, ...]] = ("index", "image")

    index: Any = traitlets.Any(
        None, read_only=True, help="The `PatchIndex` that is looked into; None until it has been made."
    )

    _generation = traitlets.Int(0).tag(sync=True)
    _classes: traitlets.List[Any] = traitlets.List().tag(sync=True)
    _layers: traitlets.List[Any] = traitlets.List().tag(sync=True)
    _build = traitlets.Dict().tag(sync=True)

    _known: Known | None = None

    def __init__(
        self, clf: Classifier | nn.Module, images: Any, index: Any, origin: dict[str, Any], **options: Any
    ) -> None:
        self.clf = classifier_of(clf)
        self._stamp = self._begun = ModelStamp.of(self.clf.model)  # of the index shown, and of the latest attempt
        self._origin: Origin | None = None
        found = given_index(images, index)
        if found is None:
            self._origin = Origin(self.clf, images, **origin)
            found = self._origin.opened()
        else:
            found.check(self.clf)
        self._known = None if found is None else Known(self.clf, found)
        super().__init__(**options)
        self._building = Building(self._report, self._built)

    def _begin(self) -> None:
        """Take up the index that was found, or have one made."""
        if self._known is None:
            self.resume()
        else:
            self._take(self._known)

    def resume(self) -> None:
        """Go on with the index where it was stopped; make a new one where the model has been changed since.

        Raises:
            IndexMismatchError: the gallery was given an index of the model before, and does not know its data set.

        """
        if self._building.busy or (self._known is not None and self._stamp.current):
            return
        if self._origin is None:
            raise IndexMismatchError(
                "The gallery was given an index of the model as it was before. Make one of the model as it is: "
                "cw.NeuronGallery(clf, images)."
            )
        if not self._begun.current:
            self._origin.forget()
            self._begun = ModelStamp.of(self.clf.model)
        origin = self._origin
        self._building.start(origin.building, lambda: origin.words)

    def _report(self, packed: dict[str, Any]) -> None:
        with self._lock:
            self._build = packed

    def _built(self, index: PatchIndex) -> None:
        self._stamp = self._begun
        self._take(Known(self.clf, index))

    def _take(self, known: Known) -> None:
        """Show an index in place of what was shown before."""
        index = known.index
        with self._lock:
            self._known = known
            with self.hold_sync():
                self._generation += 1
                self._classes = list(index.classes)
                layers = protocol.pack_all_layers(list(index.layers))
                self._layers = [
                    {**packed, "dead": len(index.dead(layer))}
                    for packed, layer in zip(layers, index.layers, strict=True)
                ]
                self._build = pack_done(index, index.withheld if self._origin is None else self._origin.words)
                self._renew()
            self.set_trait("index", index)

    def _renew(self) -> None:
        """Forget what was shown of the index before."""
        raise NotImplementedError

    def _note(self, words: str) -> None:
        """Say something about the index that was taken up."""
        with self._lock:
            self._build = {**self._build, "message": " ".join(filter(None, (self._build["message"], words)))}

    def _notice(self) -> None:
        """Say that the model is not what was indexed any more, if so."""
        if self._known is not None and not self._stamp.current and self._build.get("state") == "done":
            remedy = "" if self._origin is None else "gallery.resume() indexes the pictures anew."
            self._build = {**self._build, "state": "error", "message": _CHANGED, "remedy": remedy}


def origin_of(layers: Any, k: int, path: Any) -> dict[str, Any]:
    """Return the arguments of an `Origin`."""
    if not isinstance(layers, str) and hasattr(layers, "__iter__"):
        layers = list(layers)  # may be asked for again
    return {"layers": layers, "k": k, "path": None if path is None else expand(path)}
