"""Fixtures for tests in real JupyterLab (`notebook`), in real Notebook 7 (`notebook7`), in both (`anywhere`).

    def test_something(notebook):
        nb = notebook("import cnnwidgets as cw", "view = cw.HeatmapView(...); view")  # cells, all run
        nb = notebook(file="00-tour.ipynb", viewport=(500, 900))  # of notebooks/, all run
        nb.page.get_by_role("radio", name="Grad-CAM").click()
        nb.wait_python("view.method == 'grad_cam'")
        assert nb.canvas("canvas.stage")[50, 50, 3] > 0

Opening one takes most of a short test's time. With `shared=True` a test gets the page that the one before it has left,
if that had the same cells; they are run anew, so the widgets are new, while page and kernel have been used.

A test fails on an error in a cell and on an uncaught error in the page. A failed test leaves a picture in
tests/browser/screenshots.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Browser, sync_playwright

from tests.browser.heatmap import HeatmapPage, open_view
from tests.browser.notebook import NotebookPage
from tests.browser.server import JupyterServer
from tools import chromium

Opener = Callable[..., NotebookPage]
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
CHROMIUM = pytest.StashKey[str | None]()
REPORTS = pytest.StashKey[dict[str, pytest.TestReport]]()


@dataclass
class Kept:
    """The pages that may serve another test: at most one for each server, none beside a test that wants another."""

    pages: dict[str, tuple[Any, NotebookPage]]

    def take(self, app: str, wanted: Any) -> NotebookPage | None:
        """Return the page that shows what is wanted, and close it otherwise."""
        found, nb = self.pages.pop(app, (None, None))
        if nb is None or found == wanted:
            return nb
        _close(nb)
        return None

    def clear(self) -> None:
        """Close all."""
        while self.pages:
            _close(self.pages.popitem()[1][1])


def _close(nb: NotebookPage) -> None:
    nb.close()
    nb.page.context.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    if not here:
        return
    config.stash[CHROMIUM] = found = chromium.find()
    for item in here:
        item.add_marker(pytest.mark.browser)
        if found is None:
            item.add_marker(pytest.mark.skip(reason="no Chromium"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash.get(CHROMIUM, "not asked for") is None:
        terminalreporter.section("NO BROWSER TEST WAS RUN", sep="!", red=True, bold=True)
        terminalreporter.line(chromium.NONE_FOUND, red=True, bold=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    item.stash.setdefault(REPORTS, {})[report.when] = report
    return report


@pytest.fixture(scope="package")
def browser(pytestconfig) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=pytestconfig.stash[CHROMIUM], headless=True, args=list(chromium.FLAGS)
        )
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def kept(browser) -> Kept:
    """The pages that may serve another test; each server closes them before it stops."""
    return Kept({})


@pytest.fixture(scope="package")
def lab(tmp_path_factory, kept) -> Iterator[JupyterServer]:
    at_once = "--ServerApp.jpserver_extensions=cnnwidgets.server=True"  # as `make lab` starts it
    server = JupyterServer.start("lab", tmp_path_factory.mktemp("lab"), at_once)
    yield server
    kept.clear()
    server.stop()


@pytest.fixture(scope="package")
def classic(tmp_path_factory, kept) -> Iterator[JupyterServer]:
    server = JupyterServer.start("notebook", tmp_path_factory.mktemp("notebook7"))
    yield server
    kept.clear()
    server.stop()


def _opener(server: JupyterServer, browser: Browser, kept: Kept, request: pytest.FixtureRequest) -> Iterator[Opener]:
    """Yield a function that opens notebooks for one test; afterwards, close or keep them and look for errors."""
    opened: list[NotebookPage] = []
    shares: dict[NotebookPage, Any] = {}
    test = re.sub(r"\W+", "-", request.node.name).strip("-")
    server.restore_settings()

    def open_notebook(
        *cells: str,
        file: str | None = None,
        run: bool = True,
        viewport: tuple[int, int] = (1400, 1000),
        shared: bool = False,
    ) -> NotebookPage:
        wanted = cells, viewport
        if shared and (nb := kept.take(server.app, wanted)) is not None:
            opened.append(nb)
            shares[nb] = wanted
            nb.begin_again()
            return nb
        if not shared:
            kept.clear()
        if file is None:
            file = f"{test}-{len(opened)}.ipynb"
            notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells], metadata={"kernelspec": KERNEL})
            nbformat.write(notebook, server.folder / file)
        else:
            file = f"{server.copy_notebooks(test)}/{file}"
        width, height = viewport
        context = browser.new_context(viewport={"width": width, "height": height})
        nb = NotebookPage(context.new_page(), server.folder / file)
        opened.append(nb)
        if shared:
            shares[nb] = wanted
        nb.open(server.page_url(file))
        if run:
            nb.run_all()
        return nb

    yield open_notebook

    report = request.node.stash.get(REPORTS, {}).get("call")
    for number, nb in enumerate(opened):
        if report is not None and report.failed:
            nb.screenshot(f"failed-{test}-{number}")
            request.node.add_report_section("call", "browser console", "\n".join(nb.console[-30:]))
        if nb in shares and report is not None and report.passed and not nb.is_worn and nb.is_ready():
            kept.pages[server.app] = shares[nb], nb
        else:
            _close(nb)
    errors = [error for nb in opened for error in nb.page_errors]
    assert not errors, "uncaught in the page: " + "\n".join(errors)


@pytest.fixture
def notebook(lab, browser, kept, request) -> Iterator[Opener]:
    """Open notebooks in JupyterLab."""
    yield from _opener(lab, browser, kept, request)


@pytest.fixture
def notebook7(classic, browser, kept, request) -> Iterator[Opener]:
    """Open notebooks in Notebook 7."""
    yield from _opener(classic, browser, kept, request)


@pytest.fixture(params=["notebook", "notebook7"])
def anywhere(request) -> Opener:
    """Open notebooks in JupyterLab, then the same test in Notebook 7."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def opened(anywhere) -> Callable[..., HeatmapPage]:
    """Open a notebook with a HeatmapView, in JupyterLab and in Notebook 7."""
    return lambda *cells, **options: open_view(anywhere, *cells, **options)


@pytest.fixture
def in_lab(notebook) -> Callable[..., HeatmapPage]:
    """Open a notebook with a HeatmapView, in JupyterLab only."""
    return lambda *cells, **options: open_view(notebook, *cells, shared=False, **options)
