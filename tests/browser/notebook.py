"""A notebook that is open in a page: its cells, its kernel, its canvases."""

from __future__ import annotations

import ast
import base64
import io
import json
import re
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import ConsoleMessage, Error, Locator, Page

SCREENSHOTS = Path(__file__).resolve().parent / "screenshots"
BUSY = """
import pathlib, time
{first}
if (busy := pathlib.Path("busy")).exists():
    print("the cell runs", flush=True)
while busy.exists():
    time.sleep(0.02)
"""

# Predicates of `wait_for_function` stay synchronous: a promise counts as true at once.
READY = """() => {
  const panel = window.jupyterapp?.shell?.currentWidget;
  const kernel = panel?.context?.isReady && panel.sessionContext.session?.kernel;
  return !!kernel && kernel.connectionStatus === 'connected' && kernel.status === 'idle';
}"""
CLEAR = "async () => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')"
RUN_ALL = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await window.jupyterapp.commands.execute('notebook:run-all-cells');
  return panel.content.widgets
    .flatMap((cell) => (cell.model.type === 'code' ? cell.model.outputs.toJSON() : []))
    .filter((output) => output.output_type === 'error')
    .map((output) => [`${output.ename}: ${output.evalue}`, ...output.traceback].join('\\n'));
}"""
START_CELLS = """(numbers) => {
  const { shell, commands } = window.jupyterapp;
  const notebook = shell.currentWidget.content;
  const run = async () => {
    for (const number of numbers) {
      notebook.activeCellIndex = number;
      notebook.deselectAll();
      await commands.execute('notebook:run-cell');
    }
  };
  window.cellsRun = false;
  run().finally(() => { window.cellsRun = true; });
}"""
EXECUTE = """async ([code, expression, seconds]) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({
    code, silent: true, store_history: false, user_expressions: expression ? { value: expression } : {},
  });
  const late = new Promise((resolve) => setTimeout(resolve, 1000 * seconds, null));
  const reply = await Promise.race([future.done, late]);
  return reply && reply.content;
}"""
SHUT_DOWN = "async () => window.jupyterapp?.shell?.currentWidget?.sessionContext?.shutdown?.()"
CANVAS = """(canvas) => {
  const { width, height } = canvas;
  const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
  const parts = [];
  const step = 32768; // more arguments than a call can take
  for (let i = 0; i < data.length; i += step) parts.push(String.fromCharCode(...data.subarray(i, i + step)));
  return [height, width, btoa(parts.join(''))];
}"""
# Errors of the applications themselves, seen without any widget: a part of the message, a part of the stack.
NOT_OURS = [("(reading 'schema')", "/static/notebook/notebook_core")]  # Notebook 7.6 reading its shortcuts
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def busy_cell(widget: str = "", trait: str = "layout") -> str:
    """Return the code of a notebook cell that keeps its kernel busy until `busy_kernel` lets it end.

    ipykernel handles what a page sends where the widget last sent something itself: on a subshell of its own, which
    goes on while a cell runs, or (after a send from a cell) on the main thread, which does not. If a `widget` is named,
    it sends one of its traits from the cell, so that nothing that the page asks of it is answered until the cell ends.
    """
    return BUSY.format(first=f"{widget}.send_state({trait!r})" if widget else "")


def read_canvas(canvas: Locator) -> np.ndarray:
    """Return the pixels that a 2D canvas holds: uint8 (height, width, 4), RGBA."""
    height, width, data = canvas.evaluate(CANVAS)
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)


class NotebookPage:
    """One notebook in one browser tab, with its kernel."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.path = path
        self.page_errors: list[str] = []
        self.console: list[str] = []
        self.is_worn = False  # not as it was opened: closed or loaded again
        page.on("pageerror", self._note_error)
        page.on("console", self._note_message)

    def _note_error(self, error: Error) -> None:
        message, stack = error.message, error.stack or ""
        if not any(words in message and place in stack for words, place in NOT_OURS):
            self.page_errors.append(f"{message}\n{stack}")

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.console.append(f"{message.type}: {message.text}")

    def open(self, url: str, timeout: float = 90) -> None:
        """Open the notebook and wait for its kernel."""
        self.page.goto(url, wait_until="domcontentloaded")
        self.page.wait_for_function(READY, polling=50, timeout=1000 * timeout)

    def begin_again(self) -> None:
        """Run every cell anew in the page and the kernel as they are, without what was shown before."""
        self.page_errors.clear()
        self.console.clear()
        self.execute("import ipywidgets\nipywidgets.Widget.close_all()")
        self.page.evaluate(CLEAR)
        self.page.wait_for_function("() => !document.querySelector('.jp-OutputArea-output')", polling=50)
        self.page.mouse.move(0, 0)
        self.run_all()

    def is_ready(self) -> bool:
        """Whether the kernel is there and has nothing to do."""
        return bool(self.page.evaluate(READY))

    def reload(self, timeout: float = 90) -> None:
        """Load the page again; the kernel goes on."""
        self.is_worn = True
        self.page.reload(wait_until="domcontentloaded")
        self.page.wait_for_function(READY, polling=50, timeout=1000 * timeout)

    def run_all(self) -> None:
        """Run every cell and fail on the first error of a cell."""
        errors = self.page.evaluate(RUN_ALL)
        assert not errors, ANSI.sub("", errors[0])

    def start(self, *numbers: int) -> None:
        """Run cells one after the other without waiting for them; `wait_for_cells` does."""
        self.page.evaluate(START_CELLS, list(numbers))

    def wait_for_cells(self, timeout: float = 60) -> None:
        """Wait until the cells that were started have ended."""
        self.page.wait_for_function("() => window.cellsRun", polling=50, timeout=1000 * timeout)

    @contextmanager
    def busy_kernel(self, number: int) -> Iterator[None]:
        """Context manager: the kernel runs the `number`-th cell, a `busy_cell`, until the block ends."""
        busy = self.path.parent / "busy"
        busy.touch()
        try:
            self.start(number)
            self.page.locator(".jp-OutputArea-output", has_text="the cell runs").wait_for()
            yield
        finally:
            busy.unlink()
        self.wait_for_cells()

    def kernel_status(self) -> str:
        """Return "idle", "busy", ... as the page knows it."""
        return self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status")

    def save(self) -> None:
        """Save the notebook."""
        self.page.evaluate("async () => window.jupyterapp.shell.currentWidget.context.save()")

    def execute(self, code: str, timeout: float = 30) -> None:
        """Run statements in the notebook's kernel, outside its cells."""
        self._ask(code, "", timeout)

    def python(self, expression: str, timeout: float = 30) -> Any:
        """Return the value that an expression has in the notebook's kernel; it must fit JSON.

        The kernel answers when no cell runs.
        """
        content = self._ask("", f"__import__('json').dumps({expression})", timeout)
        value = content["user_expressions"]["value"]
        assert value["status"] == "ok", f"{expression}: {value.get('ename')}: {value.get('evalue')}"
        return json.loads(ast.literal_eval(value["data"]["text/plain"]))

    def _ask(self, code: str, expression: str, timeout: float) -> dict[str, Any]:
        content = self.page.evaluate(EXECUTE, [code, expression, timeout])
        asked = code or expression
        assert content is not None, f"the kernel did not answer within {timeout} s: {asked}"
        assert content["status"] == "ok", f"{asked}: {content.get('ename')}: {content.get('evalue')}"
        return content

    def wait_until(self, condition: Callable[[], Any], what: str, timeout: float = 10) -> None:
        """Ask again and again until the condition is true; the page goes on meanwhile."""
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, f"not within {timeout} s: {what}"
            self.page.wait_for_timeout(50)

    def wait_python(self, condition: str, timeout: float = 10) -> None:
        """Wait until an expression is true in the kernel."""
        self.wait_until(lambda: self.python(f"bool({condition})"), condition, timeout)

    def canvas(self, selector: str) -> np.ndarray:
        """Return the pixels that a 2D canvas holds: uint8 (height, width, 4), RGBA."""
        return read_canvas(self.page.locator(selector))

    def seen(self, selector: str) -> np.ndarray:
        """Return the pixels of an element as the screen shows them: uint8 (height, width, 3), RGB."""
        return np.asarray(Image.open(io.BytesIO(self.page.locator(selector).screenshot())).convert("RGB"))

    def theme(self, theme: str) -> None:
        """Switch to "light" or "dark"."""
        name = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}[theme]
        change = "name => window.jupyterapp.commands.execute('apputils:change-theme', { theme: name })"
        self.page.evaluate(change, name)
        self.page.wait_for_function(f"() => document.body.dataset.jpThemeName === '{name}'", polling=50)

    def screenshot(self, name: str, selector: str | None = None) -> Path:
        """Save a picture of the page, or of one element, in tests/browser/screenshots."""
        SCREENSHOTS.mkdir(exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        (self.page.locator(selector) if selector else self.page).screenshot(path=path)
        return path

    def close(self) -> None:
        """Shut the kernel down."""
        self.is_worn = True
        self.page.evaluate(SHUT_DOWN)
