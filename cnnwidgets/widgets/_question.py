"""What a HeatmapView is asked: the traits that start work when they change."""

from __future__ import annotations

import traitlets

from cnnwidgets.widgets._methods import CHOICES
from cnnwidgets.widgets._traits import Choice


class Question(traitlets.HasTraits):
    """Which explanation is wanted."""

    method = Choice(
        tuple(CHOICES), "grad_cam", help="'saliency', 'smoothgrad', 'cam' or 'grad_cam'. Default 'grad_cam'."
    ).tag(sync=True)
    target = traitlets.Any(
        None, help="The class that is explained, an index; may be set by name. Default: the likeliest class."
    ).tag(sync=True)
    instead_of = traitlets.Any(
        None, help="The class whose score is subtracted, index or name, or None. Default None."
    ).tag(sync=True)
    layer = traitlets.Any(
        None, help="The layer for Grad-CAM: a name, the module itself, or None for the last feature map."
    ).tag(sync=True)
    compare = traitlets.Bool(False, help="Show all methods side by side on one shared scale. Default False.").tag(
        sync=True
    )
    samples = traitlets.Int(50, min=1, help="Noisy copies for SmoothGrad. Default 50.")
    noise = traitlets.Float(0.15, min=0.0, help="SmoothGrad's noise as a share of the input's range. Default 0.15.")
    seed = traitlets.Int(0, help="Seed of SmoothGrad's noise. Default 0.")
