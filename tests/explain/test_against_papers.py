"""Every method against the slow literal version of its paper, on tiny networks in double precision."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from cnnwidgets import explain
from tests.explain.nets import Gap, Residual, Vgg, noise, seeded
from tests.reference import papers

NETS = {"gap": Gap, "vgg": Vgg, "residual": Residual}
CLASSES = (3, 1)


@pytest.fixture(params=NETS)
def net(request):
    return seeded(NETS[request.param](), seed=len(request.param), dtype=torch.float64)


@pytest.fixture
def x():
    return noise(2, 3, 12, 12, dtype=torch.float64)


def score_of(net, index):
    return lambda image: net(image[None])[0, index]


def assert_same(values, reference):
    reference = torch.as_tensor(reference).numpy()
    assert values.shape == reference.shape
    span = np.abs(reference).max()
    assert span > 1e-4, "a reference of zeros would prove nothing"
    np.testing.assert_allclose(values, reference, rtol=2e-6, atol=2e-6 * span)


def test_saliency(net, x):
    heatmap = explain.saliency(net, x, CLASSES)
    assert heatmap.values.dtype == np.float32
    for n, index in enumerate(CLASSES):
        assert_same(heatmap.values[n], papers.saliency(score_of(net, index), x[n]))


def test_saliency_agrees_with_finite_differences():
    """Without automatic differentiation as a middleman, on a net without kinks."""
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 2))
    net = seeded(net, dtype=torch.float64)
    x = noise(1, 2, 6, 6, dtype=torch.float64)
    slopes = papers.gradient_by_differences(lambda image: net(image[None])[0, 1].detach(), x[0])
    assert_same(explain.saliency(net, x, 1).values[0], slopes.abs().amax(0))
    assert_same(explain.saliency(net, x, 1, signed=True).values[0], slopes.sum(0))
    assert_same(explain.saliency(net, x, 1, times_input=True).values[0], (slopes * x[0]).sum(0))


def test_signed_and_times_input_are_sums_over_the_colours(net, x):
    signed = explain.saliency(net, x, CLASSES, signed=True).values
    times = explain.saliency(net, x, CLASSES, times_input=True).values
    for n, index in enumerate(CLASSES):
        slope = papers.gradient(score_of(net, index), x[n])
        assert_same(signed[n], slope.sum(0))
        assert_same(times[n], (slope * x[n]).sum(0))


def drawn(samples, shape, seed):
    """The noise that a seed means: one image after the other from one generator."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).double() for _ in range(samples)]


def test_smoothgrad(net, x):
    heatmap = explain.smoothgrad(net, x, CLASSES, samples=5, noise=0.2, seed=7)
    for n, index in enumerate(CLASSES):
        sigma = 0.2 * float(x[n].max() - x[n].min())
        epsilons = [sigma * e for e in drawn(5, (3, 12, 12), seed=7)]
        assert_same(heatmap.values[n], papers.smoothgrad(score_of(net, index), x[n], epsilons))


def test_smoothgrad_signed_averages_before_it_reduces(net, x):
    heatmap = explain.smoothgrad(net, x[:1], 2, samples=4, noise=0.1, seed=3, signed=True)
    sigma = 0.1 * float(x[0].max() - x[0].min())
    epsilons = [sigma * e for e in drawn(4, (3, 12, 12), seed=3)]
    assert_same(heatmap.values[0], papers.smoothgrad_gradient(score_of(net, 2), x[0], epsilons).sum(0))


def test_smoothgrad_of_grad_cam(net, x):
    heatmap = explain.smoothgrad(net, x[:1], 2, of=explain.grad_cam, samples=4, noise=0.1, seed=3)
    sigma = 0.1 * float(x[0].max() - x[0].min())
    noisy = [x[0] + sigma * e for e in drawn(4, (3, 12, 12), seed=3)]
    front, back = halves(net)
    maps = [papers.grad_cam(front, lambda a: back(a)[2], image) for image in noisy]
    assert_same(heatmap.values[0], sum(maps) / 4)


def test_smoothgrad_of_cam(x):
    net = seeded(Gap(), dtype=torch.float64)
    heatmap = explain.smoothgrad(net, x[:1], 2, of=explain.cam, samples=3, noise=0.1, seed=3)
    sigma = 0.1 * float(x[0].max() - x[0].min())
    noisy = [x[0] + sigma * e for e in drawn(3, (3, 12, 12), seed=3)]
    maps = [papers.cam(net.features(image[None])[0].detach(), net.fc.weight[2].detach()) for image in noisy]
    assert_same(heatmap.values[0], sum(maps) / 3)


def halves(net):
    """The network cut by hand at its last feature map: image -> A (K,h,w), A -> scores."""
    net = copy.deepcopy(net)
    if isinstance(net, Gap):
        return lambda image: net.features(image[None])[0], lambda a: net.fc(a.mean((1, 2)))
    if isinstance(net, Vgg):
        return lambda image: net.features[:4](image[None])[0], lambda a: net.classifier(net.features[4](a[None]))[0]

    def front(image):
        h = net.bn1(net.conv1(image[None])).clamp(min=0)
        return (net.conv3(net.conv2(h).clamp(min=0)) + h).clamp(min=0)[0]

    return front, lambda a: net.fc(a.mean((1, 2)))


def test_grad_cam(net, x):
    front, back = halves(net)
    heatmap = explain.grad_cam(net, x, CLASSES)
    for n, index in enumerate(CLASSES):
        reference = papers.grad_cam(front, lambda a, index=index: back(a)[index], x[n])
        assert_same(heatmap.values[n], reference)


def test_grad_cam_with_the_papers_relu(net, x):
    signed = explain.grad_cam(net, x, CLASSES).values
    rectified = explain.grad_cam(net, x, CLASSES, relu=True).values
    assert (signed < 0).any()
    np.testing.assert_array_equal(rectified, np.maximum(signed, 0))


def test_smoothgrad_of_grad_cam_rectifies_the_mean(x):
    """What is averaged is the raw map; the ReLU comes last, as the maximum over colours does."""
    net = seeded(Residual(), seed=1)
    common = {"of": explain.grad_cam, "samples": 4, "noise": 0.4, "seed": 1}
    signed = explain.smoothgrad(net, x, 1, **common).values
    assert (signed < 0).any()
    np.testing.assert_allclose(explain.smoothgrad(net, x, 1, relu=True, **common).values, np.maximum(signed, 0))


def test_grad_cam_of_any_scalar(net, x):
    front, back = halves(net)
    heatmap = explain.grad_cam(net, x, lambda scores: scores[:, 0] * scores[:, 1] + scores.logsumexp(1))
    for n in range(2):
        reference = papers.grad_cam(front, lambda a: back(a)[0] * back(a)[1] + back(a).logsumexp(0), x[n])
        assert_same(heatmap.values[n], reference)


def test_grad_cam_at_an_inner_layer(x):
    net = seeded(Vgg(), dtype=torch.float64)
    heatmap = explain.grad_cam(net, x, 1, layer="features.0")

    def back(a):  # functional and out of place: the first ReLU writes over its input
        a = net.features[3](net.features[2](a[None].clamp(min=0)))
        return net.classifier(net.features[4](a))[0, 1]

    for n in range(2):
        assert_same(heatmap.values[n], papers.grad_cam(lambda i: net.features[0](i[None])[0], back, x[n]))


def test_cam(x):
    net = seeded(Gap(), dtype=torch.float64)
    heatmap = explain.cam(net, x, CLASSES)
    for n, index in enumerate(CLASSES):
        features = net.features(x[n : n + 1])[0].detach()
        assert_same(heatmap.values[n], papers.cam(features, net.fc.weight[index].detach()))


class ConvHead(nn.Module):
    """A 1x1 convolution as the linear layer: behind the pooling (MobileNetV3, timm) or before it (SqueezeNet)."""

    def __init__(self, *, before):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.last, self.pool, self.before = nn.Conv2d(4, 3, 1), nn.AdaptiveAvgPool2d(1), before

    def forward(self, x):
        x = self.features(x)
        return (self.pool(self.last(x)) if self.before else self.last(self.pool(x))).flatten(1)


@pytest.mark.parametrize("before", [False, True])
def test_cam_with_a_convolution_as_linear_layer(x, before):
    net = seeded(ConvHead(before=before), dtype=torch.float64)
    features = net.features(x)[1].detach()
    weights, bias = net.last.weight[2, :, 0, 0].detach(), net.last.bias[2].item()
    # Before the pooling, the map that is averaged into the score is the convolution's: bias included.
    assert_same(explain.cam(net, x, 2).values[1], papers.cam(features, weights) + (bias if before else 0))


def test_boxes_are_those_of_a_flood_fill():
    generator = np.random.default_rng(0)
    for _ in range(30):
        height, width = generator.integers(3, 9, 2)
        field = generator.normal(size=(1, height, width)).round(1)
        field[0, 0, 0] = 3
        box = heatmap_of(field).boxes(0.2, space="input")[0]
        assert tuple(box) == papers.largest_box(field[0].tolist(), 0.2)


def heatmap_of(field):
    """Saliency of a linear model is its weight: a heat map with any wanted values."""
    weight = torch.as_tensor(field, dtype=torch.float32)

    class Weighted(nn.Module):
        def forward(self, x):
            return (x * weight).sum((1, 2, 3))[:, None]

    return explain.saliency(Weighted(), torch.zeros(1, 1, *weight.shape[1:]), 0, signed=True)
