"""A real Jupyter server on a free port of this machine, with nothing of the person's own settings."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

App = Literal["lab", "notebook", "server"]
MODULES = {"lab": "jupyterlab", "notebook": "notebook", "server": "jupyter_server"}
EXPOSED = {
    "lab": ["--LabApp.expose_app_in_browser=True"],
    "notebook": ["--JupyterNotebookApp.expose_app_in_browser=True"],
}
USER_SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},  # every cell in the page, seen or not
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}
NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


@dataclass
class JupyterServer:
    """A running JupyterLab, Notebook 7 or bare server; `folder` is what it shows."""

    app: App
    folder: Path
    settings: Path
    url: str
    log: Path
    process: subprocess.Popen

    @classmethod
    def start(cls, app: App, home: Path, *options: str, timeout: float = 90) -> JupyterServer:
        """Start the server with `home` as its home and wait until it answers; `options` as on its command line."""
        folder, settings = home / "files", home / "settings"
        folder.mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        own = ("JUPYTER", "IPYTHON", "ANYWIDGET", "MPLBACKEND")  # a person's shell sets none of these
        env = {key: value for key, value in os.environ.items() if not key.startswith(own)} | {
            "HOME": str(home),
            "IPYTHONDIR": str(home / "ipython"),
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(settings),
            "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
            "OMP_WAIT_POLICY": "passive",
        }
        command = [
            *(sys.executable, "-m", MODULES[app], "--no-browser", "--allow-root", "--ip=127.0.0.1"),
            *(f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token="),
            *(f"--ServerApp.root_dir={folder}", *EXPOSED.get(app, []), *options),
        ]
        log = home / "server.log"
        with log.open("w") as out:
            process = subprocess.Popen(command, env=env, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
        server = cls(app, folder, settings, f"http://127.0.0.1:{port}", log, process)
        server.restore_settings()
        try:
            server._wait_until_it_answers(timeout)
        except BaseException:
            server.stop()
            raise
        return server

    def _wait_until_it_answers(self, timeout: float) -> None:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.app} ended at once:\n{self.log.read_text()[-3000:]}")
            try:
                with urllib.request.urlopen(f"{self.url}/api/status", timeout=1):
                    return
            except (urllib.error.URLError, TimeoutError):
                time.sleep(0.05)
        raise TimeoutError(f"{self.app} did not answer in {timeout} s:\n{self.log.read_text()[-3000:]}")

    def restore_settings(self) -> None:
        """Forget what a test has set in the page, such as its theme: the server keeps it for the pages that follow."""
        shutil.rmtree(self.settings, ignore_errors=True)
        for name, values in USER_SETTINGS.items():
            path = self.settings / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))

    def page_url(self, path: str) -> str:
        """Return the address of the page of a notebook; `path` is relative to `folder`."""
        place = f"lab/tree/{path}?reset" if self.app == "lab" else f"notebooks/{path}"
        return f"{self.url}/{place}"

    def copy_notebooks(self, name: str) -> str:
        """Copy the repository's notebooks to a folder of that name, for one test; return the name."""
        ignore = shutil.ignore_patterns(".ipynb_checkpoints")
        shutil.copytree(NOTEBOOKS, self.folder / name, ignore=ignore, dirs_exist_ok=True)
        return name

    def stop(self) -> None:
        """Stop the server, which takes its kernels with it."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
