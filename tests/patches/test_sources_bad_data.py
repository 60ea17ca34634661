"""Files and arrays as they lie about: broken, empty, mislabelled, of odd modes, too large."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

import cnnwidgets as cw
from cnnwidgets.errors import ImageError, OptionError
from cnnwidgets.patches.sources import source_of

from .planted import Numbered, classifier, picture, save


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def grey16(height=24, width=36):
    return Image.fromarray(np.linspace(0, 65535, height * width).reshape(height, width).astype(np.uint16))


BAD = {
    "zero.jpg": (b"", "is empty"),
    "text.jpg": (b"this is not a picture", "is text"),
    "page.png": (b"<!DOCTYPE html><html></html>", "web page"),
    "cut.jpg": (encoded(picture(), "JPEG")[:-300], "truncated"),
    "cut.png": (encoded(picture(), "PNG")[:400], "cut short"),
    "head.jpg": (encoded(picture(), "JPEG")[:10], "Truncated"),
    "wrong.gif": (b"\x00\x01\x02\x03" * 50, "none of the formats"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_read_is_skipped_with_its_reason(tmp_path, name):
    content, reason = BAD[name]
    (tmp_path / name).write_bytes(content)
    save(tmp_path / "zz.png")
    bad, good = source_of(classifier(), tmp_path).items()
    assert (bad.number, bad.name, bad.x, bad.frame, bad.picture_size) == (0, name, None, None, None)
    assert reason in bad.reason
    assert good.number == 1
    assert good.reason is None


def animated():
    return encoded(picture(1), "GIF", save_all=True, append_images=[picture(2)])


ODD = {
    "cmyk.jpg": encoded(picture(1).convert("CMYK"), "JPEG"),
    "grey16.png": encoded(grey16(), "PNG"),
    "palette.png": encoded(picture(1).convert("P"), "PNG"),
    "bilevel.png": encoded(picture(1).convert("1"), "PNG"),
    "alpha.png": encoded(picture(1).convert("RGBA"), "PNG"),
    "greyalpha.png": encoded(picture(1).convert("LA"), "PNG"),
    "animated.gif": animated(),
    "pages.tif": encoded(picture(1), "TIFF", save_all=True, append_images=[picture(2)]),
    "lab.tif": encoded(picture(1).convert("LAB"), "TIFF"),
    "float.tif": encoded(Image.fromarray(np.linspace(0, 1, 24 * 36, dtype=np.float32).reshape(24, 36)), "TIFF"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_pictures_are_read_right(tmp_path, name):
    (tmp_path / name).write_bytes(ODD[name])
    source = source_of(classifier(), tmp_path)
    (item,) = source.items()
    assert item.reason is None
    assert item.picture_size == (24, 36)
    assert item.x.shape == (3, 16, 16)
    assert source.picture(0).mode == "RGB"
    assert source.picture(0).size == (36, 24)


def test_sixteen_bits_are_scaled_and_not_cut_off(tmp_path):
    grey16().save(tmp_path / "1.png")
    values = np.asarray(source_of(None, tmp_path).picture(0))
    assert values.min() == 0
    assert values.max() == 255
    assert abs(values.mean() - 127.5) < 1


def test_a_bomb_is_skipped(tmp_path, monkeypatch):
    save(tmp_path / "1.png", height=100, width=100)
    save(tmp_path / "2.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100 * 100 // 2 - 1)
    bomb, good = source_of(classifier(), tmp_path).items()
    assert "larger than Pillow decodes" in bomb.reason
    assert good.reason is None


@pytest.mark.parametrize("element", [MemoryError("no memory left"), KeyboardInterrupt()])
def test_no_memory_and_ctrl_c_end_the_pass(element):
    source = source_of(classifier(), Numbered([picture(), element, picture()]))
    items = source.items()
    next(items)
    with pytest.raises(type(element)):
        next(items)


def test_no_memory_while_decoding_ends_the_pass(tmp_path, monkeypatch):
    save(tmp_path / "1.png")
    source = source_of(classifier(), tmp_path)

    def load(_image):
        raise MemoryError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(MemoryError):
        next(source.items())


def test_no_memory_in_the_preprocessing_ends_the_pass():
    def preprocess(_picture):
        raise MemoryError

    with pytest.raises(MemoryError):
        next(source_of(classifier(preprocess), [picture()]).items())


def test_an_element_that_raises_is_skipped_and_the_next_one_read():
    elements = [picture(1), ValueError("bad sector"), RuntimeError(), picture(2)]
    items = list(source_of(classifier(), Numbered(elements)).items())
    assert [item.reason for item in items] == [None, "ValueError: bad sector", "RuntimeError", None]
    assert items[1].name == "item 1"


@pytest.mark.parametrize(
    ("element", "words"),
    [
        (None, "NoneType is not a picture"),
        ("/no/such/file.png", "There is no file"),
        (np.zeros((0, 5, 3), np.uint8), "empty"),
        (np.zeros((4, 5, 7), np.uint8), "shape"),
        (np.zeros((4, 5, 3), np.int64), "range"),
        (torch.full((3, 8, 8), float("nan")), "NaN"),
        (torch.zeros(3, 8, 0), "nothing"),
        (torch.zeros(8, 8), "one image is"),
        (torch.zeros(3, 8, 8, dtype=torch.int64), "floating point"),
        ((), "empty sequence"),
        ({"pixels": 1, "label": 2}, "'pixels', 'label'"),
        (3, "int is not a picture"),
    ],
)
def test_elements_that_are_no_image(element, words):
    for data in (Numbered([element, picture()]), [element, picture()], iter([element, picture()])):
        bad, good = source_of(classifier(), data).items()
        assert words in bad.reason
        assert bad.x is None
        assert good.reason is None


def test_a_batch_in_a_numbered_data_set_is_no_image_and_one_of_one_is():
    batch, one = source_of(classifier(), Numbered([torch.rand(2, 3, 8, 8), torch.rand(1, 3, 8, 8)])).items()
    assert "one image is (C,H,W)" in batch.reason
    assert one.x.shape == (3, 8, 8)


def test_bytes_in_a_tensor_are_a_picture():
    values = torch.from_numpy(np.array(picture()))
    tensor, plain = source_of(classifier(), [values.permute(2, 0, 1), picture()]).items()
    assert tensor.x.equal(plain.x)
    assert tensor.picture_size == (24, 36)


def test_a_preprocessing_that_fails_on_a_picture_skips_it_and_one_by_chance_is_refused():
    def fails(image):
        if image.width > 36:
            raise RuntimeError("too wide")
        return torch.from_numpy(np.array(image.resize((16, 16)), np.float32)).permute(2, 0, 1) / 255

    good, bad = source_of(classifier(fails), [picture(), picture(width=40)]).items()
    assert good.reason is None
    assert bad.reason == "RuntimeError: too wide"

    def by_chance(image):
        return torch.rand(3, image.height, image.width)

    with pytest.raises(OptionError, match="another result each time"):
        next(source_of(classifier(by_chance), [picture()]).items())


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([], "empty"),
        ((), "empty"),
        (torch.zeros(0, 3, 8, 8), "empty"),
        (np.zeros((0, 8, 8, 3), np.uint8), "empty"),
        (torch.zeros(3, 8, 8), "one picture"),
        (np.zeros((8, 8, 3), np.uint8), "one picture"),
        (picture(), "one picture"),
        (b"abc", "one picture"),
        ({"train": [1]}, "'train'"),
        ({"a.png", "b.png"}, "no order"),
        (7, "int is no data set"),
        (None, "NoneType is no data set"),
        (Numbered, "is no data set"),
        (Numbered([]), "empty"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "floating point"),
    ],
)
def test_what_is_no_data_set(images, words):
    with pytest.raises(ImageError, match=words):
        source_of(classifier(), images)


def test_one_bad_image_in_a_tensor():
    x = torch.rand(3, 3, 8, 8)
    x[1, 0, 0, 0] = float("inf")
    reasons = [item.reason for item in source_of(cw.Classifier(classifier().model), x).items()]
    assert [reason is None for reason in reasons] == [True, False, True]
