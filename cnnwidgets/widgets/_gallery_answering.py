"""What a NeuronGallery shows, found out in the background: the latest wins, and every ask is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets

from cnnwidgets.errors import Cancelled, ModelError
from cnnwidgets.widgets._errand import Errand
from cnnwidgets.widgets._gallery_known import Task
from cnnwidgets.widgets._gallery_picking import Picking
from cnnwidgets.widgets._gallery_pinning import Pinning, Place, plain_channel
from cnnwidgets.widgets._gallery_traits import DRAWN, Ordering, Showing
from cnnwidgets.widgets._traits import refusing
from cnnwidgets.widgets._unit import checked_channel
from cnnwidgets.widgets._words import in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

    from cnnwidgets.jobs import Job

_SENT = {"wall": "_wall", "drawn": "_drawn", "overview": "_overview", "order": "_order"}
_ASKS = ("view", "mode", "order", "alike", "target", "_ask")


class Answering(Showing, Ordering, Pinning):
    """A widget that shows a wall of patches, what the network makes of them, and an overview of all channels."""

    image: Any = traitlets.Any(
        None, read_only=True, help="The picture of the patch that was selected last, PIL; None before."
    )

    _wall = traitlets.Dict().tag(sync=True)
    _drawn = traitlets.Dict().tag(sync=True)
    _overview = traitlets.Dict().tag(sync=True)
    _order = traitlets.Dict().tag(sync=True)
    _ask = traitlets.Int(0).tag(sync=True)

    def __init__(self, *args: Any, **options: Any) -> None:
        self._picking = Picking(self._picked, self._unread)
        super().__init__(*args, **options)
        self._errand = Errand(self._lock, self._say, self._show, "the patches were made")
        self.observe(self._ask_anew, names=list(_ASKS))
        self._say("idle")

    # What is asked.

    @traitlets.validate("label", "target")
    def _class(self, proposal: Any) -> str | None:
        with refusing():
            return self._class_name(proposal.value, proposal.trait.name)

    @traitlets.validate("alike")
    def _alike(self, proposal: Any) -> int | None:
        with refusing():
            if self._known is None:
                return plain_channel(proposal.value, "alike")
            return checked_channel(proposal.value, self._found(self.layer), "alike")

    def _ask_anew(self, _change: Any) -> None:
        self._answer()

    def _renew(self) -> None:
        for name in _SENT.values():
            setattr(self, name, {})
        self._afterwards(self._begin_anew)

    def _begin_anew(self) -> None:
        with self.hold_sync():
            self._refit()
            for name in ("label", "target"):
                wished = getattr(self, name)
                if wished not in (None, *self._classes):
                    setattr(self, name, None)
                    self._note(f"There is no class {wished!r} among the pictures.")
            if self.alike is not None and self.alike >= self._found(self.layer).shape[0]:
                self.alike = None
        self._answer()

    def _put(self, place: Place) -> None:
        if self._pinned.layer not in ("", place.layer):
            self.alike = None  # that was a channel of the layer before
        super()._put(place)

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
        self._touch()
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
