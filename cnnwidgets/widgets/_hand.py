"""What the hand sets on an OcclusionCanvas: where the occluders are, and how they hide."""

from __future__ import annotations

import re
from typing import Any, get_args

import traitlets

from cnnwidgets.explain.windows import Shape
from cnnwidgets.widgets._fills import FILLS
from cnnwidgets.widgets._score import Measure
from cnnwidgets.widgets._traits import Checked, Choice, RefusedOptionError

_HEX = re.compile(r"#[0-9a-fA-F]{6}")


class Hex(traitlets.Unicode):  # type: ignore[type-arg]
    """A colour as "#rrggbb"."""

    def validate(self, obj: Any, value: Any) -> str:
        """Return the colour in small letters if it is one."""
        if not isinstance(value, str) or not _HEX.fullmatch(value):
            raise RefusedOptionError(f"{self.name}={value!r} is no colour. Give it as '#rrggbb', such as '#ff8000'.")
        return str(super().validate(obj, value.lower()))


class Pixels(traitlets.Int):  # type: ignore[type-arg]
    """A whole number of pixels of the network's input, 1 or more."""

    def validate(self, obj: Any, value: Any) -> int:
        """Return the number if it is one."""
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise RefusedOptionError(
                f"{self.name}={value!r}: give a whole number of pixels of the network's input, 1 or more."
            )
        return int(super().validate(obj, value) or 0)


class Hand(traitlets.HasTraits):
    """The occluders, how they hide, and what is read off."""

    target = Checked(
        None, help="The class whose score is watched, an index; may be set by name. Default: the likeliest class."
    ).tag(sync=True)
    boxes = Checked(
        [],
        help="The occluders: a list of [left, top, right, bottom] in pixels of the picture, right and bottom being the "
        "first ones outside. Setting it moves them and has them scored. Default: one in the middle.",
    ).tag(sync=True)
    active = traitlets.Int(0, help="Which of the boxes the hand holds, counted from 0. Default 0.").tag(sync=True)
    region = Checked(
        None, help="The box that the hand holds, (left, top, right, bottom); may be set. Follows `boxes` and `active`."
    )
    shape = Choice(get_args(Shape), "rectangle", help="'rectangle' (the default) or 'ellipse', for all boxes.").tag(
        sync=True
    )
    fill = Choice(
        FILLS,
        "grey",
        help="What hides: 'grey' (the default), 'mean' (the picture's mean colour), 'local_mean' (that of the hidden "
        "part), 'blur', 'noise' or 'colour' (the one of `color`).",
    ).tag(sync=True)
    color = Hex("#808080", help="The colour of the fill 'colour', as '#rrggbb'. Default '#808080'.").tag(sync=True)
    keep = traitlets.Bool(False, help="Keep only what is in the boxes and hide the rest. Default False.").tag(sync=True)
    measure = Choice(
        get_args(Measure),
        "probability",
        help="What the score is: 'probability' (the default), or 'output' for the number that the model puts out.",
    ).tag(sync=True)
    window = Pixels(
        32, help="Side of the window that a sweep moves, in pixels of the network's input. Default 32, or less."
    ).tag(sync=True)
    stride = Pixels(16, help="Step of the sweep in pixels of the network's input. Default 16: half the window.").tag(
        sync=True
    )
    show = Choice(
        ("photo", "visited", "sweep"),
        "photo",
        help="Which map lies on the picture: 'photo' (none, the default), 'visited' (what the hand has found) or "
        "'sweep'.",
    ).tag(sync=True)
    incremental = traitlets.Bool(
        True,
        help="Recompute only what an occluder can reach, once that is prepared. False runs the whole model for every "
        "place, as it stands: for a model whose forward does more than compute. Default True.",
    )
