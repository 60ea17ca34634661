"""Drawings and small pictures travel exact, photographs small."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cnnwidgets.demo import photo, photos
from cnnwidgets.errors import ImageError, OptionError
from cnnwidgets.images import encode, to_png


def decoded(data):
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image


def drawing():
    image = Image.new("RGB", (400, 300), "black")
    ImageDraw.Draw(image).line([(50, 50), (300, 60), (150, 250)], fill="white", width=20)
    return image


@pytest.mark.parametrize("name", photos())
def test_photographs_are_jpeg_and_near(name):
    original = photo(name)
    sent = encode(original)
    assert (sent.mime, sent.width, sent.height) == ("image/jpeg", *original.size)
    back = np.asarray(decoded(sent.data), float)
    assert np.abs(back - np.asarray(original)).mean() < 3
    assert len(sent.data) < 0.4 * len(to_png(original))


@pytest.mark.parametrize("image", [drawing(), Image.effect_noise((64, 64), 90).convert("RGB")])
def test_drawings_and_small_pictures_are_exact(image):
    sent = encode(image)
    assert sent.mime == "image/png"
    assert decoded(sent.data).tobytes() == image.tobytes()


def test_colours_keep_their_edges():
    # With its usual colour subsampling JPEG would smear the edge between red and blue.
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::4, 0] = stripes[:, 1::4, 0] = 255
    stripes[:, 2::4, 2] = stripes[:, 3::4, 2] = 255
    stripes[..., 1] = np.random.default_rng(0).integers(0, 255, (128, 128))
    sent = encode(stripes)
    assert sent.mime == "image/jpeg"
    back = np.asarray(decoded(sent.data), int)
    assert (np.abs(back - stripes)[..., 0] < 60).mean() > 0.99


@pytest.mark.parametrize(("size", "expected"), [((3000, 1000), (1600, 533)), ((10, 2000), (8, 1600))])
def test_large_pictures_are_made_smaller(size, expected):
    image = Image.new("RGB", size, "red")
    sent = encode(image)
    assert (sent.width, sent.height) == expected == decoded(sent.data).size
    assert image.size == size


def test_the_limit_can_be_set():
    assert encode(drawing(), max_side=40).width == 40
    assert encode(drawing(), max_side=1).height == 1
    with pytest.raises(OptionError, match="max_side is 0"):
        encode(drawing(), max_side=0)
    with pytest.raises(ImageError, match="not a picture"):
        encode(None)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA"])
def test_png_is_exact(mode):
    image = drawing().convert(mode)
    back = decoded(to_png(image))
    assert back.convert(mode).tobytes() == image.tobytes()


def test_png_of_what_png_has_not():
    back = decoded(to_png(Image.new("CMYK", (2, 2), (0, 255, 255, 0))))
    assert back.getpixel((0, 0)) == (255, 0, 0)
    assert decoded(to_png(np.zeros((2, 3), np.uint8))).size == (3, 2)
