"""The widgets: what a person sees and touches in a notebook. They call `explain`, never the reverse."""

from __future__ import annotations

from cnnwidgets.widgets.heatmap_view import HeatmapView
from cnnwidgets.widgets.occlusion_canvas import OcclusionCanvas
from cnnwidgets.widgets.sketch_pad import SketchPad

__all__ = ["HeatmapView", "OcclusionCanvas", "SketchPad"]
