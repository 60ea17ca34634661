"""Check that torch and torchvision fit together, and say in words what is wrong where they do not.

python -m tools.torch_pair
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

REMEDY = """\
The two must come as a pair from one place. Start again with one of

    make lab                                                                  PyPI (on Linux CUDA, 5 GB)
    make lab TORCH_ARGS="--index-url https://download.pytorch.org/whl/cpu"    CPU only, 200 MB

and look at `pip config list`: an index or find-links of your machine may offer a torch of its own."""


def installed(package: str) -> str:
    """Return the installed version of a package, or words that say it is missing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def main() -> int:
    """Import torchvision, which fails where its operators do not fit torch; return the exit status."""
    try:
        import torch
        import torchvision
    except (ImportError, OSError, RuntimeError) as error:  # such as: operator torchvision::nms does not exist
        pair = f"torch {installed('torch')} and torchvision {installed('torchvision')}"
        print(f"{pair} do not fit together: {error}.\n\n{REMEDY}")
        return 1
    device = "GPU" if torch.cuda.is_available() else "CPU"
    print(f"torch {torch.__version__} and torchvision {torchvision.__version__} fit together, on the {device}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
