"""Explaining needs PyTorch and no more: no Jupyter, no torchvision, no timm."""

from __future__ import annotations

import subprocess
import sys

import pytest

NOT_NEEDED = {
    "IPython", "anywidget", "comm", "ipycanvas", "ipykernel", "ipywidgets", "matplotlib", "sklearn", "skimage", "timm",
    "torchvision", "traitlets",
}  # fmt: skip
EXPLAINED = """
import torch
net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
                          torch.nn.Flatten(), torch.nn.Linear(4, 2))
x = torch.randn(1, 3, 8, 8)
for method in (explain.saliency, explain.smoothgrad, explain.cam, explain.grad_cam, explain.occlusion):
    heatmap = method(net, x, 1)
    heatmap.upsampled()
"""


def imported_by(code):
    """Names of the packages that are in after a fresh interpreter ran the code."""
    listing = f"{code}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", listing], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import cnnwidgets.explain",
        "import cnnwidgets; cnnwidgets.explain",
        "from cnnwidgets import explain" + EXPLAINED,
        "import cnnwidgets; cnnwidgets.Heatmap; cnnwidgets.Classifier",
    ],
    ids=["imported", "lazily", "used", "classifier"],
)
def test_explaining_imports_neither_jupyter_nor_torchvision(code):
    found = imported_by(code)
    assert "torch" in found
    assert not found & NOT_NEEDED


def test_the_package_alone_does_not_even_import_torch():
    assert "torch" not in imported_by("import cnnwidgets")
