"""A layer of a network as a value: what it is called, how large its map is and what its cells see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnwidgets.explain.geometry import Grid


@dataclass(frozen=True, repr=False)
class Layer:
    """A value in a network that has rows and columns.

    Attributes:
        name: path of the module that returns it ("layer4"), or of the module that calls the function, and the
            function ("features.add()"); "#1" is the second call of a thing called more than once, and "[1]" the second
            of a function's several results ("features.chunk()[1]").
        shape: (C, h, w).
        call: number of the value, in order of execution. Layers with the same number are the same value under several
            names: the last module of an `nn.Sequential` and the `nn.Sequential` itself.
        grid: what its cells see; None if that can only be measured.
        kind: class of the module ("Conv2d", "BasicBlock"), or the function ("add").
        parameters: number of weights and biases in the module, its children's included, shared ones counted once; 0
            for a function.

    """

    name: str
    shape: tuple[int, int, int]
    call: int
    grid: Grid | None = field(compare=False)
    kind: str
    parameters: int = 0

    @property
    def stride(self) -> tuple[float, float] | None:
        """Distance of neighbouring cells in pixels of the input, (down, across); None if that can only be measured."""
        grid = self._followed
        return None if grid is None else (_plain(grid.y.stride), _plain(grid.x.stride))

    @property
    def receptive_field(self) -> tuple[float, float] | None:
        """Size of what a cell in the middle sees, (rows, columns) in pixels of the input; None if only measured.

        It is not clipped to the input: near a border, and in a small picture, a cell sees less.
        """
        grid = self._followed
        if grid is None:
            return None
        box = grid.field(self.shape[1] // 2, self.shape[2] // 2)
        return _plain(box.bottom - box.top), _plain(box.right - box.left)

    @property
    def sees_all(self) -> bool:
        """Whether every cell also depends on the whole input, by a global operation such as squeeze-and-excitation.

        False, too, where the path from the input cannot be followed, so that nothing is known.
        """
        return self.grid is not None and self.grid.sees_all

    @property
    def _followed(self) -> Grid | None:
        return None if self.grid is None or self.grid.measured else self.grid

    def __repr__(self) -> str:
        """Say what it is in a line."""
        said = [f"{self.name!r}: {self.kind}", times(self.shape)]
        if self.parameters:
            said.append(f"{self.parameters:,} parameters")
        if self.stride is not None and self.receptive_field is not None:
            said += [f"stride {square(self.stride)}", f"sees {square(self.receptive_field)} px"]
        if self.sees_all:
            said.append("and the whole input")
        return f"<Layer {', '.join(said)}>"


def times(sizes: tuple[float, ...]) -> str:
    """Return sizes in words: 512 x 7 x 7."""
    return " x ".join(f"{size:g}" for size in sizes)


def square(sizes: tuple[float, float]) -> str:
    """Return two sizes in words, one where they are the same."""
    return f"{sizes[0]:g}" if sizes[0] == sizes[1] else times(sizes)


def _plain(size: float) -> float:
    return int(size) if float(size).is_integer() else float(size)
