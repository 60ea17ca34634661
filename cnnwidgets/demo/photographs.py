"""Photographs from scikit-image's wheel, all free of copyright (CC0 or public domain)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from cnnwidgets.errors import ImageError, MissingDataError, nearest

if TYPE_CHECKING:
    from PIL import Image

#: Name -> file in scikit-image's data folder. Only what its wheel contains: the rest it would download.
_FILES = {
    "chelsea": "chelsea.png",  # a cat; Stefan van der Walt
    "coffee": "coffee.png",  # a cup of espresso; Rachel Michetti
    "rocket": "rocket.jpg",  # a Falcon 9 at its launch; SpaceX
    "camera": "camera.png",  # a photographer and his tripod, grey; Lav Varshney
    "astronaut": "astronaut.png",  # Eileen Collins; NASA
}


def photos() -> tuple[str, ...]:
    """Return the names that `photo` takes."""
    return tuple(_FILES)


def photo(name: str) -> Image.Image:
    """Return the photograph `name` as a new RGB picture.

    Raises `ImageError` for an unknown name and `MissingDataError` where scikit-image is not installed.
    """
    from cnnwidgets.images import to_picture

    if name not in _FILES:
        raise ImageError(f"There is no photograph {name!r}.{nearest(name, _FILES)} All of them: {', '.join(_FILES)}.")
    path = _folder() / _FILES[name]
    if not path.is_file():
        raise MissingDataError(
            f"The photograph {name!r} is not in the installed scikit-image ({path} is missing). "
            'Install it anew: pip install --force-reinstall --no-deps "scikit-image>=0.24"'
        )
    return to_picture(path)


def _folder() -> Path:
    # The files are read in place: skimage.data would download one that it lacks.
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise MissingDataError(
            'The photographs come with scikit-image, which is not installed: pip install "cnnwidgets[demo]"'
        )
    return Path(spec.origin).parent / "data"
