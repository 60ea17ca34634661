"""Every method on a model, against the same methods on a plain network; and the gradient as the paper has it."""

from __future__ import annotations

import functools

import numpy as np
import torch

from cnnwidgets import explain
from tests.explain.nets import noise

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


def papers_way(net):
    leaf = X.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)
    return slope.abs().amax(1).numpy()
