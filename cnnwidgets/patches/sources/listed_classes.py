"""The class names that a data set lists itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from cnnwidgets.patches.sources.labels import label_of


def listed_classes(data: Any) -> tuple[str, ...]:
    """Return class names in the order of a data set's labels; empty where it lists none that fit its labels."""
    holder = data if hasattr(data, "classes") else getattr(data, "dataset", data)
    names = getattr(holder, "classes", None)
    features = getattr(data, "features", None)
    if names is None and isinstance(features, Mapping):  # Hugging Face
        names = next((feature.names for feature in features.values() if hasattr(feature, "names")), None)
    if isinstance(names, Mapping):
        names = [names[key] for key in sorted(names)] if all(isinstance(key, int) for key in names) else None
    if isinstance(names, np.ndarray | Tensor):
        names = names.tolist()
    if not isinstance(names, list | tuple) or not _kept(getattr(data, "target_transform", None), len(names)):
        return ()
    # ImageNet lists synonyms, the customary one first.
    return tuple(str(name[0]) if isinstance(name, tuple | list) and name else str(name) for name in names)


def _kept(transform: Any, count: int) -> bool:
    """Whether a transform of labels leaves their numbers as they are."""
    if transform is None:
        return True
    try:
        return all(label_of(transform(number)) == number for number in range(count))
    except Exception:  # noqa: BLE001 - a function of the user's, that may want something else than a number
        return False
