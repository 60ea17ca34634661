"""Seal: a message authentication code in a file, by which this user's own files are told from those of strangers.

The key lies in the user's cache folder and goes nowhere else. A file with a valid seal was written here, by this
user, and has not been changed since (its checksums are what is sealed); that an index leads to pictures anywhere on
the disk is then the user's own doing.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import os
import secrets
import stat
import warnings
from typing import IO, TYPE_CHECKING, Any

from cnnwidgets.cache import cache_folder
from cnnwidgets.files import open_regular

if TYPE_CHECKING:
    from pathlib import Path

SEALED = "seal"  # key of the metadata
_NAME, _BYTES = "seal.key", 32


def seal_of(text: str) -> str:
    """Return the seal for a text: a SHA-256 HMAC in hexadecimal digits."""
    return hmac.new(_key(cache_folder().folder), text.encode(), hashlib.sha256).hexdigest()


def is_sealed(text: Any, seal: Any) -> bool:
    """Whether a seal is the one that this user's key gives for a text."""
    if not isinstance(text, str) or not isinstance(seal, str) or not seal.isascii() or not seal:
        return False
    return hmac.compare_digest(seal_of(text), seal)


@functools.lru_cache(maxsize=8)
def _key(folder: Path) -> bytes:
    """Return the key in a cache folder, which is made where there is none."""
    path = folder / _NAME
    key = _stored(path)
    if key is None:
        spoilt = _is_spoilt(path)
        with contextlib.suppress(OSError):
            _make(path, replace=spoilt)
        key = _stored(path)
        if spoilt and key is not None:
            warnings.warn(
                f"The key {str(path)!r} was damaged, or others could write to it, and is replaced. Indexes "
                "of pictures that were built with the old one are no longer known to be your own: build them anew.",
                UserWarning,
                stacklevel=2,
            )
    return key or secrets.token_bytes(_BYTES)  # none can be kept: what is sealed now is known to this process only


def _stored(path: Path) -> bytes | None:
    """Return the key in a file; None where there is none, or one that another user has put there."""
    with contextlib.suppress(OSError), open_regular(path, links=False) as file:
        if hasattr(os, "geteuid") and os.fstat(file.fileno()).st_uid != os.geteuid():
            return None
        key = file.read(_BYTES + 1)
        return key if len(key) == _BYTES and not _is_open(file) else None
    return None


def _is_open(file: IO[bytes]) -> bool:
    """Whether other users can write to a file, where the system says so."""
    return hasattr(os, "geteuid") and bool(os.fstat(file.fileno()).st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _is_spoilt(path: Path) -> bool:
    """Whether there is a file of this user's own that is no key, or one that others could have written."""
    with contextlib.suppress(OSError), open_regular(path, links=False) as file:
        mine = not hasattr(os, "geteuid") or os.fstat(file.fileno()).st_uid == os.geteuid()
        return mine and (len(file.read(_BYTES + 1)) != _BYTES or _is_open(file))
    return False


def _make(path: Path, *, replace: bool = False) -> None:
    """Write a new key, unless another process was faster; a spoilt one is replaced."""
    part = path.with_name(f"{_NAME}.{secrets.token_hex(6)}.tmp")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
        if replace:
            part.replace(path)
            return
        try:
            path.hardlink_to(part)  # does not replace a key that is there
        except FileExistsError:
            return
        except OSError:  # a disk without hard links
            if not path.exists():
                part.replace(path)
    finally:
        part.unlink(missing_ok=True)
