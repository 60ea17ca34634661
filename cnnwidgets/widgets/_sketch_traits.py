"""What a SketchPad can be asked and told."""

from __future__ import annotations

import math
from typing import Any

import traitlets

from cnnwidgets.predictions import Predictions
from cnnwidgets.widgets._traits import RefusedOptionError


class Diameter(traitlets.Float):  # type: ignore[type-arg]
    """A length of a pixel or more."""

    def validate(self, obj: Any, value: Any) -> float:
        """Return the value if it is a length."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value < math.inf:
            raise RefusedOptionError(f"{self.name}={value!r}: give a number of pixels of the picture, 1 or more.")
        return float(super().validate(obj, float(value)))


class Picture(traitlets.Any):
    """A picture; that it is one, the pad checks, which also asks the network to read it."""

    allow_none = False


class SketchChoices(traitlets.HasTraits):
    """What a person chooses beside the canvas."""

    tool = traitlets.Unicode(
        help="What the brush does. 'draw' (the default) or 'erase'; over a photograph 'grey' (the default), 'blur' or "
        "'erase', which brings the photograph back."
    )
    brush = Diameter(
        1.0,
        help="Diameter of the brush in pixels of the picture, 1 to its longer side. Default: about a tenth of the "
        "shorter side.",
    )
    target = traitlets.Any(
        None,
        help="The class whose score is watched, an index; may be set by name. Default: over a photograph the likeliest "
        "class of the untouched picture, else None: always the likeliest.",
    )


class SketchResults(traitlets.HasTraits):
    """What the network got and what it said of it; set together when it has answered."""

    image = Picture(
        help="The picture as it is painted, PIL in RGB, exactly as the network got it. Another one may be set at any "
        "time; it replaces what is drawn."
    )
    predictions = traitlets.Instance(
        Predictions,
        args=(),
        read_only=True,
        help="The five likeliest classes of `image`; empty while nothing is drawn.",
    )
    score = traitlets.Float(
        None,
        allow_none=True,
        read_only=True,
        help="Probability of the target in `image`, or of the likeliest class where there is no target.",
    )
