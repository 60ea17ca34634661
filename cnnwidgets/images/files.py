"""Picture files, by path or as bytes, and plain words for those that cannot be read."""

from __future__ import annotations

import io
import re
from typing import IO, TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from cnnwidgets.errors import CnnWidgetsError, ImageError, nearest
from cnnwidgets.files import FILE, expand, home_hint, kind_of, open_regular, reason_of
from cnnwidgets.images import formats, modes

if TYPE_CHECKING:
    from pathlib import Path

_HEAD = 1024
_OTHER = {"a device": "a device or a pipe", "a pipe": "a device or a pipe"}


def read_path(path: Path, written_as: str, *, near: bool = True) -> Image.Image:
    """Return the picture in the file at `path`; `written_as` is the caller's own spelling, for errors.

    `near=False` looks for no near name where there is no such file: among many files that takes long.
    """
    if re.match(r"(?i)(https?|ftp|file|data):", written_as):
        raise ImageError(
            f"{_short(written_as)!r} is an address, and nothing is fetched. Save the picture and "
            "pass its path or its bytes."
        )
    name = f"The file {written_as!r}"
    try:
        path = expand(path)
        kind = kind_of(path)
        if kind == "a folder":
            raise ImageError(f"{written_as!r} is a folder. Pass the path of one picture in it.")
        if not kind:
            hint = home_hint(path) or (_siblings(path) if near else "")
            raise ImageError(f"There is no file {written_as!r}.{hint}")
        if kind != FILE:
            raise ImageError(f"{written_as!r} is {_OTHER.get(kind, kind)}. Pass the path of a picture file.")
        with open_regular(path) as file:
            return _decode(file, name)
    except (OSError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        reason = str(error).rstrip(".") if isinstance(error, CnnWidgetsError) else reason_of(error)
        raise ImageError(f"{name} cannot be read: {reason}.") from error


def read_bytes(data: bytes) -> Image.Image:
    """Return the picture whose encoded file is `data`."""
    return _decode(io.BytesIO(data), f"The file of {len(data)} bytes")


def _decode(file: IO[bytes], name: str) -> Image.Image:
    try:
        with Image.open(file, formats=formats.readable()) as image:
            return modes.to_rgb(image, name)
    except (ImageError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            f"{name} is larger than Pillow decodes without being told to: {error} Make it smaller with "
            "another program, or, if you trust it, raise PIL.Image.MAX_IMAGE_PIXELS before you open it."
        ) from error
    except UnidentifiedImageError as error:
        file.seek(0)
        raise ImageError(f"{name} {_diagnosis(file.read(_HEAD))}") from error
    except Exception as error:  # decoders raise nearly any type
        raise ImageError(
            f"{name} cannot be decoded: {error or type(error).__name__}. It may be damaged: get it again."
        ) from error


def _diagnosis(head: bytes) -> str:
    """Say what a file that is no picture seems to be, from its first bytes."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        words = "is empty (0 bytes). Get it again."
    elif b"<svg" in start:
        words = "is an SVG drawing, which has no pixels. Save it as PNG first."
    elif start.startswith((b"<!doctype html", b"<html")):
        words = "is a web page, not a picture: download the picture itself."
    elif start.startswith((b"%!ps", b"\xc5\xd0\xd3\xc6")):
        words = "is PostScript, a program, and is not run. Save the page as PNG first."
    elif start.startswith(b"%pdf"):
        words = "is a PDF document. Save the page as PNG first."
    elif head[4:8] == b"ftyp":
        words = "is a film or an HEIF photograph, which Pillow does not read. Save it as JPEG or PNG first."
    elif _is_text(head):
        begins = _short(head.decode("utf-8", "replace"))
        words = f"is text, not a picture; it begins {begins!r}. Pass a picture file."
    else:
        words = "is in none of the formats that are read, or is cut short. Save it as PNG or JPEG."
    return words


def _is_text(head: bytes) -> bool:
    try:
        # The head may end within a character, so its last three bytes are not asked.
        text = head.decode() if len(head) < _HEAD else head[:-3].decode()
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)


def _siblings(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f" Nor is there a folder {str(folder)!r}."
    hint = nearest(path.name, (sibling.name for sibling in folder.iterdir() if sibling.is_file()))
    return hint or f" It was looked for in {str(folder.resolve())!r}."


def _short(text: str, length: int = 60) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
