"""How well maps lie on their pictures, for three ways to place the cells of a map on the network's input.

    python benchmarks/placing.py                                   # four networks, a few minutes on two quiet cores
    python benchmarks/placing.py --networks MobileNetV2 --pictures 300 --seed 1 --json placing.json

The ways:

    theory      the centres of the receptive fields, `heatmap.grid.centres`
    resize      cell i of w at (i + 0.5) W / w - 0.5, what resizing a map to the picture does; every peer's way
    measured    where the trained network's cells get their contents from, `heatmap.grid.places`
    theory +n   theory and one constant shift, down and across alike, the best of -24..24 px on these very pictures:
                what a constant could reach if the answers were known beforehand

The table tells for each, in px of 224 (mean and standard error over pictures, or maps):

    mirror bias    the map of a picture against that of the mirrored picture, mirrored back: half of the shift between
                   them is how far to the right of its contents the map is placed, without any label. Twice: by the
                   alignment of highest correlation, and by the centroids of the positive parts (of energy: of what is
                   above its mean), which the picture's borders draw inwards, so that they show less than the whole
                   bias. Energy is the sum over the channels of the last feature map's squares
    centre         CAM of an object that was pasted at a known place: centroid of what is above half of the maximum,
                   minus the centroid of the object. What tells the object need not lie in its middle; objects are
                   mirrored but never upside down, so that across is more telling than down
    maximum        of pictures with two objects, share of the maps that are highest on the object they are asked about
    IoU            box around the largest part above half of the maximum against the box of the object

The pictures are none of the demo photographs that places are measured on; some of the objects are cut out of those.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))  # for `tools`

from composites import Composite, Mask, alone, composites, cutouts, scenes
from localization import UNIT, Coordinates, Hit, box_iou, hit, mirror_bias, upsample
from PIL import Image

from cnnwidgets import Classifier, explain
from cnnwidgets.explain.geometry import Grid
from cnnwidgets.preprocess import Preprocess
from tools import pretrained

Maps = npt.NDArray[np.floating[Any]]
Placing = Callable[[Grid, int], Coordinates]
Numbers = Mapping[str, Mapping[str, tuple[float, float]]]  # row -> placing -> mean, standard error
CHUNK = 8
SHIFTS = range(-24, 25)
OBJECTS = 2  # to a picture that is mirrored; no network names all of them
BEST = "best shift"


@dataclass(frozen=True, eq=False)
class Asked:
    """CAM of one object in a picture.

    Attributes:
        values: (h,w).
        mask: (W,W), the object.
        pair: whether there is another object in the picture.
        composite: the picture.

    """

    values: Maps
    mask: Mask
    pair: bool
    composite: Composite


def theory(grid: Grid, size: int) -> Coordinates:
    """Return the centres of the receptive fields."""
    del size
    return Coordinates(*grid.centres)


def resize(grid: Grid, size: int) -> Coordinates:
    """Return where a resized map draws its cells."""
    rows, columns = ((np.arange(cells) + 0.5) * size / cells - 0.5 for cells in grid.shape)
    return Coordinates(rows, columns)


def measured(grid: Grid, size: int) -> Coordinates:
    """Return the measured places of a network's cells."""
    del size
    return Coordinates(*grid.places)


def constant(shift: float) -> Placing:
    """Return theory with a shift in px of 224."""
    return lambda grid, size: theory(grid, size).shifted(shift * size / UNIT)


def whole_picture(clf: Classifier) -> tuple[Classifier, int]:
    """Return a classifier that looks at whole square pictures, and the side of its input."""
    given = clf.preprocess
    if not isinstance(given, Preprocess) or given.crop is None:
        raise TypeError(f"The preprocessing {given!r} has no size that pictures are cropped to: give a `Preprocess`.")
    size = given.crop[0]
    preprocess = Preprocess((size, size), mean=given.mean, std=given.std, interpolation=given.interpolation)
    return Classifier(clf.model, preprocess, clf.classes), size


def object_classes(clf: Classifier) -> dict[str, int]:
    """Return the class of each object that the network names sensibly, alone on neutral ground.

    The class with the highest mean probability over sizes and mirror images; it must be the first in half of them.
    """
    found = {}
    for name, cutout in cutouts().items():
        shares = clf.scores(alone(cutout))[0].softmax(1)
        best = int(shares.mean(0).argmax())
        if clf.classes[best] in cutout.classes and int((shares.argmax(1) == best).sum()) * 2 >= len(shares):
            found[name] = best
    return found


def mirror_maps(clf: Classifier, pictures: Sequence[Image.Image]) -> tuple[dict[str, tuple[Maps, Maps]], Grid]:
    """Return the maps (N,h,w) of pictures and of their mirror images, by kind, and where their cells look."""
    x = clf.prepare(list(pictures)).x
    classes = tuple(clf.scores(list(pictures))[0].argmax(1).tolist())
    sides: list[dict[str, Maps]] = []
    for side in (x, x.flip(-1)):
        cam = explain.cam(clf, side, classes, chunk=CHUNK)
        grad_cam = explain.grad_cam(clf, side, classes, chunk=CHUNK)
        energy = np.concatenate([_energy(clf, part, grad_cam.layer) for part in torch.split(side, CHUNK)])
        sides.append({"CAM": cam.values, "Grad-CAM": grad_cam.values, "energy": energy})
    return {kind: (sides[0][kind], sides[1][kind]) for kind in sides[0]}, cam.grid


def _energy(clf: Classifier, x: torch.Tensor, layer: str | None) -> Maps:
    """Return the sum over the channels of a layer's squares, less its mean over the cells, (n,h,w)."""
    values = explain.activations(clf, x, layer).values.astype(np.float64)
    energy: Maps = (values**2).sum(1)
    energy -= energy.mean((1, 2), keepdims=True)
    return energy


def object_maps(
    clf: Classifier, made: Sequence[Composite], classes: Mapping[str, int], size: int
) -> tuple[list[Asked], Grid]:
    """Return CAM of every object that the network knows, and where its cells look."""
    chosen = [(one, name) for one in made for name, _ in one.objects if name in classes]
    targets = tuple(classes[name] for _, name in chosen)
    cam = explain.cam(clf, [one.picture for one, _ in chosen], targets, chunk=CHUNK)
    asked = [
        Asked(values, one.masks(size)[name], len(one.objects) == 2, one)
        for values, (one, name) in zip(cam.values, chosen, strict=True)
    ]
    return asked, cam.grid


def mean(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard error of what is not NaN."""
    finite = np.array([value for value in values if np.isfinite(value)])
    if len(finite) < 2:
        return float("nan"), float("nan")
    return float(finite.mean()), float(finite.std(ddof=1) / np.sqrt(len(finite)))


def hits(asked: Sequence[Asked], coordinates: Coordinates) -> list[Hit]:
    """Return how each map lies on its object."""
    return [hit(one.values, coordinates, one.mask) for one in asked]


def mean_iou(asked: Sequence[Asked], coordinates: Coordinates, size: int) -> float:
    """Return the mean overlap of the boxes."""
    return float(np.mean([box_iou(upsample(one.values, coordinates, size), one.mask) for one in asked]))


def evaluate(clf: Classifier, pictures: Sequence[Image.Image], made: Sequence[Composite]) -> dict[str, Any]:
    """Return everything that is told of a network."""
    clf, size = whole_picture(clf)
    classes = object_classes(clf)
    asked, grid = object_maps(clf, made, classes, size)
    scan = {shift: mean_iou(asked, constant(shift)(grid, size), size) for shift in SHIFTS}
    best = max(scan, key=scan.__getitem__)
    placings: dict[str, Placing] = {
        "theory": theory,
        "resize": resize,
        "measured": measured,
        BEST: constant(best),
    }
    maps, mirror_grid = mirror_maps(clf, pictures)
    numbers: dict[str, dict[str, tuple[float, float]]] = {}
    for name, place in placings.items():
        for kind, (values, mirrored) in maps.items():
            coordinates = place(mirror_grid, size)
            biases = [mirror_bias(*pair, coordinates, size) for pair in zip(values, mirrored, strict=True)]
            for column, how in enumerate(("alignment", "centroid")):
                row = numbers.setdefault(f"mirror bias of {kind}, by {how}", {})
                row[name] = mean([bias[column] for bias in biases])
        found = hits(asked, place(grid, size))
        pairs = [float(one.inside) for one, of in zip(found, asked, strict=True) if of.pair]
        for measure, each in {
            "centre minus centre, across": [one.across for one in found],
            "centre minus centre, down": [one.down for one in found],
            "maximum in the right one of two objects": pairs,
            "IoU of the 50 % box": [one.iou for one in found],
        }.items():
            numbers.setdefault(measure, {})[name] = mean(each)
    return {
        "input": size,
        "pictures": len(pictures),
        "maps": len(asked),
        "maps_of_pairs": sum(one.pair for one in asked),
        "classes": {name: clf.classes[index] for name, index in classes.items()},
        "best_shift": best,
        "iou_by_shift": scan,
        "numbers": numbers,
        "coordinates": {
            name: {axis: np.round(cells, 2).tolist() for axis, cells in place(grid, size)._asdict().items()}
            for name, place in placings.items()
        },
        "overlays": (asked, {name: place(grid, size) for name, place in placings.items()}),
    }


def table(network: str, told: Mapping[str, Any]) -> str:
    """Return the Markdown table of a network."""
    names = list(next(iter(told["numbers"].values())))
    heads = [f"theory {told['best_shift']:+d}" if name == BEST else name for name in names]
    lines = [
        f"### {network}",
        "",
        f"{told['pictures']} pictures and their mirror images; {told['maps']} maps of known objects, "
        f"{told['maps_of_pairs']} of them in pictures with two. "
        + ", ".join(f"{name}: {label}" for name, label in told["classes"].items()),
        "",
        "| px of 224 | " + " | ".join(heads) + " |",
        "|---|" + "---:|" * len(heads),
    ]
    for row, cells in told["numbers"].items():
        lines.append(f"| {row} | " + " | ".join(_cell(row, *cells[name]) for name in names) + " |")
    return "\n".join(lines)


def _cell(row: str, value: float, error: float) -> str:
    if row.startswith("maximum"):
        return f"{value:.0%} ± {100 * error:.0f}"
    if row.startswith("IoU"):
        return f"{value:.3f} ± {error:.3f}"
    return f"{value:+.1f} ± {error:.1f}"


def sheet(told: Mapping[str, Any], rows: int = 8) -> Image.Image:
    """Return overlays to look at: a row for each of some maps, a column for each way; the object is outlined."""
    from matplotlib import colormaps
    from scipy import ndimage

    asked, placings = told["overlays"]
    size = told["input"]
    chosen = [asked[round(number)] for number in np.linspace(0, len(asked) - 1, min(rows, len(asked)))]
    picture = Image.new("RGB", (size * len(placings), size * len(chosen)))
    for row, one in enumerate(chosen):
        ground = np.asarray(one.composite.picture.resize((size, size)), dtype=np.float64) / 255
        rim = one.mask ^ ndimage.binary_erosion(one.mask)
        for column, coordinates in enumerate(placings.values()):
            field = upsample(one.values, coordinates, size).clip(0)
            share = field / max(float(field.max()), 1e-12)
            mixed = ground + (colormaps["inferno"](share)[..., :3] - ground) * 0.7 * share[..., None]
            mixed[rim] = (0, 1, 0)
            tile = Image.fromarray((mixed.clip(0, 1) * 255).astype(np.uint8))
            picture.paste(tile, (column * size, row * size))
    return picture


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=list(pretrained.NETWORKS), default=list(pretrained.NETWORKS))
    parser.add_argument("--pictures", type=int, default=60, help="pictures to mirror; twice as many objects are placed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the numbers")
    parser.add_argument("--sheets", type=Path, metavar="FOLDER", help="where to put overlays to look at")
    chosen = parser.parse_args()
    if chosen.pictures < 12:
        parser.error(f"--pictures {chosen.pictures}: give 12 or more, of which standard errors can be told")
    torch.set_num_threads(chosen.threads)
    made = composites(OBJECTS * chosen.pictures, chosen.seed)
    half = chosen.pictures // 2
    some = [made[round(number)].picture for number in np.linspace(0, len(made) - 1, chosen.pictures - half)]
    pictures = scenes(half, chosen.seed) + some
    written = {}
    for network in chosen.networks:
        start = time.perf_counter()
        told = evaluate(pretrained.classifier(network), pictures, made)
        print(f"{table(network, told)}\n\n{time.perf_counter() - start:.0f} s\n", flush=True)
        if chosen.sheets:
            chosen.sheets.mkdir(parents=True, exist_ok=True)
            sheet(told).save(chosen.sheets / f"{network}.png")
        written[network] = {key: value for key, value in told.items() if key != "overlays"}
    if chosen.json:
        chosen.json.write_text(json.dumps({"seed": chosen.seed, "networks": written}, indent=1) + "\n")


if __name__ == "__main__":
    main()
