"""Pictures: read anything, encode for the browser, colour maps, and maps laid over photographs."""

from __future__ import annotations

from cnnwidgets.images.convert import PictureSource, to_picture

__all__ = ["PictureSource", "to_picture"]
