"""What must hold between the methods, whatever the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cnnwidgets import explain
from tests.explain.nets import Gap, Residual, Vgg, noise, seeded

METHODS = {
    "saliency": explain.saliency,
    "signed": lambda *a, **k: explain.saliency(*a, signed=True, **k),
    "times_input": lambda *a, **k: explain.saliency(*a, times_input=True, **k),
    "smoothgrad": lambda *a, **k: explain.smoothgrad(*a, samples=5, **k),
    "smoothgrad_of_grad_cam": lambda *a, **k: explain.smoothgrad(*a, samples=5, of=explain.grad_cam, **k),
    "smoothgrad_of_cam": lambda *a, **k: explain.smoothgrad(*a, samples=5, of=explain.cam, **k),
    "cam": explain.cam,
    "grad_cam": explain.grad_cam,
    "occlusion": lambda *a, **k: explain.occlusion(*a, window=5, **k),
    "occlusion_by_full_passes": lambda *a, **k: explain.occlusion(*a, window=5, incremental=False, **k),
}
LINEAR = [name for name in METHODS if name not in ("saliency", "smoothgrad")]


@pytest.fixture(params=METHODS)
def method(request):
    return METHODS[request.param]


@pytest.fixture
def net():
    return seeded(Gap(), seed=3)


@pytest.fixture
def x():
    return noise(5, 3, 16, 14) * torch.tensor([1.0, 0.2, 3.0, 1.0, 0.5])[:, None, None, None]


def assert_close(actual, expected, share=2e-6):
    span = np.abs(expected).max()
    assert span > 0
    np.testing.assert_allclose(actual, expected, rtol=0, atol=share * span)


def test_smoothgrad_without_noise_is_the_method_itself(net, x):
    for of in (explain.saliency, explain.grad_cam, explain.cam):
        assert_close(explain.smoothgrad(net, x, 1, of=of, noise=0, samples=3).values, of(net, x, 1).values)


def at_its_kinks():
    """A network and images on which most inputs of its ReLUs are 0 but for rounding.

    Each normalisation takes away what a plain grey area gives.
    """
    net = seeded(
        nn.Sequential(
            *(
                layer
                for given, channels in ((3, 8), (8, 8), (8, 8))
                for layer in (nn.Conv2d(given, channels, 3), nn.BatchNorm2d(channels), nn.ReLU())
            ),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 5),
        )
    )
    value = torch.full((1, 3, 24, 24), 0.3)
    with torch.no_grad():
        for part in net:
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.copy_(value[0].mean((1, 2)))
                part.bias.zero_()
            value = part(value)
    x = torch.full((3, 3, 24, 24), 0.3)
    for number, image in enumerate(x):
        image[:, 4 + number : 9, 7:12] = noise(3, 5 - number, 5, seed=number)
    return net, x


@pytest.mark.parametrize("chunk", [None, 1, 2])
@pytest.mark.parametrize("samples", [1, 7])
def test_smoothgrad_without_noise_is_the_method_to_the_last_bit(chunk, samples):
    net, x = at_its_kinks()
    off = [float((net[:6](x) == 0).float().mean()), float((net[:5](x).abs() < 1e-6).float().mean())]
    assert off[1] > 0.3, "most ReLUs have to be at their kink"
    for of, options in (
        (explain.saliency, {}),
        (explain.saliency, {"signed": True}),
        (explain.saliency, {"times_input": True}),
        (explain.grad_cam, {"layer": "4"}),
        (explain.grad_cam, {}),
        (explain.cam, {}),
    ):
        alone = of(net, x, 1, chunk=chunk, **options)
        smooth = explain.smoothgrad(net, x, 1, of=of, noise=0, samples=samples, chunk=chunk, **options)
        np.testing.assert_array_equal(smooth.values, alone.values)
        np.testing.assert_array_equal(smooth.scores, alone.scores)
    plain = explain.saliency(net, x, 1, signed=True).values
    assert np.abs(plain).max() > 0


def test_smoothgrad_without_noise_comes_to_its_end_in_one_step_an_image(net, x):
    reports = []
    explain.smoothgrad(net, x, 1, noise=0, samples=7, chunk=2, progress=lambda *report: reports.append(report))
    assert reports == [(14, 35), (28, 35), (35, 35)]


@pytest.mark.parametrize("method", [explain.saliency, explain.smoothgrad])
def test_an_unsigned_contrast_has_no_direction_and_says_so(method, net, x):
    seed = {"seed": 3, "samples": 4} if method is explain.smoothgrad else {}
    one = method(net, x, 1, instead_of=2, **seed)
    other = method(net, x, 2, instead_of=1, **seed)
    assert_close(one.values, other.values)
    assert one.params["note"].startswith("Without sign: the two classes swapped give the same map.")
    for signed in ({"signed": True}, {"times_input": True}):
        turned = method(net, x, 1, instead_of=2, **signed, **seed)
        assert_close(turned.values, -method(net, x, 2, instead_of=1, **signed, **seed).values)
        assert "note" not in turned.params
    assert "note" not in method(net, x, 1, **seed).params
    assert "note" not in explain.grad_cam(net, x, 1, instead_of=2).params


def test_cam_is_grad_cam_times_the_number_of_cells(net, x):
    cam, grad_cam = explain.cam(net, x, 2), explain.grad_cam(net, x, 2)
    cells = cam.values.shape[1] * cam.values.shape[2]
    assert_close(cam.values, cells * grad_cam.values)
    assert cam.layer == grad_cam.layer == "features"


def test_the_mean_of_cam_plus_the_bias_is_the_score(net, x):
    cam = explain.cam(net, x, 2)
    with torch.no_grad():
        logits = net(x)[:, 2].numpy()
        bias = float(net.fc.bias[2])
    assert_close(cam.values.mean((1, 2)) + bias, logits)
    assert_close(cam.scores, logits)


def test_the_mean_of_cam_is_the_score_before_a_softmax(net, x):
    cam = explain.cam(nn.Sequential(net, nn.Softmax(1)), x, 2)
    with torch.no_grad():
        assert_close(cam.values.mean((1, 2)) + float(net.fc.bias[2]), net(x)[:, 2].numpy())
    assert cam.units == "logit"


@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
def test_any_chunk_gives_the_same(method, net, x, chunk):
    whole = method(net, x, 1)
    assert_close(method(net, x, 1, chunk=chunk).values, whole.values)
    assert_close(method(net, x, 1, chunk=chunk).scores, whole.scores)


def test_a_batch_gives_what_its_images_give(method, net, x):
    targets = [0, 1, 2, 3, 4]
    batch = method(net, x, targets)
    for n, target in enumerate(targets):
        alone = method(net, x[n : n + 1], target)
        assert_close(batch.values[n], alone.values[0])
        assert batch.target[n] == alone.target[0] == f"class {target}"
        assert batch.scores[n] == pytest.approx(alone.scores[0], rel=1e-5)


@pytest.mark.parametrize("name", LINEAR)
def test_a_contrast_is_the_difference(name, net, x):
    method = METHODS[name]
    contrast = method(net, x, why=1, instead_of=3)
    first, second = method(net, x, 1), method(net, x, 3)
    assert_close(contrast.values, first.values - second.values, share=1e-5)
    assert_close(contrast.scores, first.scores - second.scores)
    assert contrast.target[0] == "class 1 instead of class 3"


def test_a_contrast_of_saliency_is_the_size_of_the_gradients_difference(net, x):
    single = []
    for target in (1, 3):
        leaf = x.clone().requires_grad_(True)
        single.append(torch.autograd.grad(net(leaf)[:, target].sum(), leaf)[0])
    expected = (single[0] - single[1]).abs().amax(1).numpy()
    assert_close(explain.saliency(net, x, why=1, instead_of=3).values, expected)
    assert_close(explain.saliency(net, x, 1, instead_of=3).values, expected)


def test_a_contrast_with_a_pair_per_image(method, net, x):
    batch = method(net, x, why=[0, 1, 2, 3, 4], instead_of=[1, 2, 3, 4, 0])
    alone = method(net, x[3:4], why=3, instead_of=4)
    assert_close(batch.values[3], alone.values[0])


def test_a_contrast_with_itself_is_nothing(net, x):
    np.testing.assert_allclose(explain.grad_cam(net, x, why=1, instead_of=1).values, 0, atol=1e-7)


def test_no_target_means_each_images_top_class(method, net, x):
    top = net(x).argmax(1).tolist()
    assert len(set(top)) > 1
    np.testing.assert_array_equal(method(net, x).values, method(net, x, top).values)


class Linear(nn.Module):
    """S_c = sum of W_c * x: its gradient is known."""

    def __init__(self, height=6, width=9):
        super().__init__()
        self.weight = nn.Parameter(noise(2, 3, height, width))

    def forward(self, x):
        return torch.einsum("nchw,kchw->nk", x, self.weight)


def test_the_gradient_of_a_linear_net_is_its_weights():
    net, x = Linear(), noise(2, 3, 6, 9)
    weight = net.weight.detach()
    for heatmap in (explain.saliency(net, x, 1), explain.smoothgrad(net, x, 1, noise=0.5, samples=3)):
        assert_close(heatmap.values, weight[1].abs().amax(0).expand(2, 6, 9).numpy())
    times = explain.saliency(net, x, 1, times_input=True)
    assert_close(times.values.sum((1, 2)), net(x)[:, 1].detach().numpy(), share=1e-5)


def test_the_noise_has_the_stated_spread():
    """The mean gradient of the sum of cubes is 3 (x^2 + sigma^2): the average tells sigma, whatever the seed."""

    class Cubes(nn.Module):
        def forward(self, x):
            return (x**3).sum((1, 2, 3))[:, None]

    x = torch.zeros(1, 1, 40, 40)
    x[..., 0, 0] = 4.0
    x[..., 0, 1] = -1.0
    values = explain.smoothgrad(Cubes(), x, 0, noise=0.2, samples=40, signed=True).values[0]
    sigma = 0.2 * (4.0 - -1.0)
    assert values[1:].mean() == pytest.approx(3 * sigma**2, rel=0.05)


def test_the_seed_decides_the_noise(net, x):
    run = {"samples": 2, "noise": 0.3}
    same = [explain.smoothgrad(net, x, 1, seed=seed, **run).values for seed in (5, 5, 6)]
    np.testing.assert_array_equal(same[0], same[1])
    assert np.abs(same[0] - same[2]).max() > 0.01 * np.abs(same[0]).max()


def test_every_sample_has_noise_of_its_own(net, x):
    """If copies shared their noise, two samples would give what one gives."""
    one, two = (explain.smoothgrad(net, x, 1, noise=0.3, samples=samples).values for samples in (1, 2))
    assert np.abs(one - two).max() > 0.01 * np.abs(one).max()


@pytest.mark.parametrize("kind", [Gap, Vgg, Residual])
def test_the_shortcuts_of_smoothgrad_change_nothing(kind, x):
    """Folding normalisations and carrying the mean back through the stem is arithmetic, not an approximation."""
    net, x = seeded(kind(), dtype=torch.float64), x[:1, :, :12, :12].double()
    smooth = explain.smoothgrad(net, x, 1, samples=6, noise=0.2, signed=True)
    sigma = 0.2 * (x.max() - x.min())
    generator = torch.Generator().manual_seed(0)
    plain = [
        explain.saliency(net, x + sigma * torch.randn(1, *x.shape[1:], generator=generator), 1, signed=True).values
        for _ in range(6)
    ]
    assert_close(smooth.values, np.mean(plain, 0))


def doubled_cam(model, x, **target):
    inner = explain.cam(model, x, **target)
    return type(inner)(**{**vars(inner), "values": 2 * inner.values})


def test_smoothgrad_of_a_function_of_ones_own(net, x):
    def doubled(model, x, target=None, *, times=2):
        inner = explain.grad_cam(model, x, target)
        return type(inner)(**{**vars(inner), "values": times * inner.values, "units": "tripled"})

    own = explain.smoothgrad(net, x, 1, of=doubled, samples=4, times=3)
    assert_close(own.values, 3 * explain.smoothgrad(net, x, 1, of=explain.grad_cam, samples=4).values, share=1e-5)
    assert own.layer == "features"
    np.testing.assert_array_equal(own.grid.centres[0], explain.grad_cam(net, x, 1).grid.centres[0])
    assert own.units == "tripled"
    contrast = explain.smoothgrad(net, x, why=1, instead_of=0, of=doubled_cam, samples=2)
    assert contrast.target[0] == "class 1 instead of class 0"
