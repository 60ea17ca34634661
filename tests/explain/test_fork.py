"""A process that forks while another thread runs a pass: the child explains, and finds all as it was."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cnnwidgets.explain.fork_lock import ForkLock

SCRIPT = """
import os, signal, threading
import numpy as np, torch
from torch import nn
torch.set_num_threads(1)
from cnnwidgets import explain
from cnnwidgets.explain import interception, randomness

class Net(nn.Module):
    waits = threading.Event(), threading.Event()
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)
    def forward(self, x):
        if threading.current_thread() is not threading.main_thread():
            self.waits[0].set()
            self.waits[1].wait(30)
        return self.fc(self.conv(x).mean((2, 3))) + 0 * np.random.rand()

net, x = Net().eval(), torch.rand(1, 3, 8, 8)
explain.saliency(net, x, 0)
np.random.seed(5)
before, call = repr(np.random.get_state()), torch.jit.ScriptModule.__dict__.get("__call__")
thread = threading.Thread(target=explain.saliency, args=(net, x, 0), daemon=True)
thread.start()
assert Net.waits[0].wait(30)
assert repr(np.random.get_state()) != before and interception.Interception._users
pid = os.fork()
if not pid:
    signal.alarm(20)
    wrong = [
        repr(np.random.get_state()) != before,
        torch.jit.ScriptModule.__dict__.get("__call__") is not call,
        bool(interception.Interception._users or interception.Interception._patches or randomness._ACTIVE),
    ]
    for function in (explain.saliency, explain.grad_cam):
        function(net, x, 0)
    wrong.append(repr(np.random.get_state()) != before)
    os._exit(sum(1 << place for place, one in enumerate(wrong) if one))
status = os.waitpid(pid, 0)[1]
Net.waits[1].set()
thread.join(30)
print("child", status, "parent", repr(np.random.get_state()) == before)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_explains_and_finds_all_as_it_was():
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.stdout.strip() == "child 0 parent True", run.stdout + run.stderr


def test_a_lock_stays_with_the_thread_that_forks():
    lock = ForkLock()
    with lock:
        lock.renew()
    with pytest.raises(RuntimeError):
        lock.release()
