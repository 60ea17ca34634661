"""Models in wrappers, with hooks, parametrised weights, unregistered modules, or forward passes of their own."""

from __future__ import annotations

import copy
import functools
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from cnnwidgets import explain
from cnnwidgets.errors import ModelError
from tests.explain.nets import Gap, Residual, Vgg, noise, seeded

X = noise(2, 3, 12, 12)
ALL = (
    explain.saliency,
    functools.partial(explain.smoothgrad, samples=3),
    explain.cam,
    explain.grad_cam,
    functools.partial(explain.occlusion, window=4),
    functools.partial(explain.occlusion, window=4, incremental=False),
)


def assert_explained_as(model, plain, x=X, share=1e-6):
    for method in ALL:
        expected = method(plain, x, 1)
        heatmap = method(model, x, 1)
        np.testing.assert_allclose(
            heatmap.values, expected.values, rtol=0, atol=share * np.abs(expected.values).max(), err_msg=str(method)
        )
        np.testing.assert_array_equal(heatmap.grid.centres[0], expected.grid.centres[0])


def test_compiled():
    """What torch.compile wraps is looked at, so nothing is compiled and the layers keep their names."""
    net = seeded(Gap())
    assert_explained_as(torch.compile(net), net)
    assert explain.grad_cam(torch.compile(net), X, 1).layer == "features"


def test_data_parallel():
    net = seeded(Gap())
    assert_explained_as(nn.DataParallel(net), net)
    assert_explained_as(torch.compile(nn.DataParallel(net)), net)


def scripted(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch.jit, which is what is tested
        return make()


@pytest.mark.parametrize("make", [torch.jit.script, lambda net: torch.jit.trace(net, X)])
def test_scripted(make):
    net = seeded(Gap())
    model = scripted(lambda: make(net))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    np.testing.assert_allclose(
        explain.saliency(model, X, 1).values, explain.saliency(net, X, 1).values, rtol=1e-4, atol=1e-6
    )
    smooth = explain.smoothgrad(model, X, 1, samples=2).values
    np.testing.assert_allclose(smooth, explain.smoothgrad(net, X, 1, samples=2).values, rtol=1e-4, atol=1e-6)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_lazy():
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(3))
    for method in ALL:
        with pytest.raises(ModelError, match=r"'0.weight' has no shape yet.*Run the model once"):
            method(net, X, 1)
    net(X)
    assert_explained_as(net, copy.deepcopy(net))


def test_weight_norm_and_spectral_norm():
    net = seeded(Gap())
    parametrizations.weight_norm(net.features[0])
    parametrizations.spectral_norm(net.features[3])
    net.eval()
    plain = seeded(Gap())
    with torch.no_grad():
        plain.features[0].weight.copy_(net.features[0].weight)
        plain.features[3].weight.copy_(net.features[3].weight)
    assert_explained_as(net, plain, share=1e-5)
    in_training = copy.deepcopy(net).train()  # spectral_norm iterates in training mode: the twin must not
    before = copy.deepcopy(in_training.state_dict())
    assert_explained_as(in_training, plain, share=1e-5)
    for name, tensor in in_training.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_the_old_weight_norm_by_hooks():
    net = seeded(Gap())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        nn.utils.weight_norm(net.features[0])
    plain = seeded(Gap())
    assert_explained_as(net, plain, share=1e-5)
    with torch.no_grad():
        net.features[0].weight_g.mul_(2)
        plain.features[0].weight.mul_(2)
    assert_explained_as(net, plain, share=1e-5)


class Listed(nn.Module):
    """Holds modules in a plain list and a dict, which registers none of them."""

    def __init__(self):
        super().__init__()
        gap = seeded(Gap())
        self.steps = list(gap.features)
        self.ends = {"fc": gap.fc, "pool": (nn.AdaptiveAvgPool2d(1), nn.Flatten())}

    def forward(self, x):
        for step in self.steps:
            x = step(x)
        for step in self.ends["pool"]:
            x = step(x)
        return self.ends["fc"](x)


def test_modules_that_are_not_registered():
    net = Listed()
    for step in net.steps:
        step.train()
    before = copy.deepcopy(net.steps[1].state_dict())
    plain = nn.Sequential(seeded(Gap()).features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), seeded(Gap()).fc)
    assert_explained_as(net, plain)
    assert net.steps[1].training
    for name, tensor in net.steps[1].state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(p.requires_grad for step in net.steps for p in step.parameters())


class Bound(Gap):
    """Keeps bound methods, partials and lambdas of itself: they must lead to the twin."""

    def __init__(self):
        super().__init__()
        self.run = self.body
        self.table = {"head": self.head}
        self.itself = [self]

    def body(self, x):
        assert not self.training, "the user's own module was run"
        return self.features(x)

    def head(self, x):
        assert not self.training, "the user's own module was run"
        return self.fc(x.mean((2, 3)))

    def forward(self, x):
        return self.itself[0].table["head"](self.run(x))


def test_references_of_a_model_to_itself():
    net = seeded(Bound()).train()
    assert_explained_as(net, seeded(Gap()))
    assert net.training


def test_a_forward_put_on_the_instance():
    """As accelerate, timm's feature tricks and many notebooks do."""
    net = seeded(Gap())
    plain = seeded(Gap())
    net.forward = lambda x: 2 * plain(x)
    np.testing.assert_allclose(
        explain.saliency(net, X, 1).values, 2 * explain.saliency(plain, X, 1).values, rtol=1e-5, atol=1e-7
    )


def test_a_forward_bound_to_the_instance_runs_on_the_twin():
    net = seeded(Gap())

    def forward(self, x):
        assert not self.training
        return self.fc(self.features(x).mean((2, 3)))

    net.train().forward = forward.__get__(net)
    assert_explained_as(net, seeded(Gap()))


def test_the_users_hooks_are_in_force_and_stay():
    net = seeded(Gap())
    seen = []
    handles = [
        net.features.register_forward_hook(lambda module, args, out: out * 2),
        net.fc.register_forward_pre_hook(lambda module, args: seen.append(len(args))),
        net.register_forward_hook(lambda module, args, out: out + 1),
    ]
    expected = papers_way(net)
    np.testing.assert_allclose(explain.saliency(net, X, 1).values, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(explain.smoothgrad(net, X, 1, noise=0, samples=2).values, expected, rtol=1e-4, atol=1e-6)
    doubled = explain.grad_cam(net, X, 1, layer="features")
    np.testing.assert_allclose(doubled.values, 2 * explain.grad_cam(seeded(Gap()), X, 1).values, rtol=1e-4, atol=1e-6)
    assert seen
    assert [len(net.features._forward_hooks), len(net.fc._forward_pre_hooks), len(net._forward_hooks)] == [1, 1, 1]
    for handle in handles:
        handle.remove()
    assert_explained_as(net, seeded(Gap()))


def papers_way(net):
    leaf = X.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)
    return slope.abs().amax(1).numpy()


def test_a_users_backward_hooks():
    net = seeded(Gap())
    calls = []
    net.features.register_full_backward_hook(lambda module, given, out: calls.append(module) and None)
    net.features[3].weight.register_hook(lambda slope: calls.append("weight"))
    explain.saliency(net, X, 1)
    assert "weight" not in calls, "no gradient of a weight is taken"
    assert len(net.features._backward_hooks) == 1


def test_a_hook_that_records_what_the_user_runs_sees_only_what_the_user_runs_too():
    """A hook that writes to the user's own module still does: it is the user's code. Nothing else is left there."""
    net = seeded(Residual())
    before = {key: dict(vars(part)) for key, part in net.named_modules()}
    explain.grad_cam(net, X, 1)
    for key, part in net.named_modules():
        assert vars(part).keys() == before[key].keys()


class Checkpointed(Gap):
    def forward(self, x):
        from torch.utils.checkpoint import checkpoint

        return self.fc(checkpoint(self.features, x, use_reentrant=False).mean((2, 3)))


def test_gradient_checkpointing():
    np.testing.assert_allclose(
        explain.saliency(seeded(Checkpointed()), X, 1).values,
        explain.saliency(seeded(Gap()), X, 1).values,
        rtol=1e-5,
        atol=1e-7,
    )
    np.testing.assert_allclose(
        explain.grad_cam(seeded(Checkpointed()), X, 1).values,
        explain.grad_cam(seeded(Gap()), X, 1).values,
        rtol=1e-5,
        atol=1e-7,
    )


class Slotted(nn.Module):
    """Python state of other kinds: slots, properties, class attributes, non-persistent buffers, tied weights."""

    scale = 2.0

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.tied = nn.Conv2d(3, 3, 3, padding=1)
        self.tied.weight = self.conv.weight
        self.register_buffer("shift", torch.ones(3, 1, 1), persistent=False)
        self.register_buffer("nothing", None)
        self.register_parameter("none", None)
        self.plain = torch.full((3, 1, 1), 0.5)
        self.fc = nn.Linear(3, 4)

    @property
    def double(self):
        return self.scale * self.plain

    def forward(self, x):
        x = self.tied(self.conv(x) + self.shift).relu() * self.double
        return self.fc(x.mean((2, 3)))


def test_tied_weights_and_tensors_outside_the_registry():
    net = seeded(Slotted())
    assert_explained_as(net, seeded(Slotted()))
    np.testing.assert_allclose(explain.saliency(net, X, 1).values, papers_way(net), rtol=1e-4, atol=1e-6)


def test_data_dependent_control_flow():
    """Each image takes its own path; the batch's path is that of its first condition."""

    class Forked(Gap):
        def forward(self, x):
            features = self.features(x)
            if x.mean() > 0:
                features = features.tanh()
            return self.fc(features.mean((2, 3)))

    net = seeded(Forked())
    bright, dark = X.abs(), -X.abs()
    for x in (bright, dark):
        leaf = x.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)
        np.testing.assert_allclose(explain.saliency(net, x, 1).values, slope.abs().amax(1), rtol=1e-4, atol=1e-6)
    assert explain.grad_cam(net, bright, 1).layer == "tanh()"
    with pytest.raises(ModelError, match="took another path than when it was traced"):
        explain.grad_cam(net, dark, 1)


def test_a_path_that_stops_short_of_the_layer():
    class Short(Gap):
        def forward(self, x):
            if x.mean() > 0:
                return self.fc(self.features(x).mean((2, 3)))
            return self.fc(x.new_ones(len(x), 6))

    net = seeded(Short())
    assert explain.grad_cam(net, X.abs(), 1).layer == "features"
    for method in (explain.grad_cam, explain.cam):
        with pytest.raises(ModelError, match=r"path|did not come to"):
            method(net, -X.abs(), 1)
    with pytest.raises(ModelError):
        explain.smoothgrad(net, -X.abs(), 1, samples=2)


def test_no_constructor_runs_again():
    """A twin is made without running anybody's `__init__` again."""

    class Careful(Vgg):
        built = 0

        def __init__(self):
            super().__init__()
            type(self).built += 1

    net = seeded(Careful())
    explain.saliency(net, X, 1)
    assert Careful.built == 1


def test_a_scripted_part():
    net, model = seeded(Gap()), seeded(Gap())
    model.features = scripted(lambda: torch.jit.script(net.features))
    for method in (explain.saliency, functools.partial(explain.occlusion, window=4)):
        expected = method(net, X, 1).values
        np.testing.assert_allclose(method(model, X, 1).values, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
