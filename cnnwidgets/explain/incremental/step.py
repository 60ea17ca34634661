"""A step of a plan: it knows what to do on whole maps, and what where only a part has changed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnwidgets.explain.incremental.patch import Clean, Patch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Slot:
    """A place for a value that depends on the picture."""

    index: int


@dataclass(eq=False)
class Run:
    """One run of a plan.

    Attributes:
        batch: number of images.
        clean: what is known of the clean image, by slot.
        macs: multiplications and additions made by convolutions so far, in pairs.
        whole_at: the first step that needed whole maps though its input had changed in part only.

    """

    batch: int
    clean: dict[int, Clean]
    macs: int = 0
    whole_at: str = ""

    def whole(self, slot: int, value: Any) -> Any:
        """Return a value as whole maps."""
        if isinstance(value, Patch):
            return self.clean[slot].whole(value)
        return value


class Step(ABC):
    """One step.

    Attributes:
        name: the function and where in the network it is called, for people.
        inputs: slots that it reads.
        out: slot that it fills.
        frees: slots that nobody reads after it.

    """

    def __init__(self, name: str, inputs: tuple[int, ...], out: int) -> None:
        self.name, self.inputs, self.out = name, inputs, out
        self.frees: tuple[int, ...] = ()

    @property
    def needs(self) -> tuple[int, ...]:
        """Slots of which the clean map must be known."""
        return self.inputs

    @abstractmethod
    def on_whole(self, run: Run, values: Sequence[Any]) -> Any:
        """Compute from whole maps (B, ...)."""

    def on_part(self, run: Run, values: Sequence[Any]) -> Any:
        """Compute where at least one input has changed in part only; by default on whole maps."""
        run.whole_at = run.whole_at or self.name
        return self.on_whole(run, [run.whole(slot, value) for slot, value in zip(self.inputs, values, strict=True)])


def filled(template: Any, values: dict[int, Any]) -> Any:
    """Return a structure with its slots replaced by values."""
    if isinstance(template, Slot):
        return values[template.index]
    if isinstance(template, list | tuple):
        return type(template)(filled(item, values) for item in template)
    if isinstance(template, dict):
        return {key: filled(item, values) for key, item in template.items()}
    return template


class Call(Step):
    """Any function, on whole maps."""

    def __init__(self, name: str, out: int, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        super().__init__(name, tuple(dict.fromkeys(_slots((args, kwargs)))), out)
        self.function, self.args, self.kwargs = function, args, kwargs

    def on_whole(self, run: Run, values: Sequence[Any]) -> Any:
        """Call it."""
        del run
        return self.called(dict(zip(self.inputs, values, strict=True)))

    def called(self, values: dict[int, Any]) -> Any:
        """Call the function with its slots filled."""
        return self.function(*filled(self.args, values), **filled(self.kwargs, values))


def _slots(template: Any) -> list[int]:
    if isinstance(template, Slot):
        return [template.index]
    if isinstance(template, list | tuple):
        return [slot for item in template for slot in _slots(item)]
    if isinstance(template, dict):
        return _slots(list(template.values()))
    return []
