"""The layers of a network as a table that can be read."""

from __future__ import annotations

from html import escape

from cnnwidgets.explain.layer import Layer, square, times

_HEADINGS = ("layer", "kind", "C x h x w", "parameters", "stride", "receptive field")
_WORDS = 2  # the first columns are text, to the left; numbers stand to the right


class Layers(list[Layer]):
    """Layers in order of execution: a list that shows itself as a table."""

    def __repr__(self) -> str:
        """Return the table as text."""
        rows = [_HEADINGS, *map(_row, self)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if column < _WORDS else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        )

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in _HEADINGS)
        body = "".join(f"<tr>{''.join(_cell(*item) for item in enumerate(_row(layer)))}</tr>" for layer in self)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f'<div style="max-height: 30em; overflow: auto; width: fit-content">{table}</div>'


def _row(layer: Layer) -> tuple[str, ...]:
    seen = "measured" if layer.receptive_field is None else square(layer.receptive_field) + " px"
    return (
        layer.name,
        layer.kind,
        times(layer.shape),
        f"{layer.parameters:,}" if layer.parameters else "",
        "" if layer.stride is None else square(layer.stride),
        f"{seen}, and all" if layer.sees_all else seen,
    )


def _cell(column: int, text: str) -> str:
    return f'<td style="text-align: {"left" if column < _WORDS else "right"}">{escape(text)}</td>'
