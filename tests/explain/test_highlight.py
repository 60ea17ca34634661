"""Highlighting: thresholds from one picture and from streams, masks by true cell centres, IoU by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from cnnwidgets import Classifier, explain
from cnnwidgets.errors import Cancelled, ImageError, OptionError
from cnnwidgets.explain.samples import Sample, quantile_of
from tests.explain.nets import Gap, noise, seeded

X = noise(2, 3, 12, 12)


@pytest.fixture(scope="module")
def model():
    return seeded(Gap())


def cells(model, x, channel=1):
    return explain.activations(model, x, "features.3").values[:, channel]


@pytest.mark.parametrize("quantile", [0.0, 0.37, 0.9, 0.995, 1.0])
def test_threshold_is_the_quantile_over_these_images(model, quantile):
    found = explain.highlight(model, X, "features.3", 1, quantile=quantile)
    values = cells(model, X)
    assert found.threshold == pytest.approx(np.quantile(values.astype(np.float64), quantile), rel=1e-12)
    assert found.over == "these 2 images"
    assert found.params == {"values": values.size, "sample": None}
    for index, mask in enumerate(found.masks):
        np.testing.assert_array_equal(mask, found.heatmap.upsampled()[index] > np.float32(found.threshold))
    assert found.shares == tuple(mask.mean() for mask in found.masks)


def test_the_mask_lies_by_true_cell_centres():
    """One bright cell of a stride-4 net: its mask is around the cell's centre, not where a resize would put it."""
    model = nn.Sequential(nn.Conv2d(1, 1, 1, stride=4, bias=False), nn.ReLU())
    nn.init.ones_(model[0].weight)
    x = torch.zeros(1, 1, 16, 16)
    x[0, 0, 8, 4] = 1
    mask = explain.highlight(model, x, "1", 0, threshold=0.6).masks[0]
    rows, columns = np.nonzero(mask)
    assert (set(rows), set(columns)) == ({7, 8, 9}, {3, 4, 5})  # 0.75 of the peak one pixel off, 0.5 two off


@pytest.mark.parametrize("constant", [0.0, 0.1, -3.0])
def test_nothing_stands_out_of_a_channel_that_is_the_same_everywhere(constant):
    model = seeded(Gap())
    with torch.no_grad():
        model.features[3].weight[1] = 0
        model.features[3].bias[1] = constant
    for quantile in (0.0, 0.5, 0.995):
        assert not any(mask.any() for mask in explain.highlight(model, X, "features.3", 1, quantile=quantile).masks)


class Batches:
    """Batches without a length."""

    def __init__(self, *batches):
        self.batches = batches

    def __iter__(self):
        yield from self.batches


DATA = noise(7, 3, 12, 12, seed=5)
OVER = {
    "a tensor": DATA,
    "a list of tensors": list(DATA),
    "a loader": DataLoader(TensorDataset(DATA, torch.arange(7)), batch_size=3),
    "a data set": TensorDataset(DATA, torch.arange(7)),
    "batches without labels": Batches(DATA[:2], DATA[2:]),
    "tuples": [(DATA[:5], None), (DATA[5:], None, "more")],
}


@pytest.mark.parametrize("over", OVER.values(), ids=OVER)
def test_the_quantile_over_a_data_set(model, over):
    seen = []
    found = explain.highlight(
        model, X, "features.3", -5, over=over, quantile=0.9, chunk=2, progress=lambda *done: seen.append(done)
    )
    values = cells(model, DATA)
    assert found.threshold == pytest.approx(np.quantile(values.astype(np.float64), 0.9), rel=1e-6)
    assert found.over == "7 images"
    assert found.params == {"values": values.size, "sample": None}
    assert seen[-1][0] == len(seen)
    assert found.heatmap.params["channel"] == 1
    assert "7 images" in repr(found)


def test_over_pictures_with_a_classifier(model):
    clf = Classifier(model)
    random = np.random.default_rng(0)
    pictures = [Image.fromarray(random.integers(0, 255, (12, 12, 3), dtype=np.uint8)) for _ in range(3)]
    found = explain.highlight(clf, pictures[0], "features.3", 1, over=[(picture, 0) for picture in pictures])
    together = explain.highlight(clf, pictures, "features.3", 1)
    assert found.threshold == pytest.approx(together.threshold, rel=1e-6)
    np.testing.assert_array_equal(found.masks[0], together.masks[0])
    single = explain.highlight(clf, pictures[0], "features.3", 1, over=pictures[0])
    assert single.over == "1 image"


def test_a_stream_that_is_too_long_is_sampled_uniformly_and_always_alike():
    values = np.random.default_rng(1).permutation(np.arange(50_000, dtype=np.float32))
    found = []
    for batch in (77, 4_000, 50_000):
        sample = Sample(2_000)
        for first in range(0, len(values), batch):
            sample.add(values[first : first + batch])
        assert sample.seen == 50_000
        assert len(sample.values) == len(set(sample.values)) == 2_000
        found.append(sorted(sample.values))
    assert found[0] == found[1] == found[2]
    # A quantile of 2,000 drawn ones has a standard deviation of 0.0112 at the median.
    for quantile in (0.1, 0.5, 0.9):
        assert quantile_of(np.array(found[0], np.float32), quantile) / 50_000 == pytest.approx(quantile, abs=0.035)
    short = Sample(60_000)
    short.add(values)
    np.testing.assert_array_equal(np.sort(short.values), np.sort(values))


def test_the_size_of_the_sample_is_told(model, monkeypatch):
    monkeypatch.setattr("cnnwidgets.explain.dissection.MOST", 50)
    found = explain.highlight(model, X, "features.3", 1, over=DATA)
    assert found.params == {"values": 7 * 36, "sample": 50}


def test_iou_by_hand(model):
    found = explain.highlight(model, X, "features.3", 1, quantile=0.8)
    other = np.zeros((12, 12), dtype=bool)
    other[2:9, 3:10] = True
    both, either = [0, 0], [0, 0]
    for index, mask in enumerate(found.masks):
        for y in range(12):
            for x in range(12):
                both[index] += bool(mask[y, x]) and 2 <= y < 9 and 3 <= x < 10
                either[index] += bool(mask[y, x]) or (2 <= y < 9 and 3 <= x < 10)
    assert found.iou(other) == pytest.approx(both[0] / either[0])
    assert found.iou(torch.from_numpy(other), 1) == pytest.approx(both[1] / either[1])
    assert found.iou([other, other.astype(float)]) == pytest.approx(sum(both) / sum(either))
    assert found.iou(found.masks[0]) == 1
    assert found.iou(~found.masks[0]) == 0
    nothing = explain.highlight(model, X, "features.3", 1, threshold=1e9)
    assert np.isnan(nothing.iou(np.zeros((12, 12), dtype=bool)))
    with pytest.raises(OptionError, match=r"\(3, 3\).*\(12, 12\)"):
        found.iou(np.zeros((3, 3)))
    with pytest.raises(OptionError, match="1 masks were given for 2"):
        found.iou([other])
    with pytest.raises(OptionError, match="index=2"):
        found.iou(other, 2)


def test_what_was_not_seen_is_not_highlighted(model):
    class Cropping:
        def __call__(self, picture):
            array = np.asarray(picture, dtype=np.float32)[4:16, 6:18] / 255
            return torch.from_numpy(array).permute(2, 0, 1)

    picture = np.random.default_rng(3).integers(0, 255, (20, 24, 3), dtype=np.uint8)
    found = explain.highlight(Classifier(model, Cropping()), picture, "features.3", 1, threshold=-1e9)
    mask, frame = found.masks[0], found.heatmap.frames[0]
    assert mask.shape == (20, 24)
    left, top, right, bottom = (round(edge) for edge in frame.box)
    expected = np.zeros((20, 24), dtype=bool)
    expected[max(top, 0) : bottom, max(left, 0) : right] = True
    np.testing.assert_array_equal(mask, expected)
    assert found.shares == (1.0,)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"quantile": 1.5}, OptionError, "quantile=1.5"),
        ({"quantile": float("nan")}, OptionError, "quantile=nan"),
        ({"threshold": float("inf")}, OptionError, "threshold=inf"),
        ({"threshold": 1.0, "over": DATA}, OptionError, "Both over= and threshold="),
        ({"over": []}, ImageError, "no images"),
        ({"over": 3}, ImageError, "int is no images"),
        ({"over": [DATA, "a.png"]}, ImageError, "Item 1 of the images"),
        ({"over": [DATA.int()]}, ImageError, "Item 0.*int32"),
        ({"over": [DATA, DATA[:, :1]]}, ImageError, "Item 1 of the images: It has 1 channel.* of 3"),
        ({"channel": 6}, OptionError, "channel=6"),
        ({"qantile": 0.9}, OptionError, "quantile"),
    ],
)
def test_what_means_nothing_is_refused(model, options, error, words):
    with pytest.raises(error, match=words):
        explain.highlight(model, X, "features.3", **{"channel": 1, **options})


def test_a_stream_can_be_stopped(model):
    token = explain.CancelToken()
    with pytest.raises(Cancelled):
        explain.highlight(model, X, None, 1, over=Batches(DATA, DATA), progress=lambda *_: token.cancel(), cancel=token)


def test_pictures_of_a_highlight(model):
    found = explain.highlight(model, X, "features.3", 1, quantile=0.7)
    drawn = np.asarray(found.overlay(0, dim=1.0))
    scale = drawn.shape[0] // 12
    mask = found.masks[0].repeat(scale, 0).repeat(scale, 1)
    black = (drawn == 0).all(2)
    assert scale > 1
    assert (black & ~mask).mean() > 0.4  # dark where nothing is highlighted
    assert (black & mask).mean() < 0.05
    assert found._repr_png_().startswith(b"\x89PNG")
    assert "0.7 quantile" in found.plot().get_suptitle()
    with pytest.raises(ValueError, match="read-only"):
        found.masks[0][0, 0] = True
    with pytest.raises(OptionError, match="dim=2"):
        found.overlay(dim=2)
