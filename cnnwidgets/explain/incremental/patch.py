"""A value of which only a part has changed, and how it is put together with its clean surroundings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from cnnwidgets.explain.incremental.spans import Overlap, Reach, Span, placed


@dataclass(frozen=True, eq=False)
class Patch:
    """The changed part of a map, for each image of a batch; around it the map is as on the clean image.

    Attributes:
        values: (B, ...), the part alone; which dimensions are rows and columns is known to the `Layout`.
        rows: where it lies.
        columns: where it lies.

    """

    values: Tensor
    rows: Span
    columns: Span


@dataclass(frozen=True)
class Layout:
    """A map in the graph: its shape for one image, and which dimensions are rows and columns."""

    shape: tuple[int, ...]
    dims: tuple[int, int] = (2, 3)

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.shape[self.dims[0]]

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.shape[self.dims[1]]

    @property
    def is_standard(self) -> bool:
        """Whether it is (N,C,h,w)."""
        return len(self.shape) == 4 and self.dims == (2, 3)


Padding = tuple[tuple[int, ...], float]  # sides (left, right, top, bottom), and what they are filled with


class Clean:
    """A map of the clean image, with the paddings of it that windows are cut from.

    Args:
        values: (1, ...).
        layout: which dimensions are rows and columns.

    """

    def __init__(self, values: Tensor, layout: Layout) -> None:
        self.values, self.layout = _dense(values, layout), layout
        self._padded: dict[tuple[tuple[int, ...], float], Tensor] = {}

    def padded(self, sides: tuple[int, ...], fill: float = 0.0) -> Tensor:
        """Return it padded by (left, right, top, bottom) cells, made once; negative sides cut nothing."""
        key = (tuple(max(side, 0) for side in sides), fill)
        if not any(key[0]):
            return self.values
        found = self._padded.get(key)
        if found is None:
            found = self._padded[key] = _dense(F.pad(self.values, key[0], value=fill), self.layout)
            left, _, top, _ = key[0]
            down, across = self.layout.dims
            inside = found.narrow(down, top, self.layout.height).narrow(across, left, self.layout.width)
            self.values = inside  # the padded map holds it; two of them would be one too many
        return found

    @cached_property
    def mean(self) -> Tensor | None:
        """The mean over rows and columns, which are kept as one of each, float64; None if it is not finite."""
        found = self.values.double().mean(self.layout.dims, keepdim=True)
        return found if bool(found.isfinite().all()) else None

    @property
    def bytes(self) -> int:
        """Bytes that are kept."""
        kept = {tensor.untyped_storage().data_ptr(): tensor for tensor in (self.values, *self._padded.values())}
        return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())

    def around(self, patch: Patch, rows: Span, columns: Span) -> Tensor:
        """Return the cells `rows` x `columns` with a patch in place, (B, ...). The result may be the patch itself."""
        if patch.rows == rows and patch.columns == columns:
            return patch.values
        down, across = placed(patch.rows, rows), placed(patch.columns, columns)
        return _composed(self.values, patch.values, self.layout.dims, (rows, columns), (down, across))

    def cut(self, rows: Span, columns: Span) -> Tensor:
        """Return the clean cells `rows` x `columns`, (B, ...)."""
        return windows(self.values, self.layout.dims, rows, columns)

    def whole(self, patch: Patch) -> Tensor:
        """Return the whole map for every image of the batch, (B, ...)."""
        count = len(patch.rows.starts)
        rows, columns = Span((0,) * count, self.layout.height), Span((0,) * count, self.layout.width)
        return self.around(patch, rows, columns)


def _dense(values: Tensor, layout: Layout) -> Tensor:
    return values.contiguous(memory_format=torch.channels_last) if layout.is_standard else values.contiguous()


def windows(source: Tensor, dims: tuple[int, int], rows: Span, columns: Span) -> Tensor:
    """Cut a window out of `source` (1, ...) for each image, (B, ...): fresh memory."""
    down, across = dims
    cuts = [
        source.narrow(down, top, rows.size).narrow(across, left, columns.size)
        for top, left in zip(rows.starts, columns.starts, strict=True)
    ]
    return cuts[0].clone() if len(cuts) == 1 else torch.cat(cuts)


def _composed(
    source: Tensor, part: Tensor, dims: tuple[int, int], cells: tuple[Span, Span], shared: tuple[Overlap, Overlap]
) -> Tensor:
    """Cut `cells` out of `source` and put the changed parts where they overlap, (B, ...): fresh memory."""
    found = windows(source, dims, *cells)
    if all(overlap.same for overlap in shared):
        _put(found, part, dims, shared, 0)
        return found
    for image in range(len(found)):
        _put(found[image : image + 1], part[image : image + 1], dims, shared, image)
    return found


def _put(into: Tensor, part: Tensor, dims: tuple[int, int], overlaps: tuple[Overlap, Overlap], image: int) -> None:
    for dim, shared in zip(dims, overlaps, strict=True):
        length = shared.length[image]
        if length == 0:
            return
        into = into.narrow(dim, shared.in_window[image], length)
        part = part.narrow(dim, shared.in_part[image], length)
    into.copy_(part)


def window_of(clean: Clean, patch: Patch, rows: Reach, columns: Reach, padding: Padding) -> Tensor:
    """Return what a sliding operation reads for the cells that can change, out of the padded map, (B, ...)."""
    cells, shared = (rows.window, columns.window), (rows.overlap, columns.overlap)
    return _composed(clean.padded(*padding), patch.values, clean.layout.dims, cells, shared)
