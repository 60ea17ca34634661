"""Numbering and editing the tensor functions that a forward pass calls.

Modules are only part of a network: a DenseNet's last ReLU, a ResNet's addition and a ShuffleNet's global average are
plain function calls. Counting their results gives every value in a network a number that holds from pass to pass and in
every thread, without a hook on any module. A call that gives several values, as `chunk` does, has as many numbers in a
row, and is itself named by the first of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from itertools import islice
from typing import Any

from torch import Tensor, nn

from cnnwidgets.errors import ModelError
from cnnwidgets.explain.interception import Interception, OpaqueCall
from cnnwidgets.explain.thread_state import FunctionMode

Edit = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


def function_name(function: Any) -> str:
    """Return the plain name of a torch function: relu, add, conv2d, mean."""
    name = str(getattr(function, "__name__", "call")).strip("_")
    return {"iadd": "add", "imul": "mul", "radd": "add", "rmul": "mul", "getitem": "index"}.get(name, name)


def tensors_in(values: Any) -> Iterator[Tensor]:
    """Yield the tensors among arguments or results, also inside lists, tuples, dicts and dataclasses."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from tensors_in(value)
    elif isinstance(values, Mapping):
        yield from tensors_in(list(values.values()))
    elif is_dataclass(values) and not isinstance(values, type):
        yield from tensors_in([getattr(values, one.name) for one in fields(values)])


def first_tensor(values: Any) -> Tensor | None:
    """Return the first tensor of a result, or None."""
    return next(tensors_in(values), None)


def value_made(result: Any, args: tuple[Any, ...], part: int = 0) -> Tensor | None:
    """Return one of the values that a numbered call makes, None if it makes fewer.

    `x[mask] = 0` gives nothing and makes a new x.
    """
    if result is None:
        made: Tensor = args[0]
        return made
    return next(islice(tensors_in(result), part, None), None)


def argument(args: tuple[Any, ...], kwargs: Mapping[str, Any], position: int, name: str) -> Any:
    """Return a call's argument, given by position or by name, or None."""
    return args[position] if len(args) > position else kwargs.get(name)


@dataclass(frozen=True, slots=True)
class Step:
    """Signature of one call of a forward pass: its function and the weights among its arguments.

    Attributes:
        name: the function's plain name.
        weights: names of the network's own weights among its arguments.

    """

    name: str
    weights: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Description of the call in words, for error messages."""
        return f"{self.name!r}" + (f" with {', '.join(map(repr, self.weights))}" if self.weights else "")


def weights_of(args: tuple[Any, ...], kwargs: Mapping[str, Any], names: Mapping[int, str]) -> tuple[str, ...]:
    """Return the names of the weights among a call's arguments; `names` has them by the ids of the tensors."""
    found = [names[id(one)] for one in args if id(one) in names]  # whatever has the id of a living weight is it
    if kwargs:
        found += [names[id(one)] for one in kwargs.values() if id(one) in names]
    return tuple(found)


def weight_names(module: nn.Module) -> dict[int, str]:
    """Return the names of a module's weights by the ids of the tensors."""
    return {id(parameter): name for name, parameter in module.named_parameters()}


class PathError(ModelError):
    """A pass that did not make the calls that the trace saw."""


def is_numbered(func: Any, result: Any) -> bool:
    """Whether a call has a number: it gives tensors or, as `x[mask] = 0` does, writes to one.

    Questions such as `x.size()` do neither.
    """
    return isinstance(result, Tensor) or func is Tensor.__setitem__ or first_tensor(result) is not None


class CallMode(FunctionMode):
    """Counts the values that this thread's calls give or write; subclasses see each call with its number.

    Custom autograd functions and TorchScript modules count as one call each, whatever they call inside.

    Attributes:
        count: the number of the next value.
        inside: the opaque call that is running, None outside of one.

    """

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.inside: OpaqueCall | None = None
        self._afterwards: list[Callable[[], Any]] = []
        self._interception = Interception()

    def __enter__(self) -> Any:
        """Begin to count."""
        self._interception.__enter__()
        return super().__enter__()  # type: ignore[no-untyped-call]

    def __exit__(self, *error: object) -> None:
        """Remove the mode, then the functions of PyTorch that were replaced for it."""
        try:
            super().__exit__(*error)
            self._finish()
        finally:
            self._interception.__exit__(*error)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Number the call."""
        del types
        kwargs = kwargs or {}
        if self.inside is None and self._afterwards:
            self._finish()
        if self.inside is not None or (
            not (args and isinstance(args[0], Tensor)) and first_tensor((args, kwargs)) is None
        ):
            return func(*args, **kwargs)
        return self.called(func, args, kwargs)

    def opaque(self, call: OpaqueCall, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Number a call that no torch function shows."""
        if self.inside is not None or first_tensor((args, kwargs)) is None:
            return call(*args, **kwargs)
        self._finish()
        self.inside = call
        try:
            return self.called(call, args, kwargs)
        finally:
            self.inside = None
            self._afterwards = call.afterwards

    def _finish(self) -> None:
        """Do what the last call wanted done with its results, which by now are part of the graph of gradients."""
        while self._afterwards:
            self._afterwards.pop()()

    def called(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the call."""
        raise NotImplementedError


class Editing(CallMode):
    """Replaces numbered calls by edits; every other call runs as it is.

    An edit is called with the function, its arguments and keywords, and returns the result.

    Args:
        edits: the edits, by the number of the call.
        several: how many numbers the calls have that have more than one, as in the trace: the pass itself may give
            another number of values where the results are the images of a batch.
        path: the function and the weights of every numbered call, as traced; empty leaves the edited calls' names as
            the only check.
        weights: the names of the network's weights, by their ids.
        check: called with each call before it is made, to refuse it.

    """

    def __init__(
        self,
        edits: Mapping[int, tuple[str, Edit]],
        several: Mapping[int, int],
        path: Sequence[Step] = (),
        weights: Mapping[int, str] | None = None,
        *,
        check: Callable[[Any, tuple[Any, ...], dict[str, Any]], None] | None = None,
    ) -> None:
        super().__init__()
        self.edits, self.several, self.check = edits, several, check
        self.last = max(edits, default=-1)
        self.path, self.weights = path, weights or {}

    def called(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the call or its edit, once its name agrees with the one that the trace saw."""
        if self.check is not None:
            self.check(func, args, kwargs)
        if self.count > self.last:
            return func(*args, **kwargs)
        name, edit = self.edits.get(self.count, ("", None))
        now = function_name(func)
        found: tuple[str, ...] = ()
        traced = self.path[self.count] if self.count < len(self.path) else None
        if traced is not None:
            found = weights_of(args, kwargs, self.weights)
            wrong = now != traced.name or found != traced.weights
        else:
            wrong = edit is not None and now != name
        if edit is not None and not wrong:
            result = edit(func, args, kwargs)
        else:
            result = func(*args, **kwargs)
            if wrong and is_numbered(func, result):
                was = traced or Step(name)
                raise PathError(
                    f"The model took another path than when it was traced: call {self.count} was {was.words} and is "
                    f"now {Step(now, found).words}. Models whose forward pass depends on chance or on the input's "
                    "values cannot be explained layer by layer; those that depend on the number of images can, with "
                    "chunk=1. "
                    "explain.saliency needs no layers."
                )
        if is_numbered(func, result):
            self.count += self.several.get(self.count, 1)
        return result


def not_reached(number: int, name: str) -> PathError:
    """Return the error to raise where a pass ended without a call that the trace has."""
    return PathError(
        f"The model did not come to call {number}, {name!r}, which it made when it was traced. Does its forward pass "
        "depend on chance or on the input's values? explain.saliency needs no layers."
    )


class Enough(Exception):  # noqa: N818 - it ends a pass, nothing is wrong
    """Raised by an edit to end a pass: what lies behind it is not wanted."""


def value_of_call(
    number: int,
    name: str,
    edits: Mapping[int, tuple[str, Edit]],
    run: Callable[[Mapping[int, tuple[str, Edit]]], Any],
    *,
    part: int = 0,
) -> Tensor:
    """Run a pass up to one call and return one of its results; what lies behind is not computed.

    Args:
        number: the call.
        name: its name.
        edits: edits that are in force besides.
        run: runs the pass under the edits that it is given.
        part: which of the call's results.

    """
    inner = edits.get(number)
    taken: list[Tensor | None] = []

    def stop(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        taken.append(value_made(inner[1](func, args, kwargs) if inner else func(*args, **kwargs), args, part))
        raise Enough

    with suppress(Enough):
        run({**edits, number: (name, stop)})
    if not taken or taken[0] is None:
        raise not_reached(number, name)
    return taken[0]
