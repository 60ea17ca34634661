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
from typing import TYPE_CHECKING, Any

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
        with contextlib.suppress(OSError):
            _make(path)
        key = _stored(path)
    return key or secrets.token_bytes(_BYTES)  # none can be kept: what is sealed now is known to this process only


def _stored(path: Path) -> bytes | None:
    """Return the key in a file; None where there is none, or one that another user has put there."""
    with contextlib.suppress(OSError), open_regular(path, links=False) as file:
        if hasattr(os, "geteuid") and os.fstat(file.fileno()).st_uid != os.geteuid():
            return None
        key = file.read(_BYTES + 1)
        return key if len(key) == _BYTES else None
    return None


def _make(path: Path) -> None:
    """Write a new key, unless another process was faster."""
    part = path.with_name(f"{_NAME}.{secrets.token_hex(6)}.tmp")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
        try:
            path.hardlink_to(part)  # does not replace a key that is there
        except FileExistsError:
            return
        except OSError:  # a disk without hard links
            if not path.exists():
                part.replace(path)
    finally:
        part.unlink(missing_ok=True)
