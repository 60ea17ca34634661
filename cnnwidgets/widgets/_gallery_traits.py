"""What a NeuronGallery can be asked and told."""

from __future__ import annotations

import traitlets

from cnnwidgets.widgets._traits import Checked, Choice, Pixels, Share

QUANTILE = 0.995  # as in Network Dissection

MODES = ("patches", "images", "highlight", "guided_backprop", "deconvnet")
DRAWN = MODES[2:]
"""The modes whose pictures the network has to make."""
KINDS = ("top", "sample", "bottom")


class Looking(traitlets.HasTraits):
    """Which neuron is looked at: these four always agree."""

    layer = Checked(
        "",
        help="Name of the layer, as the index lists it; the module itself or an index into an nn.Sequential may be "
        "set. Another layer brings the channel that was last looked at there, or the one that it opens on. "
        "Default: the last feature map; where most of its channels are at the cap of a ReLU6 in most of their "
        "strongest patches, the nearest layer before it that has weights and whose channels are not.",
    ).tag(sync=True)
    channel = Checked(
        None,
        help="Number of the channel. None, the default, is the one that separates the classes best, without classes "
        "the one with the highest value; of those that are neither dead nor, in most of their strongest patches, at "
        "the cap of a ReLU6.",
    ).tag(sync=True)
    unit = Checked(
        None,
        help="The unit for other widgets, {'layer', 'channel', 'y', 'x'}: y is the row and x the column of the cell "
        "that saw the selected patch, None without one. Follows layer, channel and selection, and sets them.",
    ).tag(sync=True)
    selection = Checked(
        None,
        help="The patch that is selected, {'kind', 'rank', 'image', 'source', 'layer', 'channel', 'y', 'x'}, or None, "
        "the default. To set it, 'kind' and 'rank' are enough for a patch of the channel shown. Its picture becomes "
        "`image`.",
    ).tag(sync=True)


class Showing(traitlets.HasTraits):
    """How it is shown."""

    view = Choice(
        ("wall", "overview"),
        "wall",
        help="'wall' (the patches of one channel, the default) or 'overview' (every channel of the layer as a row).",
    ).tag(sync=True)
    mode = Choice(
        MODES,
        "patches",
        help="How a patch is shown: 'patches' (cut out, the default), 'images' (the whole picture, the patch "
        "outlined), 'highlight' (where the channel exceeds `quantile`), 'guided_backprop' or 'deconvnet' (which "
        "pixels excite the unit).",
    ).tag(sync=True)
    kind = Choice(
        (*KINDS, "compare"),
        "top",
        help="Which patches: 'top' (the strongest, the default), 'sample' (drawn at random), 'bottom' (the most "
        "negative), or 'compare' (all three side by side).",
    ).tag(sync=True)
    label = Checked(None, help="Only patches from pictures of this class, by name; None, the default, is all.").tag(
        sync=True
    )
    patch_size = Pixels(32, 192, 96, help="Side of a patch in CSS pixels, 32 to 192. Default 96.").tag(sync=True)
    quantile = Share(
        QUANTILE,
        help="Mode 'highlight': only what is above this quantile of the channel over the data set, 0 to 1; "
        "or above 90 % of its highest value where the quantile is higher, as at the cap of a ReLU6, which nothing "
        "exceeds. Default 0.995, as in Network Dissection.",
    ).tag(sync=True)
    opacity = Share(
        0.72, help="Mode 'highlight': how much the rest of the picture is darkened, 0 to 1. Default 0.72."
    ).tag(sync=True)


class Ordering(traitlets.HasTraits):
    """The rows of the overview."""

    order = Choice(
        ("channel", "maximum", "likeness", "class"),
        "channel",
        help="Which channels come first in the overview: 'channel' (by number, the default), 'maximum' (by the highest "
        "value), 'likeness' (to the channel `alike`) or 'class' (what is most characteristic of `target`).",
    ).tag(sync=True)
    search = traitlets.Unicode(
        "", help="The overview's search: a channel number, or words of class names. Default ''."
    ).tag(sync=True)
    alike = Checked(
        None, help="The channel that `order='likeness'` compares with; None, the default, is `channel`."
    ).tag(sync=True)
    target = Checked(None, help="The class that `order='class'` ranks for, by name. Default None.").tag(sync=True)
