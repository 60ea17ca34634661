"""Every mode of a PIL image becomes upright, opaque RGB, and the given image stays as it is."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ExifTags, Image, features

from cnnwidgets.errors import ImageError
from cnnwidgets.images import modes, to_picture

RED, GREY, WHITE = (255, 0, 0), (128, 128, 128), (255, 255, 255)


def pixel(source, at=(0, 0)):
    picture = to_picture(source)
    assert picture.mode == "RGB"
    return picture.getpixel(at)


def wide(mode, value):
    """Return an image of more than 8 bits whose every pixel is `value`."""
    if mode in ("I", "F"):
        return Image.new(mode, (3, 2), value)
    order = ">u2" if mode == "I;16B" else "<u2"
    return Image.frombytes(mode, (3, 2), np.full((2, 3), value, order).tobytes())


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("1", (2, 2), 1), WHITE),
        (Image.new("1", (2, 2), 0), (0, 0, 0)),
        (Image.new("L", (2, 2), 128), GREY),
        (Image.new("RGB", (2, 2), RED), RED),
        (Image.new("RGB", (1, 1), RED), RED),
        (Image.new("P", (2, 2)), (0, 0, 0)),
        (Image.new("CMYK", (2, 2), (0, 255, 255, 0)), RED),
        (Image.new("YCbCr", (2, 2), (128, 128, 128)), GREY),
        (Image.new("HSV", (2, 2), (0, 255, 255)), RED),
        # half opaque over white: (255 + value) / 2
        (Image.new("RGBA", (2, 2), (255, 0, 0, 0)), WHITE),
        (Image.new("RGBA", (2, 2), (255, 0, 0, 255)), RED),
        (Image.new("RGBA", (2, 2), (0, 0, 0, 51)), (204, 204, 204)),
        (Image.new("LA", (2, 2), (0, 51)), (204, 204, 204)),
        (Image.new("PA", (2, 2), (0, 51)), (204, 204, 204)),
        (Image.new("RGBA", (2, 2), (0, 0, 0, 51)).convert("RGBa"), (204, 204, 204)),
        (Image.new("LA", (2, 2), (0, 51)).convert("La"), (204, 204, 204)),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else str(value),
)
def test_each_mode(image, expected):
    assert pixel(image) == expected


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I;16L", "I"])
@pytest.mark.parametrize(("value", "grey"), [(0, 0), (257 * 100, 100), (255, 1), (65535, 255)])
def test_16_bits_are_scaled_not_cut_off(mode, value, grey):
    assert pixel(wide(mode, value)) == (grey,) * 3


@pytest.mark.parametrize(("value", "grey"), [(0.0, 0), (0.5, 128), (1.0, 255), (200.0, 200)])
def test_floats_are_0_to_1_or_as_pillow_makes_them(value, grey):
    assert pixel(wide("F", value)) == (grey,) * 3


def test_floats_from_pillows_own_conversion():
    ramp = Image.linear_gradient("L")
    assert to_picture(ramp.convert("F")).tobytes() == ramp.convert("RGB").tobytes()


@pytest.mark.parametrize(
    ("mode", "value", "words"),
    [("I", 70000, "70000"), ("I", -1, "-1"), ("F", 300.0, "300"), ("F", -2.0, "-2"), ("F", np.nan, "NaN")],
)
def test_values_beyond_every_picture_are_refused(mode, value, words):
    with pytest.raises(ImageError, match=words):
        to_picture(wide(mode, value))


def test_palette_with_transparency(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "one.gif", transparency=1)
    image.save(tmp_path / "steps.png", transparency=bytes([255, 51]))
    assert pixel(tmp_path / "one.gif", (0, 0)) == RED
    assert pixel(tmp_path / "one.gif", (1, 0)) == WHITE
    assert pixel(tmp_path / "steps.png", (0, 0)) == RED
    assert pixel(tmp_path / "steps.png", (1, 0)) == (204, 204, 255)


@pytest.mark.parametrize(("mode", "value"), [("L", 7), ("RGB", (7, 8, 9)), ("I;16", 7)])
def test_one_transparent_colour(tmp_path, mode, value):
    Image.new(mode, (2, 2), value).save(tmp_path / "clear.png", transparency=value)
    assert pixel(tmp_path / "clear.png") == WHITE


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_carried_out_once(tmp_path, orientation):
    upright = Image.new("RGB", (48, 32), "white")
    upright.paste(RED, (0, 0, 16, 16))
    stored = {
        1: upright,
        2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: upright.rotate(180),
        4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.rotate(90, expand=True),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.rotate(-90, expand=True),
    }[orientation]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored.save(tmp_path / "turned.png", exif=exif)
    picture = to_picture(tmp_path / "turned.png")
    assert picture.tobytes() == upright.tobytes()
    assert to_picture(picture).tobytes() == upright.tobytes()
    with Image.open(tmp_path / "turned.png") as image:
        assert to_picture(image).tobytes() == upright.tobytes()


def test_damaged_exif_does_not_cost_the_picture(tmp_path):
    Image.new("RGB", (8, 8), RED).save(tmp_path / "odd.png", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    assert pixel(tmp_path / "odd.png") == RED


@pytest.mark.parametrize("kind", ["gif", "png", "webp"])
def test_first_frame_of_a_film(tmp_path, kind):
    if kind == "webp" and not features.check("webp"):
        pytest.skip("this Pillow was built without WebP")
    first, second = Image.new("RGB", (16, 16), RED), Image.new("RGB", (16, 16), (0, 0, 255))
    path = tmp_path / f"film.{kind}"
    options = {"lossless": True} if kind == "webp" else {}
    first.save(path, save_all=True, append_images=[second], duration=100, **options)
    assert pixel(path) == RED
    assert pixel(path.read_bytes()) == RED
    with Image.open(path) as film:
        film.seek(1)
        assert pixel(film) == (0, 0, 255)
        assert film.tell() == 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I", "F", "I;16", "CMYK"])
def test_the_given_image_stays_and_is_not_shared(mode):
    image = Image.new(mode, (3, 2))
    image.info["comment"] = "mine"
    before = image.tobytes()
    picture = to_picture(image)
    was = picture.tobytes()
    assert (image.mode, image.tobytes(), image.info) == (mode, before, {"comment": "mine"})
    image.paste(1, (0, 0, 3, 2))
    assert picture.tobytes() == was
    picture.paste((9, 9, 9), (0, 0, 3, 2))
    assert image.getpixel((0, 0)) != 9


def test_an_image_without_pixels():
    with pytest.raises(ImageError, match="0 x 5 pixels"):
        to_picture(Image.new("RGB", (0, 5)))


def test_an_image_whose_file_is_closed(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        pass
    with pytest.raises(ImageError, match=r"The image .PNG, mode RGB, 8 x 8. cannot be decoded"):
        to_picture(image)


def test_an_image_may_be_left_as_it_is_stored():
    image = Image.new("RGB", (4, 2), "red")
    image.getexif()[0x0112] = 6
    assert modes.to_rgb(image, "The image").size == (2, 4)
    assert modes.to_rgb(image, "The image", turn=False).size == (4, 2)


def test_what_needs_no_change_is_known():
    plain = Image.new("RGB", (4, 2))
    turned = Image.new("RGB", (4, 2))
    turned.getexif()[0x0112] = 6
    noted = Image.new("RGB", (4, 2))
    noted.info["transparency"] = (0, 0, 0)
    assert modes.is_rgb(plain)
    assert modes.is_rgb(modes.to_rgb(noted, "The image"))
    assert not any(modes.is_rgb(image) for image in (turned, noted, plain.convert("L"), plain.convert("RGBA")))
