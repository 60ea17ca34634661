"""Training mode, frozen weights, other dtypes and devices, grad modes, NaN: the state in which models are found."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from cnnwidgets import Classifier, explain
from cnnwidgets.errors import ImageError, LayerError, ModelError, OptionError
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.subject import subject_of
from tests.explain.nets import Gap, Residual, Vgg, noise, seeded

X = noise(2, 3, 12, 12)
ALL = {
    "saliency": explain.saliency,
    "smoothgrad": lambda *a, **k: explain.smoothgrad(*a, samples=3, **k),
    "cam": explain.cam,
    "grad_cam": explain.grad_cam,
    "occlusion": lambda *a, **k: explain.occlusion(*a, baseline=1.0, **k),
    "occlusion by full passes": lambda *a, **k: explain.occlusion(*a, baseline=1.0, incremental=False, **k),
}


@pytest.fixture(params=ALL)
def method(request):
    return ALL[request.param]


def assert_close(actual, expected, share=1e-5):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=share * np.abs(expected).max())


@pytest.mark.parametrize("kind", [Gap, Vgg])
def test_a_model_in_training_mode_is_explained_as_it_predicts(kind):
    trained = seeded(kind())
    training = copy.deepcopy(trained).train()
    for method in (explain.saliency, ALL["smoothgrad"], explain.grad_cam):
        np.testing.assert_array_equal(method(training, X, 1).values, method(trained, X, 1).values)
    assert training.training


def test_only_some_modules_in_training_mode():
    net = seeded(Vgg())
    net.classifier[3].train()
    expected = explain.saliency(seeded(Vgg()), X, 1).values
    np.testing.assert_array_equal(explain.saliency(net, X, 1).values, expected)


def test_frozen_parameters(method):
    expected = method(seeded(Gap()), X, 1).values
    np.testing.assert_array_equal(method(seeded(Gap()).requires_grad_(False), X, 1).values, expected)


def test_under_no_grad(method):
    net = seeded(Gap())
    expected = method(net, X, 1).values
    with torch.no_grad():
        np.testing.assert_array_equal(method(net, X, 1).values, expected)
        assert not torch.is_grad_enabled()
    with torch.set_grad_enabled(False):
        np.testing.assert_array_equal(method(net, X, 1).values, expected)


def test_a_forward_pass_decorated_with_no_grad_cannot_be_explained():
    class Closed(Gap):
        @torch.no_grad()
        def forward(self, x):
            return super().forward(x)

    for method in (explain.saliency, explain.smoothgrad, explain.grad_cam):
        with pytest.raises(ModelError, match=r"under torch\.no_grad\(\)"):
            method(seeded(Closed()), X, 1)
    assert explain.cam(seeded(Closed()), X, 1).values.shape == (2, 6, 6), "CAM needs no gradients"


def test_inside_inference_mode(method):
    net = seeded(Gap())
    with torch.inference_mode(), pytest.raises(ModelError, match=r"outside of it, or use torch\.no_grad\(\)"):
        method(net, X, 1)
    with torch.inference_mode(), pytest.raises(ModelError, match="inference_mode"):
        explain.layers(net, X)


def test_an_image_made_in_inference_mode(method):
    with torch.inference_mode():
        x = X * 1
    assert x.is_inference()
    np.testing.assert_array_equal(method(seeded(Gap()), x, 1).values, method(seeded(Gap()), X, 1).values)


def test_weights_made_in_inference_mode(method):
    with torch.inference_mode():
        net = seeded(Gap())
    with pytest.raises(ModelError, match=r"weight 'features\.0\.weight' was made inside torch\.inference_mode"):
        method(net, X, 1)


def test_buffers_made_in_inference_mode():
    net = seeded(Gap())
    with torch.inference_mode():
        net.features[1].running_mean = net.features[1].running_mean * 1
    with pytest.raises(ModelError, match=r"features\.1\.running_mean"):
        explain.saliency(net, X, 1)


def test_a_model_in_double_precision(method):
    expected = method(seeded(Gap()), X, 1)
    heatmap = method(seeded(Gap(), dtype=torch.float64), X, 1)
    assert heatmap.values.dtype == np.float32
    assert_close(heatmap.values, expected.values)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_model_in_half_precision(method, dtype):
    expected = method(seeded(Gap()), X, 1)
    heatmap = method(seeded(Gap(), dtype=dtype), X, 1)
    assert heatmap.values.dtype == np.float32
    assert_close(heatmap.values, expected.values, share=0.08)
    assert_close(heatmap.scores, expected.scores, share=0.05)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_an_image_of_another_dtype_than_the_model(method, dtype):
    expected = method(seeded(Gap()), X.to(dtype).float(), 1).values
    np.testing.assert_array_equal(method(seeded(Gap()), X.to(dtype), 1).values, expected)


def test_under_autocast(method):
    expected = method(seeded(Gap()), X, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        heatmap = method(seeded(Gap()), X, 1)
    assert_close(heatmap.values, expected.values, share=0.08)


def test_an_image_is_moved_to_where_the_model_is():
    network = Network(subject_of(seeded(Gap()).to("meta"), X))
    assert network.x.device.type == "meta"
    assert X.device.type == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_model_on_a_gpu(method):
    expected = method(seeded(Gap()), X, 1)
    heatmap = method(seeded(Gap()).cuda(), X, 1)
    assert_close(heatmap.values, expected.values, share=1e-2)


def test_an_image_that_belongs_to_a_graph_of_gradients(method):
    leaf = X.clone().requires_grad_(True)
    expected = method(seeded(Gap()), X, 1).values
    np.testing.assert_array_equal(method(seeded(Gap()), leaf * 1, 1).values, expected)
    np.testing.assert_array_equal(method(seeded(Gap()), leaf, 1).values, expected)
    assert leaf.grad is None


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_memory_formats(method, layout):
    net = seeded(Gap()).to(memory_format=layout)
    expected = method(seeded(Gap()), X, 1).values
    assert_close(method(net, X.to(memory_format=torch.channels_last), 1).values, expected)
    assert_close(method(net, X.transpose(2, 3).contiguous().transpose(2, 3), 1).values, expected)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_other_numbers_of_channels(method, channels):
    heatmap = method(seeded(Gap(channels=channels)), noise(2, channels, 12, 12), 1)
    assert np.isfinite(heatmap.values).all()
    assert heatmap.pictures[0].mode == "RGB"


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (13, 7), (31, 17), (12, 40)])
def test_other_sizes(method, size):
    if size == (1, 1) and method is explain.grad_cam:
        with pytest.raises(LayerError, match="of an input of this size"):
            method(seeded(Gap()), noise(2, 3, *size), 1)
        return
    heatmap = method(seeded(Gap()), noise(2, 3, *size), 1)
    assert heatmap.upsampled().shape == (2, *size)
    assert heatmap.input_size == size
    assert heatmap.pictures[0].size == size[::-1]


def test_a_size_that_the_network_cannot_take():
    """What the network itself says comes through."""
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        explain.saliency(seeded(Vgg(size=12)), noise(1, 3, 10, 10), 1)
    with pytest.raises(RuntimeError, match="channels"):
        explain.saliency(seeded(Gap()), noise(1, 1, 10, 10), 1)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("layer", ["fc", "features.0", "features.4"])
def test_bad_weights_are_said_not_drawn(method, bad, layer):
    net = seeded(Gap())
    with torch.no_grad():
        net.get_submodule(layer).weight[1] = bad
    with pytest.raises(ModelError, match=r"holds (NaN|infinite) values.*weights"):
        method(net, X, 1)


def test_nan_that_no_score_shows_is_found_in_the_map():
    """A ReLU hides NaN from the score of class 0, not from the gradient."""

    class Hidden(nn.Module):
        def forward(self, x):
            return torch.stack([(x.sum((1, 2, 3)) * 0).abs().sqrt(), x.sum((1, 2, 3))], 1)

    with pytest.raises(ModelError, match="The map holds NaN"):
        explain.saliency(Hidden(), X, 0)


def test_nan_in_a_class_that_is_not_asked_for():
    net = seeded(Gap())
    expected = explain.cam(net, X, 1).values
    with torch.no_grad():
        net.fc.weight[3, 0] = float("nan")
    np.testing.assert_array_equal(explain.cam(net, X, 1).values, expected)
    with pytest.raises(ModelError, match="The map holds NaN"):  # 0 * NaN in the gradient of the linear layer
        explain.grad_cam(net, X, 1)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (torch.zeros(3, 8, 8), r"shape \(3, 8, 8\); it must be \(N,C,H,W\).*x\[None\]"),
        (torch.zeros(8, 8), r"it must be \(N,C,H,W\)"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), r"dtype torch\.uint8"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.complex64), "complex64"),
        (torch.zeros(0, 3, 8, 8), "nothing to explain"),
        (torch.zeros(1, 3, 0, 8), "nothing to explain"),
        (torch.full((1, 3, 8, 8), float("nan")), "NaN or infinite"),
        (torch.full((1, 3, 8, 8), float("inf")), "NaN or infinite"),
        (np.zeros((1, 3, 8, 8), dtype=np.float32), r"x is a ndarray.*cnnwidgets\.Classifier"),
        ("cat.png", r"x is a str.*cnnwidgets\.Classifier"),
    ],
)
def test_images_that_cannot_be_explained(method, x, said):
    with pytest.raises(ImageError, match=said):
        method(seeded(Gap()), x, 1)


@pytest.mark.parametrize("model", [None, "resnet18", lambda x: x, Gap])
def test_what_is_no_model(method, model):
    with pytest.raises(OptionError, match=r"give a torch\.nn\.Module or a cnnwidgets\.Classifier"):
        method(model, X, 1)


def test_a_classifier_is_explained_as_its_model(method):
    net = seeded(Residual())
    np.testing.assert_array_equal(method(Classifier(net), X, 1).values, method(net, X, 1).values)
    np.testing.assert_array_equal(method(Classifier(net), list(X), 1).values, method(net, X, 1).values)


def test_weights_changed_later_show(method):
    """The twin shares the weights: a training step in between is seen, whether in place or by replacement."""
    net = seeded(Gap())
    before = method(net, X, 1).values
    with torch.no_grad():
        net.fc.weight.mul_(2)
        net.fc.bias.mul_(2)
    assert_close(method(net, X, 1).values, 2 * before)
    net.fc = seeded(Gap()).fc
    assert_close(method(net, X, 1).values, before)
    net.load_state_dict(seeded(Gap(), seed=8).state_dict())
    assert_close(method(net, X, 1).values, method(seeded(Gap(), seed=8), X, 1).values)


def test_a_network_changed_later_is_traced_anew():
    net = seeded(Vgg())
    assert explain.grad_cam(net, X, 1).layer == "features.3"
    net.features.insert(4, nn.Conv2d(5, 5, 1))
    assert explain.grad_cam(seeded(net), X, 1).layer == "features.4"
    net.features[1] = nn.Identity()
    changed = explain.grad_cam(net, X, 1).values
    net.features[1] = nn.ReLU()
    assert np.abs(changed - explain.grad_cam(net, X, 1).values).max() > 1e-5
