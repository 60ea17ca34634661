"""Pictures: read anything, encode for the browser, colour maps, and maps of values laid over photographs."""

from __future__ import annotations

from cnnwidgets.images.compose import blend
from cnnwidgets.images.convert import PictureSource, to_picture
from cnnwidgets.images.encode import Encoded, encode, to_png
from cnnwidgets.images.legend import legend

__all__ = ["Encoded", "PictureSource", "blend", "encode", "legend", "to_picture", "to_png"]
