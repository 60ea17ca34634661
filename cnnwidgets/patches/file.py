"""The file of an index: which arrays are in it, written from the folder in which it grew, and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnwidgets.explain.provenance import versions
from cnnwidgets.patches import tensors
from cnnwidgets.patches.indexed_layer import described
from cnnwidgets.patches.partial import RECORD
from cnnwidgets.patches.tally import ADDED, TALLIED, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cnnwidgets.patches.build import Build
    from cnnwidgets.patches.grown import Grown
    from cnnwidgets.patches.plan import Plan

_BLOCK = 2**16


def facts_of(
    plan: Plan,
    tally: Tally,
    *,
    classes: Sequence[str],
    predictions: Sequence[str],
    source: Mapping[str, Any],
    total: int,
) -> dict[str, Any]:
    """Return what a finished index knows besides its arrays.

    Args:
        plan: the network and its layers.
        tally: what was found.
        classes: names of the images' classes.
        predictions: names of the model's classes.
        source: the data set as it describes itself.
        total: its number of items.

    """
    return {
        "identity": plan.identity,
        "model": type(plan.network.model).__name__,
        "versions": versions(),
        "layers": described(plan)[0],
        "feature": plan.feature,
        "images": tally.images,
        "seen": tally.sketch.seen,
        "classes": list(classes),
        "predictions": list(predictions),
        "parts": [{"source": dict(source), "total": total}],
    }


def write(build: Build, path: Path) -> None:
    """Write the file of a finished build."""
    _, edges = described(build.plan)
    partial = build.partial
    width = build.plan.layers[build.plan.feature].shape[0]
    write_index(
        path,
        build.tally,
        partial.grown("images", RECORD),
        names=tensors.Column.of(partial.grown("names", np.uint8)),
        features=tensors.Column.of(partial.grown("features", "<f4", width)),
        skipped=partial.skipped(),
        edges=edges,
        facts=facts_of(
            build.plan,
            build.tally,
            classes=build.source.classes,
            predictions=getattr(build.model, "classes", ()),
            source=build.source.describe(),
            total=build.done,
        ),
        sealed=partial.sealed,
    )


def write_index(
    path: Path,
    tally: Tally,
    records: npt.NDArray[Any] | Grown,
    *,
    names: npt.NDArray[np.uint8] | tensors.Column,
    features: npt.NDArray[np.float32] | tensors.Column,
    skipped: Sequence[Sequence[Any]],
    edges: npt.NDArray[np.float64],
    facts: dict[str, Any],
    sealed: bool = True,
) -> None:
    """Write the file of an index.

    Args:
        path: the file.
        tally: what was found.
        records: what is known of every image, of `RECORD`.
        names: the images' names one after the other, UTF-8.
        features: (images, channels of the last feature map).
        skipped: number, name and reason of every item that was left out, and its part.
        edges: of the layers' grids.
        facts: as `facts_of` gives them.
        sealed: whether all of it was found here, by this user.

    """
    arrays: dict[str, tensors.Column | npt.NDArray[Any]] = dict(tally.arrays())
    for field in RECORD.names or ():
        dtype = RECORD[field]
        shape = (len(records), *dtype.shape)
        arrays[f"image_{field}"] = tensors.Column(dtype.base, shape, _blocks(records, field))
    arrays["names"] = names
    arrays["features"] = features
    arrays["skipped"] = np.frombuffer(json.dumps([list(entry) for entry in skipped]).encode(), np.uint8)
    arrays["geometry"] = edges
    tensors.write(path, arrays, facts, sealed=sealed)


def _blocks(records: npt.NDArray[Any] | Grown, field: str) -> Iterator[npt.NDArray[Any]]:
    for first in range(0, len(records), _BLOCK):
        yield records[first : first + _BLOCK][field]


class Tables(Mapping[str, npt.NDArray[Any]]):
    """The arrays of a tally by name, read-only: each is read, and its checksum compared, when it is asked for.

    Args:
        file: the file of the index.
        names: of the arrays.
        sizes: what the sizes in `TALLIED` and `ADDED` are in this index.

    Raises:
        IndexFileError: an array is missing, or of another size.

    """

    def __init__(self, file: tensors.Tensors, names: Sequence[str], sizes: Mapping[str, int]) -> None:
        self._file, self._read = file, dict[str, npt.NDArray[Any]]()
        every = {**TALLIED, **ADDED}
        self._forms = {
            name: (dtype, [sizes[size] if isinstance(size, str) else size for size in shape])
            for name, (dtype, shape) in ((name, every[name]) for name in names)
        }
        for name, (dtype, shape) in self._forms.items():
            file.expect(name, dtype, *shape)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Return an array; `IndexFileError` where it is not what was written."""
        if name not in self._read:
            dtype, shape = self._forms[name]
            self._read[name] = self._file.get(name, dtype, *shape)
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is an array of a name; it is not read."""
        return name in self._forms

    def __iter__(self) -> Iterator[str]:
        """Return the names."""
        return iter(self._forms)

    def __len__(self) -> int:
        """Return the number of arrays."""
        return len(self._forms)
