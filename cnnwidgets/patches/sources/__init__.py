"""Data sets of any form, read one image at a time."""

from __future__ import annotations

from cnnwidgets.patches.sources.item import Item
from cnnwidgets.patches.sources.opening import reopened, source_of
from cnnwidgets.patches.sources.source import Source

__all__ = ["Item", "Source", "reopened", "source_of"]
