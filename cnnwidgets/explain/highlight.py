"""Where a channel answers strongly: its map, thresholded, as a mask on the picture."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.regions import mask_of
from cnnwidgets.explain.samples import quantile_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure
    from PIL import Image

    from cnnwidgets.explain.frame import Frame
    from cnnwidgets.explain.result import Heatmap

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False, repr=False)
class Highlight:
    """Where a channel's activation, laid on the pictures, exceeds a threshold.

    Attributes:
        masks: one (H,W) bool per picture, at the picture's own size, read-only; False where the network did not look.
        threshold: in units of the activation.
        quantile: which quantile of the activation the threshold is; None where a threshold was given.
        over: what the quantile was taken over: "this image", "these 2 images", "120 images"; "" where a threshold was
            given.
        heatmap: the channel's maps.
        params: "values", how many activations the quantile was taken over; "sample", how many of them were drawn where
            there were too many to keep, else None.

    """

    masks: tuple[Mask, ...]
    threshold: float
    quantile: float | None
    over: str
    heatmap: Heatmap
    params: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Let nobody write to the result."""
        for mask in self.masks:
            mask.flags.writeable = False
        object.__setattr__(self, "params", MappingProxyType(dict(self.params)))

    @classmethod
    def of(cls, heatmap: Heatmap, quantile: float = 0.995) -> Highlight:
        """Highlight what exceeds a quantile of the map's own values, over all of its images."""
        count = len(heatmap)
        over = "this image" if count == 1 else f"these {count} images"
        threshold = quantile_of(heatmap.values, checked_quantile(quantile))
        return cls.above(heatmap, threshold, quantile, over, {"values": heatmap.values.size, "sample": None})

    @classmethod
    def above(
        cls,
        heatmap: Heatmap,
        threshold: float,
        quantile: float | None = None,
        over: str = "",
        params: Mapping[str, Any] | None = None,
    ) -> Highlight:
        """Highlight what exceeds a threshold."""
        # Strictly: of a channel that is the same everywhere, dead ones above all, nothing stands out.
        masks = tuple(heatmap.on_picture(index) > np.float32(threshold) for index in range(len(heatmap)))
        return cls(masks, threshold, quantile, over, heatmap, params or {})

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.masks)

    def __repr__(self) -> str:
        """Say what is highlighted, and how much of the pictures it is."""
        shares = ", ".join(f"{share:.1%}" for share in self.shares[:4])
        more = ", ..." if len(self) > 4 else ""
        return f"<Highlight of {self.words}: {shares}{more} of the picture>"

    @property
    def words(self) -> str:
        """What is highlighted, for a reader."""
        what = f"{self.heatmap.target[0]} of {self.heatmap.layer!r} above {self.threshold:.3g}"
        return what if self.quantile is None else f"{what}, its {self.quantile:.4g} quantile over {self.over}"

    @property
    def shares(self) -> tuple[float, ...]:
        """The highlighted share of the part of each picture that the network saw, 0 to 1."""
        pairs = zip(self.masks, self.heatmap.frames, strict=True)
        return tuple(float(mask.sum()) / max(_seen(frame), 1) for mask, frame in pairs)

    def iou(self, mask: Any, index: int = 0) -> float:
        """Return how well the highlight agrees with a mask: intersection over union, 0 to 1.

        Bau et al. 2017, "Network Dissection", arXiv:1704.05796, section 2.2: over several pictures the intersections
        and the unions are summed up before they are divided.

        Args:
            mask: (H,W) bool of the picture `index`; or a list of such masks, one per picture, to compare them all.
            index: which picture, where one mask is given.

        Returns:
            NaN where highlight and mask are both empty.

        Raises:
            OptionError: a mask of another size than its picture, or another number of masks than of pictures.

        """
        several = isinstance(mask, list | tuple) and (not mask or np.ndim(mask[0]) == 2)
        given: Sequence[Any] = mask if several else [mask]
        own = self.masks if several else [self.masks[self.heatmap.checked(index)]]
        if len(given) != len(own):
            raise OptionError(f"{len(given)} masks were given for {len(own)} picture(s): give one per picture.")
        both = either = 0
        for mine, other in zip(own, given, strict=True):
            theirs = mask_of(other)
            if theirs.shape != mine.shape:
                raise OptionError(f"The mask has shape {theirs.shape}; the picture's is {mine.shape}.")
            theirs = theirs > 0.5 if theirs.dtype != np.bool_ else theirs
            both += int((mine & theirs).sum())
            either += int((mine | theirs).sum())
        return both / either if either else float("nan")

    def overlay(self, index: int = 0, *, dim: float = 0.65) -> Image.Image:
        """Return the picture, darkened by the share `dim` but for the highlighted part, which is outlined."""
        from cnnwidgets.explain.highlight_drawing import overlay

        return overlay(self, self.heatmap.checked(index), dim=dim)

    def plot(self) -> Figure:
        """Return a Matplotlib figure with every picture and what is highlighted in it."""
        from cnnwidgets.explain.highlight_drawing import plot

        return plot(self)

    def _repr_png_(self) -> bytes:
        from cnnwidgets.explain.highlight_drawing import png

        return png(self)


def _seen(frame: Frame) -> int:
    """Return how many pixels of a picture a network saw, by their centres."""
    sides = []
    for size, low, high in zip(frame.picture_size, frame.box[1::-1], frame.box[:1:-1], strict=True):
        centres = np.arange(size) + 0.5
        sides.append(int(((centres >= low) & (centres <= high)).sum()))
    return sides[0] * sides[1]


def checked_quantile(quantile: Any) -> float:
    """Return a quantile from 0 to 1.

    Raises:
        OptionError: it is none.

    """
    if isinstance(quantile, bool) or not isinstance(quantile, Real) or not 0 <= float(quantile) <= 1:
        raise OptionError(f"quantile={quantile!r}: give a share from 0 to 1; 0.995 leaves the strongest 0.5 %.")
    return float(quantile)
