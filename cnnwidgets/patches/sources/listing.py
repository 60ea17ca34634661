"""The picture files below a folder."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from cnnwidgets.images.formats import readable


class Listing(NamedTuple):
    """What a folder holds.

    Attributes:
        names: relative POSIX paths of the pictures, and of the folders that cannot be listed, sorted.
        unlisted: the reason for each of those folders.
        others: suffixes of the files that are no pictures.

    """

    names: list[str]
    unlisted: dict[str, str]
    others: set[str]


@cache
def suffixes() -> frozenset[str]:
    """Return the suffixes of the formats that are read, in small letters."""
    wanted = readable()
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in wanted)


def listing(root: Path) -> Listing:
    """List the pictures in a folder and in all folders below it.

    Hidden files and folders are left out. Links are followed, but never back into a folder that they lie in.
    """
    found = Listing([], {}, set())
    wanted = suffixes()
    waiting: list[tuple[str, str, tuple[tuple[int, int], ...]]] = [(str(root), "", ())]
    while waiting:
        folder, prefix, above = waiting.pop()
        try:
            status = Path(folder).stat()
            identity = (status.st_dev, status.st_ino)
            if identity in above:
                continue
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    name = prefix + entry.name
                    if _is_folder(entry):
                        waiting.append((entry.path, f"{name}/", (*above, identity)))
                    elif (suffix := Path(entry.name).suffix.lower()) in wanted:
                        found.names.append(name)
                    else:
                        found.others.add(suffix)
        except OSError as error:
            name = prefix[:-1] or "."
            found.unlisted[name] = f"The folder {name!r} cannot be listed: {error.strerror or error}."
    found.names.extend(found.unlisted)
    found.names.sort()
    return found


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
