"""OcclusionSweep: every class score at every place, so that the question can be asked afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from cnnwidgets.explain.control import progress_params, progress_words
from cnnwidgets.explain.network import check_finite
from cnnwidgets.explain.occlusion import Occlusion
from cnnwidgets.explain.outputs import UNITS
from cnnwidgets.explain.result import Heatmap
from cnnwidgets.explain.targets import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL import Image

    from cnnwidgets.explain.frame import Frame
    from cnnwidgets.explain.outputs import OutputKind
    from cnnwidgets.explain.places import Places
    from cnnwidgets.explain.provenance import ModelStamp
    from cnnwidgets.explain.targets import Target, TargetLike

Floats = npt.NDArray[np.float32]
_SCORES_AT_ONCE = 1 << 20  # a target may take several times as much memory as the scores that it reads


@dataclass(frozen=True, eq=False, repr=False)
class OcclusionSweep:
    """The class scores of N images with every place hidden in turn. Frozen.

    Attributes:
        outputs: (N, rows, columns, classes) float32, the class scores with the place hidden, as the model puts them
            out; read-only. NaN at places that are still to come.
        clean: (N, classes) float32, the scores of the untouched images.
        reference: (N, classes) float32, what `outputs` are compared with: `clean`, or where the place alone was shown
            (`keep`) the scores of the images with everything hidden. NaN for images that were not begun.
        places: where the windows lie.
        done: number of places that are known, of all N images together.
        kind: what the scores are: "logits", "softmax" or "log_softmax".
        classes: class names, or empty.
        params: the parameters, as in `Heatmap.params`.
        frames: where the network's input lies in each original picture.
        pictures: the pictures.
        image_hashes: SHA-256 of each image's tensor as the network got it.
        stamp: the model's state.

    """

    outputs: Floats
    clean: Floats
    reference: Floats
    places: Places
    done: int
    kind: OutputKind
    classes: tuple[str, ...]
    params: Mapping[str, Any]
    frames: tuple[Frame, ...]
    pictures: tuple[Image.Image, ...]
    image_hashes: tuple[str, ...] = ()
    stamp: ModelStamp | None = field(default=None)

    def __post_init__(self) -> None:
        """Take copies that nobody else can write to."""
        for name in ("outputs", "clean", "reference"):
            array = np.array(getattr(self, name), dtype=np.float32)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "params", MappingProxyType(dict(self.params)))

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.outputs)

    def __repr__(self) -> str:
        """Say what it is in a line."""
        count, rows, columns, classes = self.outputs.shape
        far = "" if self.done == self.total else f", {progress_words(self.done, self.total, 'done')}"
        return (
            f"<OcclusionSweep of {count} image(s): {rows}x{columns} places{far}, {classes} classes, {UNITS[self.kind]}>"
        )

    @property
    def total(self) -> int:
        """Number of places, of all images together."""
        return len(self.places) * len(self)

    def heatmap(self, target: TargetLike = None, *, why: TargetLike = None, instead_of: TargetLike = None) -> Heatmap:
        """Return the heat map of any target; no pass through the network is made.

        The values are those that `explain.occlusion` gives, NaN at places that are still to come.

        Args:
            target: class index, class name, one of these per image, or None for each image's top class; or a function
                of the class scores, a tensor (M, classes), that gives (M,), such as `explain.Probability(281)`.
            why: the same as `target`, to go with `instead_of`.
            instead_of: a class whose score is subtracted.

        Raises:
            TargetError: a class that the model does not have.

        """
        bound = resolve(
            target,
            why,
            instead_of,
            count=lambda: self.outputs.shape[3],
            top=lambda: self.clean.argmax(1).tolist(),
            images=len(self),
            classes=self.classes,
        )
        values = np.full(self.outputs.shape[:3], np.nan, dtype=np.float32)
        scores = np.array([_scored(bound, image, self.clean[image, None])[0] for image in range(len(self))])
        for image in range(len(self)):
            known = min(max(self.done - image * len(self.places), 0), len(self.places))
            if known:
                values[image] = self._map(bound, image, known)
        return Heatmap(
            values=values,
            method=Occlusion.name,
            title=Occlusion.title,
            paper=Occlusion.paper,
            target=bound.names(len(self)),
            scores=scores,
            score_units=bound.units(self.kind),
            units=bound.units(self.kind),
            layer=None,
            params={**self.params, **progress_params(self.done, self.total, Occlusion.progress_unit)},
            grid=self.places.grid,
            frames=self.frames,
            pictures=self.pictures,
            image_hashes=self.image_hashes,
            stamp=self.stamp,
        )

    def _map(self, target: Target, image: int, known: int) -> npt.NDArray[np.float64]:
        places = self.places.order[:known]
        table = self.outputs[image].reshape(len(self.places), -1)
        at_once = max(1, _SCORES_AT_ONCE // table.shape[1])
        parts = [places[first : first + at_once] for first in range(0, known, at_once)]
        scores = np.concatenate([_scored(target, image, table[part]) for part in parts])
        change = _scored(target, image, self.reference[image, None])[0] - scores
        return self.places.to_map(-change if self.params["keep"] else change)


def _scored(target: Target, image: int, table: Floats) -> npt.NDArray[np.float64]:
    """Return the target of one image for rows of class scores."""
    count = len(table)
    scores = target.repeated(image, count).score(torch.tensor(table), slice(0, count)).detach()
    check_finite(scores, "The score to explain")
    return np.asarray(scores.double().numpy())
