"""Settings of the process that a forward pass changes are as they were when the explanation has ended."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from cnnwidgets import explain
from cnnwidgets.explain.interception import Interception
from tests.explain.nets import Gap, noise, seeded

X = noise(2, 3, 12, 12)


def settings():
    return (
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.get_deterministic_debug_mode(),
        torch.backends.cudnn.benchmark,
        np.geterr(),
    )


CHANGES = {
    "dtype": lambda: torch.set_default_dtype(torch.float64),
    "threads": lambda: torch.set_num_threads(torch.get_num_threads() % 3 + 1),
    "deterministic": lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    "benchmark": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "errors of NumPy": lambda: np.seterr(all="raise"),
}
FUNCTIONS = {
    "saliency": lambda net: explain.saliency(net, X, 1),
    "occlusion": lambda net: explain.occlusion(net, X, 1, window=6, stride=6),
    "activations": lambda net: explain.activations(net, X),
}


class Changing(Gap):
    """Changes a setting, and then fails where it is told to."""

    change, fails = None, False

    def forward(self, x):
        type(self).change()
        if self.fails:
            raise ValueError("half-way")
        return super().forward(x)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("what", CHANGES)
def test_settings_are_put_back(what, fails, monkeypatch):
    before = settings()
    monkeypatch.setattr(Changing, "change", CHANGES[what])
    net = seeded(Changing())
    net.fails = fails
    try:
        for function in FUNCTIONS.values():
            if fails:
                with pytest.raises(ValueError, match="half-way"):
                    function(net)
            else:
                function(net)
            assert settings() == before
    finally:  # for the tests that follow
        torch.set_default_dtype(before[0])
        torch.set_num_threads(before[1])
        torch.use_deterministic_algorithms(before[2] > 0, warn_only=before[2] == 1)
        torch.backends.cudnn.benchmark = before[3]
        np.seterr(**before[4])


def test_settings_are_put_back_by_passes_that_overlap():
    """The second pass begins while the first one's change is in force, and ends after it."""
    first, second = Interception(), Interception()
    try:
        first.__enter__()
        torch.set_default_dtype(torch.float64)
        in_thread(second.__enter__)
        first.__exit__()
        assert torch.get_default_dtype() is torch.float32
        torch.set_default_dtype(torch.float64)
        in_thread(second.__exit__)
        assert torch.get_default_dtype() is torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


def in_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join(30)
