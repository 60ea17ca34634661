"""From whatever a person has at hand to one kind of picture: an RGB `PIL.Image.Image` of its own memory."""

from __future__ import annotations

from os import PathLike, fsdecode
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnwidgets.errors import ImageError
from cnnwidgets.images import arrays, files, modes

#: Everything that `to_picture` takes.
PictureSource = Image.Image | str | PathLike[str] | bytes | bytearray | memoryview | NDArray[np.generic]


def to_picture(source: PictureSource) -> Image.Image:
    """Return `source` as a new picture in mode "RGB", upright, with nothing shared with `source`.

    Understood are

    - a PIL image of any mode (of an animated one: the frame that it is on);
    - a path, or the encoded bytes of a file, in a raster format that starts no other program: PNG, JPEG, WebP,
      GIF, BMP, TIFF, AVIF, JPEG 2000 and others, see `images.formats` (of an animated GIF, WebP or APNG and of a
      TIFF with several pages: the first frame);
    - an array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4): uint8 (0..255), uint16 (0..65535), bool,
      or float with values in 0..1.

    Transparency is laid over white. 16-bit values are scaled (divided by 257), not cut off. A rotation noted
    in EXIF is carried out. Colour profiles are ignored, as they are where networks are trained.

    Raises `ImageError`, which names the source, what is wrong with it and what to do.
    """
    if isinstance(source, Image.Image):
        return modes.to_rgb(source, "The image")
    if isinstance(source, str | PathLike):
        return files.read_path(Path(fsdecode(source)), written_as=fsdecode(source))
    if isinstance(source, bytes | bytearray | memoryview):
        return files.read_bytes(bytes(source))
    if isinstance(source, np.ndarray):
        return arrays.to_rgb(source)
    raise ImageError(_not_a_picture(source))


def _not_a_picture(source: object) -> str:
    kind = f"{type(source).__module__}.{type(source).__qualname__}".removeprefix("builtins.")
    if kind == "torch.Tensor":
        remedy = "for a tensor of shape (C, H, W) with values in 0..1 pass tensor.permute(1, 2, 0).cpu().numpy()"
    elif callable(getattr(source, "read", None)):
        remedy = "pass what it reads: file.read()"
    elif isinstance(source, list | tuple):
        remedy = "pass one picture at a time; for nested numbers, numpy.array(..., dtype='uint8')"
    else:
        remedy = "pass a PIL image, a path, the bytes of a picture file, or an array of shape (H, W, 3)"
    return f"A value of type {kind} is not a picture: {remedy}."
