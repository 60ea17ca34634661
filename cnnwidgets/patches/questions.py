"""What can be asked of an index about its channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from cnnwidgets.errors import OptionError, nearest
from cnnwidgets.explain.counting import counted
from cnnwidgets.explain.frame import Box
from cnnwidgets.patches.characteristic import Characteristic, between_classes, separation
from cnnwidgets.patches.histogram import Histogram
from cnnwidgets.patches.likeness import Alike, boxes_of, likeness
from cnnwidgets.patches.patch import KINDS, Kind, Patch, Patches, Place, Ties
from cnnwidgets.patches.stored import StoredIndex

if TYPE_CHECKING:
    import numpy.typing as npt

    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.patches.index import PatchIndex
    from cnnwidgets.patches.indexed_layer import IndexedLayer


class Entries(NamedTuple):
    """The patches of all channels of a layer, as tables.

    Attributes:
        values: (C, k) float32.
        images: (C, k) int32, -1 where there is none.
        cells: (C, k) int32, row * width + column.

    """

    values: npt.NDArray[np.float32]
    images: npt.NDArray[np.int32]
    cells: npt.NDArray[np.int32]


class Questions(StoredIndex):
    """The part of `PatchIndex` that answers from its tables."""

    def entries(self, layer: str | int | Layer, kind: Kind = "top") -> Entries:
        """Return the patches of all channels of a layer as tables, not to be written to."""
        found = self.layer(layer)
        if kind not in KINDS:
            raise OptionError(f"kind={kind!r} is not known. Known are {', '.join(map(repr, KINDS))}.")
        entries = self._drawn(found) if kind == "sample" else self._extremes(found, kind)
        there = entries.cells[entries.images >= 0]
        most = found.shape[1] * found.shape[2]
        if entries.images.max() >= len(self) or there.max(initial=0) >= most or there.min(initial=0) < 0:
            raise self._file.damaged("a patch lies outside of its images")
        return entries

    def _drawn(self, layer: IndexedLayer) -> Entries:
        shape, cells = (layer.shape[0], self.k), self._tables["sample_cells"][:, self.layers.index(layer)]
        values, images = self._tables["sample_values"][:, layer.channels].T, self._tables["sample_images"]
        return Entries(values, np.broadcast_to(images, shape), np.broadcast_to(cells, shape))

    def _extremes(self, layer: IndexedLayer, kind: Kind) -> Entries:
        values, images, cells = (self._tables[f"{kind}_{what}"][layer.channels] for what in Entries._fields)
        return Entries(-values if kind == "bottom" else values, images, cells)

    def top(
        self, layer: str | int | Layer, channel: int, k: int | None = None, *, label: str | int | None = None
    ) -> Patches:
        """Return the patches that a channel answers to most strongly, the strongest first.

        Args:
            layer: its name, or its number in `layers`.
            channel: which one; negative ones count from the end.
            k: how many at most; None for all that were kept.
            label: only those of a class, by name or number.

        Raises:
            LayerError: no such layer.
            OptionError: no such channel or class.

        """
        return self._patches(layer, channel, "top", k, label)

    def bottom(
        self, layer: str | int | Layer, channel: int, k: int | None = None, *, label: str | int | None = None
    ) -> Patches:
        """Return the patches with the most negative (behind a ReLU: the smallest) answers; see `top`."""
        return self._patches(layer, channel, "bottom", k, label)

    def sample(
        self, layer: str | int | Layer, channel: int, k: int | None = None, *, label: str | int | None = None
    ) -> Patches:
        """Return patches drawn by chance, a cell of each image drawn, the strongest first; see `top`.

        They are the same for all channels of a layer: what an ordinary answer is.
        """
        return self._patches(layer, channel, "sample", k, label)

    def _patches(
        self, layer: str | int | Layer, channel: int, kind: Kind, k: int | None, label: str | int | None
    ) -> Patches:
        if k is not None and (isinstance(k, bool) or not isinstance(k, int) or k < 1):
            raise OptionError(f"k={k!r}: give how many patches, 1 or more, or None for all that were kept.")
        found = self.layer(layer)
        row = self._channel(found, channel) - found.first
        wanted = None if label is None else self.class_number(label)
        values, images, cells = (table[row] for table in self.entries(found, kind))
        places = np.flatnonzero(images >= 0)
        if kind == "sample":
            places = places[np.argsort(-values[places], kind="stable")]
        if wanted is not None:
            places = places[self.labels[images[places]] == wanted]
        made = (
            self._patch(
                found, row, int(images[place]), int(cells[place]), kind=kind, rank=rank, value=float(values[place])
            )
            for rank, place in enumerate(places[:k])
        )
        return Patches.of(made, cast("PatchIndex", self), self.ties(found, row, kind) if kind != "sample" else None)

    def ties(self, layer: str | int | Layer, channel: int, kind: Kind = "top") -> Ties | None:
        """Return how many images reach the largest value of a channel, or the smallest.

        More than one are equal where the channel is at the cap of a ReLU6, or always 0 behind a ReLU. `top` orders them
        by the value before such a function, at the same cell; what is equal there, too, by chance that is drawn from
        what the images are.

        Args:
            layer: its name, or its number in `layers`.
            channel: which one; negative ones count from the end.
            kind: "top" or "bottom".

        Returns:
            `Ties`; None where the index was made by an earlier version, which did not count them.

        Raises:
            LayerError: no such layer.
            OptionError: no such channel or kind.

        """
        if kind not in ("top", "bottom"):
            raise OptionError(f"kind={kind!r}: give 'top' or 'bottom'.")
        row = self._channel(self.layer(layer), channel)
        if not self.ordered:
            return None
        value, before = float(self._tables[f"{kind}_values"][row, 0]), self._before(kind, row)
        images = int(self._tables[f"{kind}_ties"][row])
        if not 1 <= images <= len(self):
            raise self._file.damaged("its counts of equal values are none")
        place: Place = "extreme"
        if before != value:  # of the smallest values, both are negatives
            place = "cap" if (before > value) == (kind == "top") else "floor"
        return Ties(images, -value if kind == "bottom" else value, place)

    def _patch(
        self, layer: IndexedLayer, channel: int, image: int, cell: int, *, kind: Kind, rank: int, value: float
    ) -> Patch:
        row, column = divmod(cell, layer.shape[2])
        label, predicted = int(self.labels[image]), int(self._images.column("predicted")[image])
        names = self._predictions
        return Patch(
            layer.name, channel, value, layer.units, row, column, kind, rank, image, self._images.name(image),
            self.classes[label] if 0 <= label < len(self.classes) else None,
            None if predicted < 0 else names[predicted] if predicted < len(names) else f"class {predicted}",
            self.box(layer, image, row, column), self._images.size(image),
        )  # fmt: skip

    def box(self, layer: str | int | Layer, image: int, row: int, column: int) -> Box:
        """Return what a unit sees of an image, in pixels of the original picture, clipped to what the network saw.

        Where a layer could not be followed, it is the cell's share of the picture: a stride in each direction.
        """
        grid = self.layer(layer).grid
        if grid is None:
            raise AssertionError("layers of an index have grids")
        height, width = self.input_size
        if grid.measured:
            y, x, down, across = grid.y.low[row], grid.x.low[column], grid.y.stride / 2, grid.x.stride / 2
            seen = Box(x + 0.5 - across, y + 0.5 - down, x + 0.5 + across, y + 0.5 + down)
        else:
            seen = grid.seen(row, column) or grid.field(row, column)  # a cell that sees padding only has no pixel
        left, right = (min(max(edge, 0.0), float(width)) for edge in (seen.left, seen.right))
        top, bottom = (min(max(edge, 0.0), float(height)) for edge in (seen.top, seen.bottom))
        return self.frame(image).box_to_picture(Box(left, top, right, bottom))

    def class_number(self, label: str | int) -> int:
        """Return the number of a class given by name or number.

        Raises:
            OptionError: no such class; near names are offered.

        """
        if isinstance(label, int) and not isinstance(label, bool):
            return counted("label", label, len(self.classes), f"the index has {len(self.classes)} class(es)")
        if label not in self.classes:
            known = nearest(label, self.classes) if self.classes else " The images that were indexed have no classes."
            raise OptionError(f"The index has no class {label!r}.{known}")
        return self.classes.index(label)

    def dead(self, layer: str | int | Layer) -> npt.NDArray[np.int64]:
        """Return the channels of a layer that gave the same value in every cell of every image."""
        part = self.layer(layer).channels
        same = self._tables["top_values"][part, 0] == -self._tables["bottom_values"][part, 0]
        return np.flatnonzero(same)

    def means(self, layer: str | int | Layer) -> npt.NDArray[np.float32]:
        """Return (classes, C) float32, the mean activation in the images of each class; NaN for a class without any."""
        part = self.layer(layer).channels
        found = np.full((len(self.classes), part.stop - part.start), np.nan, np.float32)
        sums, counts = self._tables["sums"][1:, part], self._tables["counts"][1:]
        there = np.flatnonzero(counts)
        found[there] = sums[there] / counts[there, None]
        return found

    def mean(self, layer: str | int | Layer) -> npt.NDArray[np.float32]:
        """Return (C,) float32, the mean activation over all images."""
        part = self.layer(layer).channels
        mean: npt.NDArray[np.float32] = (self._tables["sums"][:, part].sum(0) / len(self)).astype(np.float32)
        return mean

    def preactivation(self, layer: str | int | Layer) -> npt.NDArray[np.float32]:
        """Return (C,) float32, of each channel the value of the strongest patch before a function that clips.

        It is the patch's value itself where nothing clips, or where an earlier version made the index.
        """
        part = self.layer(layer).channels
        return np.array([self._before("top", row) for row in range(part.start, part.stop)], np.float32)

    def separation(self, layer: str | int | Layer) -> npt.NDArray[np.float64]:
        """Return (C,) how well each channel of a layer separates the classes, 0 to 1.

        It is the share of the variance of the images' means that lies between the classes (the correlation ratio); 0
        where nothing varies, and everywhere without images of two classes.
        """
        part = self.layer(layer).channels
        return between_classes(self._tables["sums"][:, part], self._tables["squares"][part], self._tables["counts"])

    def for_class(
        self, name: str | int, layer: str | int | Layer | None = None, top: int | None = 10
    ) -> tuple[Characteristic, ...]:
        """Return the channels that are most characteristic of a class, the best first.

        The score is how much larger the mean activation is in the images of the class than in the others, in standard
        deviations of the images' means.

        Args:
            name: of the class, or its number.
            layer: where to look; None for all layers.
            top: how many; None for all.

        Raises:
            OptionError: no such class; or none of its images, or no other ones, are in the index.

        """
        row = self.class_number(name) + 1
        counts = self._tables["counts"]
        if row >= len(counts) or not counts[row] or counts[row] == counts.sum():
            which = "all" if row < len(counts) and counts[row] else "none"
            raise OptionError(f"Of the {len(self):,} images {which} are of the class {name!r}: nothing to compare.")
        layers = self.layers if layer is None else (self.layer(layer),)
        part = slice(layers[0].channels.start, layers[-1].channels.stop)
        sums, squares = self._tables["sums"][:, part], self._tables["squares"][part]
        score, inside, elsewhere = separation(sums, squares, counts, row)
        best = np.argsort(-score, kind="stable")[:top]
        firsts = np.array([one.first for one in layers])
        found = []
        for place in best:
            one = layers[int(np.searchsorted(firsts, place + part.start, side="right")) - 1]
            values = float(score[place]), float(inside[place]), float(elsewhere[place])
            found.append(Characteristic(one.name, int(place + part.start - one.first), *values))
        return tuple(found)

    def like(
        self,
        layer: str | int | Layer,
        channel: int,
        top: int | None = 10,
        *,
        within: str | int | Layer | None = None,
    ) -> tuple[Alike, ...]:
        """Return the channels whose strongest patches are most like those of one, the most alike first.

        Alike are patches of the same pictures, as far as their boxes overlap (intersection over union); the score is
        the Jaccard index of the two sets of patches in this sense, 0 to 1. Channels without anything in common are
        left out, as is the channel itself.

        Args:
            layer: of the channel.
            channel: the channel.
            top: how many; None for all.
            within: the layer to look in; None for the channel's own, "all" for all.

        """
        mine = self.layer(layer)
        own = self._channel(mine, channel)
        images, boxes = self._regions(mine)
        images, boxes = images[own - mine.first], boxes[own - mine.first]
        found = []
        for other in self.layers if within == "all" else (self.layer(mine if within is None else within),):
            scores = likeness(images, boxes, *self._regions(other))
            found += [
                Alike(other.name, int(number), float(scores[number]))
                for number in np.flatnonzero(scores > 0)
                if other.first + number != own
            ]
        found.sort(key=lambda alike: -alike.score)
        return tuple(found[:top])

    def _regions(self, layer: IndexedLayer) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
        entries = self.entries(layer)
        if layer.grid is None:
            raise AssertionError("layers of an index have grids")
        return entries.images, boxes_of(layer.grid, np.maximum(entries.cells, 0))

    def histogram(self, layer: str | int | Layer, channel: int) -> Histogram:
        """Return how a channel's values are spread, over a uniform sample of its cells: four of every image."""
        row = self._channel(self.layer(layer), channel)
        (counts,), (first,), (exponent,) = self._spread(slice(row, row + 1))
        return Histogram.of(counts, int(first), int(exponent))

    def quantile(self, layer: str | int | Layer, channel: int, q: float) -> float:
        """Return a quantile of a channel's values over the data set, from its histogram.

        It lies between the smallest and the largest value of all, which bins can reach beyond.
        """
        row = self._channel(self.layer(layer), channel)
        lowest, highest = -float(self._tables["bottom_values"][row, 0]), float(self._tables["top_values"][row, 0])
        return min(max(self.histogram(layer, channel).quantile(q), lowest), highest)

    @property
    def features(self) -> npt.NDArray[np.float32]:
        """(images, channels) float32: the means of the last feature map, in the file; not to be written to."""
        features: npt.NDArray[np.float32] = self._file.get("features", "<f4", len(self), self._feature_layer.shape[0])
        return features

    @property
    def feature_layer(self) -> IndexedLayer:
        """The last feature map, whose means are the `features`."""
        return self._feature_layer
