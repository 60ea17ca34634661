"""Labels of every form, and the names of classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cnnwidgets.patches.sources import source_of
from cnnwidgets.patches.sources.class_names import ClassNames
from cnnwidgets.patches.sources.labels import label_of

from .planted import Numbered, classifier, picture


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (3, 3),
        (0, 0),
        (True, 1),
        (3.0, 3),
        (np.int64(3), 3),
        (np.uint8(3), 3),
        (np.float32(3), 3),
        (torch.tensor(3), 3),
        (torch.tensor([3]), 3),
        (np.array([3]), 3),  # MedMNIST's
        (np.array(3), 3),
        ([3], 3),
        ("cat", "cat"),
        (" cat ", "cat"),
        (b"cat", "cat"),
        (np.str_("cat"), "cat"),
        (["cat"], "cat"),
        ([0, 0, 1, 0], 2),
        (np.eye(5)[4], 4),
        (torch.eye(5)[1], 1),
        (torch.tensor([[False, True, False]]), 1),
        (None, None),
        (float("nan"), None),
        (np.float64("nan"), None),
        (torch.tensor(float("nan")), None),
        (float("inf"), None),
        (-1, None),
        (2.5, None),
        ("", None),
        ([], None),
        (torch.tensor([]), None),
        (torch.tensor([1, 1, 0]), None),
        (torch.tensor([0.7, 0.3]), None),
        (torch.zeros(3), None),
        (["a dog", "on a hill"], None),
        ([[1, 2], [3]], None),
        ({"boxes": 1}, None),
        (torch.zeros(256, 256), None),
        (torch.eye(300)[:1], 0),
        (np.zeros((4, 4), np.uint8), None),
        (object(), None),
        (picture(), None),
    ],
    ids=lambda value: repr(value).split(" at 0x")[0],
)
def test_labels_of_every_form(value, label):
    found = label_of(value)
    assert found == label
    assert type(found) is type(label)


def test_elements_of_every_form():
    image = picture()
    elements = [
        image,
        (image,),
        (image, 1),
        [image, 2],
        (image, 3, "more"),
        {"image": image, "label": 4},
        {"img": image, "labels": 5},
        {"pixel_values": torch.rand(3, 8, 8), "labels": torch.tensor(6)},
        {"image": image},
        {"image": image, "label": None, "target": 7},
    ]
    for data in (elements, Numbered(elements), iter(elements)):
        source = source_of(classifier(), data)
        items = list(source.items())
        assert [item.reason for item in items] == [None] * 10
        assert [None if item.label is None else source.classes[item.label] for item in items] == [
            None, None, "1", "2", "3", "4", "5", "6", None, "7",
        ]  # fmt: skip


def test_an_unreadable_label_costs_no_image():
    class Odd:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError

    (item,) = source_of(classifier(), [(picture(), [Odd(), Odd()])]).items()
    assert item.label is None
    assert item.reason is None


def test_names_are_numbered_as_listed_then_as_met():
    names = ClassNames(["cat", "dog"])
    assert [names.number(label) for label in (1, "cat", "bird", 0, 7, None, "bird")] == [1, 0, 2, 0, None, None, 2]
    assert names.known == ("cat", "dog", "bird")


def test_two_classes_of_one_name_stay_two():
    names = ClassNames(["crane", "dog", "crane"])
    assert names.known == ("crane", "dog", "crane (2)")
    assert names.number(2) == 2


def test_a_part_of_a_pass_goes_on_with_the_names_met_before():
    elements = [(picture(), name) for name in "cabba"]
    whole = source_of(classifier(), elements)
    labels = [item.label for item in whole.items()]
    part = source_of(classifier(), elements)
    assert [item.label for item in part.items(2, ("c", "a"))] == labels[2:]
    assert part.classes == whole.classes == ("c", "a", "b")
