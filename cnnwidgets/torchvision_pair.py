"""Importing torchvision, and saying plainly when it does not match its torch."""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from cnnwidgets.errors import MissingDataError


def torchvision_module(name: str = "torchvision") -> Any:
    """Return torchvision or one of its modules.

    torch and torchvision are compiled for each other: a torchvision from PyPI does not work with a CPU-only torch,
    and fails on import with a message about an operator.

    Raises:
        MissingDataError: not installed, or not the one that belongs to this torch; with the remedy.

    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("torchvision"):
            raise
        raise MissingDataError("torchvision is not installed. Install it: pip install torchvision") from error
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        raise MissingDataError(
            f"torch {_version('torch')} and torchvision {_version('torchvision')} do not belong together: they are "
            "compiled for each other and must come from the same place, both for CUDA or both for the CPU. Remedy, in "
            "one command so that a matching pair is chosen: pip install --force-reinstall torch torchvision (CUDA, "
            "5.4 GB on Linux), or the same with --index-url https://download.pytorch.org/whl/cpu (CPU only). "
            f"torchvision's own words: {error}"
        ) from error


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"
