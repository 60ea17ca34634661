"""Layers: their names, and which one is taken where none is named."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnwidgets import explain
from cnnwidgets.errors import LayerError
from cnnwidgets.explain.layers import layer_list
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.subject import subject_of
from tests.explain.nets import Gap, Residual, Vgg, noise, seeded

X = noise(2, 3, 12, 12)


def test_layers_in_order_of_execution():
    listed = explain.layers(seeded(Residual()), X)
    assert [layer.name for layer in listed] == [
        "conv1", "bn1", "relu#0", "conv2", "relu#1", "conv3", "add()", "relu#2",
    ]  # fmt: skip
    assert {layer.shape for layer in listed} == {(4, 12, 12)}
    assert [layer.call for layer in listed] == sorted({layer.call for layer in listed})


def test_one_value_under_the_outermost_modules_name():
    network = Network(subject_of(seeded(Gap()), X))
    listed = {layer.name: layer for layer in layer_list(network.trace)}
    assert list(listed) == [*(f"features.{i}" for i in range(5)), "features"]
    assert listed["features"].shape == (6, 6, 6)
    assert listed["features"].kind == "Sequential"


@pytest.mark.parametrize("name", ["features.4", "features", "features.5"])
def test_every_name_of_a_value_is_known(name):
    heatmap = explain.grad_cam(seeded(Gap()), X, 1, layer=name)
    assert heatmap.layer == name


def test_a_module_or_an_index_instead_of_a_name():
    net = seeded(Vgg())
    expected = explain.grad_cam(net, X, 1, layer="features.2").values
    np.testing.assert_array_equal(explain.grad_cam(net, X, 1, layer=net.features[2]).values, expected)
    sequential = nn.Sequential(*net.features, *net.classifier)
    np.testing.assert_array_equal(explain.grad_cam(sequential, X, 1, layer=2).values, expected)
    np.testing.assert_array_equal(explain.grad_cam(sequential, X, 1, layer=-8).values, expected)
    with pytest.raises(LayerError, match=r"layer=10 is out of range: the model has 10 modules"):
        explain.grad_cam(sequential, X, 1, layer=10)
    with pytest.raises(LayerError, match=r"layer=1 is an index, but the model is a Vgg"):
        explain.grad_cam(net, X, 1, layer=1)
    with pytest.raises(LayerError, match="Conv2d, is not part of this model"):
        explain.grad_cam(net, X, 1, layer=nn.Conv2d(1, 1, 1))


def test_a_module_that_stands_at_several_places():
    relu = nn.ReLU()
    net = seeded(nn.Sequential(nn.Conv2d(3, 4, 3), relu, nn.Conv2d(4, 5, 3), relu, nn.Flatten(), nn.Linear(320, 3)))
    first, second = (explain.grad_cam(net, X, 1, layer=index) for index in (1, 3))
    assert (first.layer, second.layer) == ("1#0", "1#1")
    assert (first.values.shape, second.values.shape) == ((2, 10, 10), (2, 8, 8))
    np.testing.assert_array_equal(explain.grad_cam(net, X, 1, layer="3").values, second.values)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("feature.4", r"no layer 'feature.4'. Did you mean 'features.4'"),
        ("fc", r"layer 'fc' has no map: its output has shape \(1, 5\), without rows and columns"),
        ("spare", r"layer 'spare' has no map: it is not called"),
        ("nonsense", r"no layer 'nonsense'. explain.layers\(model, x\) lists them all"),
    ],
)
def test_a_layer_that_is_not_there(name, said):
    net = seeded(Gap())
    net.spare = nn.Conv2d(1, 1, 1)
    with pytest.raises(LayerError, match=said):
        explain.grad_cam(net, X, 1, layer=name)


class Densely(nn.Module):
    """Ends, as DenseNet does, in a functional ReLU that belongs to no module."""

    def __init__(self):
        super().__init__()
        self.features, self.classifier = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), nn.Linear(4, 3)

    def forward(self, x):
        out = F.relu(self.features(x), inplace=True)
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(out, (1, 1)), 1))


def test_the_default_is_what_the_pooling_is_given_though_no_module_returns_it():
    net = seeded(Densely())
    heatmap = explain.grad_cam(net, X, 1)
    assert heatmap.layer == "relu()"
    features = F.relu(net.features(X)).detach()
    expected = torch.einsum("k,nkij->nij", net.classifier.weight[1].detach(), features) / 100
    np.testing.assert_allclose(heatmap.values, expected, rtol=1e-4, atol=1e-6)


class TwoHeads(nn.Module):
    """Its scores come from the first branch; the second, run later, leads nowhere."""

    def __init__(self):
        super().__init__()
        self.body, self.scored, self.aside = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3), nn.Conv2d(4, 7, 3)
        self.fc = nn.Linear(5, 3)

    def forward(self, x):
        x = self.body(x)
        scores = self.fc(self.scored(x).relu().mean((2, 3)))
        return {"logits": scores, "map": self.aside(x).relu()}


def test_the_default_leads_to_the_scores():
    assert explain.grad_cam(seeded(TwoHeads()), X, 1).layer == "relu()#0"


@pytest.mark.parametrize(
    ("kind", "layer", "size"),
    [(Gap, "features", 6), (Vgg, "features.3", 12), (Residual, "relu#2", 12), (Densely, "relu()", 10)],
)
def test_the_default_is_the_last_map_before_pooling_to_one(kind, layer, size):
    heatmap = explain.grad_cam(seeded(kind()), X, 1)
    assert heatmap.layer == layer
    assert heatmap.values.shape == (2, size, size)


def test_a_network_without_maps():
    net = seeded(nn.Sequential(nn.Flatten(), nn.Linear(432, 3)))
    with pytest.raises(LayerError, match=r"no layer with rows and columns.*explain\.saliency works"):
        explain.grad_cam(net, X, 1)
    assert explain.layers(net, X) == []
    assert explain.saliency(net, X, 1).values.shape == (2, 12, 12)


def test_a_layer_on_which_the_score_does_not_depend():
    from cnnwidgets.errors import ModelError

    with pytest.raises(ModelError, match=r"does not depend on the layer 'aside'"):
        explain.grad_cam(seeded(TwoHeads()), X, 1, layer="aside")


def test_any_scalar_of_any_output():
    """Grad-CAM needs no classifier: here the mean of a segmentation map's channel."""
    net = seeded(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1)))
    heatmap = explain.grad_cam(net, X, lambda output: output[:, 1].mean((1, 2)), layer="1")
    features = net[:2](X).detach()
    expected = torch.einsum("k,nkij->nij", net[2].weight[1, :, 0, 0].detach(), features) / 100
    np.testing.assert_allclose(heatmap.values, expected, rtol=1e-4, atol=1e-6)
