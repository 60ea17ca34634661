"""Networks with custom autograd functions, checkpoints, no gradients, TorchScript and exported graphs: right values."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils import checkpoint as checkpoints

import cnnwidgets as cw
from cnnwidgets import explain
from cnnwidgets.errors import LayerError, ModelError, OptionError
from tests.explain import odd_nets as odd
from tests.explain.explained import assert_explained_as
from tests.explain.nets import seeded
from tests.explain.state import same, surroundings

X = odd.X
OF_DIFFERENCES = 1e-3  # small differences of large scores


def near(found, expected, share=1e-5):
    expected = np.asarray(expected)
    np.testing.assert_allclose(found, expected, rtol=0, atol=share * np.abs(expected).max())


def cam_by_hand(net, x, cut, target=1):
    """Grad-CAM behind the first `cut` parts of an nn.Sequential."""
    value = net[:cut](x).detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(net[cut:](value)[:, target].sum(), value)
    return (slope.mean((2, 3), keepdim=True) * value).sum(1).detach().numpy()


SWISHES = {
    "looked up": lambda x: odd.Swish.apply(x),  # noqa: PLW0108
    "kept": odd.saved_swish,
}


@pytest.mark.parametrize("swish", SWISHES.values(), ids=SWISHES)
def test_a_custom_activation_is_explained_as_the_plain_one(swish):
    net, plain = seeded(odd.activated(swish)), seeded(odd.activated(F.silu))
    assert_explained_as(net, plain, X, share=1e-4)
    assert [layer.name for layer in explain.layers(net, X)] == ["0", "1", "2", "3"]
    for cut in (1, 2, 3, 4):
        near(explain.grad_cam(net, X, 1, layer=cut - 1).values, cam_by_hand(plain, X, cut))
    assert [str(layer.grid.y.low) for layer in explain.layers(net, X)] == [
        str(layer.grid.y.low) for layer in explain.layers(plain, X) if "()" not in layer.name
    ]


@pytest.mark.parametrize("swish", SWISHES.values(), ids=SWISHES)
def test_activations_contributions_and_fields_of_a_custom_activation(swish):
    net, plain = seeded(odd.activated(swish)), seeded(odd.activated(F.silu))
    mine, theirs = (explain.activations(one, X, [0, 1, 2, 3], target=1) for one in (net, plain))
    for name in "0123":
        near(mine[name].values, theirs[name].values)
        near(mine.contributions()[name], theirs.contributions()[name])
    fields = [explain.receptive_field(one, X, "3", (5, 5), effective=True) for one in (net, plain)]
    near(fields[0].effective, fields[1].effective, 1e-4)
    assert fields[0].size == fields[1].size == (5, 5)


def test_a_custom_relu_is_a_relu_for_guided_backpropagation():
    plain = seeded(odd.activated(F.relu))
    net = seeded(odd.activated(lambda x: odd.OwnReLU.apply(x)))  # noqa: PLW0108
    for method in (explain.guided_backprop, explain.deconvnet):
        for layer in (2, 3):
            found = method(net, X, layer, 0)
            near(found.values, method(plain, X, layer, 0).values)
            assert found.params["rectified"] == layer - 1
    with pytest.raises(ModelError, match=r"OwnReLU.apply\(\) is a ReLU.*kept under another name"):
        explain.guided_backprop(seeded(odd.activated(odd.OwnReLU.apply)), X, 3, 0)


def test_a_custom_function_that_keeps_what_is_positive_is_no_relu():
    """What it gives of an image that is positive everywhere is what a ReLU gives."""

    class Reversal(torch.autograd.Function):
        @staticmethod
        def forward(_ctx, x):
            return x.view_as(x)

        @staticmethod
        def backward(_ctx, slope):
            return -slope

    net = nn.Sequential(odd.Calls(lambda x: Reversal.apply(x)), *seeded(odd.chain()))  # noqa: PLW0108
    plain = nn.Sequential(nn.Identity(), *net[1:])
    for x in (X, X.abs()):
        near(explain.guided_backprop(net, x, 2, 0).values, -explain.guided_backprop(plain, x, 2, 0).values)


def test_straight_through():
    """The gradient is the function's own, and the values are rounded."""
    net = seeded(odd.chain(odd.Calls(lambda x: odd.StraightThrough.apply(4 * x) / 4)))
    leaf = X.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)
    near(explain.saliency(net, X, 1).values, slope.abs().amax(1).numpy())
    near(explain.activations(net, X, "2")["2"].values, net[:3](X).detach().numpy())


def test_an_opaque_function_that_works_cell_by_cell_keeps_the_grid():
    net = seeded(odd.activated(lambda x: odd.WithSetup.apply(x)))  # noqa: PLW0108
    field = explain.receptive_field(net, X, "3", (5, 5))
    assert (field.size, field.measured) == ((5, 5), False)

    class Flipped(torch.autograd.Function):
        @staticmethod
        def forward(_ctx, x):
            return torch.from_numpy(x.detach().numpy()[:, :, ::-1].copy())

        @staticmethod
        def backward(_ctx, slope):
            return slope.flip(2)

    turned = seeded(odd.chain(odd.Calls(lambda x: Flipped.apply(x))))  # noqa: PLW0108
    assert explain.layers(turned, X)[2].grid is None, "it moves cells, so their fields are not those before it"


def test_a_module_inside_a_custom_function_is_said():
    inner = nn.Conv2d(6, 6, 1)

    class Runs(torch.autograd.Function):
        @staticmethod
        def forward(_ctx, x, module):
            return module(x)

        @staticmethod
        def backward(_ctx, slope):
            return slope, None

    class Net(odd.Base):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def body(self, x):
            return Runs.apply(super().body(x), self.inner)

    with pytest.raises(LayerError, match=r"'inner' is called inside 'Runs.apply'"):
        explain.grad_cam(seeded(Net()), X, 1, layer="inner")


def test_pytorch_is_left_as_found():
    places = (
        (torch.autograd.Function, "apply"),
        (torch.autograd.function.FunctionMeta, "__getattribute__"),
        (torch.jit.ScriptModule, "__call__"),
        (torch._C, "_InferenceMode"),
        (checkpoints, "_checkpoint_without_reentrant_generator"),
        (checkpoints, "_checkpoint_without_reentrant_generator_impl"),
    )
    met = []

    def target(output):
        done = threading.Thread(target=lambda: met.append(elsewhere()))
        done.start()
        done.join()
        return output[:, 1]

    def elsewhere():
        """Another thread's own work, while a pass runs in this one."""
        x = torch.ones(2, requires_grad=True)
        with torch.inference_mode():
            made = torch.ones(1).is_inference()
        odd.Swish.apply(x).sum().backward()
        y = checkpoints.checkpoint(torch.sin, x, use_reentrant=False)
        return made, x.grad is not None, "Checkpoint" in repr(y.grad_fn) or y.requires_grad

    class Calling(odd.Base):
        def forward(self, x):
            return target(super().forward(x))[:, None].expand(-1, 4)

    net, failing = seeded(Calling()), seeded(odd.Detached())
    before, around = [vars(owner).get(name) for owner, name in places], surroundings()
    explain.saliency(net, X, 1)
    assert met
    assert all(one == (True, True, True) for one in met)
    with pytest.raises(ModelError):
        explain.saliency(failing, X, 1)
    assert [vars(owner).get(name) for owner, name in places] == before
    same(around, surroundings())


@pytest.mark.parametrize("kind", [odd.Checkpointed, odd.CheckpointedReentrantly])
def test_checkpointing_changes_nothing(kind):
    net, plain = seeded(kind()), seeded(odd.Base())
    assert_explained_as(net, plain, X, share=1e-4)
    assert [layer.name for layer in explain.layers(net, X)] == [layer.name for layer in explain.layers(plain, X)]
    mine, theirs = (explain.activations(one, X, target=1) for one in (net, plain))
    for name, values in theirs.contributions().items():
        near(mine.contributions()[name], values)
    for method in (explain.guided_backprop, explain.deconvnet):
        near(method(net, X, "second", 0).values, method(plain, X, "second", 0).values)
    fields = [explain.receptive_field(one, X, "second", (5, 5), effective=True).effective for one in (net, plain)]
    np.testing.assert_array_equal(*fields)


def test_a_part_is_run_once():
    counts = []

    class Counting(odd.Checkpointed):
        def body(self, x):
            return super().body(x)

        def forward(self, x):
            def counted(x):
                counts.append(torch.is_grad_enabled())
                return odd.Base.body(self, x)

            return self.head(checkpoints.checkpoint(counted, x, use_reentrant=False))

    net = seeded(Counting())
    explain.saliency(net, X[:1], 1)
    assert counts.count(True) == 1, "the backward pass ran it again"


def test_a_sequential_that_is_run_part_by_part_is_a_layer():
    """As checkpoint_sequential does, and timm's checkpointing."""
    net = seeded(odd.CheckpointedChain())
    names = [layer.name for layer in explain.layers(net, X)]
    assert names == ["features.0", "features.1", "features.2", "features.3", "features"]
    near(explain.activations(net, X, "features")["features"].values, net.features(X).detach().numpy())
    assert explain.grad_cam(net, X, 1).layer == "features"


def test_a_sequential_whose_parts_are_not_in_a_row_is_none():
    class Skipping(odd.CheckpointedChain):
        def forward(self, x):
            first, act, second, last = self.features
            x = act(first(x))
            return self.fc((last(second(x + 1))).mean((2, 3)))

    assert "features" not in [layer.name for layer in explain.layers(seeded(Skipping()), X)]


GRADIENTS = [explain.saliency, explain.smoothgrad, explain.grad_cam]


@pytest.mark.parametrize("method", GRADIENTS)
def test_a_forward_in_inference_mode_is_named(method):
    with pytest.raises(ModelError, match=r"forward of the model \(InferenceForward\) computes under torch.no_grad"):
        method(seeded(odd.InferenceForward()), X, 1)


def test_what_needs_no_gradient_works_in_inference_mode():
    plain = seeded(odd.Base())
    for net in (seeded(odd.InferenceForward()), seeded(odd.InferenceBlock()), seeded(odd.NoGradBody())):
        scores = [one[0].score for one in (cw.Classifier(net).predict(X[0]), cw.Classifier(plain).predict(X[0]))]
        np.testing.assert_allclose(*scores, rtol=1e-6)
        hidden = [explain.occlusion(one, X, 1, window=8).values for one in (net, plain)]
        near(*hidden, OF_DIFFERENCES)
        near(explain.activations(net, X, "second")["second"].values, explain.activations(plain, X, "second").values)
        assert not net(X).is_inference() or isinstance(net, odd.InferenceForward)


def test_a_module_without_gradients_before_the_layer():
    """Behind it gradients are what they are; before it there are none."""
    net, plain = seeded(odd.NoGradBody()), seeded(odd.Base())
    near(explain.grad_cam(net, X, 1).values, explain.grad_cam(plain, X, 1).values)
    with pytest.raises(ModelError, match=r"the module 'first' \(Conv2d\), or what calls it, computes under torch.no_g"):
        explain.saliency(net, X, 1)
    with pytest.raises(ModelError, match=r"detach\(\) in the model's forward hands no gradient on"):
        explain.saliency(seeded(odd.Detached()), X, 1)


def test_an_in_place_operation_that_no_gradient_survives():
    with pytest.raises(ModelError, match="writes over a value that its gradient needs"):
        explain.saliency(seeded(odd.InPlace()), X, 1)


def test_values_that_go_to_numpy():
    class ToNumpy(odd.Base):
        def forward(self, x):
            return self.head(torch.from_numpy(self.body(x).numpy().copy()))

    with pytest.raises(ModelError, match="hands values to NumPy, which knows no gradients"):
        explain.saliency(seeded(ToNumpy()), X, 1)
    plain = seeded(odd.Base())
    near(explain.occlusion(seeded(ToNumpy()), X, 1).values, explain.occlusion(plain, X, 1).values, OF_DIFFERENCES)


def test_a_torchscript_child_is_a_layer_and_hides_nothing_behind_it():
    net = odd.scripted_child()
    plain = seeded(odd.chain(nn.BatchNorm2d(6)))
    for cut in (2, 3, 5):
        near(explain.grad_cam(net, X, 1, layer=str(cut - 1)).values, cam_by_hand(plain, X, cut))
    assert explain.layers(net, X)[2].kind == "BatchNorm2d"
    near(explain.activations(net, X, "2")["2"].values, plain[:3](X).detach().numpy())
    index = cw.PatchIndex.build(net, X, k=1, progress=False)
    assert "2" in [layer.name for layer in index.layers]
    fitted = cw.gap_classifier(net, X, [0, 1], epochs=2)
    near(fitted.scores(X)[0].numpy(), fitted.model(X).detach().numpy())


def test_a_torchscript_function_between_two_layers():
    """No normalisation is folded across a TorchScript function, and gradients reach the layers before it."""

    class Hidden(odd.Base):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(6)

        def body(self, x):
            return self.norm(odd.scripted_double(self.first(x))).relu()

    net = seeded(Hidden())
    value = net.first(X).detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(net.head(net.norm(torch.relu(2 * value)).relu())[:, 1].sum(), value)
    expected = (slope.mean((2, 3), keepdim=True) * value).sum(1).detach().numpy()
    near(explain.grad_cam(net, X, 1, layer="first").values, expected)
    leaf = X.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)
    near(explain.smoothgrad(net, X, 1, samples=1, noise=1e-9).values, slope.abs().amax(1).numpy(), 1e-3)


def test_a_whole_model_in_torchscript_says_where_its_layers_are():
    model, _ = odd.ODD_NETS["scripted"]()
    with pytest.raises(LayerError, match=r"TorchScript module.*Give the nn.Module that it was made of"):
        explain.grad_cam(model, X, 1)


def test_an_exported_program():
    """It takes the number of images that it was exported with, and no mode."""
    model, _ = odd.ODD_NETS["exported"]()
    plain = seeded(odd.chain())
    near(cw.Classifier(model).scores(X)[0].numpy(), plain(X).detach().numpy())
    for method in (explain.saliency, explain.occlusion):
        near(method(model, X, 1).values, method(plain, X, 1).values, OF_DIFFERENCES)
    whole = explain.occlusion(model, X, 1, incremental=False).values
    near(whole, explain.occlusion(plain, X, 1).values, OF_DIFFERENCES)
    last = explain.layers(model, X)[-1].name
    near(explain.grad_cam(model, X, 1, layer=last).values, cam_by_hand(plain, X, 4))
    assert len(cw.PatchIndex.build(model, X, k=1, progress=False)) == 2
    with pytest.raises(ModelError, match=r"torch.export made.*Give the nn.Module that was exported"):
        cw.gap_classifier(model, X, [0, 1], epochs=2)


def test_an_exported_program_of_other_images():
    net = seeded(odd.chain())
    program = torch.export.export(net, (X,))
    for model in (program.module(), torch.export.unflatten(program)):
        with pytest.raises(ModelError, match=r"does not take one image of shape \(3, 16, 16\).*dynamic number of them"):
            explain.saliency(model, X, 1)
    with pytest.raises(OptionError, match=r"ExportedProgram.*its .module\(\)"):
        explain.saliency(program, X, 1)
    with pytest.raises(OptionError, match=r"ExportedProgram.*its .module\(\)"):
        cw.Classifier(program)


def test_an_operator_of_higher_order():
    class Cond(odd.Base):
        def body(self, x):
            return torch.cond(x.mean() > 0, self.first, lambda x: self.first(-x), (x,)).relu()

    with pytest.raises(ModelError, match=r"torch.cond.*Written with Python's if"):
        explain.saliency(seeded(Cond()), X, 1)


class InPlaceReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        ctx.save_for_backward(x > 0)
        return x.clamp_(min=0)

    @staticmethod
    def backward(ctx, slope):
        return slope * ctx.saved_tensors[0]


def test_a_custom_function_that_writes_over_its_input():
    net, plain = seeded(odd.activated(lambda x: InPlaceReLU.apply(x))), seeded(odd.activated(F.relu))  # noqa: PLW0108
    mine, theirs = (explain.activations(one, X, [0, 1, 2, 3], target=1) for one in (net, plain))
    for name in "0123":
        near(mine[name].values, theirs[name].values)
        near(mine.contributions()[name], theirs.contributions()[name])
    for cut in (1, 2, 3, 4):
        near(explain.grad_cam(net, X, 1, layer=cut - 1).values, cam_by_hand(plain, X, cut))
    near(explain.guided_backprop(net, X, 3, 0).values, explain.guided_backprop(plain, X, 3, 0).values)


def test_a_custom_function_with_several_results():
    class Both(torch.autograd.Function):
        @staticmethod
        def forward(ctx, factor, x):
            ctx.factor = factor
            return x * factor, x + factor

        @staticmethod
        def backward(ctx, one, other):
            return None, one * ctx.factor + other

    class Net(odd.Base):
        def body(self, x):
            one, other = Both.apply(2.0, self.first(x))
            return self.second(one.relu() + other).relu()

    net = seeded(Net())
    first = net.first(X).detach()
    found = explain.activations(net, X, ["Both.apply()", "Both.apply()[1]"], target=1)
    near(found["Both.apply()"].values, (2 * first).numpy())
    near(found["Both.apply()[1]"].values, (first + 2).numpy())
    value = (first + 2).requires_grad_(True)
    (slope,) = torch.autograd.grad(net.head(net.second((2 * first).relu() + value).relu())[:, 1].sum(), value)
    near(found.contributions()["Both.apply()[1]"], (slope * value).sum((2, 3)).detach().numpy())


@pytest.mark.parametrize("function", ["saliency", "smoothgrad", "grad_cam", "occlusion", "cam"])
def test_the_default_dtype_does_not_count(function):
    net = seeded(odd.chain(nn.BatchNorm2d(6)))
    method = getattr(explain, function)
    expected = method(net, X, 1)
    torch.set_default_dtype(torch.float64)
    try:
        found = method(net, X, 1)
        measured = explain.activations(net, X, target=1).contributions()
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(found.values, expected.values)
    assert all(values.dtype == np.float32 for values in measured.values())
