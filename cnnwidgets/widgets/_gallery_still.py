"""What a NeuronGallery shows, as a still picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from cnnwidgets.explain.drawing import beside, stacked
from cnnwidgets.explain.frame import Box
from cnnwidgets.explain.geometry import interpolation
from cnnwidgets.images.font import font, shortened
from cnnwidgets.images.formats import readable
from cnnwidgets.images.tiles import contact_sheet
from cnnwidgets.patches.cut import cut
from cnnwidgets.text import isolated
from cnnwidgets.widgets._gallery_tiles import Missing
from cnnwidgets.widgets._gallery_traits import DRAWN, KINDS
from cnnwidgets.widgets._still import title

if TYPE_CHECKING:
    from collections.abc import Iterable

_TILE, _SMALL = 96, 56  # pixels of a tile's longer side, and of one in a row of the overview
_PER_ROW, _COMPARED = 8, 4  # tiles in a row, and where three kinds stand side by side
_ROWS, _IN_ROW = 6, 8
_PAIRED = DRAWN[1:]
_GONE = "#b0b0b0"  # where there is no picture
_MODES = {
    "highlight": "highlighted where the channel is high",
    "guided_backprop": "guided backpropagation",
    "deconvnet": "deconvnet",
}


def gallery_still(gallery: Any) -> Image.Image:
    """Return the wall with its values, the first rows of the overview, or how far the index has come."""
    known, channel = gallery._known, gallery.channel  # noqa: SLF001 - the gallery's own helper
    if known is None or channel is None:
        return _card(described(gallery))
    if gallery.view == "overview":
        return _overview(gallery)
    wall, drawn = gallery._wall, gallery._drawn  # noqa: SLF001
    if (wall.get("layer"), wall.get("channel")) != (gallery.layer, channel):
        return _card(described(gallery))
    tiles = Wall(wall, drawn, gallery)
    kinds = KINDS if gallery.kind == "compare" else (gallery.kind,)
    columns = _COMPARED if len(kinds) > 1 else _PER_ROW
    parts = []
    for kind in kinds:
        body = tiles.sheet(kind, gallery.label, columns)
        ties = _ties_words(gallery, kind)
        words = ", ".join(filter(None, (_kind_words(gallery, kind) if len(kinds) > 1 else "", ties)))
        parts.append(stacked(title(words, body.width), body) if words else body)
    body = beside(parts)
    return stacked(title(described(gallery), body.width), body)


def described(gallery: Any) -> str:
    """Return in a sentence what a gallery shows."""
    build = gallery._build  # noqa: SLF001
    if gallery._known is None:  # noqa: SLF001
        count = f"{build.get('done', 0):,}" + (f" of {build['total']:,}" if build.get("total") else "")
        if build.get("state") == "error":
            return f"NeuronGallery: no index. {build['message']}"
        doing = "is stopped" if build.get("state") == "stopped" else "goes on"
        return f"NeuronGallery: the indexing of the pictures {doing}, {count} so far."
    of = f"{len(gallery.index):,} pictures"
    if gallery.view == "overview":
        return (
            f"NeuronGallery: {isolated(gallery.layer)}, {gallery.index.layer(gallery.layer).shape[0]} channels; {of}."
        )
    label = "" if gallery.label is None else f" of {isolated(gallery.label)}"
    if gallery.kind == "compare":
        which = f"strongest, random and {_kind_words(gallery, 'bottom')}"
    else:
        which = _kind_words(gallery, gallery.kind)
    how = f", {_MODES[gallery.mode]}" if gallery.mode in _MODES else ""
    return f"NeuronGallery: {isolated(gallery.layer)}, channel {gallery.channel}: {which} patches{label} in {of}{how}."


def _kind_words(gallery: Any, kind: str) -> str:
    """Return what the page calls a kind: nothing is negative behind a ReLU."""
    if kind != "bottom":
        return {"top": "strongest", "sample": "random"}[kind]
    values = gallery.index.entries(gallery.layer, "bottom").values[gallery.channel]
    return "most negative" if (values < 0).any() else "smallest"


def _ties_words(gallery: Any, kind: str) -> str:
    """Return how many pictures share the first value of a kind: "58 pictures at the cap, 16 shown"."""
    patches = getattr(gallery.index, kind)(gallery.layer, gallery.channel, label=gallery.label)
    return str(patches.ties_words)


class Wall:
    """The tiles of a wall as a browser draws them, from what it is sent.

    Args:
        wall: the trait `_wall`.
        drawn: the trait `_drawn`.
        gallery: has the traits of `Showing`.

    """

    def __init__(self, wall: dict[str, Any], drawn: dict[str, Any], gallery: Any) -> None:
        self._wall, self._mode, self._gallery = wall, gallery.mode, gallery
        wanted = (wall["layer"], wall["channel"], gallery.mode)
        fits = (drawn.get("layer"), drawn.get("channel"), drawn.get("mode")) == wanted
        self._drawn = drawn if fits else {}
        self._images, self._crops = Sheet(wall["images"]), Sheet(wall["crops"])
        self._parts = Sheet(self._drawn.get("sheet", {}))

    def sheet(self, kind: str, label: str | None, columns: int) -> Image.Image:
        """Return the patches of a kind with their values."""
        pictures = self._wall["pictures"]
        shown = [
            (number, patch)
            for number, patch in enumerate(self._wall["patches"])
            if patch["kind"] == kind and label in (None, pictures[patch["picture"]]["label"])
        ]
        if not shown:
            return _card(f"No patches{'' if label is None else f' of {label}'}.", 2 * _TILE)
        tiles = [self._shown(number, patch) for number, patch in shown]
        words = [" ".join(filter(None, (_number(p["value"]), pictures[p["picture"]]["label"]))) for _, p in shown]
        if self._mode in _PAIRED:
            columns //= 2
        return contact_sheet(tiles, words, columns=min(columns, len(tiles)))

    def _shown(self, number: int, patch: dict[str, Any]) -> Image.Image:
        """Return a tile; a patch stands beside the picture of its pixels, which says little by itself."""
        tile = _square(self._tile(number, patch))
        return beside([tile, _square(self._parts.tile(number))], 2) if self._mode in _PAIRED else tile

    def _tile(self, number: int, patch: dict[str, Any]) -> Image.Image | None:
        picture, whole = self._wall["pictures"][patch["picture"]], self._images.tile(patch["picture"])
        if whole is None:
            return None
        scale = whole.width / picture["size"][1]
        box = Box(*(edge * scale for edge in patch["box"]))
        if self._mode in ("patches", *_PAIRED):
            return self._crops.tile(number) or cut(whole, box)
        if self._mode == "highlight" and self._drawn:
            whole = self._highlighted(whole, patch["picture"], scale)
        whole = _square(whole)
        grown = max(whole.size) / max(self._images.size(patch["picture"]))
        _outline(whole, Box(*(edge * grown for edge in box)))
        return whole

    def _highlighted(self, whole: Image.Image, picture: int, scale: float) -> Image.Image:
        """Return a picture, darkened where the channel does not exceed its quantile."""
        drawn, gallery = self._drawn, self._gallery
        maps = np.frombuffer(drawn["data"], "<f2").reshape(drawn["shape"]).astype(np.float32) * drawn["scale"]
        down, across = (np.arange(side, dtype=np.float64) + 0.5 for side in (whole.height, whole.width))
        rows = interpolation(np.array(drawn["ys"][picture]) * scale, down)
        columns = interpolation(np.array(drawn["xs"][picture]) * scale, across)
        field = rows @ maps[picture] @ columns.T
        above = field > np.interp(gallery.quantile, drawn["cuts"]["levels"], drawn["cuts"]["values"])
        dark = Image.blend(whole, Image.new("RGB", whole.size), gallery.opacity)
        return Image.composite(whole, dark, Image.fromarray(above))


class Sheet:
    """A sheet of tiles as it is sent: {} is an empty one."""

    def __init__(self, packed: dict[str, Any]) -> None:
        self._places = packed.get("places", [])
        self._picture = Image.open(io.BytesIO(packed["data"]), formats=readable()).convert("RGB") if packed else None

    def size(self, number: int) -> tuple[int, int]:
        """Return (width, height) of a tile."""
        return self._places[number][2], self._places[number][3]

    def tile(self, number: int) -> Image.Image | None:
        """Return a tile, or None where there is none."""
        place = self._places[number] if number < len(self._places) else None
        if place is None or self._picture is None:
            return None
        left, top, width, height = place
        return self._picture.crop((left, top, left + width, top + height))


def _overview(gallery: Any) -> Image.Image:
    index, tiles = gallery.index, gallery._known.tiles  # noqa: SLF001
    lines = []
    for channel in _first_channels(gallery)[:_ROWS]:
        patches = index.top(gallery.layer, channel, _IN_ROW)
        found = [tiles.crop(patch, _SMALL) for patch in patches]
        row = [_square(None if isinstance(tile, Missing) else tile, _SMALL) for tile in found]
        words = f"channel {channel}" + (f", up to {_number(patches[0].value)}" if patches else ", no patches")
        body = contact_sheet(row, columns=_IN_ROW) if row else _card("", _SMALL)
        lines.append(stacked(title(words, body.width), body))
    return stacked(title(described(gallery), max(line.width for line in lines)), *lines)


def _first_channels(gallery: Any) -> list[int]:
    """Return the channels in the order of the overview; those without a place in it come last."""
    order, by = gallery._order, gallery.order  # noqa: SLF001
    first: Iterable[int] = ()
    if by == "maximum":
        highest = gallery.index.entries(gallery.layer).values[:, 0]
        first = np.lexsort((-gallery.index.preactivation(gallery.layer), -highest))  # at a cap by the values before it
    elif by in ("likeness", "class") and (order.get("layer"), order.get("by")) == (gallery.layer, by):
        first = np.frombuffer(order["channels"], "<i4")
    return list(dict.fromkeys([*map(int, first), *range(gallery.index.layer(gallery.layer).shape[0])]))


def _square(tile: Image.Image | None, side: int = _TILE) -> Image.Image:
    """Return a tile with a longer side of `side` pixels, its own pixels seen; grey where there is none."""
    if tile is None:
        return Image.new("RGB", (side, side), _GONE)
    factor = side / max(tile.size)
    size = (max(1, round(tile.width * factor)), max(1, round(tile.height * factor)))
    return tile.resize(size, Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS)


def _outline(picture: Image.Image, box: Box) -> None:
    pen = ImageDraw.Draw(picture)
    corners = (box.left, box.top, max(box.left, box.right - 1), max(box.top, box.bottom - 1))
    pen.rectangle(corners, outline="black", width=3)
    left, top, right, bottom = corners
    if right - left > 2 and bottom - top > 2:
        pen.rectangle((left + 1, top + 1, right - 1, bottom - 1), outline="white")


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _card(words: str, width: int = 420) -> Image.Image:
    """Return words on white, broken into lines."""
    face, lines, line = font(14), [], ""
    for word in (shortened(each, face, width - 24) for each in words.split()):
        longer = f"{line} {word}".strip()
        if face.getlength(longer) > width - 24 and line:
            lines.append(line)
            longer = word
        line = longer
    text = "\n".join([*lines, line])
    card = Image.new("RGB", (width, 24 + 20 * (len(lines) + 1)), "white")
    ImageDraw.Draw(card).multiline_text((12, 10), text, fill="black", font=face, spacing=4)
    return card
