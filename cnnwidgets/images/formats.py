"""The formats of pictures that are decoded: raster formats whose decoders are Pillow's own and start no other program.

Pillow knows more: PostScript (it starts Ghostscript), Windows metafiles (the system draws them), scientific containers.
It tells a format by the content, not by the name of the file, so a photograph's name is no protection.
"""

from __future__ import annotations

from functools import cache

from PIL import Image, ImageFile

from cnnwidgets.errors import ImageError

#: HEIF and JXL are read where the user has registered a decoder for them.
ALLOWED = (
    "PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "TGA", "ICO", "AVIF", "JPEG2000", "PCX", "SGI",
    "QOI", "HEIF", "JXL",
)  # fmt: skip
_LISTED = "PNG, JPEG, WebP, GIF, BMP, TIFF, PPM, TGA, ICO, AVIF, JPEG 2000, PCX, SGI, QOI"


@cache
def _loaded() -> bool:
    Image.init()  # loads all of Pillow's own plugins
    return True


def readable() -> tuple[str, ...]:
    """Return the formats that are decoded and that this Pillow knows."""
    return tuple(name for name in ALLOWED if _loaded() and name in Image.OPEN)


def refuse_other(image: Image.Image, name: str) -> None:
    """Raise `ImageError` for a picture in another format that was opened and not decoded yet.

    Args:
        image: the picture.
        name: what the error calls it: "The image".

    """
    if isinstance(image, ImageFile.ImageFile) and image.format not in ALLOWED and not is_decoded(image):
        raise ImageError(
            f"{name} is in the format {image.format}, which is not decoded here: it may start other programs. Read are "
            f"{_LISTED}. If you trust it, decode it first: image.load()."
        )


def is_decoded(image: ImageFile.ImageFile) -> bool:
    """Whether the pixels of a picture have been read from its file."""
    state = vars(image)
    # WebP has no tiles before it is read either; Pillow before 11 knows no `_im`.
    return state["_im"] is not None if "_im" in state else not image.tile
