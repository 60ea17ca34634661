"""The helpers of the Makefile and of the build hook, on made-up checkouts and programs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools import chromium, frontend


def program(folder: Path, name: str, answer: str = "", status: int = 0) -> Path:
    """Write a program that says `answer` and exits."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{answer}'\nexit {status}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose front end was built after its sources were written."""
    for name in (
        "js/src/views/view.ts",
        "js/src/widgets/widget.ts",
        "js/package.json",
        "cnnwidgets/static/widget.js",
        "cnnwidgets/static/widget.css",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (1000, 2000 if "static" in name else 1000))
    return tmp_path


class TestStale:
    def test_built_after_its_sources_is_fresh(self, checkout):
        assert not frontend.is_stale(checkout)

    @pytest.mark.parametrize("missing", ["widget.js", "widget.css"])
    def test_a_missing_file_is_stale(self, checkout, missing):
        (checkout / "cnnwidgets/static" / missing).unlink()
        assert frontend.is_stale(checkout)

    @pytest.mark.parametrize("source", ["js/src/views/view.ts", "js/package.json"])
    def test_a_newer_source_is_stale(self, checkout, source):
        os.utime(checkout / source, (3000, 3000))
        assert frontend.is_stale(checkout)

    def test_what_the_watcher_left_is_stale(self, checkout):
        bundle = checkout / "cnnwidgets/static/widget.js"
        bundle.write_text("export {};\n//# sourceMappingURL=data:application/json;base64,e30=\n")
        os.utime(bundle, (2000, 2000))
        assert frontend.is_stale(checkout)

    def test_an_sdist_carries_its_own(self, checkout):
        os.utime(checkout / "js/package.json", (3000, 3000))
        (checkout / "PKG-INFO").touch()
        assert not frontend.is_stale(checkout)


class TestNode:
    @pytest.mark.parametrize("version", ["v18.20.4", "v20.18.3", "no version at all"])
    def test_too_old_on_the_path_is_not_taken(self, tmp_path, monkeypatch, version):
        program(tmp_path, "node", version)
        program(tmp_path, "npm")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert frontend.node_on_path() is None

    def test_new_enough_on_the_path_is_taken(self, tmp_path, monkeypatch):
        program(tmp_path, "node", "v20.19.0")
        npm = program(tmp_path, "npm")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert frontend.node_on_path() == frontend.Node(tmp_path, (str(npm),))

    def test_without_npm_is_not_taken(self, tmp_path, monkeypatch):
        program(tmp_path, "node", "v24.0.0")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert frontend.node_on_path() is None

    def test_pypis_runs_npm_with_nothing_on_the_path(self, checkout, monkeypatch, capfd):
        monkeypatch.setenv("PATH", "/nowhere")
        assert frontend.npm("--version", root=checkout) == 0
        assert int(capfd.readouterr().out.split(".")[0]) >= 10


class TestChromium:
    @pytest.fixture(autouse=True)
    def _bare_machine(self, tmp_path, monkeypatch):
        monkeypatch.delenv("CHROMIUM", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        monkeypatch.setattr(chromium, "APPLICATIONS", ())
        monkeypatch.setattr(chromium, "_playwrights_own", lambda: None)

    def test_none_is_said_loudly(self, capsys):
        assert chromium.main([]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert "NO BROWSER TEST RUNS" in err

    def test_a_stub_that_does_not_run_is_passed_over(self, tmp_path):
        program(tmp_path / "bin", "chromium-browser", "install the snap", status=1)
        chrome = program(tmp_path / "bin", "google-chrome", "Google Chrome 140")
        assert chromium.find() == str(chrome)

    def test_playwrights_own_comes_last(self, tmp_path, monkeypatch):
        own = program(tmp_path / "cache", "chrome", "Chromium 140")
        monkeypatch.setattr(chromium, "_playwrights_own", lambda: str(own))
        assert chromium.find() == str(own)
        named = program(tmp_path / "bin", "chromium", "Chromium 150")
        assert chromium.find() == str(named)

    def test_the_variable_comes_first_and_is_not_second_guessed(self, tmp_path, monkeypatch):
        program(tmp_path / "bin", "chromium", "Chromium 150")
        monkeypatch.setenv("CHROMIUM", str(tmp_path / "not-there"))
        assert chromium.find() is None
