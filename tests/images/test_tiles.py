"""Many small pictures on one sheet."""

from __future__ import annotations

import numpy as np
from PIL import Image

from cnnwidgets.images.tiles import contact_sheet

COLOURS = ["red", "lime", "blue", "black", "gray"]


def test_pictures_stand_in_rows():
    sheet = np.asarray(contact_sheet([Image.new("RGB", (10, 8), colour) for colour in COLOURS], columns=2))
    assert sheet.shape == (3 * 14 + 6, 2 * 16 + 6, 3)
    for index, colour in enumerate(COLOURS):
        row, column = divmod(index, 2)
        cell = sheet[6 + 14 * row : 14 + 14 * row, 6 + 16 * column : 16 + 16 * column]
        assert np.array_equal(cell, np.broadcast_to(np.asarray(Image.new("RGB", (1, 1), colour)), (8, 10, 3)))
    assert (sheet == 255).all(2).sum() == sheet.shape[0] * sheet.shape[1] - 5 * 80


def test_labels_stand_below_their_pictures_and_never_widen_them():
    pictures = [Image.new("RGB", (40, 40), "white")] * 2
    plain = contact_sheet(pictures, columns=2)
    sheet = np.asarray(contact_sheet(pictures, ["7", "a very long name"], columns=2))
    assert sheet.shape[1] == plain.width
    ink = np.argwhere((sheet < 128).all(2))
    assert ink[:, 0].min() >= 46
    assert {int(column) // 52 for column in ink[:, 1]} == {0, 1}


def test_a_sheet_is_about_square():
    for count, wide, high in [(1, 1, 1), (2, 2, 1), (4, 2, 2), (64, 8, 8), (65, 9, 8)]:
        sheet = contact_sheet([Image.new("RGB", (10, 10))] * count)
        assert sheet.size == (16 * wide + 6, 16 * high + 6), count
