"""Files are read and closed; those that are no pictures are refused in words."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cnnwidgets.errors import ImageError
from cnnwidgets.images import to_picture

FORMATS = ["PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM", "TGA", "ICO", "WEBP", "JPEG2000", "PCX", "SGI", "MPO"]


def encoded(kind="PNG", size=(20, 10)):
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind)
    return file.getvalue()


def test_by_path_and_as_bytes(tmp_path):
    data = encoded()
    path = tmp_path / "photo without a suffix"
    path.write_bytes(data)
    expected = to_picture(data).tobytes()
    for source in (path, str(path), bytearray(data), memoryview(data)):
        assert to_picture(source).tobytes() == expected


def test_home_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.png").write_bytes(encoded())
    assert to_picture("~/a.png").size == (20, 10)


def _open_files():
    """Return the handles that this process holds; none can be told where there is no /proc."""
    return {handle.name for handle in Path("/proc/self/fd").glob("*")}


def test_files_are_closed(tmp_path):
    good, bad = tmp_path / "a.png", tmp_path / "b.png"
    good.write_bytes(encoded())
    bad.write_bytes(encoded()[:200])
    before = _open_files()
    to_picture(good)
    with pytest.raises(ImageError):
        to_picture(bad)
    assert _open_files() == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"Dear diary, today", "is text.*Dear diary"),
        ("Größe: «viel»".encode() * 200, "is text.*Größe"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG drawing.*PNG"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"%PDF-1.7\n\x80", "PDF"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "HEIF"),
        (bytes(range(128, 256)), "none of the formats"),
    ],
    ids=["empty", "text", "utf-8", "svg", "html", "pdf", "heic", "noise"],
)
def test_what_is_no_picture(tmp_path, content, words):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"holiday\.jpg") as by_path:
        to_picture(path)
    assert by_path.match(words)
    with pytest.raises(ImageError, match=words) as as_bytes:
        to_picture(content)
    assert as_bytes.match(f"file of {len(content)} bytes")


def test_a_missing_file_and_its_neighbour(tmp_path):
    (tmp_path / "chelsea.png").write_bytes(encoded())
    with pytest.raises(ImageError, match=r"no file .*chelsae.png.*Did you mean 'chelsea.png'"):
        to_picture(tmp_path / "chelsae.png")
    with pytest.raises(ImageError, match="Nor is there a folder"):
        to_picture(tmp_path / "nowhere" / "a.png")
    with pytest.raises(ImageError, match="It was looked for in"):
        to_picture(tmp_path / "zzz")
    with pytest.raises(ImageError):
        to_picture("bad\0name.png")
    with pytest.raises(ImageError, match="cannot be read"):
        to_picture("x" * 5000)


def test_folders_pipes_and_addresses(tmp_path):
    with pytest.raises(ImageError, match="is a folder"):
        to_picture(tmp_path)
    with pytest.raises(ImageError, match="is a folder"):
        to_picture("")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="device or a pipe"):
        to_picture(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="address, and nothing is fetched"):
        to_picture("https://example.org/cat.jpg")
    with pytest.raises(ImageError, match="address") as data:
        to_picture("data:image/png;base64," + "A" * 100_000)
    assert len(str(data.value)) < 300


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "secret.png"
    path.write_bytes(encoded())

    def refuse(path, *_args):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ImageError, match=r"secret.png' cannot be read: Permission denied.*your rights"):
        to_picture(path)


def test_larger_than_pillow_allows():
    limit = Image.MAX_IMAGE_PIXELS

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 30_000, 20_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    with pytest.raises(ImageError, match=r"600000000 pixels.*limit of \d+ pixels.*Make it smaller.*MAX_IMAGE_PIXELS"):
        to_picture(bomb)
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own remarks on the damage
def test_cut_short_or_damaged_files_never_fail_in_other_ways(kind):
    whole = encoded(kind)
    to_picture(whole)
    refused = 0
    random = np.random.default_rng(1)
    pieces = [whole[:length] for length in range(1, len(whole), max(1, len(whole) // 60))]
    for _ in range(60):
        damaged = bytearray(whole)
        for place in random.integers(0, min(len(whole), 200), 3):
            damaged[place] = random.integers(0, 256)
        pieces.append(bytes(damaged))
    for piece in pieces:
        try:
            picture = to_picture(piece)
        except ImageError:
            refused += 1
        else:
            assert picture.mode == "RGB"
    assert refused > 20


def test_a_file_cut_short_says_so():
    with pytest.raises(ImageError, match=r"JPEG, mode RGB, 20 x 10.*cannot be decoded.*cut short or damaged"):
        to_picture(encoded("JPEG")[:-100])


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (None, "NoneType is not a picture"),
        (7, "int is not a picture"),
        ([[1, 2]], r"list.*numpy.array\("),
        (io.BytesIO(b"x"), r"_io.BytesIO.*file.read\(\)"),
        (torch.zeros(3, 4, 4), r"torch.Tensor.*permute\(1, 2, 0\)"),
        (np.float32(3), "numpy.float32"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_of_no_kind(source, words):
    with pytest.raises(ImageError, match=words):
        to_picture(source)
