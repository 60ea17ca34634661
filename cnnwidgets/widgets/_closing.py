"""Closing a widget with all that was made for it: parts, layouts and styles are living models of ipywidgets, too."""

from __future__ import annotations

import ipywidgets

_BELONGING = ("layout", "style")


def close_whole(widget: ipywidgets.Widget) -> None:
    """Close a widget, its children and theirs, and the layout and the style of each. Closing twice does no harm."""
    for child in getattr(widget, "children", ()):
        close_whole(child)
    for name in _BELONGING:
        part = getattr(widget, name, None)
        if isinstance(part, ipywidgets.Widget):
            part.close()
    widget.close()
