"""The wheel and the sdist hold what they must, and a widget renders from them where there is no Node."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from tools import frontend

ROOT = frontend.ROOT
WEIGHTS = {".npz", ".pt", ".safetensors"}

RENDER = """
import json, os, shutil
import torch
import cnnwidgets

model = torch.nn.Sequential(
    torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
    torch.nn.Linear(4, 3),
).eval()
clf = cnnwidgets.Classifier(model, classes=["circle", "square", "star"])
view = cnnwidgets.HeatmapView(clf, torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0)))
bundle = view._repr_mimebundle_()
data = bundle[0] if isinstance(bundle, tuple) else bundle
print(json.dumps({
    "package": os.path.dirname(cnnwidgets.__file__),
    "node": shutil.which("node"),
    "esm": str(view._esm),
    "css": str(view._css),
    "types": sorted(data),
    "image": data["image/png"] if isinstance(data["image/png"], str) else data["image/png"].hex(),
}))
"""


def build(kind: str, source: Path, out: Path) -> Path:
    """Build a "wheel" or "sdist" with the build packages of the running environment."""
    command = [
        sys.executable,
        "-m",
        "build",
        f"--{kind}",
        "--no-isolation",
        "--outdir",
        str(out),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (path,) = out.iterdir()
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_wheel_holds_the_front_end_and_types(names):
    static = {name for name in names if name.startswith("cnnwidgets/static/")}
    assert static == {f"cnnwidgets/static/{name}" for name in frontend.built_names()}
    assert "cnnwidgets/static/heatmap_view.js" in static
    assert "cnnwidgets/py.typed" in names


def test_wheel_holds_every_file_of_the_package_that_git_knows(names):
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "cnnwidgets"]
    known = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert set(known) <= set(names)
    assert any(Path(name).suffix in WEIGHTS for name in names if name.startswith("cnnwidgets/demo/"))


def test_the_server_extension_is_known_but_off(wheel, names):
    (listed,) = [name for name in names if name.endswith("etc/jupyter/jupyter_server_config.d/cnnwidgets.server.json")]
    with zipfile.ZipFile(wheel) as archive:
        settings = json.loads(archive.read(listed))
    assert settings == {"ServerApp": {"jpserver_extensions": {"cnnwidgets.server": False}}}


def test_wheel_holds_nothing_else(names):
    assert {name.split("/")[0].split("-")[0] for name in names} == {"cnnwidgets"}
    assert not [name for name in names if "node_modules" in name or "__pycache__" in name or "/test" in name]
    assert not [name for name in names if name.endswith((".ts", ".map", ".ipynb"))]


def test_wheel_is_small(wheel):
    assert wheel.stat().st_size < 5_000_000


def test_sdist_makes_the_same_wheel_without_node(wheel, tmp_path):
    sdist = build("sdist", ROOT, tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    unpacked = tmp_path / sdist.name.removesuffix(".tar.gz")
    second = build("wheel", unpacked, tmp_path / "wheel")
    assert not (unpacked / "js" / "node_modules").exists()
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(second) as two:
        assert {item.filename: item.CRC for item in one.infolist()} == {
            item.filename: item.CRC for item in two.infolist()
        }


def test_widget_renders_from_the_wheel_without_node(wheel, tmp_path):
    # The environment is empty but for the wheel. The running environment lends the dependencies through a
    # .pth file: installing torch once more would cost gigabytes, and that pip finds it is not in doubt.
    # Python reads no .pth files in a lent folder, so the editable install of the checkout stays invisible.
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = venv / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", vars={"base": str(venv), "platbase": str(venv)}))
    install = ["install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *install], check=True)
    (site / "lent.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")

    env = {"PATH": str(python.parent), "HOME": str(tmp_path), "MPLBACKEND": "Agg"}
    env |= {key: value for key, value in os.environ.items() if key in ("LD_LIBRARY_PATH", "SYSTEMROOT")}
    done = subprocess.run(
        [python, "-I", "-c", RENDER], env=env, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    shown = json.loads(done.stdout.splitlines()[-1])
    assert Path(shown["package"]) == site / "cnnwidgets"
    assert shown["node"] is None
    assert shown["esm"] == (ROOT / "cnnwidgets" / "static" / "heatmap_view.js").read_text()
    assert shown["css"] == (ROOT / "cnnwidgets" / "static" / "heatmap_view.css").read_text()
    assert {"image/png", "text/html", "text/plain", "application/vnd.jupyter.widget-view+json"} <= set(shown["types"])
    assert shown["image"].startswith(("iVBORw0KGgo", "89504e470d0a1a0a"))  # a PNG, as base64 or as bytes
