"""Networks that only work with channels before rows in memory: `x.view(len(x), -1)`, as tutorials flatten maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnwidgets import explain
from tests.explain.nets import noise, seeded
from tests.explain.patched import Do


def lenet(channels, flatten):
    return seeded(
        Do(
            lambda m, x: m.fc(flatten(F.max_pool2d(m.b(F.relu(m.a(x))), 2))),
            a=nn.Conv2d(channels, 4, 3),
            b=nn.Conv2d(4, 6, 3),
            fc=nn.Linear(96, 4),
        )
    )


FLATTEN = {
    "view": lambda x: x.view(-1, 96),
    "view of the batch": lambda x: x.view(x.size(0), -1),
    "as_strided": lambda x: x.as_strided((len(x), 96), (96, 1)),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("flatten", FLATTEN.values(), ids=FLATTEN)
def test_every_method_gives_what_it_gives_with_flatten(channels, flatten):
    net, x = lenet(channels, flatten), noise(1, channels, 12, 12)
    plain = lenet(channels, lambda x: x.flatten(1))
    with torch.no_grad():
        torch.testing.assert_close(net(x), plain(x))
    for method in (
        explain.saliency,
        lambda *given: explain.smoothgrad(*given, samples=3),
        lambda *given: explain.grad_cam(*given, layer="b"),
        lambda *given: explain.occlusion(*given, window=4),
        lambda *given: explain.occlusion(*given, window=4, incremental=False),
    ):
        found, expected = method(net, x, 1).values, method(plain, x, 1).values
        np.testing.assert_allclose(
            found, expected, rtol=0, atol=1e-5 * np.abs(expected).max()
        )  # float32, on any processor
        assert np.abs(expected).max() > 0


def test_a_real_error_of_the_network_is_still_told():
    net = Do(lambda m, x: m.fc(x.flatten(1)), fc=nn.Linear(5, 2))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        explain.saliency(net, noise(1, 3, 8, 8), 0)
