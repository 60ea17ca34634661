"""What an occluder is filled with: what the network gets, and what the browser draws for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnwidgets.explain.baselines import filled
from cnnwidgets.images.encode import encode
from cnnwidgets.widgets._palette import Palette

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.widgets._looked import Looked

LOCAL = "local_mean"
COLOUR = "colour"
FILLS = ("grey", "mean", LOCAL, "blur", "noise", COLOUR)
_PICTURES = ("blur", "noise")


def baseline_of(fill: str, color: str) -> str:
    """Return what `explain.occlusion` calls a fill; the colour counts for the fill "colour" alone."""
    return color if fill == COLOUR else fill


class Fills:
    """The fills of one picture; each is computed once.

    Args:
        clf: the classifier, for its preprocessing.
        looked: the picture.

    """

    def __init__(self, clf: Classifier, looked: Looked) -> None:
        self._looked = looked
        self._palette = Palette.of(clf, looked)
        self._known: dict[str, Tensor] = {}

    def values(self, baseline: str) -> Tensor | None:
        """Return the input (C,H,W) with everything hidden; None for the mean of what is hidden."""
        if baseline == LOCAL:
            return None
        if baseline not in self._known:
            network = self._looked.network
            found = filled(network, network.x[0], baseline)
            if baseline not in FILLS:  # a colour: while one is being chosen, many come by
                return found
            self._known[baseline] = found
        return self._known[baseline]

    def packed(self, color: str) -> dict[str, Any]:
        """Return what the browser draws in an occluder of each fill."""
        found: dict[str, Any] = {LOCAL: {"local": True}}
        for name in FILLS:
            values = self.values(baseline_of(name, color))
            if values is None:
                continue
            if name in _PICTURES:
                encoded = encode(self._palette.picture(values))
                found[name] = {"data": encoded.data, "mime": encoded.mime}
            else:
                found[name] = {"rgb": list(self._palette.colour(values))}
        return found

    def picture(self, values: Tensor) -> Image.Image:
        """Return input values (C,H,W) as a picture of the input's size."""
        return self._palette.picture(values)
