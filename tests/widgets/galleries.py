"""Data sets and galleries for the tests, and a gallery's side of the wire read as a browser does."""

from __future__ import annotations

import io
import threading
import time

import numpy as np
from PIL import Image

import cnnwidgets as cw
from cnnwidgets.patches.progress import BuildProgress
from tests.widgets.conftest import make_classifier

CLASSES = ("dots", "stripes", "noise")


def pictures(count=24, width=60, height=40):
    """Pictures with their classes: bright dots, stripes, noise, in turn."""
    rng = np.random.default_rng(7)
    found = []
    for number in range(count):
        pixels = rng.integers(0, 60, (height, width, 3), np.uint8)
        if number % 3 == 0:
            y, x = rng.integers(4, height - 8), rng.integers(4, width - 8)
            pixels[y : y + 5, x : x + 5] = 255
        elif number % 3 == 1:
            pixels[:, :: 4 + number % 5] += 150
        else:
            pixels = rng.integers(0, 255, (height, width, 3), np.uint8)
        found.append((Image.fromarray(pixels), CLASSES[number % 3]))
    return found


class Pictures:
    """The same as a data set, which can be slow, fail, or lose a picture."""

    def __init__(self, count=24, width=60, height=40):
        self._made = pictures(count, width, height)
        self.classes = CLASSES
        self.gone = set()
        self.before = lambda number: None

    def __len__(self):
        return len(self._made)

    def __getitem__(self, number):
        self.before(number)
        if number in self.gone:
            raise OSError(f"the disk with picture {number} is not there")
        return self._made[number]


def gallery_of(images=None, **options):
    made = cw.NeuronGallery(make_classifier(), Pictures() if images is None else images, k=4, **options)
    made.wait(60)
    return made


def forget_pictures(gallery):
    """Have a gallery read its pictures anew."""
    gallery._known.tiles._read.clear()
    gallery._known.tiles._cut.clear()


def sheet(packed):
    """The tiles of a sheet as pictures, None where there is none."""
    whole = Image.open(io.BytesIO(packed["data"])).convert("RGB")
    assert packed["mime"] in ("image/png", "image/jpeg")
    tiles = []
    for place in packed["places"]:
        if place is None:
            tiles.append(None)
            continue
        left, top, width, height = place
        assert left % 16 == top % 16 == 0
        tiles.append(whole.crop((left, top, left + width, top + height)))
    return tiles


class Gate:
    """Lets a data set give its pictures up to a number, and then waits."""

    def __init__(self, data, number):
        self.open = threading.Event()
        self.reached = threading.Event()

        def before(asked):
            if asked >= number:
                self.reached.set()
                assert self.open.wait(30)

        data.before = before


def slow(monkeypatch, stop_after):
    """Have every build wait after some steps until the event is set."""
    reached, go_on = threading.Event(), threading.Event()
    building = cw.PatchIndex.building.__func__

    def steps(cls, *args, **options):
        inner = building(cls, *args, chunk=1, **options)
        for number in range(10**6):
            try:
                yield next(inner)
            except StopIteration as end:
                return end.value
            if number == stop_after:
                reached.set()
            while number >= stop_after and not go_on.is_set():
                time.sleep(0.001)
                yield BuildProgress(1, 24, (), 1.0)
        raise AssertionError

    monkeypatch.setattr(cw.PatchIndex, "building", classmethod(steps))
    return reached, go_on
