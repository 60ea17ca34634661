"""Control-C at any moment leaves no mode, no hook and no random state behind.

A trace function raises KeyboardInterrupt at one event after the other: calls, lines and single byte codes, in the code
that enters and leaves modes, PyTorch's included. What is left is compared with what there was.
"""

from __future__ import annotations

import logging
import random
import sys
import threading
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.modules import module as module_hooks
from torch.overrides import TorchFunctionMode
from torch.utils import _python_dispatch
from torch.utils._python_dispatch import TorchDispatchMode

import cnnwidgets as cw
from cnnwidgets import explain
from cnnwidgets.explain import thread_state
from cnnwidgets.explain.randomness import CommonRandomness, PrivateRandomness
from cnnwidgets.explain.thread_state import restoring, restoring_steps
from tests.explain.nets import Gap, noise, seeded
from tests.explain.state import same, state_of, surroundings

# What is raised while a generator is deleted, Python cannot hand on.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
X = noise(1, 3, 6, 6)
FILES = (
    "thread_state.py", "randomness.py", "network.py", "guard.py", "calls.py", "_python_dispatch.py", "overrides.py",
    "grad_mode.py", "contextlib.py", "graph.py", "follow.py",
)  # fmt: skip


OWN = {"run", "as_it_is", "__torch_function__", "__torch_dispatch__"}  # of this file


class Interrupter:
    """Raises KeyboardInterrupt at the event of that number, in the code of some files."""

    def __init__(self, at, files=FILES, opcodes=False):
        self.at, self.files, self.opcodes, self.count, self.raised = at, files, opcodes, 0, False

    def __enter__(self):
        sys.settrace(self.trace)
        return self

    def __exit__(self, kind, *_):
        sys.settrace(None)
        return kind is KeyboardInterrupt

    def trace(self, frame, event, arg):
        if not frame.f_code.co_filename.endswith(self.files):
            return None
        if frame.f_code.co_filename == __file__ and frame.f_code.co_name not in OWN:
            return None
        if self.opcodes:
            frame.f_trace_opcodes = True
        return self.step(frame, event, arg)

    def step(self, frame, event, arg):
        if event != "exception":
            self.count += 1
            if self.count == self.at:
                self.raised = True
                sys.settrace(None)
                raise KeyboardInterrupt
        return self.step


def world():
    flags = {name: getattr(_python_dispatch, name) for name in thread_state._FLAGS}
    return {
        **surroundings(),
        **flags,
        "hooks": list(module_hooks._global_forward_pre_hooks),
        "saving": torch._C._autograd._top_saved_tensors_default_hooks(True),
        "function state": torch._C._get_torch_function_state(),
        "level": logging.getLogger("torch").level,
        "filters": list(warnings.filters),
        "default generator": torch.default_generator.get_state().tolist(),
        "held": getattr(thread_state._ACTIVE, "state", None) is None,
    }


class Noisy(Gap):
    """Draws in every way, so that all guards of random numbers are on."""

    def forward(self, x):
        x = x + 0.01 * torch.randn_like(x) * random.random() * float(np.random.rand())  # noqa: NPY002
        return super().forward(x)


def events(run, **options):
    with Interrupter(0, **options) as counter:
        run()
    return counter.count


def check_all(run, net, count, step, **options):
    """Interrupt `run` at every `step`-th event, after which nothing may have changed."""
    before, state, raised = world(), state_of(net), 0
    for at in range(1, count + 1, step):
        with Interrupter(at, **options) as interrupter:
            run()
        raised += interrupter.raised
        same(before, world())
        same(state, state_of(net))
    assert raised > 0
    return raised


RUNS = {
    "grad_cam": (explain.grad_cam, Gap),
    "saliency": (explain.saliency, Gap),
    "predict": (lambda net, x, _: cw.Classifier(net).predict(x), Gap),
    "predict with chance": (lambda net, x, _: cw.Classifier(net).predict(x), Noisy),
    "gap_classifier": (lambda net, x, _: cw.gap_classifier(net, x, [0], epochs=1), Noisy),
    "snapshots": (lambda net, x, _: list(explain.snapshots(explain.smoothgrad, net, x, 1, samples=2, chunk=1)), Gap),
}


@pytest.mark.parametrize("name", RUNS)
def test_an_interrupt_at_any_line_of_a_first_pass(name):
    """Each try takes a new network, so that it is traced again; some 25 of its events are tried."""
    function, kind = RUNS[name]
    net = seeded(kind()).train()

    def run():
        function(nn.Sequential(net), X, 1)

    run()
    count = events(run)
    assert check_all(run, net, count, max(1, count // 25)) > 10


class Marking(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


class Passing(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


def as_it_is(tensor):
    return tensor


ENTERED = {
    "no_grad": torch.no_grad,
    "function mode": Marking,
    "dispatch mode": Passing,
    "private randomness": PrivateRandomness,
    "common randomness": lambda: CommonRandomness(seeds=True),
    "saved tensors": lambda: saved_tensors_hooks(as_it_is, as_it_is),
}


@pytest.mark.parametrize("name", ENTERED)
def test_an_interrupt_at_any_byte_code_of_entering_and_leaving(name):
    """Every single byte code, of the context, of the decorator and of what it calls."""
    net = seeded(Gap())

    @restoring
    def run():
        with ENTERED[name]():
            torch.ones(1)

    files = (*FILES, "graph.py", __file__)
    count = events(run, files=files, opcodes=True)
    assert count > 40
    check_all(run, net, count, max(1, count // 120), files=files, opcodes=True)


def test_two_interrupts_one_after_the_other():
    """The second one comes while the first one's modes are being taken away."""
    before = world()
    state = thread_state.ThreadState()
    state.begin()
    Marking().__enter__()
    Passing().__enter__()
    torch.set_grad_enabled(False)
    calls = []

    def undo():
        calls.append(1)
        if len(calls) < 3:
            raise KeyboardInterrupt

    state.on_restore(undo)
    with pytest.raises(KeyboardInterrupt):
        state.restore()
    assert len(calls) == 3
    same(before, world())


def test_modes_of_the_users_that_are_on_stay_on():
    net = seeded(Gap())
    with Marking(), torch.no_grad(), saved_tensors_hooks(as_it_is, as_it_is):
        before = world()
        explain.grad_cam(net, X, 1)
        with Interrupter(2000):
            explain.grad_cam(net, X, 1)
        same(before, world())
    assert torch.is_grad_enabled()
    assert torch._C._len_torch_function_stack() == 0


def test_the_steps_of_a_generator_are_restored_one_by_one():
    @restoring_steps
    def steps():
        for number in range(3):
            Marking().__enter__()
            torch.set_grad_enabled(False)
            yield number

    before = world()
    for _ in steps():
        same(before, world())
    same(before, world())


def test_the_lock_of_random_numbers_is_free_after_interrupts():
    """Another thread can draw: an interrupt between taking the lock and noting it does not hold it for good."""
    net = seeded(Noisy())

    def run():
        cw.Classifier(net).predict(X)

    run()
    count = events(run, files=("randomness.py",))
    for at in range(1, count + 1, max(1, count // 40)):
        with Interrupter(at, files=("randomness.py",)):
            run()
    done = threading.Event()
    worker = threading.Thread(target=lambda: (run(), done.set()), daemon=True)
    worker.start()
    assert done.wait(20)
    worker.join()
