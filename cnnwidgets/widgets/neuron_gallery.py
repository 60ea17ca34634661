"""NeuronGallery: what a neuron looks for, by the patches of real pictures that it answers to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from cnnwidgets.errors import Cancelled, ModelError
from cnnwidgets.patches.patch import Patches
from cnnwidgets.widgets._errand import Errand
from cnnwidgets.widgets._gallery_indexing import origin_of
from cnnwidgets.widgets._gallery_known import Task
from cnnwidgets.widgets._gallery_links import Link
from cnnwidgets.widgets._gallery_overview import rows
from cnnwidgets.widgets._gallery_picking import Picking
from cnnwidgets.widgets._gallery_pinning import Pinning, plain_channel
from cnnwidgets.widgets._gallery_rows import Request, Rows
from cnnwidgets.widgets._gallery_still import described, gallery_still
from cnnwidgets.widgets._gallery_traits import DRAWN, KINDS, Looking, Ordering, Showing
from cnnwidgets.widgets._traits import refusing
from cnnwidgets.widgets._unit import checked_channel
from cnnwidgets.widgets._words import in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image
    from torch import nn

    from cnnwidgets.classifier import Classifier
    from cnnwidgets.jobs import Job

_SENT = {"wall": "_wall", "drawn": "_drawn", "overview": "_overview", "order": "_order"}
_ASKS = ("view", "mode", "order", "alike", "target", "_ask")


class NeuronGallery(Showing, Ordering, Pinning):
    """For every channel of a network the patches of pictures that it answers to most, to browse and to compare.

    ```python
    gallery = NeuronGallery(cw.demo.imagenet())      # indexes the demo pictures once, in the background
    gallery                                          # shows it
    gallery = NeuronGallery(clf, "photos/", path="photos.patches")
    gallery.layer, gallery.channel = "blocks.5", 12  # every control is a trait
    gallery.wait()                                   # the patches shown, for `.plot()` and more
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
    _options: ClassVar[tuple[str, ...]] = (
        *Looking.class_own_traits(),
        *Showing.class_own_traits(),
        *Ordering.class_own_traits(),
    )

    image: Any = traitlets.Any(
        None, read_only=True, help="The picture of the patch that was selected last, PIL; None before."
    )

    _wall = traitlets.Dict().tag(sync=True)
    _drawn = traitlets.Dict().tag(sync=True)
    _overview = traitlets.Dict().tag(sync=True)
    _order = traitlets.Dict().tag(sync=True)
    _ask = traitlets.Int(0).tag(sync=True)

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
        self._picking = Picking(self._picked, self._unread)
        super().__init__(clf, images, index, origin_of(layers, k, path), **options)
        self._errand = Errand(self._lock, self._say, self._show, "the patches were made")
        self._rows = Rows(self._row_steps, self.send)
        self.observe(self._ask_anew, names=list(_ASKS))
        self.on_msg(self._on_message)
        self._say("idle")
        self._begin()

    # What is asked.

    @traitlets.validate("label", "target")
    def _class(self, proposal: Any) -> str | None:
        with refusing():
            return self._class_name(proposal.value, proposal.trait.name)

    @traitlets.validate("alike")
    def _alike(self, proposal: Any) -> int | None:
        with refusing():
            if self._known is None:
                return plain_channel(proposal.value)
            return checked_channel(proposal.value, self._found(self.layer))

    def _ask_anew(self, _change: Any) -> None:
        self._answer()

    def _on_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        kind = content.get("kind") if isinstance(content, dict) else None
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

    def _resume(self) -> None:
        try:
            self.resume()
        except Exception as error:  # noqa: BLE001 - said in the cell, as the page has no other place
            with self._lock:
                self._build = {**self._build, "state": "error", **in_words(error, "the index was made anew")}

    def _renew(self) -> None:
        for name in _SENT.values():
            setattr(self, name, {})
        self._afterwards(self._begin_anew)

    def _begin_anew(self) -> None:
        with self.hold_sync():
            self._refit()
            for name in ("label", "target"):
                if getattr(self, name) not in (None, *self._classes):
                    setattr(self, name, None)
            self.alike = None
        self._answer()

    def _tasks(self) -> tuple[Task, ...]:
        """Return what has to be known for what is shown."""
        if self._known is None or self.channel is None:
            return ()
        if self.view == "wall":
            wall = Task("wall", self.layer, self.channel)
            return (wall, Task("drawn", self.layer, (self.channel, self.mode))) if self.mode in DRAWN else (wall,)
        of = {"likeness": self.channel if self.alike is None else self.alike, "class": self.target}.get(self.order)
        overview = Task("overview", self.layer)
        return (overview,) if of is None else (overview, Task("order", self.layer, of))

    # The answer. `_work` runs on the worker's thread.

    def _answer(self, *, again: bool = False) -> None:
        """Show what is known, and have the rest made."""
        with self._lock:
            known = self._known
            self._notice()
            self._show()
            missing = [(known, task) for task in self._tasks() if known is not None and known.packed(task) is None]
            if self._errand.start(missing, self._work, lambda: self._say("busy"), again=again):
                self._status = {**self._status, "ask": self._ask}
            else:
                self._say("idle")

    def _work(self, job: Job) -> Iterator[None]:
        with self._lock:
            known, tasks = self._known, self._tasks()
        if known is None:
            return
        for task in tasks:
            if task.kind == "drawn" and not self._stamp.current:
                raise ModelError(
                    "The model's weights have been changed since the pictures were indexed, so it cannot show what it "
                    "saw then. gallery.resume() indexes them anew."
                )
            for news in known.making(task, job.cancel):
                if job.cancel.is_set():
                    raise Cancelled("Cancelled.")
                if news:
                    with self._lock:
                        if self._errand.is_latest(job) and known is self._known:
                            self._show()
                yield

    def _row_steps(self, request: Request) -> Iterator[tuple[dict[str, Any], list[bytes]] | None]:
        known = self._known
        if known is None:
            raise Cancelled("There is no index.")
        return rows(known.index, known.tiles, request.layer, request.channels, request.most)

    def _show(self) -> None:
        """Give the browser what is known; what is not, stays as it was."""
        known = self._known
        if known is None:
            return
        with self.hold_sync():
            for task in self._tasks():
                packed = known.packed(task) or known.begun(task)
                if packed is not None and packed is not getattr(self, _SENT[task.kind]):
                    setattr(self, _SENT[task.kind], packed)

    def _say(self, state: str, _what: str = "", **more: Any) -> None:
        """Tell the browser how things stand; `more` may set message and remedy."""
        blank = {"done": 0, "total": 0, "message": "", "remedy": "", "seconds_left": None}
        if state == "idle" and self._picking.error is not None:  # stands until another patch is selected
            state, more = "error", in_words(self._picking.error, "the picture was read")
        self._status = {**blank, **more, "state": state, "method": "gallery", "ask": self._ask}

    def _refuse(self, message: str) -> None:
        self._say("error", message=message)

    # The picture of what is selected.

    def _pick(self, image: int | None) -> None:
        known = self._known
        if known is None or image is None:
            self._picking.stop()
        else:
            self._picking.read(lambda: known.index.picture(image))

    def _unread(self) -> None:
        with self._lock:
            self._say(self._status["state"])

    def _picked(self, picture: Image.Image) -> None:
        with self._lock:
            self.set_trait("image", picture)

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
            found = (getattr(known.index, kind)(layer, channel, label=self.label) for kind in kinds)
            return Patches.of((patch for patches in found for patch in patches), known.index)

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
        return gallery_still(self)

    def _described(self) -> str:
        return described(self)
