"""The bond between a public function and the method that it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnwidgets.errors import OptionError
from cnnwidgets.explain.keywords import Function, spelled
from cnnwidgets.explain.method import RUN_OPTIONS, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cnnwidgets.explain.method import Method, Snapshot


def public(method: type[Method]) -> Callable[[Function], Function]:
    """Give a public function the attribute `method`, and refuse unknown keywords with the nearest spelling."""

    def bind(function: Function) -> Function:
        checked = spelled(function)
        checked.method = method  # type: ignore[attr-defined]
        return checked

    return bind


def method_of(function: Any, options: dict[str, Any]) -> Method:
    """Return the method that a public function of `explain` runs, with the given parameters.

    Raises:
        OptionError: `function` is none of them, or does not take one of the options.

    """
    kind: type[Method] | None = getattr(function, "method", None)
    if kind is None:
        raise OptionError(f"{function!r} is not a method of explain; give explain.saliency, explain.grad_cam, ...")
    return kind.made(f"explain.{function.__name__}", options)


def snapshots(method: Any, /, model: Any, x: Any, target: Any = None, **options: Any) -> Iterator[Snapshot]:
    """Run a method as a generator of snapshots: show, stop or skip as you like.

    ```python
    for snapshot in explain.snapshots(explain.smoothgrad, clf, img, "tabby", samples=50):
        print(snapshot.done, "of", snapshot.total)
    heatmap = snapshot.heatmap
    ```

    Args:
        method: a public method of `explain`.
        model: as for the method.
        x: as for the method.
        target: as for the method.
        options: the method's own parameters, and `why`, `instead_of`, `chunk`, `progress`, `cancel`.

    """
    how = {name: options.pop(name) for name in RUN_OPTIONS if name in options}
    return stream(method_of(method, options), model, x, target, **how)
