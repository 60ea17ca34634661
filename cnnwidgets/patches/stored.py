"""An index as it lies in its file: its layers, its images and where it comes from."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnwidgets.errors import LayerError, nearest
from cnnwidgets.explain.counting import counted
from cnnwidgets.explain.layer import Layer
from cnnwidgets.patches.file import Tables
from cnnwidgets.patches.indexed_layer import IndexedLayer, layers_of
from cnnwidgets.patches.lots import drawn_keys, tie_keys
from cnnwidgets.patches.plan import COMPARED, FORMAT, compare, model_identity, preprocess_hash
from cnnwidgets.patches.progress import Skipped
from cnnwidgets.patches.sources import source_of
from cnnwidgets.patches.table import Images
from cnnwidgets.patches.tally import ADDED, TALLIED, Tally
from cnnwidgets.patches.tensors import Tensors, whole

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from cnnwidgets.explain.frame import Frame

_SPREAD = ("counts", "first", "exponent")


class StoredIndex:
    """The part of `PatchIndex` that reads its file.

    Args:
        path: the file.

    Attributes:
        path: the file.
        layers: the layers that were indexed, in order of execution.
        classes: names of the classes.
        k: patches per channel and kind.
        identity: hashes of model, preprocessing and data, and the settings: what tells this index from others.

    Raises:
        IndexFileError: it is no index, a damaged one, or one of a later version.

    """

    def __init__(self, path: Path) -> None:
        self._file = Tensors(path)
        self.path = self._file.path
        facts = self._file.facts
        self.identity: dict[str, Any] = facts["identity"] if isinstance(facts.get("identity"), dict) else {}
        if self.identity.get("format") != FORMAT:
            raise self._file.damaged("another version of cnnwidgets wrote it")
        try:
            self.identity = {key: self.identity[key] for key in COMPARED}
            self.identity |= {key: str(self.identity[key]) for key in ("model", "preprocess", "data")}
            self.classes: tuple[str, ...] = tuple(str(name) for name in facts["classes"])
            self._predictions = tuple(str(name) for name in facts["predictions"])
            self._parts: list[dict[str, Any]] = [
                {"source": dict(part["source"]), "total": whole(part["total"])} for part in facts["parts"]
            ]
            self._model, self._versions = str(facts["model"]), dict(facts["versions"])
            images, seen, self.k = whole(facts["images"], 1), whole(facts["seen"]), whole(self.identity["k"], 1)
            _, height, width = (whole(size, 1) for size in self.identity["input"])
            edges = self._file.get("geometry", "<f8", None)
            self.layers: tuple[IndexedLayer, ...] = tuple(layers_of(facts["layers"], edges))
            self._feature_layer = self.layers[whole(facts["feature"])]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise self._file.damaged(f"its facts do not fit ({type(error).__name__}: {error})") from error
        self._images = Images(self._file, images, (height, width), len(self._parts))
        self._sizes = {
            "channels": sum(layer.shape[0] for layer in self.layers), "k": self.k, "layers": len(self.layers),
            "images": images, "seen": seen, "rows": self._file.expect("counts", "<i8", None)[0],
        }  # fmt: skip
        if not 1 <= self._sizes["rows"] <= len(self.classes) + 1:
            raise self._file.damaged("it has counts of other classes than it has")
        self._by_name = {name: layer for layer in self.layers for name in (*layer.names, layer.name)}
        names = (*TALLIED, *ADDED) if any(name in self._file for name in ADDED) else tuple(TALLIED)
        self._tables = Tables(self._file, names, self._sizes)

    def _spread(self, channels: slice) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
        """Return counts, first bins and exponents of the histograms of some channels, as a `Sketch` has them."""
        counts, first, exponent = (self._tables[f"histogram_{what}"][channels] for what in _SPREAD)
        if counts.min() < 0 or (np.abs(first) > 2**32).any() or (np.abs(exponent) > 2**8).any():
            raise self._file.damaged("its histograms are none")
        return counts, first, exponent

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._images)

    def __repr__(self) -> str:
        """Say what is in it."""
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        layers = f"{len(self.layers)} layer" + ("" if len(self.layers) == 1 else "s")
        return (
            f"<PatchIndex of {self._model}: {len(self):,} images{skipped}, {layers}, "
            f"{self._sizes['channels']:,} channels, {self.k} patches each>"
        )

    @property
    def has_checksums(self) -> bool:
        """Whether each array is checked when it is first read; files of earlier versions have no checksums."""
        return bool(self._file.checksums)

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the network's input."""
        _, height, width = self.identity["input"]
        return height, width

    @property
    def facts(self) -> dict[str, Any]:
        """Where it comes from: model, settings, hashes, versions, data sets."""
        return {"model": self._model, "identity": self.identity, "versions": self._versions, "parts": self._parts}

    @property
    def total(self) -> int:
        """Items of the data set, those that were skipped included."""
        return sum(part["total"] for part in self._parts)

    @cached_property
    def skipped(self) -> tuple[Skipped, ...]:
        """The items that could not be looked at, with their names and reasons."""
        text = self._file.get("skipped", "u1", None).tobytes()
        try:
            return tuple(Skipped(whole(n), str(name), str(reason)) for n, name, reason in json_list(text))
        except (TypeError, ValueError, RecursionError) as error:
            raise self._file.damaged("its list of skipped images is none") from error

    def tally(self) -> Tally:
        """Return what was found as a new `Tally`, to which more can be added."""
        self._spread(slice(None))
        behind, scale = self._tables["unfolded_behind"], self._tables["unfolded_scale"]
        if behind.min() < 0 or behind.max() >= len(behind) or (scale == 0).any():
            raise self._file.damaged("its convolutions belong to no normalisations")
        for kind in ("top", "bottom") if self.ordered else ():
            clipped, before = self._tables[f"{kind}_clipped"], self._tables[f"{kind}_before"]
            rising = len(clipped) == len(before) and (np.diff(clipped) > 0).all()
            if not rising or (len(clipped) and not 0 <= clipped[0] <= clipped[-1] < len(behind)):
                raise self._file.damaged("what its equal values were before does not fit")
        layers, keys = [layer.shape[0] for layer in self.layers], (self._keys("top"), self._keys("bottom"))
        return Tally.of(self._tables, self._sizes["images"], self._sizes["seen"], layers=layers, keys=keys)

    @property
    def ordered(self) -> bool:
        """Whether equal values are ordered by what is behind them; in files of earlier versions they were by image."""
        return all(name in self._tables for name in ADDED)

    def _before(self, kind: str, row: int) -> float:
        """Return the value before a function that clips of a channel's first patch: its own value where none does."""
        if not self.ordered:
            return float(self._tables[f"{kind}_values"][row, 0])
        clipped, before = self._tables[f"{kind}_clipped"], self._tables[f"{kind}_before"]
        place = int(np.searchsorted(clipped, row))
        there = place < len(clipped) == len(before) and clipped[place] == row
        return float((before[place] if there else self._tables[f"{kind}_values"][row])[0])

    def _keys(self, kind: str) -> npt.NDArray[np.uint64]:
        """Return (channels, k), what has decided between values that are equal, also before a function that clips."""
        images = self._tables[f"{kind}_images"]
        if images.max() >= len(self) or images.min() < -1:
            raise self._file.damaged("a patch is of an image that there is not")
        if not self.ordered:
            return np.zeros(images.shape, np.uint64)
        try:
            seed = whole(self.identity["seed"])
        except ValueError as error:
            raise self._file.damaged(f"its seed is none ({error})") from error
        every = drawn_keys(self._images.column("digest")[np.maximum(images, 0)], seed)
        numbers = np.concatenate([np.arange(layer.shape[0]) for layer in self.layers])
        return np.where(images < 0, np.iinfo(np.uint64).max, tie_keys(every, numbers[:, None]))

    @property
    def stored_facts(self) -> dict[str, Any]:
        """Everything that the file says besides its arrays."""
        return self._file.facts

    @property
    def edges(self) -> npt.NDArray[np.float64]:
        """Edges of the layers' receptive fields as `described` gives them."""
        return self._file.get("geometry", "<f8", None)

    @property
    def names_data(self) -> npt.NDArray[np.uint8]:
        """The images' names one after the other, UTF-8."""
        return self._file.get("names", "u1", None)

    def image_column(self, field: str) -> npt.NDArray[Any]:
        """Return one thing that is known of all images: a field of `RECORD`."""
        return self._images.column(field)

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """(images,) the number of each image's class in `classes`, -1 where it has none."""
        labels: npt.NDArray[np.int32] = self._images.column("label")
        if labels.max() >= len(self.classes) or labels.min() < -1:
            raise self._file.damaged("an image has a class that there is not")
        return labels

    @property
    def class_counts(self) -> dict[str, int]:
        """Number of images of each class."""
        counts = self._tables["counts"][1:]
        return {name: int(counts[i]) if i < len(counts) else 0 for i, name in enumerate(self.classes)}

    def name(self, image: int) -> str:
        """Return what an image is called: its path, or "item 12"."""
        return self._images.name(self._images.number(image))

    def frame(self, image: int) -> Frame:
        """Return where the network's input lies in the original picture of an image."""
        return self._images.frame(self._images.number(image))

    def layer(self, name: str | int | Layer) -> IndexedLayer:
        """Return a layer by any name that `explain.layers` has for it, or by its number in `layers`.

        Raises:
            LayerError: it was not indexed; near names are offered.

        """
        if isinstance(name, Layer):
            name = name.name
        if isinstance(name, int) and not isinstance(name, bool):
            if not -len(self.layers) <= name < len(self.layers):
                raise LayerError(f"layer={name} is out of range: the index has {len(self.layers)} layer(s).")
            return self.layers[name]
        if name not in self._by_name:
            raise LayerError(
                f"The index has no layer {name!r}.{nearest(name, self._by_name)} index.layers lists them all."
            )
        return self._by_name[name]

    def _channel(self, layer: IndexedLayer, channel: int) -> int:
        """Return the number of a channel among those of all layers."""
        count = layer.shape[0]
        return layer.first + counted("channel", channel, count, f"the layer {layer.name!r} has {count} channel(s)")

    def check(self, model: Any, images: Any = None) -> None:
        """Raise `IndexMismatchError` if this index was made with another model, preprocessing or data set.

        Args:
            model: the nn.Module or Classifier.
            images: the data set; None leaves it unchecked.

        """
        mine = {"model": model_identity(model), "preprocess": preprocess_hash(model)}
        if images is not None:
            mine["data"] = source_of(model, images).stamp()
        compare(mine, self.identity, f"The index {str(self.path)!r}", "Build one for this: PatchIndex.build.")

    def matches(self, model: Any) -> bool:
        """Whether this index was made with this model, its weights and its preprocessing."""
        known = {"model": model_identity(model), "preprocess": preprocess_hash(model)}
        return all(bool(self.identity.get(key) == value) for key, value in known.items())


def json_list(text: bytes) -> list[Any]:
    """Return a JSON list."""
    found = json.loads(text)
    if not isinstance(found, list):
        raise TypeError("no list")
    return found
