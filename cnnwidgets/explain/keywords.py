"""Decorator for public functions: an unknown keyword is refused with the nearest spelling."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

from cnnwidgets.errors import refuse_unknown
from cnnwidgets.explain.thread_state import restoring

Function = TypeVar("Function", bound=Callable[..., Any])


def spelled(function: Function) -> Function:
    """Let a function refuse unknown keywords with the nearest spelling."""
    parameters = inspect.signature(function).parameters
    known = [item.name for item in parameters.values() if item.kind is not item.VAR_KEYWORD]

    @functools.wraps(function)
    @restoring
    def checked(*args: Any, **options: Any) -> Any:
        passed_on: list[str] = []
        if len(known) < len(parameters):  # smoothgrad(..., of=method, **options of that method)
            inner = getattr(options.get("of", parameters["of"].default), "method", None)
            passed_on = list(options) if inner is None else [item.name for item in fields(inner)]
        refuse_unknown(f"explain.{function.__name__}", options, [*known, *passed_on])
        return function(*args, **options)

    return checked  # type: ignore[return-value]
