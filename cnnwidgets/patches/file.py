"""The file of an index: which arrays are in it, written from the folder in which it grew, and read back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnwidgets.explain.provenance import versions
from cnnwidgets.patches import tensors
from cnnwidgets.patches.indexed_layer import described
from cnnwidgets.patches.partial import RECORD
from cnnwidgets.patches.sketch import BINS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from cnnwidgets.patches.build import Build
    from cnnwidgets.patches.grown import Grown
    from cnnwidgets.patches.plan import Plan
    from cnnwidgets.patches.tally import Tally

_BLOCK = 2**16
#: Every array of a tally: its numbers, and its sizes by name.
TALLIED: dict[str, tuple[str, tuple[str | int, ...]]] = {
    "top_values": ("<f4", ("channels", "k")), "top_images": ("<i4", ("channels", "k")),
    "top_cells": ("<i4", ("channels", "k")), "bottom_values": ("<f4", ("channels", "k")),
    "bottom_images": ("<i4", ("channels", "k")), "bottom_cells": ("<i4", ("channels", "k")),
    "sample_keys": ("<u8", ("k",)), "sample_images": ("<i4", ("k",)), "sample_cells": ("<i4", ("k", "layers")),
    "sample_values": ("<f4", ("k", "channels")), "histogram_counts": ("<i4", ("channels", BINS)),
    "histogram_first": ("<i8", ("channels",)), "histogram_exponent": ("<i4", ("channels",)),
    "sums": ("<f8", ("rows", "channels")), "squares": ("<f8", ("channels",)), "counts": ("<i8", ("rows",)),
    "unfolded_behind": ("<i4", ("channels",)), "unfolded_scale": ("<f8", ("channels",)),
    "unfolded_shift": ("<f8", ("channels",)),
}  # fmt: skip
#: Arrays that files of earlier versions lack: channels whose values are not those before a function that clips, what
#: these were, which decided between equal values; and how many images reach the first value.
ADDED: dict[str, tuple[str, tuple[str | int | None, ...]]] = {
    "top_clipped": ("<i4", (None,)), "bottom_clipped": ("<i4", (None,)), "top_before": ("<f4", (None, "k")),
    "bottom_before": ("<f4", (None, "k")), "top_ties": ("<i8", ("channels",)), "bottom_ties": ("<i8", ("channels",)),
}  # fmt: skip


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
    tensors.write(path, arrays, facts)


def _blocks(records: npt.NDArray[Any] | Grown, field: str) -> Iterator[npt.NDArray[Any]]:
    for first in range(0, len(records), _BLOCK):
        yield records[first : first + _BLOCK][field]


def tallied(file: tensors.Tensors, name: str, sizes: dict[str, int]) -> npt.NDArray[Any]:
    """Return one array of a tally, not to be written to."""
    dtype, shape = {**TALLIED, **ADDED}[name]
    return file.get(name, dtype, *(sizes[size] if isinstance(size, str) else size for size in shape))
