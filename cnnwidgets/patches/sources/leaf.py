"""The data set that an item really comes from, below subsets and concatenations."""

from __future__ import annotations

import bisect
from abc import ABC, abstractmethod
from typing import Any

from torch.utils.data import ConcatDataset, Subset

from cnnwidgets.patches.sources.class_names import distinct
from cnnwidgets.patches.sources.listed_classes import listed_classes
from cnnwidgets.patches.sources.noted import Noted


class Part(ABC):
    """A data set, or a choice or a chain of some."""

    @abstractmethod
    def find(self, number: int) -> tuple[Leaf, int]:
        """Return the innermost data set that holds an item, and the item's number in it."""


class Leaf(Part):
    """A data set that holds its items itself.

    Attributes:
        data: the data set.
        noted: the same, with what its transform is given.
        classes: the class names that it lists.

    """

    def __init__(self, data: Any) -> None:
        self.data = data
        self.noted = Noted(data)
        self.classes = distinct(listed_classes(data))

    def find(self, number: int) -> tuple[Leaf, int]:
        """Return itself."""
        return self, number


class Chosen(Part):
    """Some items of a data set, in an order of their own."""

    def __init__(self, inner: Part, numbers: Any) -> None:
        self._inner, self._numbers = inner, numbers

    def find(self, number: int) -> tuple[Leaf, int]:
        """Return the innermost data set that holds an item, and the item's number in it."""
        return self._inner.find(int(self._numbers[number]))


class Chain(Part):
    """Data sets one after the other; `ends` says after how many items each ends."""

    def __init__(self, inner: list[Part], ends: list[int]) -> None:
        self._inner, self._ends = inner, ends

    def find(self, number: int) -> tuple[Leaf, int]:
        """Return the innermost data set that holds an item, and the item's number in it."""
        place = bisect.bisect_right(self._ends, number)
        return self._inner[place].find(number - (self._ends[place - 1] if place else 0))


def part_of(data: Any, leaves: dict[int, Leaf]) -> Part:
    """Return a data set as a `Part`; its innermost ones are added to `leaves`, by identity."""
    read = type(data).__getitem__ if hasattr(type(data), "__getitem__") else None
    if isinstance(data, Subset) and read is Subset.__getitem__:
        return Chosen(part_of(data.dataset, leaves), data.indices)
    if isinstance(data, ConcatDataset) and read is ConcatDataset.__getitem__:
        return Chain([part_of(inner, leaves) for inner in data.datasets], data.cumulative_sizes)
    if id(data) not in leaves:
        leaves[id(data)] = Leaf(data)
    return leaves[id(data)]
