"""What a hand draws on: black, or a photograph, with what each tool brings."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageFilter

from cnnwidgets.explain.baselines import GREY
from cnnwidgets.explain.provenance import ModelStamp
from cnnwidgets.images.painting import Painting
from cnnwidgets.widgets._scored import Scored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.images.strokes import Stroke

    State = tuple[Any, ...]  # of the model

SIDE = 320  # pixels of a pad without a photograph
_SMALLEST, _LARGEST = 320, 480  # pixels that a picture's longer side has on the page
_BLUR = 1 / 20  # of the shorter side: the standard deviation, as in `explain.occlusion`

DRAWING = {"draw": "Draw", "erase": "Erase"}
PAINTING = {"grey": "Grey", "blur": "Blur", "erase": "Restore"}


class Ground:
    """A picture to draw on, and the two paintings of it: exact for the network, of the page's size for the eye.

    Args:
        clf: the classifier, asked once, so that a picture it cannot read is refused.
        picture: RGB.
        tools: names of the tools: those of `DRAWING` or of `PAINTING`.

    Raises:
        ModelError: as `Scored.of`; other exceptions are those of the model.

    Attributes:
        scale: pixels on the page per pixel of the picture.

    """

    def __init__(self, clf: Classifier, picture: Image.Image, tools: Sequence[str]) -> None:
        self.picture = picture
        self._clf = clf
        self._asking = threading.Lock()
        self._clean = self._asked()
        self._tools = tuple(tools)
        self._painting = threading.Lock()
        self._paintings: tuple[Painting, Painting] | None = None
        longer = max(picture.size)
        self.scale = min(max(longer, _SMALLEST), _LARGEST) / longer
        self._lock = threading.Lock()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height on the page."""
        return max(1, round(self.picture.width * self.scale)), max(1, round(self.picture.height * self.scale))

    def _made(self) -> tuple[Painting, Painting]:
        """Return both paintings, the exact one first; made again where they were let go of."""
        with self._painting:
            if self._paintings is None:
                picture = self.picture
                soft = picture.filter(ImageFilter.GaussianBlur(min(picture.size) * _BLUR))
                below, soft_below = (each.resize(self.size, Image.Resampling.BICUBIC) for each in (picture, soft))
                exact = Painting(np.asarray(picture), _fills(self._tools, picture, soft))
                shown = Painting(np.asarray(below), _fills(self._tools, below, soft_below), scale=self.scale)
                self._paintings = exact, shown
            return self._paintings

    @property
    def shown(self) -> Painting:
        """The painting for the page; for one thread at a time."""
        return self._made()[1]

    @property
    def _exact(self) -> Painting:
        return self._made()[0]

    def rest(self) -> None:
        """Let go of both paintings; the strokes are drawn again when they are needed."""
        with self._painting:
            self._paintings = None

    def painted(self, strokes: Sequence[Stroke]) -> Image.Image:
        """Return the picture with strokes, exactly as the network gets it."""
        with self._lock:
            exact = self._exact
            exact.show(strokes)
            return Image.fromarray(exact.pixels.copy())

    @property
    def clean(self) -> Scored:
        """What the network said last of the untouched picture; never waits for it."""
        return self._clean[1]

    def refresh(self) -> Scored:
        """Return `clean`, asked anew if the network's weights have changed: for the worker's thread.

        Raises:
            ModelError: as `Scored.of`; other exceptions are those of the model. `clean` is then what it was.

        """
        with self._asking:
            if self._clean[0] != _state(self._clf):
                self._clean = self._asked()
            return self._clean[1]

    def _asked(self) -> tuple[State, Scored]:
        return _state(self._clf), Scored.of(self._clf, self.picture)


def _state(clf: Classifier) -> State:
    return ModelStamp.of(clf.model).state


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
