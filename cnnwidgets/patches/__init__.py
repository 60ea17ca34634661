"""The patches of a data set that each channel of a network answers to, indexed in one pass."""

from __future__ import annotations

from cnnwidgets.patches.characteristic import Characteristic
from cnnwidgets.patches.histogram import Histogram
from cnnwidgets.patches.index import PatchIndex
from cnnwidgets.patches.indexed_layer import IndexedLayer
from cnnwidgets.patches.likeness import Alike
from cnnwidgets.patches.patch import Patch, Patches
from cnnwidgets.patches.progress import BuildProgress, Skipped
from cnnwidgets.patches.questions import Entries

__all__ = [
    "Alike",
    "BuildProgress",
    "Characteristic",
    "Entries",
    "Histogram",
    "IndexedLayer",
    "Patch",
    "PatchIndex",
    "Patches",
    "Skipped",
]
