"""Filters: the weights as they are used, in the order of the output, and as pictures."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnwidgets as cw
from cnnwidgets import explain
from cnnwidgets.errors import LayerError, ModelError, OptionError
from tests.explain.nets import Gap, noise, seeded
from tests.explain.state import same, state_of, surroundings


def array(tensor):
    return tensor.detach().float().numpy()


def only(module):
    return seeded(nn.Sequential(module))


def test_weights_are_those_of_the_layer_however_it_is_named():
    net = seeded(Gap())
    for layer in ("features.0", net.features[0]):
        found = explain.filters(net, layer)
        np.testing.assert_array_equal(found.weights, array(net.features[0].weight))
        assert (found.layer, found.kind, found.channel, len(found)) == ("features.0", "Conv2d", None, 4)
        assert (found.units, found.groups, found.transposed) == ("weight", 1, False)
    np.testing.assert_array_equal(explain.filters(net.features, -3).weights, array(net.features[3].weight))
    np.testing.assert_array_equal(
        explain.filters(cw.Classifier(net), "features.3").weights, array(net.features[3].weight)
    )
    assert repr(found).startswith("<Filters of 'features.0', Conv2d: 4 filters of 3 x 3 x 3, -0.")


def test_a_layer_from_the_list_and_a_second_call():
    conv = nn.Conv2d(3, 3, 3, padding=1)
    net = seeded(nn.Sequential(conv, nn.ReLU(), conv, nn.Flatten(), nn.Linear(108, 2)))
    listed = explain.layers(net, noise(1, 3, 6, 6))
    assert [layer.name for layer in listed] == ["0#0", "1", "0#1"]
    for layer in (listed[2], "0#1", "2", 2):
        np.testing.assert_array_equal(explain.filters(net, layer).weights, array(conv.weight))


def test_one_channel_and_its_planes():
    net = seeded(Gap())
    found = explain.filters(net, "features.3", channel=-1)
    np.testing.assert_array_equal(found.weights, array(net.features[3].weight)[5])
    assert (found.channel, found.view, len(found)) == (5, "planes", 1)
    assert found.inputs.tolist() == [0, 1, 2, 3]
    assert found.labels == ("input 0", "input 1", "input 2", "input 3")
    assert found.scale == pytest.approx(np.abs(array(net.features[3].weight)[5]).max())
    np.testing.assert_array_equal(found.tiles, found.weights)


@pytest.mark.parametrize(("groups", "inputs"), [(2, [[0, 1]] * 3 + [[2, 3]] * 3), (1, [[0, 1, 2, 3]] * 6)])
def test_planes_know_which_input_they_read(groups, inputs):
    conv = nn.Conv2d(4, 6, 3, groups=groups)
    found = explain.filters(only(conv), 0)
    assert found.inputs.tolist() == inputs
    # Only these inputs move the output.
    for out, planes in enumerate(found.inputs):
        moved = [F.conv2d(one(4, c), conv.weight, groups=groups)[0, out].abs().max() > 0 for c in range(4)]
        assert np.flatnonzero(moved).tolist() == planes.tolist()


def one(channels, lit):
    x = torch.zeros(1, channels, 3, 3)
    x[0, lit] = torch.arange(1.0, 10).view(3, 3)
    return x


@pytest.mark.parametrize("groups", [1, 2])
def test_a_transposed_convolution_is_turned_to_the_order_of_its_outputs(groups):
    conv = nn.ConvTranspose2d(4, 6, (2, 3), stride=3, groups=groups, bias=False)
    found = explain.filters(only(conv), 0)
    assert found.transposed
    assert found.weights.shape == (6, 4 // groups, 2, 3)
    for out in range(6):
        for plane, source in enumerate(found.inputs[out]):
            x = torch.zeros(1, 4, 1, 1)
            x[0, source] = 1  # paints one plane of the filter
            np.testing.assert_allclose(found.weights[out, plane], array(conv(x))[0, out], atol=1e-7)


def test_depthwise_filters_are_planes_and_deep_ones_strengths():
    depthwise = explain.filters(only(nn.Conv2d(5, 10, 3, groups=5)), 0)
    assert (depthwise.view, depthwise.tiles.shape) == ("planes", (10, 3, 3))
    assert depthwise.inputs[:, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    grey = explain.filters(only(nn.Conv2d(1, 4, 5)), 0)
    assert (grey.view, grey.is_rgb) == ("planes", False)
    deep = explain.filters(only(nn.Conv2d(8, 4, 3)), 0)
    assert deep.view == "strength"
    for out in range(4):
        for row in range(3):
            for column in range(3):
                expected = sum(float(w) ** 2 for w in deep.weights[out, :, row, column]) ** 0.5
                assert deep.strength[out, row, column] == pytest.approx(expected, rel=1e-6)
        assert deep.norms[out] == pytest.approx(np.linalg.norm(deep.weights[out]), rel=1e-6)
    np.testing.assert_array_equal(deep.tiles, deep.strength)
    assert deep.tile_scale == pytest.approx(deep.strength.max())
    assert deep.scale == pytest.approx(np.abs(deep.weights).max())


def parametrised():
    return nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3))


def spectral():
    return nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 4, 3))


def pruned():
    return nn.utils.prune.l1_unstructured(nn.Conv2d(3, 4, 3), "weight", amount=0.5)


@pytest.mark.parametrize(
    "make", [parametrised, spectral, pruned, lambda: old(nn.utils.weight_norm), lambda: old(nn.utils.spectral_norm)]
)
def test_computed_weights_are_those_of_the_next_pass(make):
    net = nn.Sequential(make())
    with torch.no_grad():  # what `weight` holds is now out of date where a hook computes it
        for parameter in net.parameters():
            parameter.mul_(torch.linspace(1, 2, parameter.numel()).view_as(parameter))
    net.train()
    before, around = state_of(net), surroundings()
    found = explain.filters(net, 0)
    same(before, state_of(net))
    same(around, surroundings())
    assert found.kind == "Conv2d"
    x = torch.zeros(1, 3, 5, 5)
    x[:, 1, 2, 2] = 1
    answer = array(net.eval()(x))[0] - array(net[0].bias)[:, None, None]
    np.testing.assert_allclose(found.weights[:, 1], answer[:, ::-1, ::-1], atol=1e-6)


def old(how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return how(nn.Conv2d(3, 4, 3))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_any_dtype_is_given_as_float32(dtype):
    net = only(nn.Conv2d(3, 4, 3)).to(dtype)
    found = explain.filters(net, 0)
    assert found.weights.dtype == np.float32
    np.testing.assert_array_equal(found.weights, array(net[0].weight))


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor, torch.quantize_per_channel:UserWarning")
def test_quantised_weights_are_the_numbers_that_they_stand_for():
    from torch.ao.nn import quantized

    conv = quantized.Conv2d(3, 4, 3)
    found = explain.filters(nn.Sequential(conv), 0)
    np.testing.assert_array_equal(found.weights, conv.weight().dequantize().numpy())


def test_filters_do_not_change_with_the_network():
    net = only(nn.Conv2d(3, 4, 3))
    found = explain.filters(net, 0)
    kept = found.weights.copy()
    with torch.no_grad():
        net[0].weight.zero_()
    np.testing.assert_array_equal(found.weights, kept)
    with pytest.raises(ValueError, match="read-only"):
        found.weights[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        found.inputs[0] = 0


class Scaled(nn.Module):
    """A normalisation that keeps its scale as (1,C,1,1)."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, 4, 1, 1))


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("fc", r"'fc', a Linear, has no filters of its own.*The convolutions are 'features.0', 'features.3'\."),
        (
            "features",
            r"'features', a Sequential, has no filters.*The convolutions in it are 'features.0', 'features.3'",
        ),
        ("feature.3", r"has no module 'feature.3'.*Did you mean 'features.3'"),
        ("relu()", r"has no module 'relu\(\)'"),
        ("scaled", r"'scaled', a Scaled, has no filters of its own"),
        (0, r"layer=0 is an index, but the model is a Gap"),
        (nn.Conv2d(1, 1, 1), r"Conv2d, is not part of this model"),
    ],
)
def test_a_layer_without_filters(layer, said):
    net = seeded(Gap())
    net.scaled = Scaled()
    with pytest.raises(LayerError, match=said):
        explain.filters(net, layer)


def test_what_else_is_refused_in_words():
    with pytest.raises(OptionError, match=r"channel=4 is out of range: the layer '0' has 4 output channels"):
        explain.filters(only(nn.Conv2d(3, 4, 3)), 0, channel=4)
    for channel in (1.5, True, "1"):
        with pytest.raises(OptionError, match=rf"channel={channel!r} is no whole number"):
            explain.filters(only(nn.Conv2d(3, 4, 3)), 0, channel)
    with pytest.raises(OptionError, match=r"no option 'chanel'. Did you mean 'channel'"):
        explain.filters(only(nn.Conv2d(3, 4, 3)), 0, chanel=1)
    with pytest.raises(LayerError, match=r"no 2-d convolution. This network has no 2-d convolutions"):
        explain.filters(only(nn.Conv1d(3, 4, 3)), 0)
    with pytest.raises(ModelError, match=r"lazy layers that have not seen data"):
        explain.filters(nn.Sequential(nn.LazyConv2d(4, 3)), 0)
    with pytest.raises(ModelError, match=r"weight of '0' has no values yet.*meta device"):
        explain.filters(nn.Sequential(nn.Conv2d(3, 4, 3, device="meta")), 0)
    with pytest.raises(ModelError, match=r"weight of '0' is complex"):
        explain.filters(nn.Sequential(nn.Conv2d(3, 4, 3, dtype=torch.complex64)), 0)
    with pytest.raises(OptionError, match=r"The model is a str"):
        explain.filters("resnet18", 0)
