"""Models with code of the user's: forward passes put on them, references to themselves, hooks, paths that depend."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cnnwidgets import explain
from cnnwidgets.errors import LayerError, ModelError
from tests.explain.explained import X, assert_explained_as, papers_way
from tests.explain.nets import Gap, Residual, Vgg, seeded


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


def test_data_dependent_control_flow():
    """Each image takes its own path, also beside images of another one."""

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
    assert explain.grad_cam(net, dark, 1).layer == "features"
    both = torch.cat([bright, dark])
    alone = np.concatenate([explain.saliency(net, x, 1).values for x in (bright, dark)])
    np.testing.assert_allclose(explain.saliency(net, both, 1).values, alone, rtol=1e-5, atol=1e-8)
    with pytest.raises(ModelError, match=r"'tanh\(\)' cannot be shown for image 2.*takes another path"):
        explain.grad_cam(net, both, 1)


def test_a_path_that_stops_short_of_the_layer():
    class Short(Gap):
        def forward(self, x):
            if x.mean() > 0:
                return self.fc(self.features(x).mean((2, 3)))
            return self.fc(x.new_ones(len(x), 6))

    net = seeded(Short())
    assert explain.grad_cam(net, X.abs(), 1).layer == "features"
    for method in (explain.grad_cam, explain.cam):
        with pytest.raises((ModelError, LayerError), match=r"cannot follow the scores|no layer with rows and columns"):
            method(net, -X.abs(), 1)
        with pytest.raises(ModelError, match="takes another path"):
            method(net, torch.cat([X.abs(), -X.abs()]), 1)
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
