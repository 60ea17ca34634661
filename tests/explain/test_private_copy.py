"""A pass calls no module of the user's: what leads to one is rebuilt in the private copy, or refused by name."""

from __future__ import annotations

import array
import collections
import copy
import dataclasses
import functools
import itertools
import queue
import random
import threading
import types
import weakref

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnwidgets as cw
from cnnwidgets import explain
from cnnwidgets.errors import ModelError
from cnnwidgets.explain.network import Network
from cnnwidgets.explain.subject import subject_of
from cnnwidgets.explain.twin import make_twin
from tests.explain.nets import Gap, noise, seeded
from tests.explain.state import same, state_of, surroundings

X = noise(2, 3, 10, 10)
Pair = collections.namedtuple("Pair", "norm act")  # noqa: PYI024 - as users write it


@dataclasses.dataclass
class Config:
    norm: object


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    norm: object


class Plain:
    def __init__(self, norm):
        self.norm = norm

    def run(self, x):
        return self.norm(x)


class Callable:
    def __init__(self, norm):
        self.norm = norm

    def __call__(self, x):
        return self.norm(x)


class Slots:
    __slots__ = ("__hidden", "__weakref__")

    def __init__(self, norm):
        self.__hidden = norm

    @property
    def norm(self):
        return self.__hidden


class Linked:
    """Leads to itself, and to the module."""

    def __init__(self, norm):
        self.next, self.norm = self, norm


class ListOf(list):
    note = None


class DictOf(dict):
    pass


def closed(norm):
    def run(x):
        return norm(x)

    return run


def wrapped(norm):
    @functools.wraps(norm.forward)
    def outer(x):
        return inner(x)

    def inner(x):
        return norm(x)

    return outer


def recursive(norm):
    def run(x, depth=2):
        return norm(x) if not depth else run(x, depth - 1)

    return run


def with_default(norm):
    def run(x, norm=norm, *, again=norm):
        assert norm is again
        return norm(x)

    return run


def of_instance(norm):
    class Local:
        part = norm

        def run(self, x):
            return self.part(x)

    local = Local()
    local.part = norm
    return local.run


def cached(norm):
    return functools.lru_cache(lambda: norm)


def attributed(norm):
    def run(x):
        return run.norm(x)

    run.norm = norm
    return run


def first_in_queue(norm):
    waiting = queue.Queue()
    waiting.put(norm)
    return waiting


def local_of_thread(norm):
    local = threading.local()
    local.norm = norm
    return local


def iterated(norm):
    return iter([norm] * 50)


def object_array(norm):
    return np.array([norm, None], dtype=object)


def weak_values(norm):
    held = weakref.WeakValueDictionary()
    held["n"] = norm
    return held


WAYS = {
    "registered child": (lambda n: None, lambda s: s.norm),
    "list": (lambda n: [n], lambda s: s.box[0]),
    "dict": (lambda n: {"n": n}, lambda s: s.box["n"]),
    "dict by module": (lambda n: {n: 1}, lambda s: next(iter(s.box))),
    "set": (lambda n: {n}, lambda s: next(iter(s.box))),
    "frozenset": (lambda n: frozenset([n]), lambda s: next(iter(s.box))),
    "tuple in a list": (lambda n: [(1, (n,))], lambda s: s.box[0][1][0]),
    "namedtuple": (lambda n: Pair(n, None), lambda s: s.box.norm),
    "deque": (lambda n: collections.deque([n], maxlen=3), lambda s: s.box[0]),
    "defaultdict": (lambda n: collections.defaultdict(list, n=[n]), lambda s: s.box["n"][0]),
    "its factory": (lambda n: collections.defaultdict(lambda: n), lambda s: s.box["new"]),
    "OrderedDict": (lambda n: collections.OrderedDict(n=n), lambda s: s.box["n"]),
    "ChainMap": (lambda n: collections.ChainMap({}, {"n": n}), lambda s: s.box["n"]),
    "UserDict": (lambda n: collections.UserDict(n=n), lambda s: s.box["n"]),
    "UserList": (lambda n: collections.UserList([n]), lambda s: s.box[0]),
    "list of a class": (lambda n: ListOf([n]), lambda s: s.box[0]),
    "dict of a class": (lambda n: DictOf(n=n), lambda s: s.box["n"]),
    "mapping proxy": (lambda n: types.MappingProxyType({"n": n}), lambda s: s.box["n"]),
    "namespace": (lambda n: types.SimpleNamespace(n=n), lambda s: s.box.n),
    "dataclass": (Config, lambda s: s.box.norm),
    "frozen dataclass with slots": (Frozen, lambda s: s.box.norm),
    "plain object": (Plain, lambda s: s.box.norm),
    "its method": (lambda n: Plain(n).run, lambda s: s.box),
    "object that is called": (Callable, lambda s: s.box),
    "slots with a private name": (Slots, lambda s: s.box.norm),
    "object that leads to itself": (Linked, lambda s: s.box.next.next.norm),
    "objects in objects": (lambda n: Plain([{"a": Plain(n)}]), lambda s: s.box.norm[0]["a"].norm),
    "object of a local class": (of_instance, lambda s: s.box),
    "weakref": (weakref.ref, lambda s: s.box()),
    "weak proxy": (lambda n: [weakref.proxy(n)], lambda s: s.box[0]),
    "weak method": (lambda n: weakref.WeakMethod(n.forward), lambda s: s.box()),
    "weak values": (weak_values, lambda s: s.box["n"]),
    "weak set": (lambda n: weakref.WeakSet([n]), lambda s: next(iter(s.box))),
    "partial": (lambda n: functools.partial(lambda n, x: n(x), n), lambda s: s.box),
    "partial by keyword": (lambda n: functools.partial(lambda x, n: n(x), n=n), lambda s: s.box),
    "partial of a partial": (lambda n: functools.partial(functools.partial(lambda n, x: n(x), n)), lambda s: s.box),
    "closure": (closed, lambda s: s.box),
    "closure in a closure": (wrapped, lambda s: s.box),
    "closure that calls itself": (recursive, lambda s: s.box),
    "default": (with_default, lambda s: s.box),
    "attribute of a function": (attributed, lambda s: s.box),
    "cached function": (cached, lambda s: s.box()),
    "bound method": (lambda n: n.forward, lambda s: s.box),
    "bound call": (lambda n: n.__call__, lambda s: s.box),
    "method of a container": (lambda n: {"n": n}.get, lambda s: s.box("n")),
    "queue": (first_in_queue, lambda s: s.box.queue[0]),
    "thread's own": (local_of_thread, lambda s: s.box.norm),
    "iterator": (iterated, lambda s: next(s.box)),
    "array of objects": (object_array, lambda s: s.box[0]),
}


class Net(nn.Module):
    def __init__(self, how, registered=True):
        super().__init__()
        norm = nn.BatchNorm2d(6)
        self.conv, self.fc = nn.Conv2d(3, 6, 3), nn.Linear(6, 3)
        self.norm = norm
        seeded(self)
        make, self.get = WAYS[how]
        self.box = make(norm)
        if not registered:
            del self.norm
        self.__dict__["original"] = weakref.ref(norm)

    def forward(self, x):
        return self.fc(torch.relu(self.get(self)(self.conv(x))).mean((2, 3)))


def scores(net):
    return cw.Classifier(net).scores(X)[0]


RIGHT = seeded(Net("registered child"))(X).detach()


@pytest.mark.parametrize("how", WAYS)
def test_every_way_of_holding_a_module(how):
    net = Net(how).train()
    before, around = state_of(net), surroundings()
    torch.testing.assert_close(scores(net), RIGHT)
    explain.saliency(net, X, 1)
    same(before, state_of(net))
    same(around, surroundings())


@pytest.mark.parametrize("how", [how for how in WAYS if not how.startswith(("registered", "weak"))])
def test_a_module_that_is_no_registered_child(how):
    net = Net(how, registered=False).train()
    norm = net.original()
    norm.train()
    before = copy.deepcopy(norm.state_dict())
    torch.testing.assert_close(scores(net), RIGHT)
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
    assert norm.training


def small():
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(6, 3),
    )  # fmt: skip


def compiled_whole(net):
    net.compile(backend="eager")


def compiled_part(net):
    net[1].compile(backend="eager")


def compiled_child(net):
    net[1] = torch.compile(net[1], backend="eager")


def compiled_forward(net):
    net[1].forward = torch.compile(net[1].forward, backend="eager")


def timed_by_closure(net):
    old = net[1].forward

    def timed(value):
        return old(value)

    net[1].forward = timed


def timed_by_decorator(net):
    def timed(function):
        times = []

        @functools.wraps(function)
        def run(*args, **kwargs):
            times.append(1)
            return function(*args, **kwargs)

        run.times = times
        return run

    net[1].forward = timed(net[1].forward)
    net[3].forward = timed(net[3].forward)
    net.forward = timed(net.forward)


def bound_by_type(net):
    plain = type(net[1]).forward

    def forward(self, x):
        return plain(self, x)

    net[1].forward = types.MethodType(forward, net[1])


def hooked(net):
    norm = net[1]
    net[0].register_forward_hook(lambda module, args, out: norm(out))
    net[1] = nn.Identity()
    net.kept = [norm]


PATCHES = [
    compiled_whole, compiled_part, compiled_child, compiled_forward, timed_by_closure, timed_by_decorator,
    bound_by_type, hooked,
]  # fmt: skip


@pytest.mark.parametrize("patch", PATCHES)
def test_a_forward_pass_that_was_put_on_the_instance(patch):
    net = seeded(small()).train()
    norm, right = net[1], copy.deepcopy(net).eval()(X).detach()
    patch(net)
    before = state_of(net)
    for _ in range(2):
        torch.testing.assert_close(scores(net), right)
        same(before, state_of(net))
    np.testing.assert_array_equal(explain.saliency(net, X, 1).values, explain.saliency(net, X, 1).values)
    assert int(norm.num_batches_tracked) == 0
    times = getattr(net[1].forward, "times", [])
    assert times == []


NORM = seeded(nn.BatchNorm2d(4))
DROP = nn.Dropout(0.5)
HELD = {"norm": [NORM]}


def helper(x):
    return DROP(HELD["norm"][0](x))


class Global(nn.Module):
    """A forward pass that names modules by global variables, by way of another function."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(helper(NORM(self.conv(x)).relu()).mean((2, 3)))


def test_modules_in_global_variables():
    net = seeded(Global())
    NORM.eval(), DROP.eval()
    right = net(X).detach()
    NORM.train(), DROP.train()
    before, around = copy.deepcopy(NORM.state_dict()), surroundings()
    torch.testing.assert_close(scores(net.train()), right)
    torch.testing.assert_close(scores(net), right)
    assert all(torch.equal(value, before[name]) for name, value in NORM.state_dict().items())
    same(around, surroundings())


class Registry:
    norm = NORM
    drop = DROP


class Hidden(nn.Module):
    """Comes to a module in a way that no copy can re-bind."""

    def __init__(self, way):
        super().__init__()
        self.conv, self.fc, self.way = nn.Conv2d(3, 4, 3), nn.Linear(4, 3), way

    @property
    def norm(self):
        return NORM

    @property
    def drop(self):
        return DROP

    def forward(self, x):
        ways = {
            "property": self.norm,
            "forward of a property": self.norm.forward,
            "without weights": self.drop,
            "of a class": Registry.norm,
            "weight": lambda x: x * self.norm.weight[:, None, None],
            "caught": self.caught,
        }
        return self.fc(ways[self.way](self.conv(x)).mean((2, 3)))

    def caught(self, x):
        try:
            return self.norm(x)
        except Exception:  # noqa: BLE001 - as users write it
            return x


@pytest.mark.parametrize(
    "way", ["property", "forward of a property", "without weights", "of a class", "weight", "caught"]
)
def test_what_cannot_be_reached_is_refused_by_name(way):
    net = seeded(Hidden(way)).train()
    NORM.train(), DROP.train()
    before, around = copy.deepcopy(NORM.state_dict()), surroundings()
    kind = "Dropout" if way == "without weights" else "BatchNorm2d"
    for function in (lambda: scores(net), lambda: explain.saliency(net, X, 1), lambda: explain.layers(net, X)):
        with pytest.raises(ModelError, match=rf"a {kind} of yours.*self\.part = part"):
            function()
    assert all(torch.equal(value, before[name]) for name, value in NORM.state_dict().items())
    same(around, surroundings())


def test_modules_that_the_forward_pass_makes_are_its_own():
    class Making(Gap):
        def forward(self, x):
            return nn.Sequential(nn.Identity(), nn.ReLU())(super().forward(x))

    net = seeded(Making())
    torch.testing.assert_close(scores(net), net(X).detach())


def test_a_guarded_pass_leaves_other_threads_alone():
    """While a pass of ours waits in the middle, the user's own pass in another thread runs as ever."""
    begun, go_on = threading.Event(), threading.Event()

    class Waiting(Hidden):
        def forward(self, x):
            begun.set()
            assert go_on.wait(20)
            return self.fc(self.conv(x).mean((2, 3)))

    net = seeded(Waiting("property"))
    worker = threading.Thread(target=lambda: scores(net))
    worker.start()
    assert begun.wait(20)
    seeded(Hidden("property"))(X)
    NORM(noise(2, 4, 3, 3))
    go_on.set()
    worker.join()


# --- weights that a forward pass writes to


class Clamped(nn.Conv2d):
    way = "data"

    def forward(self, x):
        {
            "data": lambda: self.weight.data.clamp_(-0.05, 0.05),
            "copy": lambda: self._no_grad(lambda: self.weight.copy_(self.weight.clamp(-0.05, 0.05))),
            "item": lambda: self._no_grad(lambda: self.weight.__setitem__(slice(None), self.weight.clamp(-0.05, 0.05))),
            "view": lambda: self.weight.data.view(-1)[:].clamp_(-0.05, 0.05),
            "out": lambda: torch.clamp(self.weight.data, -0.05, 0.05, out=self.weight.data),
            "renorm": lambda: self.weight.data.renorm_(2, 0, 0.05),
            "foreach": lambda: torch._foreach_mul_([self.weight.data], 0.5),
            "numpy": lambda: np.clip(self.weight.data.numpy(), -0.05, 0.05, out=self.weight.data.numpy()),
            "init": lambda: nn.init.constant_(self.weight, 0.02),
            "bound": lambda: self._no_grad(self.bias.zero_),
        }[self.way]()
        return super().forward(x)

    @torch.no_grad()
    def _no_grad(self, function):
        return function()


WRITES = ["data", "copy", "item", "view", "out", "renorm", "foreach", "numpy", "init", "bound"]


@pytest.mark.parametrize("way", WRITES)
def test_weights_that_a_forward_pass_writes_to(way):
    net = nn.Sequential(Clamped(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))
    net[0].way = way
    seeded(net)
    right = copy.deepcopy(net)(X).detach()
    before, state = copy.deepcopy(net.state_dict()), state_of(net)
    for _ in range(2):
        torch.testing.assert_close(scores(net), right)
        explain.saliency(net, X, 1)
        explain.grad_cam(net, X, 1)
        explain.occlusion(net, X[:1], 1, window=5)
        same(state, state_of(net))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_weights_that_are_written_to_later_only():
    """The first pass does not write, so the trace saw nothing of it."""

    class Bounded(nn.Conv2d):
        def forward(self, x):
            if self.weight.abs().max() > 0.5:
                self.weight.data.clamp_(-0.5, 0.5)
            return super().forward(x)

    net = seeded(nn.Sequential(Bounded(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)))
    with torch.no_grad():
        net[0].weight.clamp_(-0.4, 0.4)
    explain.saliency(net, X, 1)
    with torch.no_grad():
        net[0].weight[0] = 3.0
    before, right = net[0].weight.detach().clone(), copy.deepcopy(net)(X).detach()
    torch.testing.assert_close(scores(net), right)
    explain.saliency(net, X, 1)
    assert torch.equal(before, net[0].weight)


def test_ordinary_weights_stay_shared_and_those_written_to_alone_are_copies():
    net = nn.Sequential(Clamped(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))
    explain.saliency(net, X, 1)
    network = Network(subject_of(net, X))
    network.trace  # noqa: B018
    own = [a.data_ptr() != b.data_ptr() for a, b in zip(network.module.parameters(), net.parameters(), strict=True)]
    assert own == [True, False, False, False]
    plain = seeded(small())
    twin = Network(subject_of(plain, X)).module
    assert [p.data_ptr() for p in twin.parameters()] == [p.data_ptr() for p in plain.parameters()]


def test_statistics_that_own_code_writes_in_evaluation_mode():
    class Running(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.zeros(4))
            self.extra = torch.zeros(4)
            self.steps = 0

        def forward(self, x):
            self.steps += 1
            self.mean.mul_(0.9).add_(0.1 * x.detach().mean((0, 2, 3)))
            self.extra = self.extra + 1
            return x - self.mean[:, None, None] + self.extra[:, None, None]

    net = seeded(nn.Sequential(nn.Conv2d(3, 4, 3), Running(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)))
    right = copy.deepcopy(net)(X).detach()
    network = Network(subject_of(net, X))
    with torch.no_grad():
        for _ in range(3):
            torch.testing.assert_close(network.run(X), right)
    assert not net[1].mean.any()
    assert not net[1].extra.any()
    assert net[1].steps == 0


# --- state that is no tensor


class Counter:
    def __init__(self):
        self.value = 0


def stepping():
    count = 0

    def step():
        nonlocal count
        count += 1
        return count

    return step


def counted_queue(module):
    module.box.put(module.box.get() + 1)
    return module.box.queue[0]


def sent(module):
    module.box.value += 1
    return module.box.value


def assigned(module, key):
    module.box[key] += 1
    return float(module.box[key])


def appended(module):
    module.box.append(1)
    return len(module.box)


STATE = {
    "attribute": (lambda: 0, lambda m: setattr(m, "box", m.box + 1) or m.box),
    "object": (Counter, sent),
    "array": (lambda: np.zeros(3), lambda m: assigned(m, 0)),
    "array in an object": (lambda: types.SimpleNamespace(value=np.zeros(())), sent),
    "tensor in an object": (lambda: types.SimpleNamespace(value=torch.zeros(())), sent),
    "tensor in an object, in place": (
        lambda: Plain(torch.zeros(())), lambda m: float(m.box.norm.add_(1)),
    ),
    "deque": (lambda: collections.deque([1]), appended),
    "list": (lambda: [1], appended),
    "bytearray": (lambda: bytearray(b"a"), appended),
    "array.array": (lambda: array.array("i", [1]), appended),
    "Counter": (collections.Counter, lambda m: assigned(m, "a")),
    "defaultdict": (lambda: collections.defaultdict(int), lambda m: assigned(m, "a")),
    "queue": (lambda: [queue.Queue(), 0][0], lambda m: m.box.put(1) or m.box.qsize()),
    "priority queue": (queue.PriorityQueue, lambda m: m.box.put(1) or m.box.qsize()),
    "count": (lambda: itertools.count(3, 2), lambda m: next(m.box)),
    "iterator": (lambda: iter([1, 2, 3, 4, 5, 6, 7, 8, 9] * 9), lambda m: next(m.box)),
    "nonlocal": (stepping, lambda m: m.box()),
    "Random": (lambda: random.Random(3), lambda m: m.box.random()),
    "NumPy's Generator": (lambda: np.random.default_rng(3), lambda m: m.box.random()),
    "NumPy's RandomState": (lambda: np.random.RandomState(3), lambda m: m.box.rand()),
    "PyTorch's Generator": (lambda: torch.Generator().manual_seed(3), lambda m: float(torch.rand((), generator=m.box))),
}  # fmt: skip


class Stateful(nn.Module):
    shared = 0

    def __init__(self, how):
        super().__init__()
        make, self.step = STATE[how]
        self.box = make()

    def forward(self, x):
        return x * (1 + 0.1 * float(self.step(self)))


def stateful(how):
    return seeded(
        nn.Sequential(nn.Conv2d(3, 4, 3), Stateful(how), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    )


@pytest.mark.parametrize("how", STATE)
def test_state_is_the_users_and_every_pass_begins_with_it(how):
    """The user's own next pass comes out as if nothing had been explained, and ours do not depend on their number."""
    right = stateful(how)(X).detach()
    net = stateful(how)
    torch.testing.assert_close(scores(net), right)
    network = Network(subject_of(net, X))
    with torch.no_grad():
        for _ in range(3):
            torch.testing.assert_close(network.run(X), right)
    explain.saliency(net, X, 1)
    explain.grad_cam(net, X, 1, chunk=1)
    torch.testing.assert_close(net(X).detach(), right)


def test_state_on_a_class_is_copied_too():
    class Shared(Gap):
        history = []

        def forward(self, x):
            self.history.append(1)
            return super().forward(x)

    net = seeded(Shared())
    explain.saliency(net, X, 1)
    assert Shared.history == []


def test_what_cannot_be_copied_is_refused_when_it_is_used():
    class Fed(Gap):
        def __init__(self):
            super().__init__()
            self.stream = (number for number in range(100))
            self.other = (number for number in range(100))

        def forward(self, x):
            return super().forward(x) + next(self.stream)

    net = seeded(Fed())
    with pytest.raises(ModelError, match=r"takes items from a generator that it holds"):
        explain.saliency(net, X, 1)
    assert next(net.stream) == 0
    net.stream = iter([0] * 1000)
    explain.saliency(net, X, 1)
    assert next(net.other) == 0


def test_locks_loggers_and_files_are_no_obstacle(tmp_path):
    import logging

    class Busy(Gap):
        def __init__(self):
            super().__init__()
            self.lock, self.condition = threading.Lock(), threading.Condition()
            self.log, self.file = logging.getLogger("busy"), (tmp_path / "log").open("w")
            self.kind, self.module = Plain, np

        def forward(self, x):
            with self.lock, self.condition:
                assert self.log is logging.getLogger("busy")
                assert self.kind is Plain
                return super().forward(x)

    net = seeded(Busy())
    right = net(X).detach()
    torch.testing.assert_close(scores(net), right)
    net.file.close()


# --- random numbers

DRAWS = {
    "random": lambda x: x * random.random(),
    "NumPy": lambda x: x * float(np.random.rand()),  # noqa: NPY002
    "NumPy's normal": lambda x: x + torch.as_tensor(np.random.normal(size=x.shape), dtype=x.dtype),  # noqa: NPY002
    "choice": lambda x: x * random.choice([1.0, 2.0]),
    "seeding": lambda x: (random.seed(3), np.random.seed(3), torch.manual_seed(3)) and x + torch.rand(x.shape),  # noqa: NPY002
    "common generator": lambda x: x + torch.rand(x.shape, generator=torch.default_generator),
    "generator of somebody": lambda x: x + torch.rand(x.shape, generator=GENERATOR),
}
GENERATOR = torch.Generator().manual_seed(5)


class Drawing(Gap):
    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, x):
        return self.fc(DRAWS[self.how](self.features(x)).mean((2, 3)))


@pytest.mark.parametrize("how", DRAWS)
def test_common_random_numbers_are_left_alone_and_do_not_matter(how):
    net = seeded(Drawing(how))
    found = []
    for seed in (1, 2):
        random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)  # noqa: NPY002
        around, own = surroundings(), GENERATOR.get_state()
        found.append([explain.saliency(net, X, 1).values, scores(net).numpy()])
        explain.grad_cam(net, X, 1)
        cw.gap_classifier(net, X, [0, 1], epochs=1)
        same(around, surroundings())
        assert torch.equal(own, GENERATOR.get_state())
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_forward_pass_that_seeds_gives_its_own_numbers():
    net = seeded(Drawing("seeding"))
    right = net(X).detach()
    torch.testing.assert_close(scores(net), right)


# --- gap_classifier, and the default dtype


class Rough(nn.Module):
    """Writes to its input, adds noise, counts, and clamps its weights."""

    def __init__(self):
        super().__init__()
        self.c, self.fc = Clamped(3, 6, 3), nn.Linear(6, 2)
        self.count = [0]

    def forward(self, x):
        self.count[0] += 1
        x.mul_(2)
        x = torch.relu(self.c(x + 0.01 * torch.randn_like(x)))
        return self.fc(x.mean((2, 3)))


def test_gap_classifier_takes_the_same_care():
    net, x = seeded(Rough()).train(), torch.ones(4, 3, 8, 8)
    before, around, version = state_of(net), surroundings(), x._version
    retrained = cw.gap_classifier(net, x, [0, 1, 0, 1], epochs=2)
    same(before, state_of(net))
    same(around, surroundings())
    assert bool((x == 1).all())
    assert x._version == version
    assert net.count == [0]
    theirs = {p.data_ptr() for p in net.parameters()}
    assert not theirs & {p.data_ptr() for p in retrained.model.parameters()}


def test_the_retrained_classifier_shares_nothing_with_modules_in_lists():
    class Listed(nn.Module):
        def __init__(self):
            super().__init__()
            self.steps = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3)]
            self.fc = nn.Linear(4, 2)

        def forward(self, x):
            for step in self.steps:
                x = step(x)
            return self.fc(x.mean((2, 3)))

    net = Listed().eval()
    retrained = cw.gap_classifier(net, X, [0, 1], epochs=2)
    before = retrained.scores(X)[0]
    with torch.no_grad():
        net.steps[0].weight.zero_()
    torch.testing.assert_close(retrained.scores(X)[0], before)


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


SEVERAL = {
    "smoothgrad": lambda net: explain.smoothgrad(net, X, 1, samples=3).values,
    "occlusion": lambda net: explain.occlusion(net, X, 1, window=5, baseline="noise").values,
    "occlusion, blur": lambda net: explain.occlusion(net, X, 1, window=5, baseline="blur").values,
    "grad_cam": lambda net: explain.grad_cam(net, X, 1).values,
    "effective": lambda net: explain.receptive_field(net, X, "features", (1, 1), effective=True, probes=2).effective,
    "gap_classifier": lambda net: cw.gap_classifier(net, X, [0, 1], epochs=3).scores(X)[0].numpy(),
}


@pytest.fixture(params=SEVERAL)
def function(request):
    return SEVERAL[request.param]


def test_the_default_dtype_changes_nothing(function):
    net = seeded(Gap())
    expected = function(net)
    torch.set_default_dtype(torch.float64)
    try:
        got = function(net)
        assert torch.get_default_dtype() is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_gap_classifier_of_a_model_in_double_precision(double):
    retrained = cw.gap_classifier(seeded(Gap(), dtype=torch.float64), X.double(), [0, 1], epochs=3)
    assert retrained.scores(X.double())[0].dtype is torch.float64
    assert torch.isfinite(F.softmax(retrained.scores(X.double())[0], 1)).all()


def test_a_twin_registers_hooks_on_itself_alone():
    net = seeded(Gap())
    twin = make_twin(net)
    twin.features.register_forward_hook(lambda *_: None)
    twin.features[0].register_forward_pre_hook(lambda *_: None)
    assert not net.features._forward_hooks
    assert not net.features[0]._forward_pre_hooks


def test_random_numbers_that_no_name_in_the_code_tells_of():
    class Sly(Gap):
        def forward(self, x):
            draw = getattr(__import__("modnar"[::-1]), "modnar"[::-1])
            return super().forward(x) * (1 + draw())

    net, found = seeded(Sly()), []
    for seed in (1, 2):
        random.seed(seed)
        around = surroundings()
        found.append(scores(net))
        same(around, surroundings())
    assert torch.equal(*found)
