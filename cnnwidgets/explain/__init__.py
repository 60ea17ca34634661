"""Explaining what a CNN does: pure PyTorch, tensors in, frozen results out; no Jupyter needed.

```python
from cnnwidgets import explain

heatmap = explain.grad_cam(model, x, 281)      # model: nn.Module or Classifier; x: float tensor (N,C,H,W)
heatmap.values, heatmap.units, heatmap.upsampled(), heatmap.boxes(), heatmap.plot()
```
"""

from __future__ import annotations

from cnnwidgets.explain.activation_set import Activations
from cnnwidgets.explain.activations import activations
from cnnwidgets.explain.cam import cam
from cnnwidgets.explain.control import CancelToken
from cnnwidgets.explain.deconvnet import deconvnet
from cnnwidgets.explain.dissection import highlight
from cnnwidgets.explain.filters import Filters, filters
from cnnwidgets.explain.frame import Box, Frame
from cnnwidgets.explain.geometry import Grid, Placement
from cnnwidgets.explain.grad_cam import grad_cam
from cnnwidgets.explain.gradient import saliency
from cnnwidgets.explain.guided import guided_backprop
from cnnwidgets.explain.highlight import Highlight
from cnnwidgets.explain.layer import Layer
from cnnwidgets.explain.layer_activations import LayerActivations
from cnnwidgets.explain.layer_table import Layers
from cnnwidgets.explain.layers import layers
from cnnwidgets.explain.method import Snapshot
from cnnwidgets.explain.occlusion import occlusion
from cnnwidgets.explain.occlusion_sweep import occlusion_sweep, sweep_snapshots
from cnnwidgets.explain.projection import Projection
from cnnwidgets.explain.public import snapshots
from cnnwidgets.explain.ranking import Ranking
from cnnwidgets.explain.receptive_field import ReceptiveField, receptive_field
from cnnwidgets.explain.result import Heatmap
from cnnwidgets.explain.smoothgrad import smoothgrad
from cnnwidgets.explain.sweep import OcclusionSweep
from cnnwidgets.explain.targets import Probability

__all__ = [
    "Activations",
    "Box",
    "CancelToken",
    "Filters",
    "Frame",
    "Grid",
    "Heatmap",
    "Highlight",
    "Layer",
    "LayerActivations",
    "Layers",
    "OcclusionSweep",
    "Placement",
    "Probability",
    "Projection",
    "Ranking",
    "ReceptiveField",
    "Snapshot",
    "activations",
    "cam",
    "deconvnet",
    "filters",
    "grad_cam",
    "guided_backprop",
    "highlight",
    "layers",
    "occlusion",
    "occlusion_sweep",
    "receptive_field",
    "saliency",
    "smoothgrad",
    "snapshots",
    "sweep_snapshots",
]
