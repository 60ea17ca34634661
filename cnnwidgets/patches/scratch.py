"""A folder for as long as somebody holds on to it."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path


class Scratch:
    """A temporary folder that goes, without a word, with this object; `tempfile` has one that warns when it does.

    Attributes:
        path: the folder.

    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="cnnwidgets-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
