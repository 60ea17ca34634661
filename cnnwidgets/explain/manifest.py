"""The manifest of a saved heat map: what is written, and how each part is checked before it is believed."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from PIL import Image

from cnnwidgets.explain.frame import Box, Frame
from cnnwidgets.explain.geometry import Placement
from cnnwidgets.explain.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cnnwidgets.explain.result import Heatmap

FORMAT = 1
KIND = "heat map of cnnwidgets"
TEXTS = ("method", "title", "paper", "score_units", "units")
_CHECKSUMS = "checksums"
#: What every manifest has, also those of versions that did not write its kind.
_ALWAYS = {"format", "method", "title", "target", "params", "grid", "frames", "versions"}
_FARTHEST = 2.0**40  # of pixels
_LONGEST = 2**24  # characters of a text
_SIDE, _PICTURE_SIDE = 2**15, 2**17  # pixels: of the network's input, and of a picture


def most_pixels() -> int:
    """Return the largest number of pixels of one picture or map: the one up to which Pillow decodes."""
    return 2 * Image.MAX_IMAGE_PIXELS if Image.MAX_IMAGE_PIXELS is not None else 2**40


class Part:
    """A value out of a file with its name, to be checked where it is used.

    Args:
        name: of the value, as an error says it.
        value: as the file has it.

    """

    def __init__(self, name: str, value: Any) -> None:
        self.name, self.value = name, value

    def fail(self, wanted: str) -> NoReturn:
        """Raise `ValueError` that says what was wanted instead."""
        found = repr(self.value)
        raise ValueError(f"{self.name} is {found if len(found) <= 80 else found[:79] + '…'}, not {wanted}")

    def item(self, key: str) -> Part:
        """Return the value of a name in a table."""
        if not isinstance(self.value, dict):
            self.fail("a table")
        if key not in self.value:
            raise ValueError(f"{self.name} lacks {key!r}")
        return Part(key if self.name == "it" else f"{self.name}, {key}", self.value[key])

    def __contains__(self, key: str) -> bool:
        """Whether a key is in the table."""
        return isinstance(self.value, dict) and key in self.value

    def items(self, count: int | None = None, least: int = 0) -> list[Part]:
        """Return the values of a list."""
        if (
            not isinstance(self.value, list)
            or len(self.value) < least
            or (count is not None and len(self.value) != count)
        ):
            self.fail("a list" if count is None and not least else f"a list of {least or count}")
        return [Part(f"{self.name}[{place}]", value) for place, value in enumerate(self.value)]

    def text(self) -> str:
        """Return a text that can be printed."""
        if not isinstance(self.value, str) or len(self.value) > _LONGEST:
            self.fail(f"a text of at most {_LONGEST} characters")
        try:
            self.value.encode()
        except UnicodeEncodeError:
            self.fail("a text that can be written")
        return self.value

    def flag(self) -> bool:
        """Return a truth value."""
        if not isinstance(self.value, bool):
            self.fail("true or false")
        return self.value

    def whole(self, least: int, most: int) -> int:
        """Return a whole number."""
        if type(self.value) is not int or not least <= self.value <= most:
            self.fail(f"a whole number from {least} to {most}")
        return int(self.value)

    def number(self) -> float:
        """Return a finite number, of pixels or the like."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self.fail("a number")
        if not math.isfinite(self.value) or abs(self.value) > _FARTHEST:
            self.fail("a finite number")
        return float(self.value)

    def number_or_none(self) -> float | None:
        """Return a finite number, or None."""
        return None if self.value is None else self.number()

    def size(self, side: int) -> tuple[int, int]:
        """Return (height, width) in pixels, not more than Pillow decodes."""
        height, width = (each.whole(1, side) for each in self.items(2))
        if height * width > most_pixels():
            self.fail(f"a size of at most {most_pixels()} pixels (PIL.Image.MAX_IMAGE_PIXELS)")
        return height, width


def described(heatmap: Heatmap, files: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest of a heat map.

    Args:
        heatmap: the heat map.
        files: size and SHA-256 of the files beside the manifest, by name.

    """
    stamp = heatmap.stamp
    found = {
        "format": FORMAT,
        "kind": KIND,
        **{name: getattr(heatmap, name) for name in (*TEXTS, "layer")},
        "target": list(heatmap.target),
        "params": {key: _plain(value) for key, value in heatmap.params.items()},
        "grid": {
            "dims": list(heatmap.grid.dims),
            "sees_all": heatmap.grid.sees_all,
            "measured": heatmap.grid.measured,
        },
        "placement": asdict(heatmap.placement),
        "frames": [
            {
                "box": list(frame.box),
                "input_size": list(frame.input_size),
                "picture_size": list(frame.picture_size),
                "exact": frame.exact,
            }
            for frame in heatmap.frames
        ],
        "image_sha256": list(heatmap.image_hashes),
        "model": None
        if stamp is None
        else {
            "class": stamp.name,
            "sha256": stamp.hash(),
            "note": "null: the model was changed or deleted between the explanation and its saving",
        },
        "saved": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "files": dict(files),
    }
    plain = {key: _writable(value) for key, value in found.items()}
    return {**plain, _CHECKSUMS: {key: _checksum(value) for key, value in plain.items()}}


def _writable(value: Any) -> Any:
    """Return a value as it will be read: tuples are lists, and what a file's name has besides text is replaced."""
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
    return json.loads(text)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _checksum(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def is_manifest(value: Any) -> bool:
    """Whether a JSON value is the manifest of a heat map, of this version or another one."""
    if not isinstance(value, dict) or not set(value) >= _ALWAYS:
        return False
    return value.get("kind", KIND) == KIND and isinstance(value["versions"], dict) and "cnnwidgets" in value["versions"]


def check_unchanged(manifest: Mapping[str, Any]) -> None:
    """Raise `ValueError` where a part is not what was written; manifests of earlier versions have no checksums."""
    if _CHECKSUMS not in manifest:
        return
    sums = manifest[_CHECKSUMS]
    if not isinstance(sums, dict):
        Part(_CHECKSUMS, sums).fail("a table")
    for key, value in manifest.items():
        if key != _CHECKSUMS and sums.get(key) != _checksum(value):
            raise ValueError(f"{key} is not what was written: its checksum differs")


def frames_of(manifest: Part) -> tuple[Frame, ...]:
    """Return the frame of each picture: the box that the network's input was cut from."""
    found = []
    for part in manifest.item("frames").items(least=1):
        box = Box(*(edge.number() for edge in part.item("box").items(4)))
        if not (box.left < box.right and box.top < box.bottom):
            part.item("box").fail("a box: left, top, right, bottom")
        found.append(
            Frame(
                box,
                part.item("input_size").size(_SIDE),
                part.item("picture_size").size(_PICTURE_SIDE),
                part.item("exact").flag(),
            )
        )
        if found[-1].input_size != found[0].input_size:
            part.item("input_size").fail(f"{list(found[0].input_size)}, as that of the first image")
    return tuple(found)


def params_of(manifest: Part) -> dict[str, Any]:
    """Return the method's parameters."""
    part = manifest.item("params")
    if not isinstance(part.value, dict):
        part.fail("a table")
    for key, value in part.value.items():
        Part("a name in params", key).text()
        if isinstance(value, str):
            part.item(key).text()
        elif not isinstance(value, int | float | bool | None):
            part.item(key).fail("a text, a number, true, false or null")
    return dict(part.value)


def texts_of(part: Part, counts: tuple[int, ...]) -> tuple[str, ...]:
    """Return a list of texts that has one of several lengths."""
    found = tuple(each.text() for each in part.items())
    if len(found) not in counts:
        part.fail(f"a list of {counts[0]}")
    return found


def placement_of(manifest: Part) -> Placement:
    """Return how the cells are placed; earlier versions placed by theory or gradients, and did not say so."""
    if "placement" not in manifest or manifest.value["placement"] is None:
        by_gradient = "gradient" if manifest.item("grid").item("measured").flag() else "theory"
        return Placement(by_gradient if manifest.value.get("layer") else "input")
    stored = manifest.item("placement")
    down, across = (each.number() for each in stored.item("shift").items(2))
    error = stored.item("error")
    spread = None if error.value is None else tuple(each.number_or_none() for each in error.items(2))
    return Placement(
        stored.item("method").text(),
        (down, across),
        None if spread is None else (spread[0], spread[1]),
        stored.item("agreement").number_or_none(),
        stored.item("reason").text(),
        stored.item("origin").text(),
    )


def stated_files(manifest: Part) -> Iterator[tuple[str, int, str]]:
    """Yield name, bytes and SHA-256 of the files that the manifest names; none where an earlier version wrote it."""
    if "files" not in manifest:
        return
    part = manifest.item("files")
    if not isinstance(part.value, dict):
        part.fail("a table")
    for name in part.value:
        entry = part.item(name)
        yield name, entry.item("bytes").whole(0, 2**62), entry.item("sha256").text()
