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
        self._clf = clf
        self._colours: Palette | None = None
        self._known: dict[str, Tensor] = {}
        self._drawn: dict[str, dict[str, Any]] = {LOCAL: {"local": True}}

    @property
    def _palette(self) -> Palette:
        found = self._colours
        if found is None:
            found = self._colours = Palette.of(self._clf, self._looked)
        return found

    def rest(self) -> None:
        """Let go of the values, which are computed again when they are needed."""
        self._known, self._colours = {}, None

    def values(self, baseline: str) -> Tensor | None:
        """Return the input (C,H,W) with everything hidden; None for the mean of what is hidden."""
        if baseline == LOCAL:
            return None
        found = self._known.get(baseline)
        if found is None:
            if baseline not in FILLS:  # a colour: while one is being chosen, many come by
                self._known = {name: values for name, values in self._known.items() if name in FILLS}
            network = self._looked.network
            found = self._known[baseline] = filled(network, network.x[0], baseline)
        return found

    def packed(self, color: str) -> dict[str, Any]:
        """Return what the browser draws in an occluder of each fill."""
        self._drawn.pop(COLOUR, None)
        for name in FILLS:
            if name not in self._drawn:
                self._drawn[name] = self._draw(name, baseline_of(name, color))
        return dict(self._drawn)

    def _draw(self, name: str, baseline: str) -> dict[str, Any]:
        network = self._looked.network
        values = filled(network, network.x[0], baseline)
        if name not in _PICTURES:
            return {"rgb": list(self._palette.colour(values))}
        encoded = encode(self._palette.picture(values).crop(self._inside()))
        return {"data": encoded.data, "mime": encoded.mime}

    def _inside(self) -> tuple[int, int, int, int]:
        """Return the part of the input that lies on the picture: the rest is padding."""
        frame = self._looked.frame
        down, across = frame.scale
        height, width = frame.picture_size
        left, top = max(0, round(-frame.box.left / across)), max(0, round(-frame.box.top / down))
        right = min(frame.input_size[1], round((width - frame.box.left) / across))
        bottom = min(frame.input_size[0], round((height - frame.box.top) / down))
        return left, top, max(right, left + 1), max(bottom, top + 1)

    def picture(self, values: Tensor) -> Image.Image:
        """Return input values (C,H,W) as a picture of the input's size."""
        return self._palette.picture(values)
