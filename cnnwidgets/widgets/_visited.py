"""Where the hand has been, and what the score was there: an occlusion map made by dragging."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Hashable

    from cnnwidgets.explain.frame import Box

_MOST = 4000  # places; the oldest make room
_ROW = 6  # left, top, right, bottom, score, top class


@dataclass(frozen=True, eq=False)
class Visited:
    """The places that the hand has visited with one question, and the scores there. Frozen.

    Attributes:
        boxes: (N,4) float32, what was hidden each time: left, top, right, bottom in pixels of the picture.
        scores: (N,) float32, the target's score each time, in `units`.
        classes: (N,) int64, the likeliest class each time.
        clean: the target's score on the picture as it is.
        units: unit of the scores.
        target: name of the class.
        size: (height, width) of the picture.

    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]
    clean: float
    units: str
    target: str
    size: tuple[int, int]

    def __len__(self) -> int:
        """Return the number of places."""
        return len(self.boxes)

    def __repr__(self) -> str:
        """Say what it is in a line."""
        return f"<Visited {len(self)} places, {self.units} of {self.target}, {self.clean:.3g} on the whole picture>"

    @property
    def drops(self) -> npt.NDArray[np.float32]:
        """(N,), how much the score fell each time: positive where hiding hurts."""
        return np.asarray(self.clean - self.scores, dtype=np.float32)

    def map(self) -> npt.NDArray[np.float32]:
        """Return the drops painted into their boxes: (H,W) float32 at the picture's size.

        Where places overlap it is their mean; where the hand has not been, NaN.
        """
        height, width = self.size
        sums, counts = np.zeros((height, width)), np.zeros((height, width))
        for (left, top, right, bottom), drop in zip(self.boxes.round().astype(int), self.drops, strict=True):
            place = slice(top, max(bottom, top + 1)), slice(left, max(right, left + 1))
            sums[place] += drop
            counts[place] += 1
        with np.errstate(invalid="ignore"):
            return np.asarray(sums / np.where(counts, counts, np.nan), dtype=np.float32)


class History:
    """The places as they come in. Not locked: the view's lock guards it."""

    def __init__(self) -> None:
        self._rows: deque[tuple[float, ...]] = deque(maxlen=_MOST)
        self._key: Hashable = None

    def begin(self, key: Hashable) -> bool:
        """Start anew if the question is another one; return whether places were forgotten."""
        if key == self._key:
            return False
        self._key = key
        return self.clear()

    def clear(self) -> bool:
        """Forget all places; return whether there were any."""
        had = bool(self._rows)
        self._rows.clear()
        return had

    def add(self, box: Box, score: float, top: int) -> None:
        """Note a place; one that hid nothing is left out."""
        if box.right > box.left and box.bottom > box.top:
            self._rows.append((*box, score, float(top)))

    def packed(self) -> dict[str, Any]:
        """Return what the browser gets: rows of six float32, and their number; {} if there are none."""
        if not self._rows:
            return {}
        return {"data": self._table().astype("<f4").tobytes(), "count": len(self._rows)}

    def _table(self) -> npt.NDArray[np.float64]:
        return np.array(self._rows, dtype=np.float64).reshape(-1, _ROW)

    def visited(self, *, clean: float, units: str, target: str, size: tuple[int, int]) -> Visited:
        """Return the places as arrays; what they mean is as in `Visited`."""
        table = self._table()
        return Visited(
            table[:, :4].astype(np.float32),
            table[:, 4].astype(np.float32),
            table[:, 5].astype(np.int64),
            clean,
            units,
            target,
            size,
        )
