"""Pictures with objects at known places: cut-outs of photographs, whose outlines are given here, on textures.

All photographs come with scikit-image, scikit-learn and Matplotlib and are read in place. Whatever is drawn at random
depends on the seed alone.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from cnnwidgets.explain.probe_pictures import package_folder

if TYPE_CHECKING:
    from pathlib import Path

Mask = npt.NDArray[np.bool_]
Drawing = Callable[[Image.Image], Image.Image]  # from a photograph to the mask of an object
SIDE = 448  # pixels of a composite's sides: more than any network's input
NEUTRAL = (128, 128, 128)
_FOLDERS = {"skimage": "data", "sklearn": "datasets/images", "matplotlib": "mpl-data/sample_data"}
_GAP = 0.02  # of the side, between two objects
_SCENES = (  # photographs to crop, none of which a place is measured on
    "sklearn/china.jpg",
    "sklearn/flower.jpg",
    "skimage/motorcycle_left.png",
    "skimage/motorcycle_right.png",
    "matplotlib/grace_hopper.jpg",
    "skimage/coins.png",
    "skimage/ihc.png",
    "skimage/retina.jpg",
)
_TEXTURES = ("skimage/grass.png", "skimage/gravel.png", "skimage/brick.png")
_BLURS: tuple[tuple[str, tuple[int, int, int, int]], ...] = (  # with the part (left, top, right, bottom) to look at
    ("sklearn/china.jpg", (340, 0, 640, 427)),  # beside the pagoda
    ("skimage/ihc.png", (0, 0, 512, 512)),
    ("skimage/retina.jpg", (0, 0, 1411, 1411)),
    ("skimage/moon.png", (0, 0, 512, 512)),
)


@dataclass(frozen=True, eq=False)
class Cutout:
    """An object cut out of its photograph, with its mask.

    Attributes:
        name: what it is called in the benchmark.
        classes: ImageNet classes that name it sensibly.
        picture: RGB, cropped to the object.
        mask: L, of the same size; 255 on the object.

    """

    name: str
    classes: tuple[str, ...]
    picture: Image.Image
    mask: Image.Image

    def at(self, longest: int, *, mirrored: bool) -> Cutout:
        """Return the object with its longer side at a number of pixels."""
        scale = longest / max(self.picture.size)
        size = (max(1, round(self.picture.width * scale)), max(1, round(self.picture.height * scale)))
        both = [image.resize(size, Image.Resampling.LANCZOS) for image in (self.picture, self.mask)]
        if mirrored:
            both = [ImageOps.mirror(image) for image in both]
        return Cutout(self.name, self.classes, *both)


@dataclass(frozen=True, eq=False)
class Composite:
    """A picture with objects on a ground.

    Attributes:
        picture: RGB, SIDE x SIDE.
        objects: name and mask (SIDE,SIDE) of each.

    """

    picture: Image.Image
    objects: tuple[tuple[str, Mask], ...]

    def masks(self, size: int) -> dict[str, Mask]:
        """Return the masks at the size of a network's input, (size,size), by the names of the objects."""
        return {name: _resized(mask, size) for name, mask in self.objects}


def _resized(mask: Mask, size: int) -> Mask:
    image = Image.fromarray(np.where(mask, 255, 0).astype(np.uint8))
    return np.asarray(image.resize((size, size), Image.Resampling.BOX)) > 127


@functools.lru_cache(maxsize=32)
def photograph(name: str) -> Image.Image:
    """Return a photograph as RGB: "skimage/coffee.png", with the package that it comes with."""
    with Image.open(_path(name)) as picture:
        return picture.convert("RGB")


def _path(name: str) -> Path:
    package, _, file = name.partition("/")
    folder = package_folder(package)
    if folder is None:
        raise SystemExit(
            f'The photograph {name!r} needs a package that is not installed: pip install "cnnwidgets[dev]"'
        )
    return folder / _FOLDERS[package] / file


# Objects: outlines in pixels of the photographs.


def _ellipse(x: float, y: float, across: float, down: float) -> Drawing:
    """Return what draws a mask inside an ellipse, given by its centre and its radii."""

    def draw(picture: Image.Image) -> Image.Image:
        mask = Image.new("L", picture.size, 0)
        ImageDraw.Draw(mask).ellipse((x - across, y - down, x + across, y + down), fill=255)
        return mask

    return draw


def _polygon(points: str) -> Drawing:
    """Return what draws a mask inside a polygon, given as SVG writes it: "x,y x,y ..."."""

    def draw(picture: Image.Image) -> Image.Image:
        mask = Image.new("L", picture.size, 0)
        corners = [tuple(float(number) for number in point.split(",")) for point in points.split()]
        ImageDraw.Draw(mask).polygon(corners, fill=255)
        return mask

    return draw


def _motorcycle(picture: Image.Image) -> Image.Image:
    """Return the mask of the motorcycle: what the stereo pair's disparities put nearer than floor and wall."""
    from scipy import ndimage

    with np.load(_path("skimage/motorcycle_disp.npz")) as file:
        disparity = file["arr_0"].astype(np.float64)
    measured = np.isfinite(disparity)
    y, x = np.mgrid[: picture.height, : picture.width]
    floor_only = measured & (y > 330) & ((x < 90) | (x > 695) | (y > 465))
    plane = np.stack([x, y, np.ones_like(x)], axis=-1)
    floor = plane @ np.linalg.lstsq(plane[floor_only], disparity[floor_only], rcond=None)[0]
    wall = 33.0  # the shelves and the bench are farther away than that
    nearer = measured & (np.where(measured, disparity, 0) > np.maximum(floor, wall) + 1.5)
    labels, _ = ndimage.label(nearer)
    largest = labels == int(np.bincount(labels.ravel())[1:].argmax()) + 1
    # Spokes and what the pair could not match lie within.
    solid = ndimage.binary_fill_holes(ndimage.binary_closing(largest, iterations=4))
    return Image.fromarray(np.where(solid, 255, 0).astype(np.uint8))


_CUP = _ellipse(291, 112, 119, 95)  # without its saucer, which networks pay no heed to
_CAT = _polygon(
    "40,0 33,60 38,110 50,160 75,195 120,235 165,265 225,282 270,283 300,262 320,220 345,175 360,120 352,75 "
    "385,10 390,0"
)
_PAGODA = _polygon(
    "196,30 215,30 214,55 225,75 260,95 300,112 321,122 318,132 295,140 296,160 330,175 326,185 320,200 "
    "320,228 328,240 350,252 345,265 342,305 348,312 345,322 300,345 170,345 130,337 75,332 74,320 82,315 "
    "82,285 62,270 75,255 98,240 100,200 85,185 85,172 118,160 120,142 97,132 95,115 120,100 150,90 180,72 "
    "193,60"
)
_SHUTTLE = _polygon(
    "392,0 434,0 437,40 441,38 452,60 453,190 457,235 458,268 475,277 470,285 370,285 368,270 365,250 "
    "353,225 360,212 380,185 380,130 377,115 380,60 385,42 391,50 395,20"
)
_HELMET = _polygon(
    "276,511 278,470 285,440 300,400 325,370 360,350 400,343 430,350 460,370 485,405 497,450 505,470 505,511"
)
# No network names the rocket, which is too thin, and the officer's jacket only one; ImageNet has no dahlia.
_OBJECTS: dict[str, tuple[str, Drawing, tuple[str, ...]]] = {
    "cup": ("skimage/coffee.png", _CUP, ("espresso", "cup", "coffee mug")),
    "cat": ("skimage/chelsea.png", _CAT, ("Egyptian cat", "tabby", "tiger cat")),
    "pagoda": ("sklearn/china.jpg", _PAGODA, ("bell cote", "palace", "stupa")),
    "shuttle": ("skimage/astronaut.png", _SHUTTLE, ("space shuttle", "missile")),
    "helmet": ("skimage/astronaut.png", _HELMET, ("crash helmet", "football helmet")),
    "motorcycle": ("skimage/motorcycle_left.png", _motorcycle, ("moped", "motor scooter")),
}


@functools.lru_cache(maxsize=1)
def cutouts() -> dict[str, Cutout]:
    """Return all objects by their names."""
    found = {}
    for name, (file, draw, classes) in _OBJECTS.items():
        picture = photograph(file)
        mask = draw(picture)
        box = mask.getbbox()
        found[name] = Cutout(name, classes, picture.crop(box), mask.crop(box))
    return found


def alone(cutout: Cutout) -> list[Image.Image]:
    """Return an object on neutral ground, in the middle, at three sizes and mirrored."""
    views = []
    for share in (0.4, 0.55, 0.7):
        for mirrored in (False, True):
            view = cutout.at(round(share * SIDE), mirrored=mirrored)
            picture = Image.new("RGB", (SIDE, SIDE), NEUTRAL)
            corner = ((SIDE - view.picture.width) // 2, (SIDE - view.picture.height) // 2)
            picture.paste(view.picture, corner, view.mask)
            views.append(picture)
    return views


# Pictures.


def composite(names: Sequence[str], generator: random.Random) -> Composite:
    """Return objects at random places, without overlap, at random sizes, mirrored or not, on a random ground."""
    shares = (0.35, 0.65) if len(names) == 1 else (0.34, 0.48)
    while True:  # drawn anew until nothing overlaps
        views = [
            cutouts()[name].at(round(generator.uniform(*shares) * SIDE), mirrored=generator.random() < 0.5)
            for name in names
        ]
        corners = [
            (generator.randint(0, SIDE - view.picture.width), generator.randint(0, SIDE - view.picture.height))
            for view in views
        ]
        if not _overlap(corners, views):
            break
    picture = _ground(generator)
    objects = []
    for name, view, corner in zip(names, views, corners, strict=True):
        picture.paste(view.picture, corner, view.mask)
        whole = Image.new("L", picture.size, 0)
        whole.paste(view.mask, corner)
        objects.append((name, np.asarray(whole) > 127))
    return Composite(picture, tuple(objects))


def composites(count: int, seed: int) -> list[Composite]:
    """Return pictures with `count` objects in all, a third of which are alone and the others two in a picture."""
    generator = random.Random(seed)  # noqa: S311 - no secret
    names = list(cutouts())
    singles = max(1, round(count / 3))
    made = [composite([names[number % len(names)]], generator) for number in range(singles)]
    pairs = max(1, (count - singles) // 2)
    return made + [composite(generator.sample(names, 2), generator) for _ in range(pairs)]


def scenes(count: int, seed: int) -> list[Image.Image]:
    """Return square crops of photographs at random places and scales, SIDE x SIDE, the photographs in turn."""
    generator = random.Random(seed)  # noqa: S311
    found = []
    for number in range(count):
        whole = photograph(_SCENES[number % len(_SCENES)])
        side = generator.uniform(0.5, 1.0) * min(whole.size)
        left, top = generator.uniform(0, whole.width - side), generator.uniform(0, whole.height - side)
        box = (left, top, left + side, top + side)
        found.append(whole.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box))
    return found


def _overlap(corners: Sequence[tuple[int, int]], views: Sequence[Cutout]) -> bool:
    """Return whether the boxes of the first two objects, if there are two, come too near to each other."""
    if len(views) < 2:
        return False
    gap = _GAP * SIDE
    (left, top), (other_left, other_top) = corners
    (width, height), (other_width, other_height) = (view.picture.size for view in views)
    beside = left + width + gap < other_left or other_left + other_width + gap < left
    above = top + height + gap < other_top or other_top + other_height + gap < top
    return not (beside or above)


def _ground(generator: random.Random) -> Image.Image:
    """Return a tinted texture, or a part of a photograph that is blurred beyond recognition."""
    textured = generator.random() < 0.6
    if textured:
        whole = photograph(generator.choice(_TEXTURES))
    else:
        name, box = generator.choice(_BLURS)
        whole = photograph(name).crop(box)
    side = generator.uniform(0.6, 1.0) * min(whole.size)
    left, top = generator.uniform(0, whole.width - side), generator.uniform(0, whole.height - side)
    ground = whole.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    if not textured:
        return ground.filter(ImageFilter.GaussianBlur(SIDE / 24))
    red, green, blue = (generator.randint(150, 255) for _ in range(3))
    return ImageOps.colorize(ground.convert("L"), (20, 20, 20), (red, green, blue))
