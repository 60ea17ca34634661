"""Look inside any PyTorch CNN: explanations true to their papers, and Jupyter widgets to explore them with.

```python
import cnnwidgets as cw

clf = cw.demo.imagenet()
img = cw.demo.photo("chelsea")
clf.predict(img)
cw.HeatmapView(clf, img)  # where does the score come from?
cw.OcclusionCanvas(clf, img)  # what does the network need to see?
cw.ActivationGrid(clf, img)  # what does each channel of a layer answer to?
cw.NeuronGallery(clf)  # what does each channel look for, over a whole data set?
cw.PatchIndex.build(clf, "photos/", path="photos.patches")  # the same without a widget, in a file
cw.SketchPad(cw.demo.digits())  # draw, and it says what it sees
```
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cnnwidgets._version import __version__
from cnnwidgets.errors import CnnWidgetsError, nearest

if TYPE_CHECKING:
    from cnnwidgets import demo, explain
    from cnnwidgets.classifier import Classifier
    from cnnwidgets.explain.result import Heatmap
    from cnnwidgets.gap import gap_classifier
    from cnnwidgets.patches.index import PatchIndex
    from cnnwidgets.preprocess import Preprocess
    from cnnwidgets.widgets.activation_grid import ActivationGrid
    from cnnwidgets.widgets.heatmap_view import HeatmapView
    from cnnwidgets.widgets.neuron_gallery import NeuronGallery
    from cnnwidgets.widgets.occlusion_canvas import OcclusionCanvas
    from cnnwidgets.widgets.sketch_pad import SketchPad

# Names are imported when they are first used (PEP 562), so that explaining needs no Jupyter.
_MODULES = {"demo": "cnnwidgets.demo", "explain": "cnnwidgets.explain"}
_NAMES = {
    "ActivationGrid": "cnnwidgets.widgets.activation_grid",
    "Classifier": "cnnwidgets.classifier",
    "Heatmap": "cnnwidgets.explain.result",
    "HeatmapView": "cnnwidgets.widgets.heatmap_view",
    "NeuronGallery": "cnnwidgets.widgets.neuron_gallery",
    "OcclusionCanvas": "cnnwidgets.widgets.occlusion_canvas",
    "PatchIndex": "cnnwidgets.patches.index",
    "Preprocess": "cnnwidgets.preprocess",
    "SketchPad": "cnnwidgets.widgets.sketch_pad",
    "gap_classifier": "cnnwidgets.gap",
}

__all__ = [
    "ActivationGrid",
    "Classifier",
    "CnnWidgetsError",
    "Heatmap",
    "HeatmapView",
    "NeuronGallery",
    "OcclusionCanvas",
    "PatchIndex",
    "Preprocess",
    "SketchPad",
    "__version__",
    "demo",
    "explain",
    "gap_classifier",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        found = importlib.import_module(_MODULES[name])
    elif name in _NAMES:
        found = getattr(importlib.import_module(_NAMES[name]), name)
    else:
        raise AttributeError(f"cnnwidgets has no {name!r}.{nearest(name, __all__)}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
