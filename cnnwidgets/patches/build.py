"""Building an index: one pass over the images, in steps, with its work kept as it goes."""

from __future__ import annotations

import itertools
import json
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cnnwidgets.errors import Cancelled, ImageError, IndexFileError, ModelError
from cnnwidgets.explain.calls import PathError
from cnnwidgets.explain.control import check_cancelled
from cnnwidgets.explain.provenance import ModelStamp
from cnnwidgets.patches.glance import Asked
from cnnwidgets.patches.lots import digest, drawn_cells, drawn_keys
from cnnwidgets.patches.partial import BEGIN_ANEW, RECORD, Partial
from cnnwidgets.patches.plan import SAMPLED, Plan, Settings, model_identity, preprocess_hash
from cnnwidgets.patches.progress import BuildProgress, Clock, Skipped
from cnnwidgets.patches.survey import Survey
from cnnwidgets.patches.tally import Tally
from cnnwidgets.patches.workers import Workers, workers_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt
    from torch import Tensor

    from cnnwidgets.explain.control import Cancel
    from cnnwidgets.patches.findings import Findings
    from cnnwidgets.patches.sources.item import Item
    from cnnwidgets.patches.sources.source import Source

CHUNK = 1024  # images between two saves


@dataclass(eq=False)
class _Group:
    """The images of one pass, and the items among and before them that could not be read."""

    items: list[Item] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    end: int = 0  # number of the item behind it
    keys: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    digests: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    cells: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0, 0), np.int64))
    found: Findings | None = None


class Build:
    """An index that is being made in a folder.

    Args:
        model: nn.Module or Classifier.
        source: the images.
        settings: the options.
        partial: the folder.
        chunk: images between two saves; the result does not depend on it.
        cancel: asks to stop.

    Attributes:
        plan: the network and its layers, once the first image has been read.
        tally: what was found so far.

    """

    def __init__(
        self,
        model: Any,
        source: Source,
        settings: Settings,
        partial: Partial,
        *,
        chunk: int = CHUNK,
        cancel: Cancel | None = None,
    ) -> None:
        self.model, self.source, self.settings, self.partial = model, source, settings, partial
        self.chunk, self.cancel = chunk, cancel
        self.plan: Plan
        self.tally: Tally
        self.done = 0
        self._skipped: list[Skipped] = []
        self._names_end = 0
        self._unsaved = 0
        self._whole = True  # False where an interruption left an image half added

    def run(self) -> Iterator[BuildProgress]:
        """Go through the images from where the work stands; what was found is kept whenever this ends.

        Raises:
            IndexMismatchError: the folder's work belongs to another model, data set or settings.
            ImageError: no image could be read, or a stream of them broke off.
            ModelError: the model was changed meanwhile, or it does not always take the same path.
            Cancelled: stopped on request.

        """
        kept = self._begun()
        facts: dict[str, Any] = {} if kept is None else kept[1]
        if kept is not None:
            self.tally, self.done, self._names_end = kept[0], facts["done"], facts["names_end"]
            self._skipped = [Skipped(*entry) for entry in self.partial.skipped()]
        items = self.source.items(self.done, facts.get("classes", ()))
        first, items, skipped = _first_readable(items)
        if first is None and kept is None:
            raise _nothing(self.source.total, skipped)
        # Of work that is gone on with the size is known; the next image may be one that is left out for having another.
        size = list(first.shape) if kept is None and first is not None else facts["identity"]["input"]
        x = (
            first[None]
            if first is not None and list(first.shape) == size
            else torch.zeros(1, *size, dtype=torch.float32)
        )
        self.plan = Plan.of(self.model, x, self.settings, self.source.stamp())
        if kept is None:
            self.tally = Tally([layer.shape[0] for layer in self.plan.layers], int(self.settings.k))
        else:
            self.partial.check(self.plan.identity, facts["identity"])
        self.partial.resume()
        yield from self._passes(items)
        if not self.tally.images:
            raise _nothing(self.source.total, self._skipped)

    def _known(self) -> dict[str, Any]:
        """Return the part of the identity that is known before an image is read."""
        model = {"model": model_identity(self.model), "preprocess": preprocess_hash(self.model)}
        return {**model, "data": self.source.stamp()}

    def _begun(self) -> tuple[Tally, dict[str, Any]] | None:
        """Return the work that was begun, once it is that on this model and these images; none where it is damaged."""
        try:
            kept = self.partial.load(self._known)
            if kept is not None:
                self.partial.verify()
                self.partial.skipped()
        except IndexFileError as error:
            warnings.warn(
                f"{str(error).removesuffix(BEGIN_ANEW)}It cannot be gone on with: the build begins anew.",
                UserWarning,
                stacklevel=2,
            )
            self.partial.empty()
            return None
        return kept

    def _passes(self, items: Iterator[Item]) -> Iterator[BuildProgress]:
        plan, clock = self.plan, Clock(self.done)
        survey = Survey(plan.network, plan.layers)
        self.tally.unfolded = survey.unfolded
        stamp = ModelStamp.of(plan.network.model)
        hooked = any(m._forward_hooks or m._forward_pre_hooks for m in plan.network.module.modules())  # noqa: SLF001
        workers = workers_for(plan.network.x.device, shareable=plan.network.trace.stands_alone and not hooked)
        try:
            with Workers[_Group](workers) as pool:
                try:
                    for group in self._groups(items):
                        self._take_all(pool.submit(self._work(survey, group)), stamp)
                        check_cancelled(self.cancel, self.done, self.source.total or self.done)
                        yield self._progress(clock)
                        if self._unsaved >= self.chunk:
                            self.save()
                except (Cancelled, ImageError, GeneratorExit):  # stopped, or the stream broke off: what was read counts
                    if stamp.current:
                        self._take_all(pool.rest(), stamp)
                    raise
                self._take_all(pool.rest(), stamp)
                check_cancelled(self.cancel, self.done, self.source.total or self.done)
        finally:
            if self._whole:
                self.save()
        yield self._progress(clock)

    def _take_all(self, found: Iterator[_Group], stamp: ModelStamp) -> None:
        """Take what passes found, unless the weights were changed before they had ended."""
        for group in found:
            if not stamp.current:
                raise ModelError(
                    "The model's weights were changed while it was being indexed, so what comes would not belong to "
                    "what was found. Build again with restart=True once the model stays as it is."
                )
            self._take(group)

    def _groups(self, items: Iterator[Item]) -> Iterator[_Group]:
        """Gather images into passes. The cuts depend on the data set only, not on where the work was interrupted."""
        group = _Group(end=self.done)
        for item in items:
            group.end = item.number + 1
            reason = item.reason
            if item.x is not None and list(item.x.shape) != self.plan.identity["input"]:
                shape, first = tuple(item.x.shape), tuple(self.plan.identity["input"])
                reason = f"It becomes a tensor of shape {shape}, unlike the first image's {first}: resize or crop."
            if item.x is None or reason is not None:
                group.skipped.append(Skipped(item.number, item.name, reason or "It holds no image."))
                continue
            group.items.append(item)
            if len(group.items) == self.plan.batch:
                yield group
                group = _Group(end=group.end)
        if group.items or group.skipped:
            yield group

    def _work(self, survey: Survey, group: _Group) -> Callable[[], _Group]:
        least = self.tally.top.least(), self.tally.bottom.least()

        def work() -> _Group:
            if not group.items:
                return group
            images = [item.x for item in group.items if item.x is not None]
            group.digests = np.array([digest(x) for x in images], np.uint64)
            group.keys = drawn_keys(group.digests, int(self.settings.seed))
            group.cells = drawn_cells(group.keys, survey.cells, SAMPLED)
            filled = torch.stack(images + images[-1:] * (self.plan.batch - len(images)))
            x = filled.to(memory_format=torch.channels_last)
            asked = Asked(group.keys, group.cells, least, int(self.settings.per_image))
            try:
                group.found = survey.look(self.plan.network.taken(x), asked)
            except PathError as error:
                names = ", ".join(repr(item.name) for item in group.items[:3]) + (
                    ", ..." if len(group.items) > 3 else ""
                )
                raise PathError(f"The index cannot be made, for {names}: {error}") from error
            return group

        return work

    def _take(self, group: _Group) -> None:
        """Add what a pass found. Images that give NaN or infinity in some layer are left out."""
        self._whole = False
        skipped = group.skipped
        if group.found is not None:
            good = np.logical_and.reduce(np.isfinite(group.found.means), axis=1)
            for row in np.flatnonzero(~good):
                skipped.append(self._not_finite(group.items[row], group.found.means[row]))
            skipped.sort()
            found = group.found if good.all() else group.found.only(good)
            kept = list(itertools.compress(group.items, good))
            labels = np.array([-1 if item.label is None else item.label for item in kept], np.int64)
            self.tally.add(found, labels, group.keys[good], group.cells[good])
            self._write(kept, found, labels, group.digests[good])
        for entry in skipped:
            self.partial.append("skipped", json.dumps(entry).encode() + b"\n")
        self._skipped += skipped
        self._unsaved += group.end - self.done
        self.done = group.end
        self._whole = True

    def _not_finite(self, item: Item, means: npt.NDArray[np.float32]) -> Skipped:
        channels = np.cumsum([layer.shape[0] for layer in self.plan.layers])
        layer = self.plan.layers[int(np.searchsorted(channels, np.flatnonzero(~np.isfinite(means))[0], "right"))]
        return Skipped(item.number, item.name, f"The layer {layer.name!r} gives NaN or infinite values for it.")

    def _write(
        self, items: list[Item], found: Findings, labels: npt.NDArray[np.int64], digests: npt.NDArray[np.uint64]
    ) -> None:
        records = np.zeros(len(items), RECORD)
        names = [item.name.encode("utf-8", "surrogateescape") for item in items]
        for record, item, name in zip(records, items, names, strict=True):
            self._names_end += len(name)
            record["item"], record["name_end"] = item.number, self._names_end
            if item.frame is not None and item.picture_size is not None:
                record["height"], record["width"] = item.picture_size
                record["box"], record["exact"] = item.frame.box, item.frame.exact
        records["label"], records["predicted"], records["digest"] = labels, found.predicted, digests
        self.partial.append("images", records.tobytes())
        self.partial.append("names", b"".join(names))
        layer = self.plan.feature
        ends = np.cumsum([one.shape[0] for one in self.plan.layers])
        features = found.means[:, ends[layer] - self.plan.layers[layer].shape[0] : ends[layer]]
        self.partial.append("features", np.ascontiguousarray(features).tobytes())

    def save(self) -> None:
        """Keep all that was found so far."""
        progress = {
            "done": self.done,
            "names_end": self._names_end,
            "classes": list(self.source.classes),
            "identity": self.plan.identity,
        }
        self.partial.save(self.tally, progress)
        self._unsaved = 0

    def _progress(self, clock: Clock) -> BuildProgress:
        total = self.source.total
        return BuildProgress(self.done, total, tuple(self._skipped), clock.left(self.done, total))


def _first_readable(items: Iterator[Item]) -> tuple[Tensor | None, Iterator[Item], list[Skipped]]:
    """Return the first image, all items again, and those before it that could not be read."""
    before: list[Item] = []
    for item in items:
        before.append(item)
        if item.x is not None:
            return item.x, itertools.chain(before, items), []
    return None, iter(before), [Skipped(item.number, item.name, item.reason or "") for item in before]


def _nothing(total: int | None, skipped: list[Skipped]) -> ImageError:
    if not skipped:
        return ImageError("There are no images to look at: the data set is empty.")
    first = skipped[0]
    return ImageError(
        f"None of the {total or len(skipped):,} images could be looked at. The first, {first.name!r}: {first.reason}"
    )
