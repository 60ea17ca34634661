"""The folder in which an index grows: it survives its process, and at most the last chunk is lost."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from cnnwidgets.errors import CnnWidgetsError, IndexFileError, IndexMismatchError
from cnnwidgets.files import FILE, in_words, kind_of, make_folder, new_file, open_own, open_regular
from cnnwidgets.patches import tensors
from cnnwidgets.patches.grown import Grown
from cnnwidgets.patches.plan import FORMAT, compare
from cnnwidgets.patches.tally import TALLIED, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    import numpy.typing as npt

#: What is known of every image.
RECORD = np.dtype([
    ("item", "<i8"), ("label", "<i4"), ("predicted", "<i4"), ("height", "<i4"), ("width", "<i4"),
    ("box", "<f8", 4), ("exact", "<i4"), ("part", "<i4"), ("digest", "<u8"), ("name_end", "<i8"),
])  # fmt: skip
_STATE, _LOCK, MARKER = "state", "lock", "cnnwidgets.json"
BEGIN_ANEW = "Give restart=True to begin it anew."
FINISHED = "finished"  # the file of the index before it takes its place
_GROWING = ("images", "names", "features", "skipped")
_NAMES = {_STATE, _LOCK, MARKER, FINISHED, *_GROWING}
#: Names of files that were being written when a process was killed; the second is that of earlier versions.
_UNFINISHED = re.compile(r"\.\w[\w.]*\.[0-9a-f]{12}\.tmp|(state|finished)\.\d+\.tmp")
_MARKER_BYTES = 1000
_BLOCK = 2**22
_LARGEST = 2**31  # values of one image, as the network gets it


class Partial:
    """The folder: the tally as it was at the last save, and files that only grow.

    Nothing in the folder is believed before it is checked: it holds files of known names only, none of them a link, and
    no file is written to or cut off before the work has been compared with what is asked for (`check`, `verify`) and
    `resume` is called.

    Args:
        folder: it is made where it is missing, and held until `close`.

    Attributes:
        sealed: whether all of the work was done here, by this user.

    Raises:
        IndexMismatchError: another process is at work in it, or it holds what is no part of such work.
        FileError: it cannot be made or written to.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sealed = True
        self._files: dict[str, IO[bytes]] = {}
        self._checksums = {name: hashlib.sha256() for name in _GROWING}
        self._saved_files: dict[str, tuple[int, Any]] = {}  # length and checksum of each at the last save
        with in_words(folder, "written to"):
            if not kind_of(folder, links=False):
                make_folder(folder)
                try:
                    _mark(folder)
                except BaseException:  # left empty, it would be taken for one of the user's own
                    with contextlib.suppress(OSError):
                        folder.rmdir()
                    raise
            self._refuse_foreign()
            if not any(folder.iterdir()):
                _mark(folder, given=True)
            self._lock = open_own(folder / _LOCK, "r+b")
        if not _held(self._lock):
            self._lock.close()
            raise IndexMismatchError(
                f"Another process is building an index in {str(folder)!r}. Wait for it, or give another path=."
            )

    def _refuse_foreign(self) -> None:
        """Raise `IndexMismatchError` where the folder is not one that this library made, or holds what is not its own.

        A marker names the folder. Those of earlier versions have none: they are told by the save that lies in them.
        Without either, files named `images` or `names` may be anybody's. An empty folder may be used.
        """
        remedy = "Give another path=, or move it away."
        if (kind := kind_of(self.folder, links=False)) != "a folder":
            raise IndexMismatchError(f"{str(self.folder)!r} is {kind} and no folder of begun work. {remedy}")
        for path in sorted(self.folder.iterdir()):
            kind = kind_of(path, links=False)
            if not _is_own(path.name):
                raise IndexMismatchError(
                    f"The folder {str(self.folder)!r} holds {path.name!r}, which is no part of the work on an index. "
                    f"{remedy}"
                )
            if kind not in (FILE, ""):  # "": a process that has just ended took it away
                raise IndexMismatchError(
                    f"{path.name!r} in the folder {str(self.folder)!r} is {kind}; in begun work it is a file. {remedy}"
                )
        marker = self.folder / MARKER
        if kind_of(marker, links=False):
            with open_regular(marker, links=False) as file:
                text = file.read(_MARKER_BYTES + 1)
            if text not in (_marker(), _marker(given=True)):
                raise IndexMismatchError(
                    f"{MARKER!r} in the folder {str(self.folder)!r} does not name it as work on an index. {remedy}"
                )
        elif (names := sorted(path.name for path in self.folder.iterdir())) and not self._has_save(names):
            raise IndexMismatchError(
                f"The folder {str(self.folder)!r} holds {names[0]!r}, and nothing in it says that it is work on an "
                f"index: there is no {MARKER!r} and no save of such work. {remedy}"
            )

    def _has_save(self, names: Iterable[str]) -> bool:
        """Whether there is a save of this library, or no more than what a process killed while marking it has left."""
        if all(_UNFINISHED.fullmatch(name) and name.startswith(f".{MARKER}.") for name in names):
            return True
        try:
            return "identity" in tensors.Tensors(self.folder / _STATE).facts["progress"]
        except (IndexFileError, KeyError, TypeError):
            return False

    def load(self, wanted: Callable[[], Mapping[str, Any]]) -> tuple[Tally, dict[str, Any]] | None:
        """Return the tally and the facts of the last save, None where there is none yet; nothing is changed.

        Args:
            wanted: gives what is known of the identity that is asked for; it is compared before all else.

        Raises:
            IndexMismatchError: the work belongs to something else, or another version of cnnwidgets began it.
            IndexFileError: the last save is damaged.

        """
        path = self.folder / _STATE
        if not kind_of(path, links=False):
            return None
        try:
            state = tensors.Tensors(path)
            self.check({"format": FORMAT}, state.facts["progress"]["identity"])
            self.check(wanted(), state.facts["progress"]["identity"])
            if "top_keys" not in state:  # it ordered equal values by image, and did not count them
                self.check({"format": FORMAT}, {"format": None})
            tally, progress = self._saved(state)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            if isinstance(error, CnnWidgetsError) and not isinstance(error, IndexFileError):
                raise
            said = str(error).partition("damaged one: ")[2].removesuffix(". Build it anew.")
            raise self.damaged(said or f"its facts do not fit ({type(error).__name__}: {error})") from error
        self.sealed = state.sealed
        return tally, progress

    def _saved(self, state: tensors.Tensors) -> tuple[Tally, dict[str, Any]]:
        """Return the tally and the facts in a file of the last save, once all of them are of the right form."""
        facts = state.facts
        arrays = {str(name): state.get(name, dtype, *shape) for name, (dtype, shape) in facts["arrays"].items()}
        sizes = {
            "channels": len(arrays["squares"]), "k": arrays["top_values"].shape[1],
            "layers": len(arrays["layer_starts"]), "rows": len(arrays["counts"]),
        }  # fmt: skip
        for name, (_, shape) in {**TALLIED, "top_keys": ("<u8", ("channels", "k"))}.items():
            wanted = tuple(sizes[size] if isinstance(size, str) else size for size in shape)
            if arrays[name].shape != wanted:
                raise ValueError(f"{name} is {arrays[name].shape}, not {wanted}")
        tally = Tally.of_state(arrays, tensors.whole(facts["images"]), tensors.whole(facts["seen"]))
        lengths = {str(name): tensors.whole(length) for name, length in facts["files"].items()}
        if set(lengths) != set(_GROWING):
            raise ValueError(f"it has files named {', '.join(map(repr, lengths))}")
        progress = dict(facts["progress"])
        done, names_end = tensors.whole(progress["done"]), tensors.whole(progress["names_end"])
        channels, height, width = (tensors.whole(size, 1) for size in progress["identity"]["input"])
        classes = progress["classes"]
        if channels * height * width > _LARGEST or not all(isinstance(name, str) for name in classes):
            raise ValueError("its images or classes are none")
        if lengths["images"] != tally.images * RECORD.itemsize or lengths["names"] != names_end or tally.images > done:
            raise ValueError("its files do not hold as many images as it says")
        sums = facts.get("checksums", {})  # earlier versions had none
        self._saved_files = {name: (length, sums.get(name)) for name, length in lengths.items()}
        return tally, progress

    def verify(self) -> None:
        """Compare the growing files with what they were at the last save; nothing is changed.

        Raises:
            IndexFileError: one is shorter, or holds something else.

        """
        for name, (length, checksum) in self._saved_files.items():
            self._read_over(name, length, checksum)

    def _read_over(self, name: str, length: int, wanted: Any) -> None:
        """Read a growing file up to the last save, and go on with its checksum from there."""
        path, left, checksum = self.folder / name, length, hashlib.sha256()
        if not kind_of(path, links=False):
            there = 0
        else:
            with open_regular(path, links=False) as file:
                there = os.fstat(file.fileno()).st_size
                while left and (block := file.read(min(left, _BLOCK))):
                    checksum.update(block)
                    left -= len(block)
        if left:
            raise self.damaged(f"the file {name!r} has {there:,} bytes; at the last save it had {length:,}")
        if wanted is not None and checksum.hexdigest() != wanted:
            raise self.damaged(f"the file {name!r} is not what was written: its checksum differs")
        self._checksums[name] = checksum

    def damaged(self, why: str) -> IndexFileError:
        """Return the error for begun work that cannot be gone on with."""
        return IndexFileError(f"The work begun in {str(self.folder)!r} is damaged: {why}. {BEGIN_ANEW}")

    def resume(self) -> None:
        """Cut off what was written after the last save, and all of it if there was none; the work is then gone on with.

        To be called once the work has been compared with what is asked for.
        """
        if not self._saved_files:
            self.empty()
        for name, (length, _) in self._saved_files.items():
            with open_own(self.folder / name, "r+b") as file:
                file.truncate(length)

    def check(self, mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
        """Raise `IndexMismatchError` where the identity of the work that was begun is not what is asked for."""
        what = f"The work begun in {str(self.folder)!r}"
        compare(mine, theirs, what, "Give another path=, or restart=True to begin anew.")

    def empty(self) -> None:
        """Forget the work that was begun."""
        for file in self._files.values():
            file.close()
        self._files, self._saved_files, self.sealed = {}, {}, True
        self._checksums = {name: hashlib.sha256() for name in _GROWING}
        with in_words(self.folder, "emptied"):
            for path in list(self.folder.iterdir()):
                if path.name not in (_LOCK, MARKER):
                    path.unlink(missing_ok=True)  # of a link it is the link that goes
            _mark(self.folder)

    def append(self, name: str, data: bytes) -> None:
        """Add bytes to one of the growing files."""
        with in_words(self.folder / name, "written"):
            if name not in self._files:
                self._files[name] = open_own(self.folder / name, "ab")
            self._files[name].write(data)
        self._checksums[name].update(data)

    def save(self, tally: Tally, progress: dict[str, Any]) -> None:
        """Keep all that was found so far; done whole or not at all."""
        lengths = {}
        for name in _GROWING:
            self.append(name, b"")
            with in_words(self.folder / name, "written"):
                self._files[name].flush()
                os.fsync(self._files[name].fileno())
                lengths[name] = self._files[name].tell()
        arrays = tally.state()
        facts = {
            "images": tally.images,
            "seen": tally.sketch.seen,
            "files": lengths,
            "checksums": {name: checksum.hexdigest() for name, checksum in self._checksums.items()},
            "arrays": {name: [array.dtype.str, list(array.shape)] for name, array in arrays.items()},
            "progress": progress,
        }
        tensors.write(self.folder / _STATE, arrays, facts, sealed=self.sealed)

    def grown(self, name: str, dtype: npt.DTypeLike, *row: int) -> Grown:
        """Return one of the growing files as an array with rows of a shape."""
        self.append(name, b"")
        self._files[name].flush()
        return Grown(self.folder / name, dtype, *row)

    def skipped(self) -> list[list[Any]]:
        """Return number, name and reason of every item that was left out, as far as the work goes.

        Raises:
            IndexFileError: the list is damaged.

        """
        path, (end, _) = self.folder / "skipped", self._saved_files.get("skipped", (None, None))
        if "skipped" in self._files:
            self._files["skipped"].flush()
            end = None
        if not kind_of(path, links=False):
            return []
        with open_regular(path, links=False) as file:
            text = file.read() if end is None else file.read(end)
        try:
            found = [json.loads(line) for line in text.splitlines()]
            return [[tensors.whole(number), str(name), str(reason)] for number, name, reason in found]
        except (TypeError, ValueError, RecursionError) as error:
            raise self.damaged("its list of skipped images is none") from error

    def close(self) -> None:
        """Let go of the folder; what was not saved stays behind for nothing."""
        for file in [*self._files.values(), self._lock]:
            with contextlib.suppress(OSError):  # a full disk: what was not saved is lost as it is
                file.close()
        self._files = {}

    def remove(self) -> None:
        """Take the folder away, and nothing else than what belongs to the work; an empty one that was used stays."""
        self.close()
        given = self._is_given()
        for path in list(self.folder.iterdir()):
            if _is_own(path.name):
                path.unlink(missing_ok=True)
        if not given:
            with contextlib.suppress(OSError):  # somebody has put something there meanwhile
                self.folder.rmdir()

    def _is_given(self) -> bool:
        """Whether the folder was there, empty, before the work: it is the user's own."""
        with contextlib.suppress(OSError), open_regular(self.folder / MARKER, links=False) as file:
            return file.read(_MARKER_BYTES) == _marker(given=True)
        return False


def _is_own(name: str) -> bool:
    """Whether a file in the folder is one of the work: one of its names, or one that was being written."""
    return name in _NAMES or _UNFINISHED.fullmatch(name) is not None


def _marker(*, given: bool = False) -> bytes:
    facts = {"kind": "work in progress on a patch index of cnnwidgets", "format": FORMAT}
    return json.dumps(facts | ({"folder": "there before"} if given else {})).encode() + b"\n"


def _mark(folder: Path, *, given: bool = False) -> None:
    """Have a folder name itself one of this library; a given one is the user's own, and stays in the end."""
    if not kind_of(folder / MARKER, links=False):
        with new_file(folder / MARKER) as file:
            file.write(_marker(given=given))


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
