"""NeuronGallery: what a neuron looks for, by the patches of real pictures that it answers to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

from cnnwidgets.errors import Cancelled
from cnnwidgets.patches.patch import Patches
from cnnwidgets.widgets._gallery_answering import Answering
from cnnwidgets.widgets._gallery_indexing import origin_of
from cnnwidgets.widgets._gallery_links import Link
from cnnwidgets.widgets._gallery_overview import rows
from cnnwidgets.widgets._gallery_rows import Request, Rows
from cnnwidgets.widgets._gallery_still import described, gallery_still
from cnnwidgets.widgets._gallery_traits import KINDS, Looking, Ordering, Showing
from cnnwidgets.widgets._page import request_number
from cnnwidgets.widgets._page_tables import NEURON_GALLERY
from cnnwidgets.widgets._words import in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image
    from torch import nn

    from cnnwidgets.classifier import Classifier


class NeuronGallery(Answering):
    """For every channel of a network the patches of pictures that it answers to most, to browse and to compare.

    ```python
    gallery = NeuronGallery(cw.demo.imagenet())      # indexes the demo pictures once, in the background
    gallery                                          # shows it
    gallery = NeuronGallery(clf, "photos/", path="photos.patches")
    gallery.layer, gallery.channel = "blocks.5", 12  # every control is a trait
    gallery.wait()                                   # the patches shown: values, sources, pictures
    gallery.link(grid)                               # a click makes a patch's picture that of `grid`
    ```

    Args:
        clf: a `Classifier`, or an `nn.Module`.
        images: the data set, all that `PatchIndex.build` takes; or a `PatchIndex` or its path. None takes crops of the
            demo photographs, or scikit-learn's digits for a network with one input channel; their index is kept in
            the user's cache folder, or the one that the environment variable CNNWIDGETS_CACHE names.
        index: a finished `PatchIndex`, or its path; `images` then says where its pictures are now.
        layers: layers to index, as in `PatchIndex.build`.
        path: file of the index, so that it can be opened again; None keeps it as long as the gallery lives.
        k: patches that are kept of every channel and kind.
        options: initial values of the traits below.

    Raises:
        OptionError: an option that there is not, or a value out of range.
        IndexMismatchError: an index of another model.
        IndexFileError: a path that is no index.

    """

    _bundle: ClassVar[str] = "neuron_gallery"
    _page = NEURON_GALLERY
    _options: ClassVar[tuple[str, ...]] = (
        *Looking.class_own_traits(),
        *Showing.class_own_traits(),
        *Ordering.class_own_traits(),
    )

    def __init__(
        self,
        clf: Classifier | nn.Module,
        images: Any = None,
        *,
        index: Any = None,
        layers: Any = "all",
        path: Any = None,
        k: int = 16,
        **options: Any,
    ) -> None:
        self._links: list[Link] = []
        super().__init__(clf, images, index, origin_of(layers, k, path), **options)
        self._rows = Rows(self._row_steps, self.send)
        self.on_msg(self._on_message)
        self._begin()

    # What is asked.

    def _on_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        kind = content["kind"]
        if kind == "cancel":
            self._errand.cancel()
        elif kind == "retry":
            self._answer(again=True)
        elif kind == "stop":
            self._building.stop()
        elif kind == "resume":
            self._resume()
        elif kind == "rows":
            self._rows.ask(content)

    def _answer_request(self, content: Any, words: str) -> bool:
        number = request_number(content, "rows")
        if number is not None:
            self.send({"kind": "rows", "id": number, "error": {"message": words, "remedy": ""}})
        return number is not None

    def _resume(self) -> None:
        try:
            self.resume()
        except Exception as error:  # noqa: BLE001 - said in the cell, as the page has no other place
            with self._lock:
                self._build = {**self._build, "state": "error", **in_words(error, "the index was made anew")}

    def _row_steps(self, request: Request) -> Iterator[tuple[dict[str, Any], list[bytes]] | None]:
        known = self._known
        if known is None:
            raise Cancelled("There is no index.")
        return rows(known.index, known.tiles, request.layer, request.channels, request.most)

    # Memory.

    _bulk = ("_wall", "_drawn", "_overview")

    def _is_busy(self) -> bool:
        return self._building.busy or self._errand.goes_on

    def _let_go(self) -> None:
        if self._known is not None:
            self._known.rest()
        self._errand.rest()

    def _wake(self, seconds: float) -> None:
        self._answer()
        self._settle(seconds)

    # For Python.

    @property
    def patches(self) -> Patches | None:
        """The patches of the channel: those of `kind` and `label`, all three kinds in `kind="compare"`.

        None until there is an index.
        """
        with self._lock:
            known, layer, channel = self._known, self.layer, self.channel
            kinds = KINDS if self.kind == "compare" else (self.kind,)
            if known is None or channel is None:
                return None
            found = [getattr(known.index, kind)(layer, channel, label=self.label) for kind in kinds]
            ties = found[0].ties if len(found) == 1 else None
            return Patches.of((patch for patches in found for patch in patches), known.index, ties)

    def link(self, *widgets: Any) -> None:
        """Have other widgets follow: the picture of a patch that is selected here becomes their `image`.

        Where they have a `unit`, as an ActivationGrid has, that of both is one: pin a unit there, see its patches here.

        Args:
            widgets: any with a trait `image` or `unit`.

        Raises:
            OptionError: a widget with neither.

        """
        made = [Link(self, widget, self._refuse) for widget in widgets]
        self.unlink(*widgets)
        self._links += made

    def unlink(self, *widgets: Any) -> None:
        """Undo `link`; without arguments for all widgets."""
        for link in list(self._links):
            if not widgets or any(link.other is widget for widget in widgets):
                link.undo()
                self._links.remove(link)

    def cancel(self) -> None:
        """Stop what goes on in the background, also the making of the index; what has been done is kept."""
        self._building.stop()
        self._errand.cancel()

    def wait(self, timeout: float | None = None) -> Patches | None:
        """Wait until the index is there and everything shown, and return `patches`.

        Args:
            timeout: seconds; None waits as long as it takes.

        Raises:
            TimeoutError: it takes longer.
            CnnWidgetsError: what went wrong, as the cell shows it; other exceptions are those of the model or of the
                data set.

        """
        if not self._quiet(timeout):
            raise TimeoutError(f"Still at work after {timeout} s; gallery.cancel() stops it.")
        failed = self._building.failed or self._errand.failed or self._picking.error
        if failed is not None:
            raise failed
        return self.patches

    def _quiet(self, timeout: float | None) -> bool:
        end = None if timeout is None else time.monotonic() + timeout
        lanes = (self._building, self._errand, self._rows, self._picking)
        return all(lane.wait(None if end is None else max(0.0, end - time.monotonic())) for lane in lanes)

    def _settle(self, seconds: float) -> None:
        self._quiet(seconds)

    def close(self) -> None:
        """Stop the work, undo the links and leave the page."""
        if hasattr(self, "_rows"):  # Python closes a gallery that refused its arguments, too
            self.cancel()
            self._rows.stop()
            self._picking.stop()
            self.unlink()
        super().close()

    def snapshot(self) -> Image.Image:
        """Return what is shown as a PIL picture: the wall with its values, or the first rows of the overview."""
        self.wake()
        return gallery_still(self)

    def _described(self) -> str:
        return described(self)
