"""What a page may send to a widget, checked here and nowhere else, before any handler sees it.

A page is not trusted: whoever can write to a notebook's page can send any message. So each widget has a `PageTable` of
the traits that its page may set and of the messages that it may send, each with its type and its greatest size. All
else is refused: traits that only the kernel sets, layouts, keys that nobody knows, numbers that are truth values, NaN,
bytes. What is refused changes nothing, is answered in a few words, and the page is sent what the kernel has.

What a value means, such as whether a class exists, is checked by the trait's own validator afterwards.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import ipywidgets
import traitlets

from cnnwidgets.errors import CnnWidgetsError, OptionError, brief, clipped
from cnnwidgets.text import sendable
from cnnwidgets.widgets._numbers import is_finite
from cnnwidgets.widgets._words import in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOG = logging.getLogger(__name__)
_MOST_KEYS = 64  # traits in one message
_DEEPEST = 8  # lists within lists
_LARGEST = 2**53  # a whole number that JavaScript holds exactly


class Rule:
    """A form that a value of a page must have."""

    words = "nothing"

    def fits(self, _value: Any) -> bool:
        """Whether a value has the form. It takes no longer than the rule's own bounds allow, whatever is given."""
        return False


@dataclass(frozen=True)
class Text(Rule):
    """A text of at most so many characters."""

    most: int = 200

    @property
    def words(self) -> str:  # type: ignore[override]
        """What is wanted."""
        return f"a text of up to {self.most:,} characters"

    def fits(self, value: Any) -> bool:
        """Whether it is one."""
        return isinstance(value, str) and len(value) <= self.most


@dataclass(frozen=True)
class Whole(Rule):
    """A whole number in a range; True and 1.0 are none."""

    least: int = -_LARGEST
    most: int = _LARGEST
    words = "a whole number"

    def fits(self, value: Any) -> bool:
        """Whether it is one."""
        return type(value) is int and self.least <= value <= self.most


@dataclass(frozen=True)
class Number(Rule):
    """A finite number up to a magnitude; True is none."""

    most: float = 1e300
    words = "a finite number"

    def fits(self, value: Any) -> bool:
        """Whether it is one."""
        return type(value) in (int, float) and is_finite(value) and abs(value) <= self.most


_PLACE = Number(1e6)  # a coordinate or a length in pixels


class Flag(Rule):
    """True or False; 1 is none."""

    words = "true or false"

    def fits(self, value: Any) -> bool:
        """Whether it is one."""
        return isinstance(value, bool)


class Nothing(Rule):
    """None."""

    words = "null"

    def fits(self, value: Any) -> bool:
        """Whether it is None."""
        return value is None


@dataclass(frozen=True)
class Either(Rule):
    """One of several forms."""

    rules: tuple[Rule, ...]

    @property
    def words(self) -> str:  # type: ignore[override]
        """What is wanted."""
        return " or ".join(rule.words for rule in self.rules)

    def fits(self, value: Any) -> bool:
        """Whether it has one of the forms."""
        return any(rule.fits(value) for rule in self.rules)


@dataclass(frozen=True)
class Items(Rule):
    """A list of at most so many things of one form."""

    rule: Rule
    most: int
    least: int = 0

    @property
    def words(self) -> str:  # type: ignore[override]
        """What is wanted."""
        count = f"{self.least}" if self.least == self.most else f"{self.least} to {self.most:,}"
        return f"a list of {count} entries, each {self.rule.words}"

    def fits(self, value: Any) -> bool:
        """Whether it is one."""
        return isinstance(value, list) and self.least <= len(value) <= self.most and all(map(self.rule.fits, value))


_COORDINATES = Items(_PLACE, 2, 2)


@dataclass(frozen=True)
class Strokes(Rule):
    """Painted strokes: a list of objects with a width and points, of at most so many points together."""

    most: int = 20_000

    @property
    def words(self) -> str:  # type: ignore[override]
        """What is wanted."""
        return f"a list of strokes with a width above 0 and {self.most:,} points (x, y) together at most"

    def fits(self, value: Any) -> bool:
        """Whether it is one."""
        if not isinstance(value, list) or len(value) > 256:
            return False
        left = self.most
        for stroke in value:
            if not isinstance(stroke, dict) or stroke.keys() != {"width", "points"}:
                return False
            width, points = stroke["width"], stroke["points"]
            left -= len(points) if isinstance(points, list) else left + 1
            if left < 0 or not points or not _PLACE.fits(width) or width <= 0:
                return False
            if not all(map(_COORDINATES.fits, points)):
                return False
        return True


@dataclass(frozen=True)
class Fields(Rule):
    """A dict with certain keys, and no others."""

    needed: Mapping[str, Rule] = field(default_factory=dict)
    optional: Mapping[str, Rule] = field(default_factory=dict)

    @property
    def words(self) -> str:  # type: ignore[override]
        """What is wanted."""
        return f"an object with {', '.join([*self.needed, *self.optional]) or 'no keys'}"

    def fits(self, value: Any) -> bool:
        """Whether it is one."""
        return isinstance(value, dict) and not self.fault(value)

    def fault(self, value: Mapping[Any, Any]) -> str:
        """Return what is wrong with a dict, in words; "" if nothing is."""
        if len(value) > len(self.needed) + len(self.optional):
            known = {*self.needed, *self.optional}
            odd = next(key for key in value if key not in known)
            return f"{brief(odd)} is not known; there is {', '.join(known) or 'nothing to give'}"
        for key, rule in (*self.needed.items(), *self.optional.items()):
            if key not in value:
                if key in self.needed:
                    return f"{key} is missing: {rule.words}"
            elif not rule.fits(value[key]):
                return f"{key}={brief(value[key])} is not {rule.words}"
        odd = next((key for key in value if key not in self.needed and key not in self.optional), None)
        return "" if odd is None else f"{brief(odd)} is not known"


@dataclass(frozen=True)
class Modest(Rule):
    """Any value of a modest size: for what its handler checks itself, in better words than a rule has.

    Args:
        entries: of all lists and objects in it, together.
        letters: of all its texts, together.

    """

    entries: int = 2000
    letters: int = 2000
    words = "a value of a modest size"

    def fits(self, value: Any) -> bool:
        """Whether it is one."""
        entries, letters, depth, layer = self.entries, self.letters, 0, [value]
        while layer and depth < _DEEPEST:
            depth += 1
            below: list[Any] = []
            for each in layer:
                if isinstance(each, str | bytes):
                    letters -= len(each)
                elif isinstance(each, list | tuple | dict):
                    entries -= len(each)
                    if entries < 0:
                        return False
                    below += [*each, *each.values()] if isinstance(each, dict) else each
            layer = below
        return not layer and letters >= 0


class WrongFormError(OptionError):
    """A trait that a page may set, and a value that is not of its form."""

    def __init__(self, name: str, value: Any, rule: Rule) -> None:
        super().__init__(f"{name}={brief(value)} came from the page; {name} is {rule.words}.")
        self.name, self.value = name, value


def optional(*rules: Rule) -> Either:
    """Return the rule of what may also be None."""
    return Either((Nothing(), *rules))


@dataclass(frozen=True)
class PageTable:
    """What the page of one widget may send.

    Attributes:
        traits: those that it may set, by name. The number of views, which every page counts, comes on top.
        messages: those that it may send, by the value of their key `key`.
        key: what tells messages apart.

    """

    traits: Mapping[str, Rule] = field(default_factory=dict)
    messages: Mapping[str, Fields] = field(default_factory=dict)
    key: str = "kind"

    def check_state(self, state: Any) -> None:
        """Raise `OptionError` for traits that a page may not set, or not so."""
        if not isinstance(state, dict):
            raise OptionError(f"The page sent {brief(state)} where the values of traits were expected.")
        if len(state) > _MOST_KEYS:
            raise OptionError(f"The page sent {len(state):,} traits at once; at most {_MOST_KEYS} are taken.")
        for name, value in state.items():
            rule = self._rule(name)
            if rule is None:
                may = ", ".join(self.traits) or "nothing"
                raise OptionError(f"A page cannot set {brief(name)}. It can set: {may}.")
            if not rule.fits(value):
                raise WrongFormError(name, value, rule)

    def _rule(self, name: Any) -> Rule | None:
        if not isinstance(name, str):
            return None
        return Whole(0) if name == "_views" else self.traits.get(name)

    def check_message(self, content: Any) -> None:
        """Raise `OptionError` for a message that a page may not send."""
        kind = content.get(self.key) if isinstance(content, dict) else None
        fields = self.messages.get(kind) if isinstance(kind, str) else None
        if fields is None:
            may = ", ".join(self.messages) or "none"
            raise OptionError(f"The page sent a message that is not known, {brief(content)}. Messages are: {may}.")
        fault = fields.fault({key: value for key, value in content.items() if key != self.key})
        if fault:
            raise OptionError(f"The page's message {kind!r} is wrong: {fault}.")


def request_number(content: Any, kind: str) -> int | None:
    """Return the number of a request of a kind, be it right or wrong otherwise; None where it has none."""
    if not isinstance(content, dict) or content.get("kind") != kind:
        return None
    number = content.get("id")
    return number if Whole(0).fits(number) else None


class FromPage(ipywidgets.DOMWidget):  # type: ignore[misc]
    """A widget that takes from its page what its table allows, and answers everything else in words."""

    _page: ClassVar[PageTable] = PageTable()

    def _handle_msg(self, msg: Any) -> None:
        """Take a message of any form from the page; nothing that it holds raises."""
        try:
            data = msg["content"]["data"]
            method, bulk = data["method"], [*msg.get("buffers", ()), *data.get("buffer_paths", ())]
            state, content = data.get("state"), data.get("content")
        except (AttributeError, KeyError, TypeError):
            self._answer_refusal(None, f"The page sent {brief(msg)}, which is no message.")
            return
        if bulk:
            self._answer_refusal(content, "The page sent bytes; a page of this widget sends none.")
        elif method == "update":
            self.set_state(state)
        elif method == "custom":
            self._handle_custom_msg(content, [])
        elif method == "request_state":
            self.send_state()
        else:
            self._answer_refusal(content, f"The page sent a message of the kind {brief(method)}, which is not known.")

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> Any:  # noqa: FBT001, FBT002 - as ipywidgets has it
        """Return the state for the page, every text of it such that it can be sent."""
        return sendable(super().get_state(key, drop_defaults))

    def send(self, content: Any, buffers: Any = None) -> None:
        """Send a message to the page, every text of it such that it can be sent."""
        super().send(sendable(content), buffers)

    def set_state(self, sync_data: Any) -> None:
        """Take what the browser sends; what is refused is said in the cell, and nothing is changed by it."""
        try:
            self._page.check_state(sync_data)
            self._take_state(sync_data)
        except WrongFormError as error:
            self._answer_refusal(None, self._own_words(error.name, error.value) or str(error))
        except (CnnWidgetsError, traitlets.TraitError) as error:
            self._answer_refusal(None, str(error))
        except Exception as error:  # noqa: BLE001 - an observer, or a model that no longer runs: said, and logged
            _LOG.warning("What the page of a %s set could not be followed.", type(self).__name__, exc_info=True)
            words = in_words(error, "what the page chose was taken up")
            self._answer_refusal(None, f"{words['message']} {words['remedy']}")
        else:
            return
        names = [name for name in sync_data if name in self.keys] if isinstance(sync_data, dict) else []
        if names:
            self.send_state(names)  # so that the page shows again what the kernel has

    def _own_words(self, name: str, value: Any) -> str:
        """Return what the trait's own validator says of a value that is refused; "" if it says nothing."""
        if not Modest(100_000, 20_000).fits(value):
            return ""
        try:
            getattr(type(self), name)._validate(self, value)  # noqa: SLF001 - traitlets has no public way to ask
        except (CnnWidgetsError, traitlets.TraitError) as error:
            return str(error)
        except Exception:  # noqa: BLE001 - it was not made for this
            return ""
        return ""

    def _take_state(self, state: dict[str, Any]) -> None:
        """Set traits that a page may set."""
        super().set_state(state)

    def _handle_custom_msg(self, content: Any, buffers: Any) -> None:
        try:
            self._page.check_message(content)
        except OptionError as error:
            self._answer_refusal(content, str(error))
            return
        try:
            super()._handle_custom_msg(content, buffers)
        except Exception as error:  # noqa: BLE001 - such as a model that no longer runs
            _LOG.warning("A message of the page of a %s could not be followed.", type(self).__name__, exc_info=True)
            words = in_words(error, "what the page asked for was begun")
            self._answer_refusal(content, f"{words['message']} {words['remedy']}")

    def _answer_refusal(self, content: Any, words: str) -> None:
        """Answer a message that was refused, in a few words.

        Args:
            content: the message, of any form; None where traits were to be set.
            words: why.

        """
        if not self._answer_request(content, clipped(words)):
            self._refuse(clipped(words))

    def _answer_request(self, _content: Any, _words: str) -> bool:
        """Answer a refused request that has a number; return whether it has one."""
        return False

    def _refuse(self, message: str) -> None:
        """Say in the cell why a value from the browser was not taken."""
        _LOG.warning("%s", message)
