"""The steps of a plan: what each does where only a part of its input has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from cnnwidgets.explain.incremental.patch import Clean, Layout, Patch, window_of
from cnnwidgets.explain.incremental.spans import Sliding, Span, union
from cnnwidgets.explain.incremental.step import Call, Run, Step, filled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cnnwidgets.explain.incremental.convolution import Convolution

WHOLE_ABOVE = 0.95  # share of a map from which on recomputing all of it is cheaper than cutting windows


class Batch(Call):
    """How many images there are, asked of a map."""

    def __init__(self, call: Call) -> None:
        super().__init__(call.name, call.out, call.function, call.args, call.kwargs)

    @property
    def needs(self) -> tuple[int, ...]:
        """Nothing is read off the maps."""
        return ()

    def on_part(self, run: Run, values: Sequence[Any]) -> Any:
        """Answer for the batch."""
        del values
        return run.batch


class Cellwise(Call):
    """A function of one map that works cell by cell: activations, scalings, sums over the channels, new layouts.

    Args:
        rewrite: turns the arguments for a part of the map; given the arguments and the part's (B, height, width).

    """

    def __init__(self, call: Call, rewrite: Callable[[Any, int, int, int], Any] | None = None) -> None:
        super().__init__(call.name, call.out, call.function, call.args, call.kwargs)
        self.rewrite = rewrite

    @property
    def needs(self) -> tuple[int, ...]:
        """Nothing: a part gives a part."""
        return ()

    def on_part(self, run: Run, values: Sequence[Any]) -> Any:
        """Call it on the part."""
        slot, patch = next((s, v) for s, v in zip(self.inputs, values, strict=True) if isinstance(v, Patch))
        args = self.args
        if self.rewrite is not None:
            args = self.rewrite(args, run.batch, patch.rows.size, patch.columns.size)
        found = self.function(*filled(args, {slot: patch.values}), **self.kwargs)
        if isinstance(found, list | tuple):
            return [Patch(item, patch.rows, patch.columns) for item in found]
        return Patch(found, patch.rows, patch.columns)


@dataclass(frozen=True, eq=False)
class _Fixed:
    """A constant with an extent in space."""

    clean: Clean
    place: int


class Together(Call):
    """A function of several maps of one layout, cell by cell: sums, products, concatenation of channels."""

    def __init__(self, call: Call, layout: Layout, fixed: Sequence[tuple[int, Clean]] = ()) -> None:
        super().__init__(call.name, call.out, call.function, call.args, call.kwargs)
        self.layout = layout
        self.fixed = tuple(_Fixed(clean, place) for place, clean in fixed)

    def on_part(self, run: Run, values: Sequence[Any]) -> Any:
        """Bring all to the cells that any of them has changed in, and call it there."""
        if not all(isinstance(value, Patch) for value in values):
            return self.on_whole(run, [run.whole(slot, value) for slot, value in zip(self.inputs, values, strict=True)])
        rows = union(tuple(value.rows for value in values), self.layout.height)
        columns = union(tuple(value.columns for value in values), self.layout.width)
        parts = {
            slot: run.clean[slot].around(value, rows, columns) for slot, value in zip(self.inputs, values, strict=True)
        }
        args = list(self.args)
        for constant in self.fixed:
            args[constant.place] = constant.clean.cut(rows, columns)
        return Patch(self.function(*filled(args, parts), **filled(self.kwargs, parts)), rows, columns)


@dataclass(frozen=True)
class Window:
    """A sliding operation: both axes, and the value of its padding."""

    rows: Sliding
    columns: Sliding
    fill: float = 0.0

    @property
    def sides(self) -> tuple[int, int, int, int]:
        """Padding (left, right, top, bottom)."""
        return self.columns.before, self.columns.after, self.rows.before, self.rows.after

    @property
    def is_pointwise(self) -> bool:
        """Whether every cell comes from the same cell alone."""
        return self.rows.is_pointwise and self.columns.is_pointwise


class Slide(Step):
    """A sliding operation: convolution, pooling, padding, cropping.

    Args:
        apply: computes from windows (B,C,h,w) without padding; given the rows and columns of the result.
        whole: computes from whole maps.

    """

    def __init__(
        self,
        name: str,
        source: int,
        out: int,
        window: Window,
        *,
        apply: Callable[[Tensor, Span, Span], Tensor],
        whole: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__(name, (source,), out)
        self.window, self.apply, self.whole = window, apply, whole

    @property
    def needs(self) -> tuple[int, ...]:
        """The surroundings, unless every cell stands alone."""
        return () if self.window.is_pointwise else self.inputs

    def cost(self, cells: int) -> int:
        """Return the multiplications for so many cells of the result."""
        del cells
        return 0

    def on_whole(self, run: Run, values: Sequence[Any]) -> Any:
        """Compute all cells."""
        run.macs += self.cost(run.batch * self.window.rows.results * self.window.columns.results)
        return self.whole(values[0])

    def on_part(self, run: Run, values: Sequence[Any]) -> Any:
        """Compute the cells that can change; all of them where that is nearly all."""
        patch: Patch = values[0]
        window = self.window
        if window.is_pointwise:
            run.macs += self.cost(run.batch * patch.rows.size * patch.columns.size)
            return Patch(self.apply(patch.values, patch.rows, patch.columns), patch.rows, patch.columns)
        down, across = window.rows.reached(patch.rows), window.columns.reached(patch.columns)
        rows, columns = down.out, across.out
        clean = run.clean[self.inputs[0]]
        if rows.size * columns.size > WHOLE_ABOVE * window.rows.results * window.columns.results:
            return self.on_whole(run, [clean.whole(patch)])
        run.macs += self.cost(run.batch * rows.size * columns.size)
        found = window_of(clean, patch, down, across, (window.sides, window.fill))
        return Patch(self.apply(found, rows, columns), rows, columns)


class Convolve(Slide):
    """A convolution."""

    def __init__(self, name: str, source: int, out: int, window: Window, convolution: Convolution) -> None:
        left, right, top, bottom = window.sides
        own = convolution.padding if convolution.padding == (top, left) else None

        def whole(x: Tensor) -> Tensor:
            if own is not None:
                return convolution(x, own)
            padded = F.pad(x, (left, right, top, bottom)).contiguous(memory_format=torch.channels_last)
            return convolution(padded)

        super().__init__(
            name, source, out, window, apply=lambda found, _rows, _columns: convolution(found), whole=whole
        )
        self.convolution = convolution

    def cost(self, cells: int) -> int:
        """Return the multiplications."""
        return cells * self.convolution.macs_per_cell


class GlobalMean(Call):
    """The mean over all cells, updated by the difference that the changed ones make.

    Args:
        call: the mean of whole maps.
        layout: of the maps.
        keepdim: whether the result keeps rows and columns, one of each.

    """

    def __init__(self, call: Call, layout: Layout, *, keepdim: bool) -> None:
        super().__init__(call.name, call.out, call.function, call.args, call.kwargs)
        self.layout, self.keepdim = layout, keepdim

    def on_part(self, run: Run, values: Sequence[Any]) -> Any:
        """Return the clean mean and the mean difference, in double precision: rounding must not outweigh it."""
        (patch,) = values
        clean = run.clean[self.inputs[0]]
        mean = clean.mean
        if mean is None:
            return self.on_whole(run, [run.whole(self.inputs[0], patch)])
        change = patch.values.double() - clean.cut(patch.rows, patch.columns).double()
        cells = self.layout.height * self.layout.width
        found = mean + change.sum(self.layout.dims, keepdim=True) / cells
        shaped = found if self.keepdim else found.squeeze(self.layout.dims)
        return shaped.to(self.kwargs.get("dtype") or patch.values.dtype)


class Item(Step):
    """One of several results."""

    def __init__(self, name: str, source: int, out: int, index: int) -> None:
        super().__init__(name, (source,), out)
        self.index = index

    @property
    def needs(self) -> tuple[int, ...]:
        """Nothing."""
        return ()

    def on_whole(self, run: Run, values: Sequence[Any]) -> Any:
        """Pick it."""
        del run
        return values[0][self.index]

    def on_part(self, run: Run, values: Sequence[Any]) -> Any:
        """Pick it."""
        return self.on_whole(run, values)
