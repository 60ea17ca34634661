"""What a hand draws on: black, or a photograph, with what each tool brings."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from cnnwidgets.explain.baselines import GREY
from cnnwidgets.explain.provenance import ModelStamp
from cnnwidgets.images.painting import Painting
from cnnwidgets.widgets._scored import Scored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.images.strokes import Stroke

SIDE = 320  # pixels of a pad without a photograph
_SMALLEST, _LARGEST = 320, 480  # pixels that a picture's longer side has on the page
_BLUR = 1 / 20  # of the shorter side: the standard deviation, as in `explain.occlusion`

DRAWING = {"draw": "Draw", "erase": "Erase"}
PAINTING = {"grey": "Grey", "blur": "Blur", "erase": "Restore"}


class Ground:
    """A picture to draw on, and the two paintings of it: exact for the network, of the page's size for the eye.

    Args:
        picture: RGB.
        tools: names of the tools: those of `DRAWING` or of `PAINTING`.

    Attributes:
        shown: the painting for the page; for one thread at a time.
        scale: pixels on the page per pixel of the picture.

    """

    def __init__(self, picture: Image.Image, tools: Sequence[str]) -> None:
        self.picture = picture
        longer = max(picture.size)
        self.scale = min(max(longer, _SMALLEST), _LARGEST) / longer
        size = (max(1, round(picture.width * self.scale)), max(1, round(picture.height * self.scale)))
        soft = picture.filter(ImageFilter.GaussianBlur(min(picture.size) * _BLUR))
        below, soft_below = (each.resize(size, Image.Resampling.BICUBIC) for each in (picture, soft))
        self._exact = Painting(np.asarray(picture), _fills(tools, picture, soft))
        self._lock = threading.Lock()
        self.shown = Painting(np.asarray(below), _fills(tools, below, soft_below), scale=self.scale)
        self._clean: tuple[Any, Scored] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height on the page."""
        height, width = self.shown.pixels.shape[:2]
        return width, height

    def painted(self, strokes: Sequence[Stroke]) -> Image.Image:
        """Return the picture with strokes, exactly as the network gets it."""
        with self._lock:
            self._exact.show(strokes)
            return Image.fromarray(self._exact.pixels.copy())

    def clean(self, clf: Classifier) -> Scored:
        """Return what the network says of the untouched picture, asked anew when its weights have changed."""
        state = ModelStamp.of(clf.model).state
        if self._clean is None or self._clean[0] != state:
            self._clean = (state, Scored.of(clf, self.picture))
        return self._clean[1]


def _fills(tools: Sequence[str], picture: Image.Image, soft: Image.Image) -> dict[str, NDArray[np.uint8]]:
    """Return what each tool's brush brings."""
    restored = np.zeros(3, np.uint8) if "draw" in tools else np.asarray(picture)
    known = {
        "draw": np.full(3, 255, np.uint8),
        "grey": np.array(GREY, np.uint8),
        "blur": np.asarray(soft),
        "erase": restored,
    }
    return {name: known[name] for name in tools}
