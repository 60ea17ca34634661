"""One index out of several: what a pass over all their data sets would have given."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnwidgets.errors import IndexMismatchError, OptionError
from cnnwidgets.patches import tensors
from cnnwidgets.patches.file import write_index
from cnnwidgets.patches.partial import RECORD
from cnnwidgets.patches.plan import compare

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from cnnwidgets.patches.index import PatchIndex


def merged(parts: Sequence[PatchIndex], path: Path) -> None:
    """Write the index of several, one after the other.

    Args:
        parts: the indexes.
        path: the file.

    Raises:
        IndexMismatchError: they differ in more than their images.

    """
    if not parts:
        raise OptionError("There is nothing to merge: the list of indexes is empty.")
    first = parts[0]
    for part in parts[1:]:
        mine = {key: value for key, value in first.identity.items() if key != "data"}
        compare(
            mine, part.identity, f"{str(part.path)!r}, unlike {str(first.path)!r},", "Only parts of one can be merged."
        )
    earlier = [part for part in parts if not part.ordered]
    if earlier and len(earlier) < len(parts):
        raise IndexMismatchError(
            f"{str(earlier[0].path)!r} was made by an earlier version of cnnwidgets, which put equal values in the "
            "order of the files; others were not. Build it anew: PatchIndex.build(..., restart=True)."
        )
    classes = list(dict.fromkeys(name for part in parts for name in part.classes))
    tally = first.tally()
    for part in parts[1:]:
        tally.merge(part.tally(), [classes.index(name) for name in part.classes].__getitem__)
    facts = {**first.stored_facts, "classes": classes, "images": tally.images, "seen": tally.sketch.seen}
    facts["parts"] = [entry for part in parts for entry in part.stored_facts["parts"]]
    facts["identity"] = {**first.identity, "data": _joined([part.identity["data"] for part in parts])}
    records = np.concatenate([_records(part, classes) for part in parts])
    lengths = np.array([len(part.names_data) for part in parts])
    offsets = np.cumsum(lengths) - lengths
    numbers = np.cumsum([0, *(len(part.stored_facts["parts"]) for part in parts)])
    start = 0
    for part, offset, number in zip(parts, offsets, numbers, strict=False):
        rows = records[start : start + len(part)]
        rows["name_end"] += offset
        rows["part"] += number
        start += len(part)
    names = tensors.Column("u1", (int(lengths.sum()),), (part.names_data for part in parts))
    width = first.features.shape[1]
    blocks = (block for part in parts for block in tensors.Column.of(part.features).blocks)
    features = tensors.Column("<f4", (len(records), width), blocks)
    before = np.cumsum([0, *(part.total for part in parts)]).tolist()
    skipped = [
        entry._replace(number=entry.number + n)
        for part, n in zip(parts, before, strict=False)
        for entry in part.skipped
    ]
    write_index(
        path, tally, records, names=names, features=features, skipped=skipped, edges=first.edges, facts=facts,
        sealed=all(part.trusted for part in parts),  # else a stranger's index would become one of the user's own
    )  # fmt: skip


def _records(part: PatchIndex, classes: Sequence[str]) -> npt.NDArray[Any]:
    """Return what is known of a part's images, with the classes numbered anew."""
    records = np.zeros(len(part), RECORD)
    for field in RECORD.names or ():
        records[field] = part.image_column(field)
    numbers = np.array([classes.index(name) for name in part.classes] + [-1])  # the last one is for no class
    records["label"] = numbers[part.labels]
    return records


def _joined(hashes: Sequence[str]) -> str:
    return hashlib.sha256(";".join(hashes).encode()).hexdigest()
