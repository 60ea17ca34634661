"""The engine in several threads: exporting a graph is not safe for two at once, so it is done one at a time."""

from __future__ import annotations

import threading

import torch
from torch import nn

from cnnwidgets import explain


def _net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    ).eval()  # fmt: skip


def test_explanations_made_at_once_in_several_threads_all_use_the_engine():
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    expected = explain.occlusion(_net(), x, 1, window=8, stride=4, incremental=False).values
    nets, found, start = [_net() for _ in range(4)], {}, threading.Barrier(4)

    def work(index: int) -> None:
        start.wait()
        found[index] = explain.occlusion(nets[index], x, 1, window=8, stride=4)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in range(4):
        assert found[index].params["engine"] == "incremental"
        torch.testing.assert_close(torch.tensor(found[index].values), torch.tensor(expected), atol=1e-5, rtol=0)


def test_a_model_can_be_used_in_one_thread_while_it_is_exported_in_another():
    net, x = _net(), torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = net(x)
    done, failures, passes = threading.Event(), [], 0

    def work() -> None:
        try:
            for _ in range(3):
                explain.occlusion(_net(), x, 1, window=8, stride=8)
        except Exception as error:  # noqa: BLE001 - told by the assertion below
            failures.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.is_set():
        with torch.no_grad():
            torch.testing.assert_close(net(x), expected)
        passes += 1
    thread.join()
    assert not failures
    assert passes > 0
