"""What an ActivationGrid can be asked and told."""

from __future__ import annotations

from typing import Any, get_args

import traitlets

from cnnwidgets.images import colormaps
from cnnwidgets.widgets._traits import Checked, Choice, Overlay, Pixels, RefusedOptionError, Share

SORTS = ("channel", "maximum", "mean", "active", "contribution", "likeness", "region", "difference")


class Flag(traitlets.Bool):  # type: ignore[type-arg]
    """True or False."""

    def validate(self, obj: Any, value: Any) -> bool:
        """Return the value if it is one of the two."""
        if not isinstance(value, bool):
            raise RefusedOptionError(f"{self.name}={value!r}: give True or False.")
        return bool(super().validate(obj, value))


class Looking(traitlets.HasTraits):
    """What is looked at: these four always agree."""

    layer = Checked(
        "",
        help="Name of the layer, as explain.layers gives it; the module itself or an index into an nn.Sequential may "
        "be set. Another layer unpins channel and cell. Default: the last feature map.",
    ).tag(sync=True)
    channel = Checked(None, help="Number of the channel that is pinned, or None, the default.").tag(sync=True)
    cell = Checked(None, help="[row, column] of the cell that is pinned, or None, the default.").tag(sync=True)
    unit = Checked(
        None,
        help="The pinned unit for other widgets, {'layer', 'channel', 'y', 'x'}: y is the row and x the column, None "
        "where only a channel is pinned. None without a channel. Follows layer, channel and cell, and sets them.",
    ).tag(sync=True)


class Arranging(traitlets.HasTraits):
    """Which channels come first, and how they are shown."""

    sort = Choice(
        SORTS,
        "maximum",
        help="What brings a channel to the front: 'channel' (its number), 'maximum' (the default; of equal ones, as at "
        "the cap of a ReLU6, the largest value before it, then the mean), 'mean', 'active' (share of cells above "
        "zero), 'contribution' (to the score of `target`), 'likeness' (to `channel`), 'region' (likeness to `region`) "
        "or 'difference' (of the means in the two pictures). Where `channel` or `region` is "
        "not set, what needs it sorts by 'maximum'.",
    ).tag(sync=True)
    target = Checked(
        None,
        help="The class for 'contribution', an index; may be set by name. Default: the likeliest class.",
    ).tag(sync=True)
    region = Checked(
        [],
        help="What is painted on the picture: a list of strokes {'width': diameter, 'points': [[x, y], ...]} in pixels "
        "of the picture. Default []: nothing.",
    ).tag(sync=True)
    scale = Choice(
        ("tile", "shared"),
        "tile",
        help="Which magnitude gets the last colour: the largest of each tile ('tile', the default) or of the layer "
        "('shared').",
    ).tag(sync=True)
    hide_dead = Flag(
        False,
        help="Leave out channels that have the same value in every cell of every picture. Default False.",
    ).tag(sync=True)
    tile_size = Pixels(24, 256, 72, help="Side of a tile in CSS pixels, 24 to 256. Default 72.").tag(sync=True)
    tab = Choice(
        ("activations", "filters"),
        "activations",
        help="What the tiles show: 'activations' (the default), or 'filters', the weights of the layer.",
    ).tag(sync=True)


class Painted(Overlay):
    """How a channel's map is laid over the picture."""

    threshold = Share(
        0.0,
        help="Highlight: only what is above this quantile of the channel's activation over the pictures shown, "
        "0 to 1. Default 0: the map itself.",
    ).tag(sync=True)
    sign = Choice(
        get_args(colormaps.Sign),
        "positive",
        help="Which values are drawn: 'positive' (the default), 'negative', 'absolute' or 'both'.",
    ).tag(sync=True)
