"""Traits that several widgets have, each with its meaning, type and default."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, get_args

import traitlets

from cnnwidgets.errors import CnnWidgetsError, LayerError, OptionError, TargetError, brief, nearest
from cnnwidgets.images import colormaps
from cnnwidgets.widgets._numbers import is_finite
from cnnwidgets.widgets._words import in_words

if TYPE_CHECKING:
    from collections.abc import Iterator


class RefusedOptionError(OptionError, traitlets.TraitError):
    """A value that a trait does not take; traitlets puts the old one back."""


class RefusedTargetError(TargetError, traitlets.TraitError):
    """A class that the model does not have; traitlets puts the old one back."""


class RefusedLayerError(LayerError, traitlets.TraitError):
    """A layer that the model does not have; traitlets puts the old one back."""


@contextmanager
def refusing() -> Iterator[None]:
    """Turn an error of `explain` into one after which traitlets puts the old value back."""
    try:
        yield
    except OptionError as error:
        raise RefusedOptionError(str(error)) from None
    except TargetError as error:
        raise RefusedTargetError(str(error)) from None
    except LayerError as error:
        raise RefusedLayerError(str(error)) from None
    except CnnWidgetsError as error:
        raise RefusedOptionError(str(error)) from error
    except traitlets.TraitError:
        raise
    except Exception as error:  # the model no longer runs: traitlets must put the old value back all the same
        words = in_words(error, "this value was checked")
        raise RefusedOptionError(f"{words['message']} {words['remedy']}") from error


class Recomputed(traitlets.Instance):  # type: ignore[type-arg]
    """A result that a widget lets go of at rest: whoever asks for it then has it computed again, and waits."""

    def get(self, obj: Any, cls: Any = None) -> Any:
        """Return the result, or None where there is none."""
        found = super().get(obj, cls)
        if found is not None or not getattr(obj, "_at_rest", False):
            return found
        with suppress(RuntimeError):  # on the worker's own thread nothing can be waited for
            obj.wake()
        return super().get(obj, cls)


class Checked(traitlets.TraitType):  # type: ignore[type-arg]
    """Any value; the widget's own validator checks it, None too, which `traitlets.Any` would let through."""


class Choice(traitlets.Unicode):  # type: ignore[type-arg]
    """One of several words; another one is refused with the nearest."""

    def __init__(self, values: tuple[str, ...], default: str, **options: Any) -> None:
        self.values = values
        super().__init__(default, **options)

    def validate(self, obj: Any, value: Any) -> str:
        """Return the value if it is one of the words."""
        if value not in self.values:
            raise RefusedOptionError(
                f"{self.name}={brief(value)} is not known.{nearest(value, self.values)} "
                f"Known are: {', '.join(self.values)}."
            )
        return str(super().validate(obj, value))


class Share(traitlets.Float):  # type: ignore[type-arg]
    """A number from 0 to 1."""

    def validate(self, obj: Any, value: Any) -> float:
        """Return the value if it is from 0 to 1."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise RefusedOptionError(f"{self.name}={brief(value)}: give a number from 0 to 1.")
        return float(super().validate(obj, float(value)))


class Pixels(traitlets.Int):  # type: ignore[type-arg]
    """A whole number of CSS pixels in a range."""

    def __init__(self, least: int, most: int, default: int, **options: Any) -> None:
        self.least, self.most = least, most
        super().__init__(default, **options)

    def validate(self, obj: Any, value: Any) -> int:
        """Return the number if it is one of the range."""
        if isinstance(value, bool) or not isinstance(value, int) or not self.least <= value <= self.most:
            raise RefusedOptionError(
                f"{self.name}={brief(value)}: give a whole number of pixels, {self.least} to {self.most}."
            )
        return int(super().validate(obj, value) or 0)


class Magnification(traitlets.Float):  # type: ignore[type-arg]
    """A number from 1 on."""

    def validate(self, obj: Any, value: Any) -> float:
        """Return the number if it is finite and 1 or more."""
        if not is_finite(value) or value < 1:
            raise RefusedOptionError(f"{self.name}={brief(value)}: give a finite number, 1 or more.")
        return float(super().validate(obj, float(value)))


class Point(traitlets.TraitType):  # type: ignore[type-arg]
    """A point [x, y], or None."""

    def validate(self, _obj: Any, value: Any) -> list[float] | None:
        """Return the point if it is one."""
        if value is None:
            return None
        numbers = list(value) if isinstance(value, list | tuple) else []
        if len(numbers) != 2 or not all(map(is_finite, numbers)):
            raise RefusedOptionError(
                f"{self.name}={brief(value)}: give two finite numbers [x, y], or None for the middle."
            )
        return [float(number) for number in numbers]


class Overlay(traitlets.HasTraits):
    """How a map is laid over a picture. The browser alone follows these, in one frame."""

    opacity = Share(0.6, help="How much the colours cover the picture, 0 to 1. Default 0.6.").tag(sync=True)
    threshold = Share(0.0, help="Share of the scale below which nothing is drawn, 0 to 1. Default 0.").tag(sync=True)
    sign = Choice(
        get_args(colormaps.Sign),
        "positive",
        help="Which values are drawn: 'positive' (what speaks for the class; the default), 'negative', 'absolute' "
        "or 'both'.",
    ).tag(sync=True)
    colormap = Choice(
        (colormaps.AUTO, *colormaps.COLORMAPS),
        colormaps.AUTO,
        help="Name of a colour map; 'auto' (the default) is 'inferno', and 'RdBu_r' where sign is 'both'.",
    ).tag(sync=True)
    zoom = Magnification(1.0, help="Magnification of the picture, 1 or more. Default 1.").tag(sync=True)
    pan = Point(
        None, help="Centre [x, y] of the magnified view in pixels of the picture; None, the default, is the middle."
    ).tag(sync=True)
