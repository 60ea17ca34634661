"""What an index is made of: the network, its layers and the settings, and how these are told from others."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from cnnwidgets.errors import CnnWidgetsError, IndexMismatchError, OptionError
from cnnwidgets.explain.activations import chosen_layers
from cnnwidgets.explain.layers import default_layer
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.provenance import model_hash, tensor_hash
from cnnwidgets.explain.subject import subject_of
from cnnwidgets.explain.twin import unwrap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from cnnwidgets.explain.layer import Layer

FORMAT = 2
SAMPLED = 4  # cells of every map that the histograms count
_PIXELS_ON_CPU = 6 * 224 * 224  # measured: with 4 more time goes into Python, with 8 less stays in the cache
_PIXELS_ON_GPU = 64 * 224 * 224
_MOST = 64
COMPARED = {
    "format": "a file of another version of cnnwidgets",
    "model": "another model (or other weights)",
    "preprocess": "another preprocessing",
    "input": "images of another size, as the network gets them",
    "layers": "other layers",
    "k": "another k=",
    "per_image": "another per_image=",
    "seed": "another seed=",
    "batch": "another kind of device",
    "data": "another data set (or a changed one)",
}


@dataclass(frozen=True)
class Settings:
    """The options of a build.

    Attributes:
        layers: as in `explain.activations`.
        k: patches per channel and kind.
        per_image: patches of one image per channel at most.
        seed: of the random sample.

    """

    layers: Any
    k: int
    per_image: int
    seed: int

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, least in (("k", 1), ("per_image", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) < 2**31:
                raise OptionError(f"{name}={value!r}: give a whole number, {least} or more.")


@dataclass(frozen=True, eq=False)
class Plan:
    """A network with its layers, ready to be run over images of one size.

    Attributes:
        network: the network; its twin has weights of its own order in memory.
        layers: in order of execution; the last feature map is always among them.
        feature: which of the layers is the last feature map.
        batch: images per pass: always so many, that a value does not depend on where the data set was cut.
        identity: what must be the same for two builds to belong together; JSON.

    """

    network: Network
    layers: list[Layer]
    feature: int
    batch: int
    identity: dict[str, Any]

    @classmethod
    def of(cls, model: Any, x: Tensor, settings: Settings, data: str) -> Plan:
        """Return the plan for a model and images like `x` (1,C,H,W).

        Args:
            model: nn.Module or Classifier.
            x: an image as the network takes it.
            settings: the options.
            data: hash of the data set.

        Raises:
            LayerError: a layer that the network does not have.

        """
        network = Network(subject_of(model, x))
        if not network.trace.rigid:
            # Weights in the order of memory that channels-last maps want, once: a copy, which the user's do not notice.
            network.module.to(memory_format=torch.channels_last)
        feature = default_layer(network.trace)
        chosen = {layer.call: layer for layer in chosen_layers(network, settings.layers)}
        layers = [chosen.setdefault(feature.call, feature) and chosen[call] for call in sorted({*chosen, feature.call})]
        batch = _batch(network)
        identity = {
            "format": FORMAT,
            "model": model_hash(network.model),
            "preprocess": preprocess_hash(model),
            "input": list(x.shape[1:]),
            "layers": [layer.name for layer in layers],
            "k": int(settings.k),
            "per_image": int(settings.per_image),
            "seed": int(settings.seed),
            "batch": batch,
            "data": data,
        }
        return cls(network, layers, [layer.call for layer in layers].index(feature.call), batch, identity)


def _batch(network: Network) -> int:
    if network.at_once(2) == 1:
        return 1
    pixels = _PIXELS_ON_CPU if network.x.device.type == "cpu" else _PIXELS_ON_GPU
    return int(min(max(1, pixels // (network.x.shape[2] * network.x.shape[3])), _MOST))


def preprocess_hash(model: Any) -> str:
    """Return the hash of what a preprocessing makes of a fixed picture of noise; "" for a bare `nn.Module`."""
    if isinstance(model, nn.Module):
        return ""
    noise = np.random.default_rng(0).integers(0, 256, (317, 401, 3), dtype=np.uint8)
    try:
        return tensor_hash(model.preprocess(Image.fromarray(noise)))
    except CnnWidgetsError:
        raise
    except Exception as error:
        raise OptionError(
            f"The preprocessing fails for a picture of 401 x 317 pixels ({error}), so it cannot be told from another "
            "one. Give the Classifier one that takes pictures of any size."
        ) from error


def model_identity(model: Any) -> str:
    """Return the hash of a model: of its structure and weights."""
    return model_hash(unwrap(model if isinstance(model, nn.Module) else model.model))


def compare(mine: Mapping[str, Any], theirs: Mapping[str, Any], what: str, remedy: str) -> None:
    """Raise `IndexMismatchError` where two identities differ, and say in what.

    Args:
        mine: that of what is asked for.
        theirs: that of what is there.
        what: what is there.
        remedy: what to do.

    """
    other = [words for key, words in COMPARED.items() if key in mine and mine[key] != theirs.get(key)]
    if other:
        raise IndexMismatchError(f"{what} belongs to {' and '.join(other)}. {remedy}")
