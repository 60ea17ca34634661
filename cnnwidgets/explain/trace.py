"""One watched forward pass: which calls a network makes, in which module, on which values, seeing which pixels."""

from __future__ import annotations

import weakref
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations
from torch.utils.weak import WeakTensorKeyDictionary

from cnnwidgets.errors import ModelError
from cnnwidgets.explain.calls import CallMode, argument, first_tensor, function_name, is_numbered, tensors_in
from cnnwidgets.explain.folding import is_affine
from cnnwidgets.explain.follow import Follower, fits
from cnnwidgets.explain.outputs import OutputKind, class_scores, output_kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from cnnwidgets.explain.geometry import Grid

INPUT = -1  # the number of the value that the network is given
_CHANNELS_LAST = {"linear"}


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
    draws_in_python: bool = False
    seeds: bool = False
    rewinds: bool = False

    @cached_property
    def several(self) -> dict[int, int]:
        """How many values the calls made that made more than one, by the number of the first."""
        return {call.first: call.part + 1 for call in self.calls if call.part}

    @property
    def stands_alone(self) -> bool:
        """Whether an image's values depend neither on the other images of its batch nor on chance."""
        return not (self.draws or self.mixes)


class _Recorder(CallMode):
    def __init__(self, module: nn.Module, x: Tensor, follower: Follower) -> None:
        super().__init__()
        self.follower = follower
        self.values: Any = WeakTensorKeyDictionary()
        self.values[x] = INPUT
        self.calls: list[Call] = []
        self.overwritten: dict[int, int] = {}
        self.within: list[tuple[str, nn.Module]] = [("", module)]
        self.mixes = False

    def called(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = list(tensors_in((args, kwargs)))
        inputs = tuple(self.values[t] for t in given if t in self.values)
        versions = [(tensor, tensor._version) for tensor in self._writable(given, kwargs)]  # noqa: SLF001
        result = func(*args, **kwargs)
        if not is_numbered(func, result):
            return result
        written = [tensor for tensor, version in versions if tensor._version != version]  # noqa: SLF001
        for tensor in written:
            self._note_overwritten(tensor)
        name = function_name(func)
        path, module = self.within[-1]
        affine = name == "batch_norm" and is_affine(module, args, kwargs)
        self.mixes |= name == "batch_norm" and bool(argument(args, kwargs, 5, "training"))
        # x[mask] = 0 gives nothing and makes a new x
        for part, out in enumerate([args[0]] if result is None else tensors_in(result)):
            grid = self.follower.grids.get(out)
            if grid is None and name in _CHANNELS_LAST:
                grid = self._cell_by_cell(given[0], out)
            new = any(out is one for one in written) or all(out is not one for one in given)
            shape = tuple(out.shape)
            self.calls.append(Call(self.count, name, path, inputs, shape, grid, out.dtype, new, affine, part))
            if new:
                self.values[out] = self.count
            self.count += 1
        return result

    def _writable(self, given: list[Tensor], kwargs: dict[str, Any]) -> list[Tensor]:
        """Return what a call may write to, as far as that is or becomes a value: what it is given, and `out=`."""
        values = [tensor for tensor in given if tensor in self.values]
        return list({id(tensor): tensor for tensor in (*values, given[0], *tensors_in(kwargs.get("out")))}.values())

    def _note_overwritten(self, written: Tensor) -> None:
        memory = written.untyped_storage().data_ptr()
        for tensor, number in self.values.items():
            if tensor.untyped_storage().data_ptr() == memory:
                self.overwritten.setdefault(number, self.count)

    def _cell_by_cell(self, source: Tensor, out: Tensor) -> Grid | None:
        """Follow a function along the last dimension, which the dispatcher shows as a matrix product."""
        grid: Grid | None = self.follower.grids.get(source)
        if grid is None or out.ndim != source.ndim or max(grid.dims) == source.ndim - 1 or not fits(grid, out):
            return None
        self.follower.grids[out] = grid
        return grid


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
    modules: list[ModuleCall] = []
    times: dict[str, int] = {}

    def enter(path: str) -> Callable[..., None]:
        return lambda module, _args: recorder.within.append((path, module))

    def leave(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, _args: Any, result: Any) -> None:
            recorder.within.pop()
            out = first_tensor(result)
            if out is not None and out in recorder.values:
                nth = times[path] = times.get(path, -1) + 1
                kind = type_before_parametrizations(module).__name__
                weights = sum(parameter.numel() for parameter in module.parameters())
                modules.append(ModuleCall(path, nth, recorder.values[out], tuple(out.shape), kind, weights))

        return hook

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
        result = module(x)
    try:
        scores: Tensor | None = class_scores(result)
    except ModelError:
        scores = None
    out = first_tensor(result)
    if scores is not None:  # as the network gave them: (N,classes,1,1) is flattened to become `scores`
        out = next(t for t in tensors_in(result) if t.data_ptr() == scores.data_ptr() and t.numel() == scores.numel())
    consumers: dict[int, list[int]] = {}
    for call in recorder.calls:
        for value in () if call.part else call.inputs:
            consumers.setdefault(value, []).append(call.number)
    return Trace(
        tuple(recorder.calls),
        tuple(modules),
        None if out is None else recorder.values.get(out),
        None if scores is None else scores.shape[1],
        "logits" if scores is None else output_kind(scores),
        follower.draws,
        recorder.mixes,
        {value: tuple(numbers) for value, numbers in consumers.items()},
        recorder.overwritten,
    )


_STANDARD = frozenset(nn.Module().__dict__)
_TRACES: weakref.WeakKeyDictionary[nn.Module, dict[Any, Trace]] = weakref.WeakKeyDictionary()


def signature(module: nn.Module) -> tuple[Any, ...]:
    """Return what a trace depends on besides the input's shape: the modules, and every plain setting on them.

    Weights are not part of it: a trace holds none and stays true while a network is trained.
    """
    plain = (int, float, str, bool, type(None))
    return tuple(
        (
            path,
            type(part),
            id(part.__dict__.get("forward")),
            tuple(
                (key, value)
                for key, value in part.__dict__.items()
                if key not in _STANDARD
                and (
                    isinstance(value, plain)
                    or (isinstance(value, tuple) and all(isinstance(item, plain) for item in value))
                )
            ),
            len(part._forward_hooks),  # noqa: SLF001
            len(part._forward_pre_hooks),  # noqa: SLF001
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
