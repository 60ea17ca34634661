"""The call of a private copy: errors of the model's that say nothing by themselves are told in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

import cnnwidgets
from cnnwidgets.errors import ModelError

Result = TypeVar("Result")
#: Errors whose text is a key or nothing at all, or that mean something else to the generators that they pass.
_BARE = (StopIteration, StopAsyncIteration, LookupError)
_NOT_THE_MODEL = tuple(f"{Path(str(package.__file__)).parent}/" for package in (torch, cnnwidgets))


def call_model(module: nn.Module, x: Any) -> Any:
    """Return what a private copy makes of an input.

    Raises:
        ModelError: its forward pass raised an error that says nothing by itself, or its parts lie too deep.

    """
    try:
        return bounded(module, module, x)
    except _BARE as error:
        kind, text = type(error).__name__, str(error)
        words = f"{kind}: {text}" if text else kind
        raise ModelError(
            f"The model's forward pass raised {words}{_place(module, error)}. The same should happen with "
            "model.eval()(x); mend it there, or give an input that the model takes."
        ) from error


def bounded(function: Any, model: nn.Module, *args: Any) -> Any:
    """Call a function that goes down into a model, and tell in words that Python's stack was too small for it.

    Raises:
        ModelError: there were too many calls inside one another.

    """
    try:
        return function(*args)
    except RecursionError as error:
        depth = _depth(model)
        raise ModelError(
            f"The model's modules lie {depth} deep inside one another, or its forward pass calls itself without an "
            f"end: Python's limit of calls inside one another was reached. If the model itself runs, "
            f"sys.setrecursionlimit({max(10_000, 50 * depth)}) lets it be explained."
        ) from error


def _depth(model: nn.Module) -> int:
    depth, row, met = 0, [model], {id(model)}
    while row:
        depth += 1
        inside = [part for module in row for part in module.__dict__.get("_modules", {}).values() if part is not None]
        row = [part for part in {id(part): part for part in inside}.values() if id(part) not in met]
        met |= {id(part) for part in row}
    return depth


def _place(module: nn.Module, error: BaseException) -> str:
    """Return the module and the line of the model's code in which an error was raised, "" if there is none."""
    paths = {id(part): path for path, part in module.named_modules()}
    owner, line, trace = "", "", error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if not frame.f_code.co_filename.startswith(_NOT_THE_MODEL):
            line = f", in {frame.f_code.co_name!r}, line {trace.tb_lineno} of {frame.f_code.co_filename}"
        one = frame.f_locals.get("self")
        if isinstance(one, nn.Module) and id(one) in paths:
            where = f"module {paths[id(one)]!r}, " if paths[id(one)] else ""
            owner = f" in its {where}a {type(one).__name__}" if where else f" in its {type(one).__name__}"
        trace = trace.tb_next
    return owner + line
