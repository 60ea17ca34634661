"""One image through a preprocessing: nothing is measured twice, nothing that is not finite gets through."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

import cnnwidgets as cw
from cnnwidgets.errors import ImageError
from cnnwidgets.explain.subject import prepared_tensor
from cnnwidgets.framing import Frames
from cnnwidgets.preparation import Preparation
from cnnwidgets.preprocess import Preprocess


class Counting:
    """A preprocessing that can only be measured, and counts how often it is called."""

    def __init__(self):
        self.calls = 0

    def __call__(self, image):
        self.calls += 1
        return torch.from_numpy(np.array(image.resize((16, 16)), np.float32)).permute(2, 0, 1) / 255


def test_every_size_is_measured_once():
    preprocess = Counting()
    preparation = Preparation(preprocess)
    sizes = [(20, 30), (30, 20), (20, 30), (30, 20)]
    first = [preparation(Image.new("RGB", size)).frames[0] for size in sizes[:2]]
    measured = preprocess.calls
    again = [preparation(Image.new("RGB", size)).frames[0] for size in sizes[2:]]
    assert again == first
    assert preprocess.calls == measured + 2


def test_sizes_without_end_are_not_all_kept(monkeypatch):
    monkeypatch.setattr(Frames, "_LIMIT", 3)
    frames = Frames(Preprocess(resize=8))
    for height in range(8, 20):
        assert frames(height, 10) == Preprocess(resize=8).frame(height, 10)
        assert len(frames._known) <= 3


def test_a_new_preprocessing_of_a_classifier_is_followed():
    classifier = cw.Classifier(torch.nn.Conv2d(3, 1, 3), Preprocess(resize=(8, 8)))
    image = Image.new("RGB", (20, 20))
    assert classifier.prepare(image).x.shape[2:] == (8, 8)
    classifier.preprocess = Preprocess(resize=(12, 12))
    assert classifier.prepare(image).x.shape[2:] == (12, 12)
    assert classifier.prepare(image).frames[0].input_size == (12, 12)


def test_it_can_be_sent_to_another_process():
    image = Image.new("RGB", (20, 30), "teal")
    preparation = Preparation(Preprocess(resize=8, crop=8))
    assert pickle.loads(pickle.dumps(preparation))(image).x.equal(preparation(image).x)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_found_wherever_they_are(value):
    x = torch.rand(1, 3, 8, 8)
    x[0, 2, 7, 7] = value
    with pytest.raises(ImageError, match="NaN or infinite"):
        prepared_tensor(x)
    x[0, 0, 0, 0] = -value
    with pytest.raises(ImageError, match="NaN or infinite"):
        prepared_tensor(x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_finite_values_whose_sum_is_not_are_taken(dtype):
    x = torch.full((1, 3, 8, 8), torch.finfo(dtype).max, dtype=dtype)
    assert prepared_tensor(x).x is x
