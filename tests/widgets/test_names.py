"""Names of any characters are shown everywhere: on pictures, in plots, in sentences, on the page."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image
from torch import nn

import cnnwidgets as cw
from cnnwidgets import explain
from cnnwidgets.images.font import font, shortened
from cnnwidgets.images.legend import legend
from cnnwidgets.images.tiles import contact_sheet
from cnnwidgets.text import displayable, displayable_lines, isolated, sendable, sentence
from tests.widgets.conftest import Browser, make_picture

NAMES = (
    "do\ngs\r",
    "US$",
    "$_$ \\foo {^}",
    "abc\u202egnp.exe",
    "\u05d7\u05ea\u05d5\u05dc",
    "a\x00b\x1bc\x7f\x85",
    "half \ud83d of an emoji, and a whole one \U0001f431",
    "tab\tand\u2028line\u2029breaks\v",
    "x" * 10_000,
    "<b>&\"'",
    "",
)


def network(**modules: nn.Module) -> nn.Sequential:
    import torch

    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    for name, module in modules.items():
        net.insert(1, nn.Identity())
        net.add_module(name, module)
    return net.eval()


def classifier(name: str) -> cw.Classifier:
    net = network()
    nn.init.constant_(net[-1].bias, 0)
    net[-1].bias.data[0] = 9  # the name is the first of the bars
    return cw.Classifier(net, cw.Preprocess(resize=(32, 32)), [name, "plain"])


@pytest.mark.parametrize("name", NAMES)
def test_every_widget_about_a_class_can_be_displayed(name):
    clf, picture = classifier(name), make_picture()
    view, canvas = cw.HeatmapView(clf, picture), cw.OcclusionCanvas(clf, picture)
    pad, grid = cw.SketchPad(clf, picture), cw.ActivationGrid(clf, picture, sort="contribution")
    for widget in (view, canvas, pad, grid):
        browser = Browser(widget)
        widget.wait(30)
        data, _ = widget._repr_mimebundle_()
        assert "image/png" in data
        for text in (data["text/plain"], data["text/html"], pad._controls.tally.value):
            assert not set(text) & set("\r\x00\x1b\x7f\x85\u202e\u2028")
            assert len(text) < 100_000
            text.encode()
        json.dumps(sendable(browser.messages), ensure_ascii=False, default=str).encode()
        json.dumps(widget.get_state(), ensure_ascii=False, default=str).encode()
        assert widget.snapshot().width > 100
        widget.close()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
def test_every_plot_can_be_drawn(name):
    clf, picture = classifier(name), make_picture()
    heatmap = explain.grad_cam(clf, picture, 0)
    figure = heatmap.plot()
    figure.savefig(io.BytesIO())
    title = figure.axes[0].get_title().split("\n")[-1]
    assert title == displayable(clf.classes[0], 80)
    explain.occlusion(clf, picture, 0, window=16, stride=16).plot().savefig(io.BytesIO())


@pytest.mark.parametrize("name", ["US$ 5$", "do\ngs", "\u202eabc", "x" * 2000])
@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
def test_every_plot_about_a_layer_can_be_drawn(name):
    net = nn.Sequential()
    for key, module in ((name, nn.Conv2d(3, 4, 3, 2, 1)), ("act", nn.ReLU()), ("pool", nn.AdaptiveAvgPool2d(1))):
        net.add_module(key, module)
    net.add_module("flat", nn.Flatten())
    net.add_module("last", nn.Linear(4, 2))
    clf, picture = cw.Classifier(net.eval(), cw.Preprocess(resize=(32, 32))), make_picture()
    acts = explain.activations(clf, picture, [name, "act"])
    for shown in (
        acts,
        acts[name],
        acts[name].heatmap(0),
        explain.filters(clf, name),
        explain.grad_cam(clf, picture, 0, layer=name),
        explain.receptive_field(clf, picture, name, (2, 2)),
    ):
        shown.plot().savefig(io.BytesIO())
    grid = cw.ActivationGrid(clf, picture, layer=name, channel=1)
    grid.wait(30)
    assert "image/png" in grid._repr_mimebundle_()[0]
    grid.close()


@pytest.mark.parametrize("name", ["do\ngs", "US$", "\u05d7\u05ea\u05d5\u05dc", "tab\there"])
def test_a_gallery_of_pictures_with_such_names_can_be_displayed(tmp_path, name):
    for folder in (name, "plain"):
        (tmp_path / folder).mkdir()
        for number in range(2):
            pixels = np.random.default_rng(number).integers(0, 255, (40, 40, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{name}{number}.png")
    gallery = cw.NeuronGallery(classifier("plain"), tmp_path, k=3)
    gallery.wait(60)
    for mode in ({}, {"kind": "compare"}, {"mode": "images"}, {"label": name}, {"view": "overview"}):
        for trait, value in mode.items():
            setattr(gallery, trait, value)
        gallery.wait(60)
        assert "image/png" in gallery._repr_mimebundle_()[0]
    gallery.close()


def test_lines_of_a_file_are_class_names(tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes(b"cat\r\ndog\n")
    with path.open(newline="") as file:
        clf = cw.Classifier(network(), cw.Preprocess(resize=(32, 32)), file.readlines())
    assert clf.classes == ("cat", "dog")
    assert clf.index_of("dog") == clf.index_of("dog\n") == 1
    assert cw.Classifier(network(), classes={1: "b\n", 0: "a\n"}).classes == ("a", "b")


def test_what_displayable_does():
    assert displayable("do\r\ngs\n") == "do gs"
    assert displayable("a\x00b\u202ec\ud800") == "a\ufffdb\ufffdc\ufffd"
    assert displayable("x" * 10_000, 10) == "x" * 9 + "…"
    assert displayable("plain name, 5 $") == "plain name, 5 $"
    assert displayable_lines("a\x00\nb") == "a\ufffd\nb"
    assert isolated("cat") == "cat"
    assert isolated("\u05d7\u05ea") == "\u2068\u05d7\u05ea\u2069"
    assert displayable(isolated("\u05d7\u05ea")) == "\u05d7\u05ea"
    assert sentence("a\n\u2068b\x00\u2069", 50) == "a \u2068b\ufffd\u2069"
    assert sentence("x" * 100, 9) == "x" * 8 + "…"
    assert sendable({"a": ["b\ud800", 1, b"x"]}) == {"a": ["b\ufffd", 1, b"x"]}
    assert sendable("\ud83d\udc31") == "\U0001f431"


@pytest.mark.parametrize("name", NAMES)
def test_pillow_draws_them(name):
    face = font(12)
    assert face.getlength(shortened(name, face, 80)) <= 80
    assert contact_sheet([Image.new("RGB", (20, 20))], [name]).width >= 20
    assert legend(200, vmax=1.0, units=name).width == 200
