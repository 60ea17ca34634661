"""The folder in which an index grows: it survives its process, and at most the last chunk is lost."""

from __future__ import annotations

import json
import os
import shutil
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from cnnwidgets.errors import IndexMismatchError
from cnnwidgets.patches import tensors
from cnnwidgets.patches.grown import Grown
from cnnwidgets.patches.plan import FORMAT, compare
from cnnwidgets.patches.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

#: What is known of every image.
RECORD = np.dtype([
    ("item", "<i8"), ("label", "<i4"), ("predicted", "<i4"), ("height", "<i4"), ("width", "<i4"),
    ("box", "<f8", 4), ("exact", "<i4"), ("part", "<i4"), ("digest", "<u8"), ("name_end", "<i8"),
])  # fmt: skip
_STATE = "state"
_GROWING = ("images", "names", "features", "skipped")


class Partial:
    """The folder: the tally as it was at the last save, and files that only grow.

    Args:
        folder: it is made where it is missing, and held until `close`.

    Raises:
        IndexMismatchError: another process is at work in it.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock: IO[bytes] = (folder / "lock").open("wb")
        if not _held(self._lock):
            self._lock.close()
            raise IndexMismatchError(
                f"Another process is building an index in {str(folder)!r}. Wait for it, or give another path=."
            )
        self._files: dict[str, IO[bytes]] = {}

    def load(self) -> tuple[Tally, dict[str, Any]] | None:
        """Return the tally and the facts of the last save, None where there is none yet.

        What had been written after it is cut off, and all of it if there was no save.

        Raises:
            IndexMismatchError: another version of cnnwidgets began the work.

        """
        path = self.folder / _STATE
        if not path.exists():
            self.empty()
            return None
        state = tensors.Tensors(path)
        facts = state.facts
        self.check({"format": FORMAT}, facts["progress"]["identity"])
        arrays = {name: state.get(name, dtype, *shape) for name, (dtype, shape) in facts["arrays"].items()}
        if "top_keys" not in arrays:  # it ordered equal values by image, and did not count them
            self.check({"format": FORMAT}, {"format": None})
        tally = Tally.of_state(arrays, facts["images"], facts["seen"])
        for name, length in facts["files"].items():
            os.truncate(self.folder / name, length)
        return tally, facts["progress"]

    def check(self, mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
        """Raise `IndexMismatchError` where the identity of the work that was begun is not what is asked for."""
        what = f"The work begun in {str(self.folder)!r}"
        compare(mine, theirs, what, "Give another path=, or restart=True to begin anew.")

    def empty(self) -> None:
        """Forget the work that was begun."""
        for name in (_STATE, *_GROWING):
            (self.folder / name).unlink(missing_ok=True)

    def append(self, name: str, data: bytes) -> None:
        """Add bytes to one of the growing files."""
        if name not in self._files:
            self._files[name] = (self.folder / name).open("ab")
        self._files[name].write(data)

    def save(self, tally: Tally, progress: dict[str, Any]) -> None:
        """Keep all that was found so far; done whole or not at all."""
        lengths = {}
        for name in _GROWING:
            self.append(name, b"")
            self._files[name].flush()
            os.fsync(self._files[name].fileno())
            lengths[name] = self._files[name].tell()
        arrays = tally.state()
        facts = {
            "images": tally.images,
            "seen": tally.sketch.seen,
            "files": lengths,
            "arrays": {name: [array.dtype.str, list(array.shape)] for name, array in arrays.items()},
            "progress": progress,
        }
        tensors.write(self.folder / _STATE, arrays, facts)

    def grown(self, name: str, dtype: npt.DTypeLike, *row: int) -> Grown:
        """Return one of the growing files as an array with rows of a shape."""
        self.append(name, b"")
        self._files[name].flush()
        return Grown(self.folder / name, dtype, *row)

    def skipped(self) -> list[list[Any]]:
        """Return number, name and reason of every item that was left out."""
        return [json.loads(line) for line in self.grown("skipped", np.uint8)[:].tobytes().splitlines()]

    def close(self) -> None:
        """Let go of the folder; what was not saved stays behind for nothing."""
        for file in [*self._files.values(), self._lock]:
            file.close()
        self._files = {}

    def remove(self) -> None:
        """Take the folder away."""
        self.close()
        shutil.rmtree(self.folder)


def _held(file: IO[bytes]) -> bool:
    """Whether this process now holds a file that no other process does; it ends with the process, however it ends."""
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
