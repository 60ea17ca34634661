"""Which pictures an index may lead to: those of this user's own indexes, those that the user gives, those beside it.

An index names its pictures: a folder, and names in it. In a file of a stranger these are words that anybody can have
written, so they are followed only where they lead no farther than the file itself lies, or where the user allows it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnwidgets.errors import MissingDataError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Kinds of data sets that are found again by what the index says.
REOPENED = ("folder", "paths")


def why_withheld(path: Path, description: Mapping[str, Any]) -> str:
    """Return in words why the pictures of a stranger's index are not read; "" where they are.

    They are where they lie in the folder of the index, or in the working directory, unless that is a home folder as a
    whole or holds one.

    Args:
        path: the file of the index.
        description: of its data set, as `Source.describe` gave it.

    """
    root = description.get("root")
    if description.get("kind") not in REOPENED or not isinstance(root, str):
        return ""
    begins = f"The pictures of the index {str(path)!r} are withheld: it says that they lie in {root[:300]!r},"
    remedy = (
        "and it was not made here by you. Say where they are, if you want them to be read: "
        "PatchIndex.open(path, images=...); or, if you trust the index, index.allow()."
    )
    if root.startswith((r"\\", "//")):
        return f"{begins} which is on another machine, {remedy}"
    place = Path(root)
    if ".." in place.parts or not place.is_absolute():
        return f"{begins} which is no full path of a folder, {remedy}"
    if any(_holds(folder, place) for folder in (path.absolute().parent, Path.cwd())):
        return ""
    return f"{begins} outside of its own folder and of the working directory, {remedy}"


def _holds(folder: Path, place: Path) -> bool:
    """Whether a place lies in a folder, by name and with all links followed; a home folder holds nothing."""
    try:
        real = folder.resolve()
        if not (place.is_relative_to(folder) or place.is_relative_to(real)):
            return False
        return not _home().is_relative_to(real) and place.resolve().is_relative_to(real)
    except (OSError, RuntimeError, ValueError):
        return False


def _home() -> Path:
    return Path(os.path.expanduser("~")).resolve()  # noqa: PTH111 - which raises nothing where there is no home


def member(name: str, root: Path, *, links: bool) -> str:
    """Return the name of a picture, once it lies in the folder of the index.

    Args:
        name: as the index has it.
        root: the folder.
        links: whether links may lead out of the folder.

    Raises:
        MissingDataError: it does not.

    """
    path = Path(name)
    outside = not path.parts or path.anchor or path.parts[0].startswith("~") or ".." in path.parts
    if not outside and not links:
        try:
            outside = not (root / path).resolve().is_relative_to(root.resolve())
        except (OSError, RuntimeError, ValueError):
            outside = True
    if outside:
        raise MissingDataError(
            f"The picture {name[:300]!r} is withheld: it lies outside of {str(root)!r}, the folder of its index. "
            "If a link leads there on purpose, index.allow(); else give a list of the pictures: PatchIndex.open(path, "
            "images=[...])."
        )
    return name
