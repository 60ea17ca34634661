"""Saving a heat map as files that anybody can read, and reading them back.

A folder holds `manifest.json` (what it is, in words and numbers), `arrays.npz` (values, scores, cell centres; no
pickle), and for each image `picture-N.png` (the original) and `overlay-N.png` (what it looks like).
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from PIL import Image

from cnnwidgets.errors import CnnWidgetsError
from cnnwidgets.explain.axis import Axis
from cnnwidgets.explain.frame import Box, Frame
from cnnwidgets.explain.geometry import Grid, Placement
from cnnwidgets.explain.provenance import versions

if TYPE_CHECKING:
    from pathlib import Path

    from cnnwidgets.explain.result import Heatmap

FORMAT = 1
_EDGES = ("low", "high", "first", "last", "path", "places")
_TEXTS = ("method", "title", "paper", "score_units", "units", "layer")


class ArchiveError(CnnWidgetsError, ValueError):
    """A folder that is no saved heat map, or a broken one."""


def save(heatmap: Heatmap, folder: Path) -> Path:
    """Write a heat map into `folder`, which is made where it is missing, and return it.

    Raises:
        ArchiveError: the folder holds other files, which are left alone.

    """
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / "manifest.json").exists())):
        raise ArchiveError(f"{str(folder)!r} is not empty and holds no saved heat map. Choose a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("picture-*.png"), *folder.glob("overlay-*.png")]:
        old.unlink()
    grid = heatmap.grid
    np.savez(
        folder / "arrays.npz",
        values=heatmap.values,
        scores=heatmap.scores,
        upsampled=heatmap.upsampled(),
        **{
            f"{name}_{edge}": values
            for name, axis in (("y", grid.y), ("x", grid.x))
            for edge in _EDGES
            if (values := getattr(axis, edge)) is not None
        },
        strides=np.array([grid.y.stride, grid.x.stride]),
    )
    for index, picture in enumerate(heatmap.pictures):
        picture.convert("RGB").save(folder / f"picture-{index}.png")
        heatmap.overlay(index).save(folder / f"overlay-{index}.png")
    text = json.dumps(_manifest(heatmap), indent=2, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
    return folder


def _manifest(heatmap: Heatmap) -> dict[str, Any]:
    stamp = heatmap.stamp
    return {
        "format": FORMAT,
        **{name: getattr(heatmap, name) for name in _TEXTS},
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
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def load(folder: Path) -> Heatmap:
    """Read a saved heat map.

    Raises:
        ArchiveError: it is none, it is broken, or a later version wrote it.

    """
    from cnnwidgets.explain.result import Heatmap

    manifest_file = folder / "manifest.json"
    if not manifest_file.is_file():
        raise ArchiveError(f"{str(folder)!r} holds no saved heat map: there is no manifest.json in it.")
    try:
        manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
        if manifest["format"] > FORMAT:
            raise ArchiveError(
                f"{str(folder)!r} was written by a later version of cnnwidgets ({manifest['versions']['cnnwidgets']}). "
                "Upgrade: pip install --upgrade cnnwidgets"
            )
        with np.load(io.BytesIO((folder / "arrays.npz").read_bytes()), allow_pickle=False) as arrays:
            stored = {name: arrays[name] for name in arrays.files}
        pictures = []
        for index in range(len(stored["values"])):
            with Image.open(folder / f"picture-{index}.png") as picture:
                pictures.append(picture.convert("RGB"))
        down, across = (float(stride) for stride in stored["strides"])
        return Heatmap(
            values=stored["values"],
            **{name: manifest[name] for name in _TEXTS},
            target=tuple(manifest["target"]),
            scores=stored["scores"],
            params=manifest["params"],
            grid=Grid(
                _axis(stored, "y", down),
                _axis(stored, "x", across),
                (int(manifest["grid"]["dims"][0]), int(manifest["grid"]["dims"][1])),
                sees_all=manifest["grid"]["sees_all"],
                measured=manifest["grid"]["measured"],
            ).with_placement(_placement(manifest)),
            frames=tuple(
                Frame(Box(*f["box"]), tuple(f["input_size"]), tuple(f["picture_size"]), f["exact"])
                for f in manifest["frames"]
            ),
            pictures=tuple(pictures),
            image_hashes=tuple(manifest["image_sha256"]),
        )
    except (KeyError, TypeError, ValueError, OSError, EOFError, BadZipFile) as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError(f"The heat map in {str(folder)!r} is broken: {error}") from error


def _axis(stored: dict[str, Any], name: str, stride: float) -> Axis:
    sight = None
    if f"{name}_first" in stored:  # earlier versions did not save it
        sight = stored[f"{name}_first"], stored[f"{name}_last"]
    low, high = stored[f"{name}_low"], stored[f"{name}_high"]
    return Axis(low, high, stride, sight, stored.get(f"{name}_path"))


def _placement(manifest: dict[str, Any]) -> Placement:
    """Return how the cells are placed; earlier versions placed by theory or gradients, and did not say so."""
    stored = manifest.get("placement")
    if stored is None:
        by_gradient = "gradient" if manifest["grid"]["measured"] else "theory"
        return Placement(by_gradient if manifest["layer"] else "input")
    (down, across), error = stored["shift"], stored["error"]
    return Placement(
        str(stored["method"]),
        (float(down), float(across)),
        None if error is None else (_number(error[0]), _number(error[1])),
        _number(stored["agreement"]),
        str(stored["reason"]),
        str(stored["origin"]),
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
