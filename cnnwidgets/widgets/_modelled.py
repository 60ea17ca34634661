"""What widgets about one network share: the network, the lock, the status, and who is told of results."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets
from torch import nn

from cnnwidgets.classifier import Classifier
from cnnwidgets.errors import OptionError
from cnnwidgets.widgets._base import Widget
from cnnwidgets.widgets._lock import ViewLock
from cnnwidgets.widgets._memory import RESIDENTS

if TYPE_CHECKING:
    from collections.abc import Callable

_LOG = logging.getLogger(__name__)
_PATIENCE = 20.0  # seconds that a result in Python waits for what was let go of
_BRIEFLY = 2.0  # seconds that a page that opens, or a notebook that is saved, waits for it


def classifier_of(clf: Any) -> Classifier:
    """Return a classifier, made of a bare network where that was given.

    Raises:
        OptionError: it is neither.

    """
    if isinstance(clf, nn.Module):
        return Classifier(clf)
    if not isinstance(clf, Classifier):
        raise OptionError(f"The model is a {type(clf).__name__}; give a cnnwidgets.Classifier or an nn.Module.")
    return clf


class ModelWidget(Widget):
    """A widget that asks one network."""

    _bulk: ClassVar[tuple[str, ...]] = ()  # traits that are let go of at rest: the page keeps them
    _results: ClassVar[tuple[str, ...]] = ()  # traits that the work sets: observers hear of them outside of the lock

    _status = traitlets.Dict().tag(sync=True)
    _views = traitlets.Int(0).tag(sync=True)  # on pages, which count them

    def __init__(self, **options: Any) -> None:
        self._lock = ViewLock()
        self._at_rest = False
        super().__init__(**options)
        self.observe(self._on_views, names=["_views"])

    # Memory.

    @property
    def is_shown(self) -> bool:
        """Whether a page has said that it has a view of it."""
        return bool(self._views)

    def _on_views(self, change: Any) -> None:
        if change.old and not change.new:
            RESIDENTS.rest(self)

    def _touch(self) -> None:
        """Mark this widget as the most recently used one."""
        self._at_rest = False
        RESIDENTS.touch(self)

    def rest(self) -> bool:
        """Let go of what can be computed again: it is, as soon as something is asked; return False while it works."""
        with self._lock:
            if self._at_rest or self.comm is None:
                return True
            if self._is_busy():
                return False
            self._at_rest = True
            for name in self._bulk:  # unheard: the page goes on showing it
                self._trait_values[name] = {}
            self._let_go()
            return True

    def _is_busy(self) -> bool:
        """Whether work is under way."""
        raise NotImplementedError

    def _let_go(self) -> None:
        """Let go of what can be computed again."""
        raise NotImplementedError

    def wake(self, seconds: float = _PATIENCE) -> None:
        """Have what was let go of at rest computed again, and wait for it for some seconds; nothing if it is awake."""
        if self._at_rest:
            self._at_rest = False
            self._wake(seconds)

    def _wake(self, seconds: float) -> None:
        """Have what was let go of computed again, and wait for it so long."""
        raise NotImplementedError

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> Any:  # noqa: FBT001, FBT002 - as ipywidgets has it
        """Return the state for a page; one that opens, or an export, gets all of it."""
        wanted = self._bulk if key is None else {key} if isinstance(key, str) else set(key)
        if getattr(self, "_at_rest", False) and not set(self._bulk).isdisjoint(wanted):
            self.wake(_BRIEFLY)  # what comes later is sent when it comes
        return super().get_state(key, drop_defaults)

    def _put_back(self, change: Any, handler: Callable[[Any], None]) -> None:
        """Give a trait the value that it had, unheard by the handler that refuses the new one."""
        with self._lock:
            self.unobserve(handler, names=[change.name])
            self.set_trait(change.name, change.old)
            self.observe(handler, names=[change.name])

    def _afterwards(self, change: Callable[[], None]) -> None:
        """Change traits once the lock is free, so that their observers may wait; what these raise is logged.

        What is looked at changes with the lock held, on any thread; nobody there could answer for an observer.
        """

        def do() -> None:
            try:
                change()
            except BaseException:  # noqa: BLE001 - an observer of the user's: it may fail, the widget goes on
                _LOG.warning("An observer of %s has failed.", type(self).__name__, exc_info=True)

        self._lock.later(do)

    def notify_change(self, change: Any) -> None:
        """Tell the observers of a trait; those of a result once the view's lock is free."""
        if change["name"] in self._results:
            self._lock.later(lambda: self._tell(change))
        else:
            super().notify_change(change)

    def _tell(self, change: Any) -> None:
        try:
            super().notify_change(change)
        except BaseException as error:  # noqa: BLE001 - an observer of the user's: it may fail, the work goes on
            words = f"An observer of {change['name']}: {type(error).__name__}: {error}"
            _LOG.warning("%s", words, exc_info=True)
            self._failed_to_hear(change["name"], words)

    def _failed_to_hear(self, name: str, words: str) -> None:
        """Take note that an observer of a result has failed; it has been logged."""
