"""A DataLoader over a map-style data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler, Subset, default_collate

from cnnwidgets.errors import OptionError
from cnnwidgets.patches.sources.batches import Batch, Batches
from cnnwidgets.patches.sources.dataset import DatasetSource
from cnnwidgets.patches.sources.reader import broken_off

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from PIL import Image

    from cnnwidgets.patches.sources.item import Item
    from cnnwidgets.patches.sources.reader import Reader


class LoaderSource(DatasetSource):
    """The items of a loader, in the order of its data set, read by as many workers as it has.

    The loader itself is not run: so pictures that cannot be read are told one by one, where a loader gives up the
    whole batch, and the pictures before the data set's transform are known.

    Args:
        reader: prepares the images.
        loader: a DataLoader that does not shuffle, over a data set with numbered items.

    Attributes:
        dropped: number of items at the end that the loader leaves out (`drop_last`).

    Raises:
        OptionError: it shuffles.

    """

    kind = "loader"

    def __init__(self, reader: Reader, loader: DataLoader[Any]) -> None:
        data: Any = loader.dataset
        order, size, drops = _order(loader)
        self.dropped = len(order) % size if drops else 0
        kept = order[: len(order) - self.dropped]
        super().__init__(reader, data if kept == range(len(data)) else Subset(data, kept))
        self._loader = loader
        plain = loader.batch_size is None or loader.collate_fn is default_collate
        self._batches = Batches(self, size, None if plain else loader.collate_fn)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the loader at home: its workers need the data set alone."""
        return {name: value for name, value in vars(self).items() if name != "_loader"}

    def items(self, start: int = 0, classes: Iterable[str] = ()) -> Iterator[Item]:
        """Read the items in batches, the first of which is the one that holds `start`."""
        self._names.recall(classes)
        size = self._batches.size
        numbers = range(start // size, len(self._batches))
        for number, batch in zip(numbers, self._read_batches(numbers), strict=True):
            for place, reading in enumerate(batch.readings(), number * size):
                if place >= start:
                    yield self.numbered(place, reading)

    def _read_batches(self, numbers: range) -> Iterator[Batch]:
        batches = iter(self._loaded(numbers))
        for number in numbers:
            try:
                batch = next(batches)
            except MemoryError:
                raise
            except Exception as error:  # a worker that was killed, or what it reads cannot be sent
                raise broken_off(self._loader, number * self._batches.size, error) from error
            if isinstance(batch, Exception):
                raise batch
            yield batch

    def _loaded(self, numbers: range) -> Iterable[Batch | Exception]:
        loader = self._loader
        if not loader.num_workers:
            return (self._batches[number] for number in numbers)
        return DataLoader(
            self._batches,  # type: ignore[arg-type] # it has all that a Dataset is asked for
            batch_size=None,
            sampler=numbers,
            collate_fn=_as_it_is,
            num_workers=loader.num_workers,
            prefetch_factor=loader.prefetch_factor,
            timeout=loader.timeout,
            worker_init_fn=loader.worker_init_fn,
            multiprocessing_context=loader.multiprocessing_context,
            generator=torch.Generator().manual_seed(0),  # else it draws from the user's
        )

    def item(self, number: int) -> Item:
        """Read one item, as it is in its batch."""
        if self._batches.collate is None:
            return super().item(number)
        self._check(number)
        return self._there(number, self._batches.reading(number))

    def _picture(self, number: int) -> Image.Image:
        if self._batches.collate is None:
            return super()._picture(number)
        return self.shown(*self._batches.image(number))

    def _facts(self) -> Iterator[str | bytes]:
        yield from super()._facts()
        if self._batches.collate is not None:
            yield getattr(self._batches.collate, "__qualname__", type(self._batches.collate).__qualname__)

    def describe(self) -> dict[str, Any]:
        """Return the kind, and how many items are left out at the end."""
        return {**super().describe(), "dropped": self.dropped}


def _order(loader: DataLoader[Any]) -> tuple[Sequence[int], int, bool]:
    """Return the numbers of a loader's items, its batch size, and whether it drops what does not fill a batch."""
    batched: Any = loader.batch_sampler
    sampler = loader.sampler if batched is None else getattr(batched, "sampler", None)
    if batched is None or type(batched) is BatchSampler:
        size, drops = (1, False) if batched is None else (batched.batch_size, batched.drop_last)
        if type(sampler) is SequentialSampler:
            return range(len(sampler)), size, drops
        if isinstance(sampler, list | tuple | range):
            return sampler, size, drops
    elif isinstance(batched, list | tuple) and all(isinstance(batch, list | tuple | range) for batch in batched):
        return [number for batch in batched for number in batch], max(map(len, batched), default=1), False
    kind = type(batched if sampler is None else sampler).__name__
    raise OptionError(
        f"The DataLoader takes its items in an order of its own ({kind}), in which no patch could be found again. "
        "Make it with shuffle=False, or pass its data set."
    )


def _as_it_is(batch: Any) -> Any:
    return batch
