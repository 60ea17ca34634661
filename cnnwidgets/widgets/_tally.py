"""What a sketch is taken for: a headline and bars, on the page and in the still picture."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from cnnwidgets.images.font import font, shortened
from cnnwidgets.text import displayable, isolated

if TYPE_CHECKING:
    from cnnwidgets.widgets._scored import Scored

_WIDTH, _LINE, _BAR = 260, 20, 5  # pixels of the still picture
_LEAST = 0.0005  # a change that would read as 0.1 point or more


@dataclass(frozen=True)
class Tally:
    """What is told of one answer.

    Attributes:
        scored: the answer; None while nothing is drawn.
        clean: the answer to the untouched picture, to compare with; None where there is none.
        target: the class in the headline; None for the likeliest.
        message: what went wrong, or what to do.
        is_error: whether something went wrong.

    """

    scored: Scored | None
    clean: Scored | None = None
    target: int | None = None
    message: str = ""
    is_error: bool = False

    @property
    def index(self) -> int | None:
        """The class in the headline; None while nothing is drawn."""
        if self.scored is None:
            return None
        return self.scored.predictions[0].index if self.target is None else self.target

    @property
    def share(self) -> float | None:
        """Its probability."""
        return None if self.scored is None or self.index is None else self.scored.share(self.index)

    def headline(self) -> tuple[str, str, str]:
        """Return the class, its probability and its change against the untouched picture, as texts."""
        if self.scored is None or self.index is None or self.share is None:
            return "", "", ""
        change = "" if self.clean is None else points(self.share - self.clean.share(self.index))
        return self.scored.name(self.index), percent(self.share), change

    def rows(self) -> list[tuple[str, float, float | None]]:
        """Return the bars: name, probability, and what it was on the untouched picture."""
        if self.scored is None:
            return []
        clean = self.clean
        return [
            (item.name, item.probability, None if clean is None else clean.share(item.index))
            for item in self.scored.predictions
        ]

    def words(self) -> str:
        """Return it in a sentence."""
        name, share, change = self.headline()
        if not name:
            return self.message or "nothing drawn yet"
        return f"{isolated(name)} {share}" + (f", {change} points against the untouched picture" if change else "")

    def html(self) -> str:
        """Return it for the page, every name escaped."""
        name, share, change = (escape(displayable(part)) for part in self.headline())
        parts = []
        if name:
            change = change and f"{change} points"
            parts.append(
                f'<div class="cnnw-tally-head"><span class="cnnw-tally-name" dir="auto">{name}</span> '
                f"<span>{share}</span>"
                f'<span class="cnnw-tally-change">{change}</span></div>'
            )
        parts += [_row(*row) for row in self.rows()]
        if self.message:
            role = ' role="alert"' if self.is_error else ""
            parts.append(f'<div class="cnnw-tally-words"{role}>{escape(self.message)}</div>')
        # A new answer replaces the old one on the page, which a screen reader is told only of a live region.
        live = "" if self.is_error else ' role="status" aria-live="polite"'
        return f'<div class="cnnw-tally"{live}>{"".join(parts)}</div>'

    def picture(self) -> Image.Image:
        """Return it as a still picture, black on white."""
        name, share, change = self.headline()
        rows = self.rows()
        sheet = Image.new("RGB", (_WIDTH, 34 + (_LINE + _BAR + 7) * len(rows)), "white")
        draw = ImageDraw.Draw(sheet)
        large, small = font(17), font(12)
        numbers = "  ".join(part for part in (share, change) if part)
        draw.text((_WIDTH - 6, 4), numbers, "black", large, anchor="ra")
        room = _WIDTH - 24 - large.getlength(numbers)
        draw.text((6, 4), shortened(name or "Nothing drawn yet", large, room), "black", large)
        for number, (label, value, before) in enumerate(rows):
            top = 34 + number * (_LINE + _BAR + 7)
            draw.text((_WIDTH - 6, top), percent(value), "black", small, anchor="ra")
            draw.text((6, top), shortened(label, small, _WIDTH - 72), "black", small)
            bar = top + _LINE
            draw.rectangle((6, bar, _WIDTH - 6, bar + _BAR - 1), "#dddddd")
            draw.rectangle((6, bar, 6 + round((_WIDTH - 12) * value), bar + _BAR - 1), "#1565c0")
            if before is not None:
                x = 6 + round((_WIDTH - 12) * before)
                draw.line((x, bar - 2, x, bar + _BAR + 1), "black", 2)
        return sheet


def percent(share: float) -> str:
    """Return a probability as a text."""
    return f"{100 * share:.1f} %"


def points(change: float) -> str:
    """Return a change of a probability as a text with its sign."""
    if abs(change) < _LEAST:
        return "±0.0"
    return f"{100 * change:+.1f}".replace("-", "−")


def _row(name: str, value: float, before: float | None) -> str:
    name = displayable(name)
    change = "" if before is None else f'<span class="cnnw-tally-change">{points(value - before)}</span>'
    tick = "" if before is None else f'<i class="cnnw-tally-tick" style="left:{100 * before:.2f}%"></i>'
    return (
        f'<div class="cnnw-tally-row"><span class="cnnw-tally-label" dir="auto" '
        f'title="{escape(name, quote=True)}">{escape(name)}</span>'
        f"<span>{percent(value)}</span>{change}</div>"
        f'<div class="cnnw-tally-bar"><b style="width:{100 * value:.2f}%"></b>{tick}</div>'
    )
