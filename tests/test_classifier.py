"""Classifier: pictures in, named classes out, and where in the picture the network looked."""

from __future__ import annotations

import importlib
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn
from torchvision.transforms import v2

import cnnwidgets as cw
from cnnwidgets.errors import ImageError, MissingDataError, ModelError, OptionError, TargetError
from cnnwidgets.framing import _measured, frame_of


class Means(nn.Module):
    """Scores that are the mean of each channel: what goes in can be read off what comes out."""

    def __init__(self, end: nn.Module | None = None) -> None:
        super().__init__()
        self.keep = nn.Conv2d(3, 3, 1, bias=False)
        nn.init.eye_(self.keep.weight.data.view(3, 3))
        self.end = end or nn.Identity()

    def forward(self, x):
        return self.end(self.keep(x).mean((2, 3)))


def picture(width: int = 60, height: int = 40) -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture
def clf():
    return cw.Classifier(Means(), classes=["red", "green", "blue"])


def test_predict_names_the_classes(clf):
    red = Image.new("RGB", (5, 7), (255, 102, 0))
    first = clf.predict(red)[0]
    assert (first.index, first.name, first.units) == (0, "red", "logit")
    assert first.probability == pytest.approx(torch.tensor([1.0, 0.4, 0]).softmax(0)[0].item(), abs=1e-6)
    assert "red" in repr(clf.predict(red))
    assert "<td" in clf.predict(red)._repr_html_()


def test_one_image_or_several(clf, tmp_path):
    picture().save(tmp_path / "a.png")
    array = np.array(picture())
    single = [clf.predict(given, top=1) for given in (picture(), tmp_path / "a.png", array, torch.rand(3, 4, 4))]
    assert all(isinstance(found, tuple) and len(found) == 1 for found in single)
    assert single[0][0].score == pytest.approx(single[1][0].score) == single[2][0].score
    assert len(clf.predict([picture(), array])) == 2
    assert len(clf.predict(torch.rand(3, 3, 4, 4))) == 3


@pytest.mark.parametrize(
    ("end", "kind", "units"),
    [
        (None, "logits", "logit"),
        (nn.Softmax(1), "softmax", "probability"),
        (nn.LogSoftmax(1), "log_softmax", "log-probability"),
    ],
)
def test_the_output_is_detected_and_can_be_set(end, kind, units):
    clf = cw.Classifier(Means(end))
    assert clf.output is None
    found = clf.predict(picture())
    assert (clf.output, found[0].units) == (kind, units)
    assert sum(p.probability for p in found) == pytest.approx(1, abs=1e-5)
    clf.output = "logits"
    assert clf.predict(picture())[0].units == "logit"
    with pytest.raises(OptionError, match="log_softmax"):
        clf.output = "logit"


def test_a_kind_is_not_kept_from_broken_weights():
    clf = cw.Classifier(Means(nn.Softmax(1)))
    good = clf.model.keep.weight.detach().clone()
    with torch.no_grad():
        clf.model.keep.weight.fill_(float("nan"))
    with pytest.raises(ModelError, match="NaN"):
        clf.predict(picture())
    with torch.no_grad():
        clf.model.keep.weight.copy_(good)
    clf.predict(picture())
    assert clf.output == "softmax"


@pytest.mark.parametrize("size", [(60, 40), (40, 60), (33, 47), (300, 451), (10, 10)])
@pytest.mark.parametrize(
    "transform",
    [
        cw.Preprocess(resize=32, crop=24),
        cw.Preprocess(resize=(20, 30)),
        torchvision.models.ResNet18_Weights.DEFAULT.transforms(),
        v2.Compose([v2.Resize(32), v2.CenterCrop(24), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]),
        torchvision.transforms.Compose(
            [
                torchvision.transforms.Resize((24, 30)),
                torchvision.transforms.CenterCrop(21),
                torchvision.transforms.ToTensor(),
                torchvision.transforms.Normalize([0.5] * 3, [0.2] * 3),
            ]
        ),
    ],
)
def test_known_frames_agree_with_measured_ones(transform, size):
    width, height = size
    exact, measured = frame_of(transform, height, width), _measured(transform, height, width)
    assert exact.exact
    assert not measured.exact
    assert exact.input_size == measured.input_size == tuple(transform(picture(width, height)).shape[1:])
    # a measured edge may be off by half an input pixel, or half a picture pixel where that is larger
    slack = 0.5 * max(*exact.scale, 1.0)
    assert np.allclose(exact.box, measured.box, atol=slack)


def test_padding_is_seen_outside_the_picture():
    frame = cw.Preprocess(crop=8).frame(5, 5)
    assert frame.box == (-1.0, -1.0, 7.0, 7.0)
    centred = torchvision.transforms.CenterCrop(8)(Image.new("RGB", (5, 5), "white"))
    assert np.array(centred)[:, :, 0].nonzero()[0].min() == 1


def test_any_function_is_measured_once_per_size():
    calls = []

    def own(given: Image.Image) -> torch.Tensor:
        calls.append(given.size)
        return torch.from_numpy(np.array(given.crop((10, 5, 50, 35)), dtype=np.float32)).permute(2, 0, 1) / 255

    clf = cw.Classifier(Means(), own)
    prepared = clf.prepare([picture()] * 5)
    assert np.allclose(prepared.frames[0].box, (10, 5, 50, 35), atol=0.6)
    assert len(calls) < 5 + 12


def test_chance_and_rotation():
    random = v2.Compose([v2.RandomCrop(16), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)])
    with pytest.raises(OptionError, match="random augmentations"):
        cw.Classifier(Means(), random).prepare(picture())
    turned = cw.Classifier(
        Means(), lambda p: v2.functional.to_dtype(v2.functional.pil_to_tensor(p.rotate(30)), scale=True)
    )
    prepared = turned.prepare(picture())
    assert prepared.pictures == (None,)  # what the network saw is shown instead


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (lambda: cw.Classifier("resnet18"), OptionError, "torch.nn.Module"),
        (lambda: cw.Classifier(Means(), classes="cat"), OptionError, "one text"),
        (lambda: cw.Classifier(Means()).predict([]), ImageError, "empty"),
        (lambda: cw.Classifier(Means()).predict([picture(), picture(5, 5)]), ImageError, "different shapes"),
        (lambda: cw.Classifier(Means(), lambda _: "x").predict(picture()), ImageError, "gave str"),
        (lambda: cw.Classifier(Means(), classes=["a"]).predict(picture()), ModelError, "3 scores, but 1"),
        (lambda: cw.Classifier(Means()).predict(picture(), top=0), OptionError, "top=0"),
        (lambda: cw.Classifier(Means(), classes=["dog", "cat", "cow"]).index_of("cta"), TargetError, "cat"),
        (lambda: cw.Preprocess(interpolation="bicubik"), OptionError, "bicubic"),
        (lambda: cw.Preprocess(std=0), OptionError, "above 0"),
        (lambda: cw.Preprocess(resize=(1, 2, 3)), OptionError, "height, width"),
        (lambda: cw.Preprocess(mean=(1, 2)), OptionError, "2 numbers for 3"),
    ],
)
def test_bad_input(build, error, words):
    with pytest.raises(error, match=words):
        build()


def test_forms_that_people_write():
    assert cw.Preprocess(crop=5) == cw.Preprocess(crop=[5, 5])
    assert cw.Classifier(Means(), classes={1: "b", 0: "a", 2: "c"}).classes == ("a", "b", "c")
    grey = cw.Classifier(nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    assert grey.prepare(picture()).x.shape == (1, 1, 40, 60)


def test_from_torchvision_and_timm_without_weights():
    state = torch.get_rng_state()
    vision = cw.Classifier.from_torchvision("resnet18", weights=None)
    assert len(vision.classes) == 1000
    assert vision.prepare(picture()).x.shape == (1, 3, 224, 224)
    timm = cw.Classifier.from_timm("resnet18", pretrained=False)
    assert len(timm.predict(picture())) == 5
    assert "tabby" in timm.classes[281]
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: cw.Classifier.from_torchvision("resnet81"), "resnet18"),
        (lambda: cw.Classifier.from_torchvision("resnet18", weights="IMAGENET1K_V9"), "IMAGENET1K_V1"),
        (lambda: cw.Classifier.from_timm("resnet18x", pretrained=False), "resnet18"),
        (lambda: cw.Classifier.from_timm("resnet18.a1_in2k"), "a1_in1k"),
    ],
)
def test_misspelt_names(build, words):
    with pytest.raises(OptionError, match=words):
        build()


def test_offline_torchvision_says_what_it_wanted(monkeypatch, tmp_path):
    asked = []

    def refused(url, *_args, **_options):
        asked.append(url)
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refused)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(MissingDataError, match=r"resnet18-.*\.pth.*demo\.imagenet"):
        cw.Classifier.from_torchvision("resnet18")
    assert asked
    assert asked[0].endswith(".pth")  # torchvision's own download was called


def test_offline_timm_says_what_it_wanted(monkeypatch):
    import timm.models._builder as builder

    def refused(*_args, **_options):
        raise OSError("no route to host")

    monkeypatch.setattr(builder, "load_pretrained", refused)
    with pytest.raises(MissingDataError, match=r"timm/resnet18\.a1_in1k.*demo\.imagenet"):
        cw.Classifier.from_timm("resnet18.a1_in1k")


def test_a_torchvision_that_does_not_fit_is_said_in_our_words(monkeypatch):
    def broken(name):
        raise RuntimeError(f"operator torchvision::nms does not exist ({name})")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(MissingDataError, match=r"do not belong together.*pip install --force-reinstall"):
        cw.Classifier.from_torchvision("resnet18")
