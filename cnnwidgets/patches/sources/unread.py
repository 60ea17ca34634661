"""Pictures that Pillow has opened and not read yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image, ImageFile

from cnnwidgets.images.convert import to_picture


def unread(image: Any) -> Any:
    """Return a picture of its own for one that was opened and not read, anything else as it is.

    Pillow reads an opened picture when it is first looked at, and keeps its pixels: a list of them would fill the
    memory while it is gone through. So its file is opened a second time.
    """
    if not isinstance(image, ImageFile.ImageFile) or _is_read(image) or not Path(str(image.filename)).is_file():
        return image
    with Image.open(image.filename) as again:
        again.seek(image.tell())
        return to_picture(again) if (again.size, again.mode) == (image.size, image.mode) else image


def _is_read(image: ImageFile.ImageFile) -> bool:
    state = vars(image)
    # WebP has no tiles before it is read either; Pillow before 11 knows no `_im`.
    return state["_im"] is not None if "_im" in state else not image.tile
