"""Exact incremental inference: where only a part of a picture changes, only what it can reach is computed anew.

Nakandala, Kumar, Papakonstantinou: Incremental and Approximate Inference for Faster Occlusion-based Deep CNN
Explanations, SIGMOD 2019 (the exact part). The activations of the clean picture are kept; for a batch of patches each
layer is recomputed only in the cells that the patch can reach, out of the kept surroundings.
"""

from __future__ import annotations

from cnnwidgets.explain.incremental.engine import Incremental, incremental_passes
from cnnwidgets.explain.incremental.graph import NotIncrementalError

__all__ = ["Incremental", "NotIncrementalError", "incremental_passes"]
