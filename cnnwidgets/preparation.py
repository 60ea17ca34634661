"""One picture through a preprocessing, with where it was looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from cnnwidgets.errors import ImageError
from cnnwidgets.explain.subject import Prepared, prepared_tensor
from cnnwidgets.framing import Frames
from cnnwidgets.images.convert import to_picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image


class Preparation:
    """Prepares images one by one, without the model: light enough to be sent to the workers of a data loader.

    Args:
        preprocess: turns a PIL picture into a float tensor (C,H,W).

    Attributes:
        preprocess: the same.

    """

    def __init__(self, preprocess: Callable[..., Tensor]) -> None:
        self.preprocess = preprocess
        self._frames = Frames(preprocess)

    def __call__(self, source: Any) -> Prepared:
        """Return one image as the network's input.

        Args:
            source: a picture as `to_picture` takes it, or a float tensor (1,C,H,W) or (C,H,W) that is preprocessed.

        Raises:
            ImageError: it cannot be read, or the preprocessing does not give what a network takes.

        """
        if isinstance(source, Tensor):
            return prepared_tensor(source[None] if source.ndim == 3 else source)
        return self.of_picture(to_picture(source))

    def of_picture(self, picture: Image.Image) -> Prepared:
        """Return a picture in mode RGB as the network's input; it is not copied.

        Raises:
            ImageError: the preprocessing does not give what a network takes.

        """
        x = self.preprocess(picture)
        if not isinstance(x, Tensor) or x.ndim != 3 or not x.is_floating_point():
            got = f"shape {tuple(x.shape)}, {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
            raise ImageError(f"The preprocessing gave {got}; it must give a float tensor (C,H,W) for one picture.")
        prepared = prepared_tensor(x[None])  # checks for NaN and emptiness
        frame = self._frames(picture.height, picture.width)
        if frame is None or frame.input_size != tuple(x.shape[1:]):
            # The geometry is not a crop; show what the network saw instead of a picture where nothing would fit.
            return prepared
        return Prepared(prepared.x, (picture,), (frame,))
