"""Every public function on a zoo of odd networks: a result or an error in words, and all is left as it was found."""

from __future__ import annotations

import functools
import random
import sys
import zlib
from pathlib import Path

import pytest
import torch
from torch.overrides import TorchFunctionMode

import cnnwidgets
from cnnwidgets.errors import CnnWidgetsError
from tests.explain.everything import EVERYTHING, unchanged
from tests.explain.odd_nets import ODD_NETS

PACKAGE = str(Path(cnnwidgets.__file__).parent)


class Thrown(BaseException):
    """Thrown in the middle of a pass: nothing may take it for an error of its own, and nothing may swallow it."""


class Thrower(TorchFunctionMode):
    """Raises in the n-th call of PyTorch of this thread, the network's own calls and the library's alike."""

    def __init__(self, at=None, error=Thrown):
        super().__init__()
        self.at, self.error, self.calls = at, error, 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.calls += 1
        if self.calls == self.at:
            raise self.error("in the middle")
        return function(*args, **(kwargs or {}))


def run(function, net, x):
    """Run a function, and take an error of the library's for an answer."""
    try:
        function(net, x)
    except CnnWidgetsError as error:
        assert len(str(error)) > 20, error  # noqa: PT017 - a result is right as well
        assert not str(error).startswith(("Expected", "Cannot", "expected", "element 0")), error  # noqa: PT017


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ODD_NETS)
def test_all_is_left_as_found(name):
    net, x = ODD_NETS[name]()
    for function in EVERYTHING.values():
        with unchanged(net, x):
            run(function, net, x)


ERRORS = (Thrown, KeyboardInterrupt, RuntimeError)
HEAVY = {
    "compiled",
    "exported",
    "Counter",
    "InPlace",
    "traced child",
    "scripted child",
}  # some functions do


def chance(*names):
    """Return a hash of the names, the same in every run."""
    return zlib.crc32(" ".join(names).encode())


def error_for(name, what):
    """Return the error that a function meets on a network; over the zoo every function meets every one."""
    return ERRORS[chance(name, what, "error") % len(ERRORS)]


@functools.cache
def usual_calls(what):
    """Return how many of PyTorch's functions one of ours calls on the first network: about as many on the others."""
    net, x = ODD_NETS[next(iter(ODD_NETS))]()
    with Thrower() as counter:
        run(EVERYTHING[what], net, x)
    return max(1, counter.calls)


def chosen(name):
    """Return the functions that are tried with an error on a network."""
    return [what for what in EVERYTHING if name not in HEAVY or chance(name, what) % 3 == 0]


def test_every_function_meets_every_error():
    for what in EVERYTHING:
        assert {error_for(name, what) for name in ODD_NETS if what in chosen(name)} == set(ERRORS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ODD_NETS)
def test_all_is_left_as_found_after_an_exception_inside(name):
    """One of PyTorch's calls raises: each function at another place, which network and function determine."""
    net, x = ODD_NETS[name]()
    for what in chosen(name):
        at = 1 + chance(name, what, "place") % usual_calls(what)
        made = throw(name, what, net, x, at)
        if made < at:  # it makes fewer calls on this network
            throw(name, what, net, x, 1 + at % max(1, made))


def throw(name, what, net, x, at):
    """Run a function with an error in the n-th call of PyTorch, and return how many calls there were."""
    error = error_for(name, what)
    thrower = Thrower(at, error)
    with unchanged(net, x), thrower:
        try:
            run(EVERYTHING[what], net, x)
        except error as raised:
            assert str(raised) == "in the middle"  # noqa: PT017 - it may be one that the library answers
        except RuntimeError:  # PyTorch's own, about what its call threw
            pass
    return thrower.calls


class Interrupter:
    """Raises KeyboardInterrupt at the n-th byte-code of the library's own code, as Control-C does."""

    def __init__(self, at=None):
        self.at, self.codes = at, 0

    def __call__(self, frame, event, _arg):
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            self.codes += 1
            if self.codes == self.at:
                sys.settrace(None)
                raise KeyboardInterrupt("at a byte-code")
        return self

    def __enter__(self):
        sys.settrace(self)
        return self

    def __exit__(self, *_):
        sys.settrace(None)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", EVERYTHING)
def test_all_is_left_as_found_after_an_interrupt_at_any_byte_code(what):
    if sys.gettrace() is not None:
        pytest.skip("a debugger or coverage traces already")
    net, x = ODD_NETS[next(iter(ODD_NETS))]()
    function = EVERYTHING[what]
    with Interrupter() as counter:
        run(function, net, x)
    places = random.Random(what)
    torch.manual_seed(0)
    for at in sorted(places.sample(range(1, counter.codes + 1), 8)):
        with unchanged(net, x):
            try:
                with Interrupter(at):
                    run(function, net, x)
            except KeyboardInterrupt:
                pass
