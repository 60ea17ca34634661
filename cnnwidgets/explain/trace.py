"""One watched forward pass: which calls a network makes, in which module, on which values, seeing which pixels."""

from __future__ import annotations

import weakref
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations
from torch.utils.weak import WeakTensorKeyDictionary

from cnnwidgets.errors import ModelError
from cnnwidgets.explain.calls import (
    CallMode,
    Step,
    argument,
    first_tensor,
    function_name,
    is_numbered,
    tensors_in,
    weight_names,
    weights_of,
)
from cnnwidgets.explain.folding import is_affine
from cnnwidgets.explain.follow import Follower, fits
from cnnwidgets.explain.interception import OpaqueCall
from cnnwidgets.explain.model_call import call_model
from cnnwidgets.explain.opaque import is_cellwise
from cnnwidgets.explain.outputs import OutputKind, class_scores, output_kind
from cnnwidgets.explain.storage import storage_place
from cnnwidgets.explain.twin import STANDARD

if TYPE_CHECKING:
    from collections.abc import Callable

    from cnnwidgets.explain.geometry import Grid

INPUT = -1  # the number of the value that the network is given
_CHANNELS_LAST = {"linear"}
_READING = {"numpy", "tolist", "array"}  # what tells Python values without an operation that the dispatcher shows


@dataclass(frozen=True)
class Call:
    """One value, and the call of a tensor function that made it. Values are numbered; the network's input is -1.

    A call that gives several values, as `chunk` does, stands here once for each of them, with numbers in a row.

    Attributes:
        number: of the value: its position among all values of the pass.
        name: the function's plain name, such as "conv2d" or "add".
        owner: path of the module in whose forward it was called; "" is the network itself.
        inputs: the values that the call was given, in order; weights and constants do not count.
        shape: of the value, for one image.
        grid: what its cells see, None where that could not be followed or is no map.
        dtype: of the value.
        new: whether the call made it, and did not hand on what it was given, as dropout does in evaluation mode.
        affine: whether it is a batch normalisation as its module's settings say: a scale and a shift that are fixed.
        part: which of the call's results it is, from 0.
        weights: names of the network's own weights that it was given.
        hidden: whether something that no call shows, such as a function in TorchScript, lies between its inputs and
            it. Each of the inputs then counts twice, so that nobody takes the call for their only user.

    """

    number: int
    name: str
    owner: str
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    grid: Grid | None
    dtype: torch.dtype
    new: bool
    affine: bool
    part: int = 0
    weights: tuple[str, ...] = ()
    hidden: bool = False

    @property
    def first(self) -> int:
        """Number of the first of the call's results, which is how edits name the call."""
        return self.number - self.part


@dataclass(frozen=True)
class ModuleCall:
    """One call of a module.

    Attributes:
        path: where it stands in the network.
        nth: how often it had been called before in this pass.
        value: the value it returned.
        shape: shape of that value, for one image.
        kind: name of its class.
        parameters: number of its weights and biases, its children's included, a shared one once.

    """

    path: str
    nth: int
    value: int
    shape: tuple[int, ...]
    kind: str
    parameters: int


@dataclass(frozen=True, eq=False)
class Trace:
    """What one forward pass did; holds no tensors.

    Attributes:
        calls: every value in the order in which they were made, each with its call.
        modules: every module call in the order in which they returned.
        output: the value that the network's scores are, None where that could not be followed.
        classes: number of classes, None if the output is no table of class scores.
        kind: whether the scores are logits, probabilities or their logarithms.
        draws: whether the pass drew random numbers.
        mixes: whether a normalisation took mean and variance from the batch, so that images change each other's values.
        consumers: for each value, the calls that were given it, by the numbers of their first results.
        overwritten: the values that a later call wrote over in place, or that share memory with one that was, and the
            first call that did.
        rigid: whether the pass only works with channels before rows in memory, as a `view` of maps does.
        branches: whether the forward pass looked at values that depend on the picture or on chance, so that it may take
            another path for another picture.
        unseen: modules that were called where no call shows what they do, by path, and what hides them.
        told: values that were handed to NumPy or to Python, which takes none that have a gradient.
        draws_in_python: whether the pass drew from NumPy's or Python's common random numbers, or seeded any.
        seeds: whether the pass seeded PyTorch's common random numbers.
        rewinds: whether the pass changed state of the model's, which is put back before each further one.

    """

    calls: tuple[Call, ...]
    modules: tuple[ModuleCall, ...]
    output: int | None
    classes: int | None
    kind: OutputKind
    draws: bool
    mixes: bool
    consumers: dict[int, tuple[int, ...]] = field(repr=False)
    overwritten: dict[int, int] = field(repr=False)
    rigid: bool = False
    branches: bool = False
    unseen: dict[str, str] = field(default_factory=dict, repr=False)
    told: frozenset[int] = field(default=frozenset(), repr=False)
    draws_in_python: bool = False
    seeds: bool = False
    rewinds: bool = False

    @cached_property
    def path(self) -> tuple[Step, ...]:
        """The function and the weights of the calls in order, for every value."""
        return tuple(Step(call.name, call.weights) for call in self.calls)

    @cached_property
    def several(self) -> dict[int, int]:
        """How many values the calls made that made more than one, by the number of the first."""
        return {call.first: call.part + 1 for call in self.calls if call.part}

    @property
    def stands_alone(self) -> bool:
        """Whether an image's values depend neither on the other images of its batch nor on chance.

        Where the path depends on values, that of a batch is no image's own.
        """
        return not (self.draws or self.mixes or self.branches)


class _Recorder(CallMode):
    def __init__(self, module: nn.Module, x: Tensor, follower: Follower) -> None:
        super().__init__()
        self.follower = follower
        self.values: Any = WeakTensorKeyDictionary()
        self.values[x] = INPUT
        follower.values = self.values
        self.modules: list[ModuleCall] = []
        self.unseen: dict[str, str] = {}
        self.told: set[int] = set()
        self._times: dict[str, int] = {}
        self._weights = weight_names(module)
        self._paths = {id(part): path for path, part in module.named_modules()}
        self.calls: list[Call] = []
        self.overwritten: dict[int, int] = {}
        self.within: list[tuple[str, nn.Module]] = [("", module)]
        self.mixes = False

    def called(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        script = func.module if isinstance(func, OpaqueCall) else None
        if script is None:
            return self._numbered(func, args, kwargs)
        path = self._paths.get(id(script), "")
        self.enter(path, script)
        result = self._numbered(func, args, kwargs)
        self.leave(path, script, result)
        return result

    def _numbered(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a call and note the values that it makes."""
        given = list(tensors_in((args, kwargs)))
        inputs, hidden = self._inputs(given)
        versions = [(tensor, tensor._version) for tensor in self._writable(given, kwargs)]  # noqa: SLF001
        result = self._watched(func, args, kwargs)
        if not is_numbered(func, result):
            return result
        written = [tensor for tensor, version in versions if tensor._version != version]  # noqa: SLF001
        for tensor in written:
            self._note_overwritten(tensor)
        name = function_name(func)
        path, module = self.within[-1]
        affine = name == "batch_norm" and is_affine(module, args, kwargs)
        self.mixes |= name.split(".")[0] == "batch_norm" and argument(args, kwargs, 5, "training") is True
        weights = weights_of(args, kwargs, self._weights)
        # x[mask] = 0 gives nothing and makes a new x
        for part, out in enumerate([args[0]] if result is None else tensors_in(result)):
            grid = self.follower.grids.get(out)
            if grid is None and name in _CHANNELS_LAST:
                grid = self._cell_by_cell(given[0], out)
            if grid is None and isinstance(func, OpaqueCall):
                grid = self._measured(func, args, kwargs, out, part)
            new = any(out is one for one in written) or all(out is not one for one in given)
            shape = tuple(out.shape)
            self.calls.append(
                Call(self.count, name, path, inputs, shape, grid, out.dtype, new, affine, part, weights, hidden)
            )
            if new:
                self.values[out] = self.count
            self.count += 1
        return result

    def _watched(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a call and note whether it tells Python values."""
        reads = self.follower.reads
        result = func(*args, **kwargs)
        if isinstance(func, OpaqueCall):
            if self.follower.reads and not reads:  # its path is its own; its values may be those of the whole batch
                self.mixes, self.follower.reads = True, False
        elif function_name(func) in _READING and not is_numbered(func, result):
            told = [tensor for tensor in tensors_in((args, kwargs)) if tensor in self.follower.grids]
            self.follower.reads |= bool(told)
            self.told |= set(self._inputs(told)[0])
        return result

    def _inputs(self, given: list[Tensor]) -> tuple[tuple[int, ...], bool]:
        """Return the values among a call's arguments, or those that they were made of where no call shows how."""
        inputs: list[int] = []
        hidden = False
        for tensor in given:
            if tensor in self.values:
                inputs.append(self.values[tensor])
                continue
            found = sorted(self.follower.made_of(tensor))
            inputs += found * 2
            hidden |= bool(found)
        return tuple(inputs), hidden

    def _measured(
        self, func: OpaqueCall, args: tuple[Any, ...], kwargs: dict[str, Any], out: Tensor, part: int
    ) -> Grid | None:
        """Follow an opaque call of which nothing can be followed, but that works cell by cell, as measured."""
        for source in tensors_in((args, kwargs)):
            grid: Grid | None = self.follower.grids.get(source)
            if grid is not None and source.shape == out.shape and fits(grid, out):
                reads = self.follower.reads
                found = is_cellwise(func, args, kwargs, source, dims=grid.dims, part=part)
                self.follower.reads = reads  # the measurement's own
                if found:
                    self.follower.grids[out] = grid
                return grid if found else None
        return None

    def enter(self, path: str, module: nn.Module) -> None:
        """Note that a module is called."""
        if self.inside is not None and self.inside.module is not module:
            self.unseen[path] = self.inside.__name__
        self.within.append((path, module))

    def leave(self, path: str, module: nn.Module, result: Any) -> None:
        """Note what a module gives."""
        self.within.pop()
        out = first_tensor(result)
        if path and out is not None and out in self.values:
            nth = self._times[path] = self._times.get(path, -1) + 1
            scripted = isinstance(module, torch.jit.ScriptModule)
            kind = str(module.original_name) if scripted else type_before_parametrizations(module).__name__
            weights = sum(parameter.numel() for parameter in module.parameters())
            self.modules.append(ModuleCall(path, nth, self.values[out], tuple(out.shape), kind, weights))

    def _writable(self, given: list[Tensor], kwargs: dict[str, Any]) -> list[Tensor]:
        """Return what a call may write to, as far as that is or becomes a value: what it is given, and `out=`."""
        values = [tensor for tensor in given if tensor in self.values]
        return list({id(tensor): tensor for tensor in (*values, given[0], *tensors_in(kwargs.get("out")))}.values())

    def _note_overwritten(self, written: Tensor) -> None:
        memory = storage_place(written)
        for tensor, number in self.values.items():
            if tensor is written or (memory and storage_place(tensor) == memory):
                self.overwritten.setdefault(number, self.count)

    def _cell_by_cell(self, source: Tensor, out: Tensor) -> Grid | None:
        """Follow a function along the last dimension, which the dispatcher shows as a matrix product."""
        grid: Grid | None = self.follower.grids.get(source)
        if grid is None or out.ndim != source.ndim or max(grid.dims) == source.ndim - 1 or not fits(grid, out):
            return None
        self.follower.grids[out] = grid
        return grid


def _lie_together(one: Tensor, other: Tensor) -> bool:
    return bool(storage_place(one)) and one.data_ptr() == other.data_ptr() and one.numel() == other.numel()


def trace(make: Callable[[], nn.Module], x: Tensor) -> Trace:
    """Run a network once on `x` (1,C,H,W) without gradients and return what it did.

    Args:
        make: makes a twin of the network, which is given hooks for the time of the pass.
        x: the image.

    """
    last = torch.channels_last
    module = make()
    if x.shape[1] == 1:  # in one order as in the other: the weights have to set it, at the price of a copy
        module = module.to(memory_format=last)
    try:
        found = _traced(module, x.clone(memory_format=last))
        if all(call.name != "as_strided" for call in found.calls):
            return found
    except RuntimeError:  # "view size is not compatible with input tensor's size and stride"
        pass
    return replace(_traced(make(), x.clone(memory_format=torch.contiguous_format)), rigid=True)


def _traced(module: nn.Module, x: Tensor) -> Trace:  # noqa: C901
    """Run `module` once on `x` (1,C,H,W) without gradients and return what it did.

    `module` must be a twin: it is given hooks for the time of the pass.
    """
    x = x.detach().clone()
    follower = Follower(x)
    recorder = _Recorder(module, x, follower)
    called: dict[str, list[tuple[int | None, int]]] = {}  # the values that modules were given, and their calls so far

    def enter(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any) -> None:
            recorder.enter(path, module)
            source = first_tensor(args)
            number = None if source is None else recorder.values.get(source)
            called.setdefault(path, []).append((number, len(recorder.modules)))

        return hook

    def leave(path: str) -> Callable[..., None]:
        return lambda module, _args, result: recorder.leave(path, module, result)

    with ExitStack() as stack:
        for path, child in module.named_modules():
            if path and not isinstance(child, torch.jit.ScriptModule):
                for handle in (
                    child.register_forward_pre_hook(enter(path), prepend=True),
                    child.register_forward_hook(leave(path)),
                ):
                    stack.callback(handle.remove)
        stack.enter_context(torch.no_grad())
        stack.enter_context(recorder)
        stack.enter_context(follower)
        result = call_model(module, x)
    try:
        scores: Tensor | None = class_scores(result)
    except ModelError:
        scores = None
    out = first_tensor(result)
    if scores is not None:  # as the network gave them: (N,classes,1,1) is flattened to become `scores`
        same = (t for t in tensors_in(result) if t is scores or _lie_together(t, scores))
        out = next(same, None)
    consumers: dict[int, list[int]] = {}
    for call in recorder.calls:
        for value in () if call.part else call.inputs:
            consumers.setdefault(value, []).append(call.number)
    return Trace(
        tuple(recorder.calls),
        tuple(with_chains(module, recorder.modules, called)),
        None if out is None else recorder.values.get(out),
        None if scores is None else scores.shape[1],
        "logits" if scores is None else output_kind(scores),
        follower.draws,
        recorder.mixes,
        {value: tuple(numbers) for value, numbers in consumers.items()},
        recorder.overwritten,
        branches=follower.reads,
        unseen=recorder.unseen,
        told=frozenset(recorder.told),
    )


def with_chains(
    module: nn.Module, calls: list[ModuleCall], given: dict[str, list[tuple[int | None, int]]]
) -> list[ModuleCall]:
    """Return the calls of modules, and those of each `nn.Sequential` whose parts were called in its place, in order.

    As a loop over its parts does, and checkpointing it part by part. Each part has to be given what the one before
    gave, and must be called once.
    """
    by_path: dict[str, list[ModuleCall]] = {}
    for call in calls:
        by_path.setdefault(call.path, []).append(call)
    first = {path: numbers[0][0] for path, numbers in given.items() if len(numbers) == 1}
    found = list(calls)
    containers = [(path, part) for path, part in module.named_modules() if path and type(part) is nn.Sequential]
    for path, container in sorted(containers, key=lambda pair: -pair[0].count(".")):
        parts = [f"{path}.{name}" for name in container._modules]  # noqa: SLF001
        if path in given or not parts or any(len(by_path.get(one, ())) != 1 or one not in first for one in parts):
            continue
        results = [by_path[one][0] for one in parts]
        if any(first[one] != before.value for one, before in zip(parts[1:], results[:-1], strict=True)):
            continue
        last = results[-1]
        weights = sum(parameter.numel() for parameter in container.parameters())
        whole = ModuleCall(path, 0, last.value, last.shape, type(container).__name__, weights)
        found.insert(found.index(last) + 1, whole)
        by_path[path], first[path] = [whole], first[parts[0]]
    return found


_TRACES: weakref.WeakKeyDictionary[nn.Module, dict[Any, Trace]] = weakref.WeakKeyDictionary()


def signature(module: nn.Module) -> tuple[Any, ...]:
    """Return what a trace depends on besides the input's shape: the modules, their hooks and every plain setting.

    Weights are not part of it: a trace holds none and stays true while a network is trained.
    """
    plain = (int, float, str, bool, type(None), FunctionType, BuiltinFunctionType)
    return tuple(
        (
            path,
            type(part),
            id(part.__dict__.get("forward")),
            tuple(
                (key, value)
                for key, value in part.__dict__.items()
                if key not in STANDARD
                and (
                    isinstance(value, plain)
                    or (isinstance(value, tuple) and all(isinstance(item, plain) for item in value))
                )
            ),
            tuple(part._forward_hooks),  # noqa: SLF001
            tuple(part._forward_pre_hooks),  # noqa: SLF001
        )
        for path, part in module.named_modules(remove_duplicate=False)
    )


def remembered(model: nn.Module, key: Any, make: Callable[[], Trace]) -> Trace:
    """Return the trace kept for `model` under `key`, or make and keep it. Keeps the latest few per model."""
    traces = _TRACES.setdefault(model, {})
    found = traces.get(key)
    if found is None:
        found = make()
        while len(traces) >= 8:
            traces.pop(next(iter(traces)), None)
        traces[key] = found
    return found
