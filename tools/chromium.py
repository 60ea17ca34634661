"""Find a Chromium for the browser tests.

python -m tools.chromium              print its path, or say that there is none and exit with 1
python -m tools.chromium --install    the same, after an attempt to install Debian's where there is none

In this order: the environment variable CHROMIUM, the PATH, macOS's applications, Playwright's own
(`playwright install chromium`), and with --install, as root on Debian or Ubuntu, `apt-get install chromium`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
APPLICATIONS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
FLAGS = (
    "--no-sandbox",  # root in a container has no sandbox to offer
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NONE_FOUND = (
    "No Chromium was found, so NO BROWSER TEST RUNS: nothing here shows that the widgets work in a page. "
    "Install one (`apt-get install chromium`, `brew install --cask chromium`, `playwright install chromium`) "
    "or set CHROMIUM to the path of one."
)


def _answers(path: str) -> bool:
    """Return whether the program runs at all: Ubuntu's chromium-browser without its snap does not."""
    try:
        subprocess.run([path, "--version"], capture_output=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _playwrights_own() -> str | None:
    """Return where Playwright keeps its own Chromium, whether or not it is there."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def find() -> str | None:
    """Return the path of a Chromium that runs, or None."""
    if named := os.environ.get("CHROMIUM"):
        return named if _answers(named) else None
    for path in filter(None, (*map(shutil.which, NAMES), *APPLICATIONS)):
        if _answers(path):
            return path
    own = _playwrights_own()
    return own if own and _answers(own) else None


def install() -> None:
    """Install Debian's package where that is possible: as root, with apt-get."""
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        return
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for step in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        # Standard output is for the path alone.
        subprocess.run([apt, "-qq", *step], env=env, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)


def main(args: list[str]) -> int:
    """Print the path of a Chromium; return the exit status."""
    found = find()
    if found is None and "--install" in args:
        install()
        found = find()
    print(found or NONE_FOUND, file=sys.stdout if found else sys.stderr)
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
