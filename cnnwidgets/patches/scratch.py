"""A folder for as long as somebody holds on to it."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path

from cnnwidgets.files import in_words


class Scratch:
    """A temporary folder that goes, without a word, with this object; `tempfile` has one that warns when it does.

    Attributes:
        path: the folder.

    """

    def __init__(self) -> None:
        with in_words(Path(os.environ.get("TMPDIR", "the temporary folder")), "written to"):
            self.path = Path(tempfile.mkdtemp(prefix="cnnwidgets-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
