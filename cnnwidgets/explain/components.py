"""The largest connected part of a map."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.frame import Box


def largest_box(field: npt.NDArray[np.floating], threshold: float) -> Box | None:
    """Return the box around the largest connected part of `field` above a share of its maximum.

    Zhou et al. 2016, section 3.2: the bounding box of the largest connected component above 20 % of the maximum.
    Pixels are connected by their sides. Of two parts of one size the first in reading order counts.

    Args:
        field: (H,W); NaN counts as below.
        threshold: share of the maximum, 0 to below 1.

    Returns:
        The box in pixels, or None if nothing is positive.

    """
    from scipy import ndimage

    if not 0 <= threshold < 1:
        raise OptionError(f"threshold={threshold!r}: give a share of the maximum, from 0 to below 1.")
    field = np.nan_to_num(field, nan=-np.inf)
    highest = field.max()
    if not highest > 0:
        return None
    labels, count = ndimage.label(field > threshold * highest)
    if count == 0:
        return None
    sizes = np.bincount(labels.ravel())[1:]
    rows, columns = ndimage.find_objects(labels)[int(sizes.argmax())]
    return Box(float(columns.start), float(rows.start), float(columns.stop), float(rows.stop))
