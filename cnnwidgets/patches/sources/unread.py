"""Pictures that Pillow has opened and not read yet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from PIL import Image, ImageFile

from cnnwidgets.files import FILE, kind_of, open_regular
from cnnwidgets.images.convert import to_picture
from cnnwidgets.images.formats import is_decoded, readable


def unread(image: Any) -> Any:
    """Return a picture of its own for one that was opened and not read, anything else as it is.

    Pillow reads an opened picture when it is first looked at, and keeps its pixels: a list of them would fill the
    memory while it is gone through. So its file is opened a second time.
    """
    if not isinstance(image, ImageFile.ImageFile) or is_decoded(image) or image.format not in readable():
        return image
    path = Path(os.fsdecode(image.filename)) if isinstance(image.filename, str | bytes | os.PathLike) else None
    if path is None or kind_of(path) != FILE:
        return image
    with open_regular(path) as file, Image.open(file, formats=[image.format]) as again:
        again.seek(image.tell())
        return to_picture(again) if (again.size, again.mode) == (image.size, image.mode) else image
