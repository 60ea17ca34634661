"""What values of the network's input look like as colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from cnnwidgets.explain.network import picture_of

if TYPE_CHECKING:
    from torch import Tensor

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.widgets._looked import Looked

Rgb = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Palette:
    """The input that a black and a white picture become; all others lie between, channel by channel.

    Attributes:
        black: (C,H,W).
        white: (C,H,W).
        seen: (H,W) bool, where the two differ: elsewhere the preprocessing pads.

    """

    black: Tensor
    white: Tensor
    seen: Tensor

    @classmethod
    def of(cls, clf: Classifier, looked: Looked) -> Palette:
        """Ask the preprocessing; for a tensor without a picture, its own range is taken for black and white."""
        x = looked.network.x[0]
        if looked.images.pictures[0] is not None:
            size = looked.picture.size
            ends = [clf.prepare(Image.new("RGB", size, colour)).x[0].to(x) for colour in ("black", "white")]
            seen = (ends[1] - ends[0]).abs().amin(0) > 0
            if all(end.shape == x.shape and bool(torch.isfinite(end).all()) for end in ends) and bool(seen.any()):
                return cls(ends[0], ends[1], seen)
        low, high = x.min(), x.max()
        if high <= low:
            high = low + 1
        return cls(low.expand(x.shape), high.expand(x.shape), torch.ones(x.shape[1:], dtype=torch.bool))

    def picture(self, values: Tensor) -> Image.Image:
        """Return (C,H,W) input values as an RGB picture; padding is black."""
        span = self.white - self.black
        shares = torch.where(span == 0, 0, (values - self.black) / torch.where(span == 0, 1, span))
        if len(shares) not in (1, 3):
            return picture_of(values)
        pixels = (shares * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy().transpose(1, 2, 0)
        return Image.fromarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)).copy())

    def colour(self, values: Tensor) -> Rgb:
        """Return the colour that (C,H,W) values of one colour look like."""
        pixels: Any = np.asarray(self.picture(values))[self.seen.cpu().numpy()]
        red, green, blue = pixels.mean(0).round().astype(int).tolist()
        return red, green, blue
