"""Numbering and editing the tensor functions that a forward pass calls.

Modules are only part of a network: a DenseNet's last ReLU, a ResNet's addition and a ShuffleNet's global average are
plain function calls. Counting their results gives every value in a network a number that holds from pass to pass and in
every thread, without a hook on any module. A call that gives several values, as `chunk` does, has as many numbers in a
row, and is itself named by the first of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from torch import Tensor

from cnnwidgets.errors import ModelError
from cnnwidgets.explain.thread_state import FunctionMode

Edit = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


def function_name(function: Any) -> str:
    """Return the plain name of a torch function: relu, add, conv2d, mean."""
    name = str(getattr(function, "__name__", "call")).strip("_")
    return {"iadd": "add", "imul": "mul", "radd": "add", "rmul": "mul", "getitem": "index"}.get(name, name)


def tensors_in(values: Any) -> Iterator[Tensor]:
    """Yield the tensors among arguments or results, also inside lists, tuples and dicts."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from tensors_in(value)
    elif isinstance(values, dict):
        yield from tensors_in(list(values.values()))


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


class PathError(ModelError):
    """A pass that did not make the calls that the trace saw."""


def is_numbered(func: Any, result: Any) -> bool:
    """Whether a call has a number: it gives tensors or, as `x[mask] = 0` does, writes to one.

    Questions such as `x.size()` do neither.
    """
    return isinstance(result, Tensor) or func is Tensor.__setitem__ or first_tensor(result) is not None


class CallMode(FunctionMode):
    """Counts the values that this thread's calls give or write; subclasses see each call with its number."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Number the call."""
        del types
        kwargs = kwargs or {}
        if not (args and isinstance(args[0], Tensor)) and first_tensor((args, kwargs)) is None:
            return func(*args, **kwargs)
        return self.called(func, args, kwargs)

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
        check: called with each call before it is made, to refuse it.

    """

    def __init__(
        self,
        edits: Mapping[int, tuple[str, Edit]],
        several: Mapping[int, int],
        check: Callable[[Any, tuple[Any, ...], dict[str, Any]], None] | None = None,
    ) -> None:
        super().__init__()
        self.edits, self.several, self.check = edits, several, check
        self.last = max(edits, default=-1)

    def called(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the call or its edit, once its name agrees with the one that the trace saw."""
        if self.check is not None:
            self.check(func, args, kwargs)
        if self.count > self.last:
            return func(*args, **kwargs)
        name, edit = self.edits.get(self.count, ("", None))
        if edit is not None and function_name(func) == name:
            result = edit(func, args, kwargs)
        else:
            result = func(*args, **kwargs)
            if edit is not None and is_numbered(func, result):
                raise PathError(
                    f"The model took another path than when it was traced: call {self.count} was {name!r} and is now "
                    f"{function_name(func)!r}. Models whose forward pass depends on chance or on the input's values "
                    "cannot be explained layer by layer; explain.saliency needs no layers."
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
