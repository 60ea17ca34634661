"""Going through the steps of a build, and telling how far it has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from cnnwidgets.patches.index import PatchIndex
    from cnnwidgets.patches.progress import BuildProgress


def reported(
    steps: Generator[BuildProgress, None, PatchIndex], *, progress: bool | Callable[[BuildProgress], object]
) -> PatchIndex:
    """Return the index at the end of a build.

    Args:
        steps: the build.
        progress: False for silence, True for a line with a bar, or a function to call at every step.

    """
    show = progress if callable(progress) else _line() if progress else _silence
    try:
        while True:
            show(next(steps))
    except StopIteration as end:
        index: PatchIndex = end.value
        return index
    finally:
        steps.close()
        close = getattr(show, "close", None)
        if close is not None:
            close()


def _silence(_step: BuildProgress) -> None:
    """Say nothing."""


class _line:  # noqa: N801 - used as a function
    """Shows the steps as a bar."""

    def __init__(self) -> None:
        from tqdm import tqdm

        self._bar = tqdm(unit=" images", dynamic_ncols=True)

    def __call__(self, step: BuildProgress) -> None:
        """Show a step."""
        bar = self._bar
        if bar.total is None and step.total is not None:
            bar.reset(total=step.total)
            bar.initial = bar.n = bar.last_print_n = step.done
        if step.skipped:
            bar.set_postfix_str(f"{len(step.skipped):,} skipped", refresh=False)
        bar.update(step.done - bar.n)

    def close(self) -> None:
        """End the line."""
        self._bar.close()
