"""Making an index: where its work is kept, and what is done about an index or work that is there already."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from cnnwidgets.errors import IndexFileError, IndexMismatchError, OptionError
from cnnwidgets.explain.thread_state import restoring_steps
from cnnwidgets.files import FILE, in_words, kind_of, make_folder
from cnnwidgets.patches import file
from cnnwidgets.patches.build import CHUNK, Build
from cnnwidgets.patches.partial import FINISHED, Partial
from cnnwidgets.patches.plan import Plan, Settings, compare
from cnnwidgets.patches.sources import source_of
from cnnwidgets.patches.stored import StoredIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cnnwidgets.explain.control import Cancel
    from cnnwidgets.patches.progress import BuildProgress
    from cnnwidgets.patches.sources import Source

_OTHER = "Give another path=, or restart=True to build anew."


@restoring_steps
def making(
    model: Any,
    images: Any,
    path: Path,
    settings: Settings,
    *,
    chunk: int | None,
    restart: bool,
    cancel: Cancel | None,
) -> Iterator[BuildProgress]:
    """Make the file of an index, unless it is there already; begun work is gone on with.

    Args:
        model: nn.Module or Classifier.
        images: the data set.
        path: the file.
        settings: the options.
        chunk: images between two saves.
        restart: begin anew, whatever is there.
        cancel: asks to stop.

    """
    if chunk is not None and (isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1):
        raise OptionError(f"chunk={chunk!r}: give the number of images between two saves, 1 or more, or None.")
    with in_words(path, "looked for"):
        kind = kind_of(path)
    if kind == "a folder":
        raise OptionError(f"path={str(path)!r} is a folder; give the name of a file in it, such as 'birds.patches'.")
    if kind not in ("", FILE):
        raise OptionError(f"path={str(path)!r} is {kind}; give the name of a file, such as 'birds.patches'.")
    source = source_of(model, images)
    folder = path.with_name(path.name + ".partial")
    if kind and not restart:
        identity = _check_same(model, source, path, settings)
        if kind_of(folder, links=False):  # of a process that was killed when the file was there already
            with contextlib.suppress(IndexMismatchError, IndexFileError, OSError):  # or of one that builds it anew
                _remove_rest(folder, identity)
        return
    make_folder(path.parent)
    partial = Partial(folder)
    try:
        if restart:
            partial.empty()
        build = Build(model, source, settings, partial, chunk=chunk or CHUNK, cancel=cancel)
        yield from build.run()
        finished = folder / FINISHED  # there, so that a process killed meanwhile leaves nothing beside the index
        file.write(build, finished)
        with in_words(path, "written"):
            finished.replace(path)
    except BaseException:
        partial.close()
        raise
    partial.remove()


def _remove_rest(folder: Path, identity: Mapping[str, Any]) -> None:
    """Take away what is left of the work on an index that is there; other work stays, and an empty folder does."""
    if not any(folder.iterdir()):
        return
    partial = Partial(folder)
    try:
        partial.load(lambda: identity)
        partial.remove()
    finally:
        partial.close()


def _check_same(model: Any, source: Source, path: Path, settings: Settings) -> dict[str, Any]:
    """Return the identity of the index that is there; raise `IndexMismatchError` if another one is asked for."""
    there = StoredIndex(path)
    remedy = f"{_OTHER} PatchIndex.open reads it as it is."
    what = f"The index {str(path)!r}"
    first = next((item.x for item in source.items() if item.x is not None), None)
    if first is None:
        raise IndexMismatchError(f"{what} cannot be compared with the data set: no image of it can be read. {remedy}")
    identity = Plan.of(model, first[None], settings, source.stamp()).identity
    compare(identity, there.identity, what, remedy)
    return identity
