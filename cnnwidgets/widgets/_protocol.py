"""What goes over the border to the browser, bulk as binary: the twin of js/src/protocol.ts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cnnwidgets.explain.geometry import interpolate, interpolation
from cnnwidgets.images import colormaps
from cnnwidgets.images.encode import encode

if TYPE_CHECKING:
    from PIL import Image

    from cnnwidgets.explain.frame import Frame
    from cnnwidgets.explain.layer import Layer
    from cnnwidgets.explain.result import Heatmap
    from cnnwidgets.predictions import Predictions


def pack_photo(picture: Image.Image, title: str) -> dict[str, Any]:
    """Return a picture as encoded bytes with its original size in pixels."""
    encoded = encode(picture)
    return {
        "data": encoded.data,
        "mime": encoded.mime,
        "width": picture.width,
        "height": picture.height,
        "title": title,
    }


def pack_seen(frame: Frame) -> list[float]:
    """Return the part of the picture that the network saw, clipped to it."""
    height, width = frame.picture_size
    left, top, right, bottom = frame.box
    return [max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))]


def pack_map(heatmap: Heatmap, *, partial: bool) -> dict[str, Any]:
    """Return the first map of a result: float16 shares of its largest magnitude, and where its cells lie.

    NaN stands for what was not computed.
    A float16 keeps three to four digits of the raw value, which is what the read-out shows.
    """
    rows, columns = heatmap.grid.places
    values = heatmap.values[0]
    if len(set(rows)) < len(rows) or len(set(columns)) < len(columns):  # cells that lie at the same place
        down, across = (interpolation(axis, np.unique(axis)) for axis in (rows, columns))
        values = interpolate(down, values, across)
        rows, columns = np.unique(rows), np.unique(columns)
    scale = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    frame = heatmap.frames[0]
    (box,) = heatmap.boxes()[:1]
    placed = heatmap.placement.words if heatmap.layer else ""
    named = ", ".join(part for part in (heatmap.title, heatmap.unfinished, heatmap.paper) if part)
    return {
        "data": (values / scale).astype("<f2").tobytes(),
        "shape": list(values.shape),
        "scale": scale,
        "xs": frame.columns_to_picture(columns).tolist(),
        "ys": frame.rows_to_picture(rows).tolist(),
        "units": heatmap.units,
        "layer": heatmap.layer,
        "score": f"{heatmap.score_units} of {heatmap.target[0]} = {heatmap.scores[0]:.3g}",
        "box": None if box is None else list(box),
        "partial": partial,
        "caption": " ".join(filter(None, [heatmap.params.get("note"), "; ".join(filter(None, [named, placed]))])),
    }


def pack_layers(layers: list[Layer]) -> list[dict[str, Any]]:
    """Return the choices of layer."""
    return [{"name": layer.name, "shape": list(layer.shape)} for layer in layers]


def pack_all_layers(layers: list[Layer]) -> list[dict[str, Any]]:
    """Return the layers with what is known of them before anything is computed."""
    return [
        {
            "name": layer.name,
            "kind": layer.kind,
            "shape": list(layer.shape),
            "parameters": layer.parameters,
            "stride": None if layer.stride is None else list(layer.stride),
            "field": None if layer.receptive_field is None else list(layer.receptive_field),
            "sees_all": layer.sees_all,
            "call": layer.call,
        }
        for layer in layers
    ]


def pack_predictions(predictions: Predictions) -> list[dict[str, Any]]:
    """Return the bars."""
    return [{"index": p.index, "name": p.name, "probability": p.probability} for p in predictions]


def pack_colormaps() -> dict[str, Any]:
    """Return the look-up tables, 256 colours of three bytes each."""
    return {
        name: {"kind": kind, "data": colormaps.lookup(name).tobytes()} for name, kind in colormaps.COLORMAPS.items()
    }
