"""Arrays become pictures where that is unambiguous; all else is refused in words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cnnwidgets.errors import ImageError
from cnnwidgets.images import to_picture


def rgb(array):
    return np.asarray(to_picture(array))


def test_shapes():
    colours = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert np.array_equal(rgb(colours), colours)
    grey = colours[:, :, 0]
    expected = np.stack([grey] * 3, axis=2)
    assert np.array_equal(rgb(grey), expected)
    assert np.array_equal(rgb(grey[:, :, None]), expected)
    opaque = np.dstack([colours, np.full((2, 4), 255, np.uint8)])
    assert np.array_equal(rgb(opaque), colours)
    clear = np.dstack([colours, np.zeros((2, 4), np.uint8)])
    assert (rgb(clear) == 255).all()
    assert to_picture(np.zeros((1, 1), np.uint8)).size == (1, 1)


@pytest.mark.parametrize(
    ("values", "greys"),
    [
        (np.array([0, 7, 255], np.uint8), [0, 7, 255]),
        (np.array([False, True, True]), [0, 255, 255]),
        (np.array([0, 257 * 7, 65535], np.uint16), [0, 7, 255]),
        (np.array([0, 257 * 7, 65535], ">u2"), [0, 7, 255]),
        (np.array([0, 0.5, 1], np.float16), [0, 128, 255]),
        (np.array([0, 0.5, 1], np.float32), [0, 128, 255]),
        (np.array([0, 0.5, 1], ">f8"), [0, 128, 255]),
        (np.array([-1e-7, 0.5, 1 + 1e-7], np.float64), [0, 128, 255]),
    ],
    ids=lambda value: str(getattr(value, "dtype", "")),
)
def test_types(values, greys):
    assert rgb(values[None])[0, :, 0].tolist() == greys


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)), st.sampled_from([1, -1, 2]))
def test_any_memory_layout(array, step):
    for view in (array[::step, ::-step], array.T, np.asfortranarray(array)):
        assert np.array_equal(rgb(view)[:, :, 0], view)


@pytest.mark.parametrize(
    ("shape", "remedy"),
    [
        ((3, 8, 9), r"array.transpose\(1, 2, 0\)"),
        ((1, 8, 9), r"array.transpose\(1, 2, 0\)"),
        ((2, 8, 9, 3), r"batch.*array\[0\]"),
        ((8, 9, 2), r"array\[:, :, 0\]"),
        ((8, 9, 7), "Choose one or three channels"),
        ((8,), r"\(8,\)"),
        ((), r"\(\)"),
        ((0, 9), "empty"),
        ((9, 9, 0), "empty"),
    ],
)
def test_wrong_shapes(shape, remedy):
    with pytest.raises(ImageError, match=remedy):
        to_picture(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 2), np.int64), r"int64.*astype\('uint8'\)"),
        (np.zeros((2, 2), np.uint32), r"uint32.*astype\('uint16'\)"),
        (np.zeros((2, 2), complex), "complex128.*uint8"),
        (np.zeros((2, 2), object), "object"),
        (np.zeros((2, 2), "U3"), "<U3"),
        (np.zeros((2, 2), "datetime64[s]"), "datetime64"),
    ],
    ids=lambda value: str(getattr(value, "dtype", "")),
)
def test_wrong_types(array, words):
    with pytest.raises(ImageError, match=words):
        to_picture(array)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0, 255, r"from 0 to 255; 0..1 is expected.*astype\('uint8'\)"),
        (-1, 1, r"from -1 to 1; 0..1 is expected.*Scale"),
        (0, 1.5, "from 0 to 1.5"),
        (0, np.nan, "1 of 2 values.*NaN or infinite"),
        (0, np.inf, "NaN or infinite"),
    ],
)
def test_floats_out_of_range(dtype, low, high, words):
    with pytest.raises(ImageError, match=words):
        to_picture(np.array([[low, high]], dtype))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3), (4, 5, 4)])
def test_the_array_stays_and_is_not_shared(dtype, shape):
    array = np.ones(shape, dtype)
    array.flags.writeable = False
    picture = to_picture(array)
    was = picture.tobytes()
    array.flags.writeable = True
    assert (array == 1).all()
    array[...] = 0
    assert picture.tobytes() == was
