"""Several threads at once: on one model, on several, beside the user's own training."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnwidgets import Classifier, explain
from cnnwidgets.errors import Cancelled
from tests.explain.nets import Gap, noise, seeded

X = noise(2, 3, 24, 24)


class Drawing(Gap):
    def forward(self, x):
        return self.fc(F.dropout(self.features(x), 0.2, training=True).mean((2, 3)))


@pytest.mark.parametrize("kind", [Gap, Drawing])
def test_many_threads_on_one_model(kind):
    net = seeded(kind()).train()
    work = [
        lambda: explain.saliency(net, X, 1).values,
        lambda: explain.smoothgrad(net, X, 2, samples=3, chunk=2).values,
        lambda: explain.cam(net, X, 3).values,
        lambda: explain.grad_cam(net, X, 1, layer="features.0").values,
        lambda: explain.grad_cam(net, X, 1, layer="features").values,
        lambda: explain.guided_backprop(net, X, "features", 2).values,
        lambda: explain.deconvnet(net, X, "features.4", 3, (1, 2)).values,
        lambda: np.array([p.probability for p in Classifier(net).predict(X)[0]]),
    ]
    expected = [one() for one in work]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda i: work[i % len(work)](), range(64)))
    for i, values in enumerate(found):
        np.testing.assert_array_equal(values, expected[i % len(work)])
    assert net.training


def test_a_thread_without_gradients_beside_one_with(tmp_path):
    """Grad mode is per thread: each sets its own and leaves that of the other."""
    net = seeded(Gap())
    barrier = threading.Barrier(2)

    def work(enabled):
        with torch.set_grad_enabled(enabled):
            for _ in range(10):
                barrier.wait(timeout=30)
                values = explain.grad_cam(net, X, 1).values
                assert torch.is_grad_enabled() == enabled
        return values

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(work, [True, False])
    np.testing.assert_array_equal(first, second)


def train(net, steps, each=lambda: None):
    torch.manual_seed(0)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01)
    losses = []
    for step in range(steps):
        loss = F.dropout(net(noise(4, 3, 24, 24, seed=step)), 0.2).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        each()
    return losses


@pytest.mark.parametrize("kind", [Gap, Drawing])
def test_the_users_training_beside_explanations(kind):
    """Losses, weights and BatchNorm statistics are to the last bit those of a training that nobody watched.

    The random numbers of a training come from one generator per process, which the explanations must not rewind.
    """
    alone = seeded(kind()).train()
    expected = train(alone, 25)
    watched, other = seeded(kind()).train(), seeded(Drawing(), seed=5)
    stop, errors, rounds = threading.Event(), [], [0]

    def explain_all_the_time():
        try:
            while not stop.is_set():
                assert np.isfinite(explain.smoothgrad(watched, X, 1, samples=2, chunk=1).values).all()
                explain.grad_cam(watched, X, 1)
                explain.saliency(other, X, 1)
                Classifier(watched).predict(X)
                rounds[0] += 1
        except BaseException as error:  # noqa: BLE001 - reported in the main thread
            errors.append(error)

    thread = threading.Thread(target=explain_all_the_time)
    thread.start()
    try:
        losses = train(watched, 25)
    finally:
        stop.set()
        thread.join()
    assert errors == []
    assert rounds[0] > 0
    assert losses == expected
    for (name, tensor), other_tensor in zip(watched.state_dict().items(), alone.state_dict().values(), strict=True):
        assert torch.equal(tensor, other_tensor), name
    assert all(module.training for module in watched.modules())


def test_the_users_pass_in_another_thread_is_not_recorded():
    """The calls of another thread's pass neither get numbers nor come into the trace."""
    net = seeded(Gap())
    expected = [layer.name for layer in explain.layers(net, X)]
    stop = threading.Event()

    def forward_all_the_time():
        while not stop.is_set():
            with torch.no_grad():
                net(X)

    thread = threading.Thread(target=forward_all_the_time)
    thread.start()
    try:
        for size in range(24, 40):
            assert [layer.name for layer in explain.layers(net, noise(1, 3, size, size))] == expected
    finally:
        stop.set()
        thread.join()


def test_cancelled_from_another_thread():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
    token, begun = explain.CancelToken(), threading.Event()

    def cancel():
        begun.wait(timeout=30)
        token.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(Cancelled, match="Stopped on request after"):
        explain.smoothgrad(
            net, noise(1, 3, 64, 64), 1, samples=10**6, chunk=4, cancel=token, progress=lambda *_: begun.set()
        )
    thread.join()
