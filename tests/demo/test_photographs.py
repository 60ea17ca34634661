"""The photographs are there without a network connection."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import skimage

from cnnwidgets import demo
from cnnwidgets.errors import ImageError, MissingDataError


def test_names():
    assert demo.photos() == ("chelsea", "coffee", "rocket", "camera", "astronaut")


@pytest.mark.parametrize("name", demo.photos())
def test_each_is_scikit_images_own(name):
    picture = demo.photo(name)
    expected = getattr(skimage.data, name)()
    assert picture.mode == "RGB"
    pixels = np.asarray(picture)
    assert np.array_equal(pixels if expected.ndim == 3 else pixels[..., 0], expected)


def test_each_call_gives_a_new_picture():
    first = demo.photo("camera")
    first.paste("white", (0, 0, *first.size))
    assert demo.photo("camera").getextrema() != first.getextrema()


def test_unknown_name():
    with pytest.raises(ImageError, match=r"no photograph 'chelsae'.*Did you mean 'chelsea'.*coffee"):
        demo.photo("chelsae")


def test_without_scikit_image(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingDataError, match=r'pip install "cnnwidgets\[demo\]"'):
        demo.photo("chelsea")


def test_nothing_is_downloaded_when_a_file_is_missing(monkeypatch, tmp_path):
    spec = SimpleNamespace(origin=str(Path(tmp_path, "__init__.py")))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    with pytest.raises(MissingDataError, match=r"chelsea\.png is missing.*force-reinstall"):
        demo.photo("chelsea")
