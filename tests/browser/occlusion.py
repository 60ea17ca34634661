"""An OcclusionCanvas in a notebook's page: its parts, and a drag that notes what the page and the kernel did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.browser.heatmap import LOAD

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator

    from tests.browser.notebook import NotebookPage

CANVAS = LOAD + "canvas = cw.OcclusionCanvas(clf, img)"
# A network of ImageNet's classes that takes as long as it is told to, counts its passes, and can fail.
TIMED = (
    LOAD
    + """
import time
import torch
from torch import nn

class Timed(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 7, stride=7), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 1000)
        )
    def forward(self, x):
        end = time.perf_counter() + STATE["seconds"] * len(x)
        STATE["passes"] += len(x)
        if STATE["fails"]:
            raise ValueError("the third valve is stuck")
        output = 20 * self.body(x)
        time.sleep(max(0.0, end - time.perf_counter()))
        return output

STATE = {"seconds": 0.0, "passes": 0, "fails": False}
timed = cw.Classifier(Timed().eval(), clf.preprocess, clf.classes, output="logits")
canvas = cw.OcclusionCanvas(timed, img, incremental=False)
canvas.wait()
log = []
def note(_canvas, content, _buffers):
    if content.get("kind") == "place":
        log.append(["asked", content["id"], time.time(), content["boxes"]])
def send(content, buffers=None, send=canvas.send):
    if content.get("kind") == "score":
        log.append(["answered", content["id"], time.time(), content.get("boxes")])
    send(content, buffers)
canvas.on_msg(note)
canvas.send = send
"""
)
# Notes every change of what is on screen, every painting of the occluder, and how the pointer's events came in.
WATCH = """(root) => {
  const watched = window.watched = { drawn: [], scores: [], events: [], changes: [], most: 0 };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.name === 'cnnw:drawn') watched.drawn.push(entry.duration);
      if (entry.name === 'cnnw:score') watched.scores.push(entry.duration);
    }
  }).observe({ entryTypes: ['measure'] });
  const look = () => {
    const { box, score, scored, sent, answered } = root.dataset;
    watched.most = Math.max(watched.most, Number(sent) - Number(answered));
    watched.changes.push([performance.now(), box, scored, score]);
  };
  new MutationObserver(look).observe(root, {
    attributes: true, attributeFilter: ['data-box', 'data-score', 'data-scored', 'data-sent', 'data-answered'],
  });
  root.querySelector('.cnnw-occlusion-pane').addEventListener('pointermove', (event) => {
    if (event.buttons) watched.events.push(performance.now());
  });
}"""
# Moves the pointer that is down along a figure of eight; returns where it ends.
MOVES = """(pane, [x, y, reach, moves, rate]) => new Promise((done) => {
  const begin = performance.now();
  const at = (step) => {
    const angle = (2 * Math.PI * step) / 102;
    return [x + 1.6 * reach * Math.sin(angle), y + reach * Math.sin(2.3 * angle)];
  };
  let step = 0;
  const tick = () => {
    for (; step < moves && performance.now() - begin >= (1000 * step) / rate; step++) {
      const [clientX, clientY] = at(step);
      pane.dispatchEvent(new PointerEvent('pointermove', {
        bubbles: true, cancelable: true, composed: true, view: window,
        pointerId: 1, pointerType: 'mouse', isPrimary: true, buttons: 1, clientX, clientY,
      }));
    }
    if (step < moves) setTimeout(tick, (1000 * step) / rate - (performance.now() - begin));
    else done(at(moves - 1));
  };
  tick();
})"""
READY = """(number) => {
  const root = document.querySelectorAll('.cnnw[data-view="occlusion"]')[number];
  return !!root && !!root.dataset.score && !!root.dataset.box;
}"""


@dataclass(frozen=True)
class Drag:
    """What the page saw of a drag; times in milliseconds.

    Attributes:
        drawn: from each pointer event to the end of painting the occluder there.
        scores: from sending each request to its answer on screen.
        events: when the page got the pointer's events.
        changes: (time, box painted, box scored, score) at every change.
        most: the most requests in flight at once.

    """

    drawn: list[float]
    scores: list[float]
    events: list[float]
    changes: list[list[Any]]
    most: int

    @property
    def rate(self) -> float:
        """Pointer events per second."""
        return 1000 * (len(self.events) - 1) / (self.events[-1] - self.events[0])

    @property
    def last_change(self) -> float:
        """Milliseconds from the last pointer event to the last change of what is on screen."""
        seen = [change[1:] for change in self.changes]
        last = next(i for i in range(len(seen) - 1, -1, -1) if i == 0 or seen[i] != seen[i - 1])
        return self.changes[last][0] - self.events[-1]

    def __str__(self) -> str:
        """Say it in figures."""
        drawn, scores = np.array(self.drawn), np.array(self.scores)
        return (
            f"{len(self.events)} pointer events, {self.rate:.0f} per second; occluder on screen after "
            f"{np.median(drawn):.1f} ms (p95 {np.percentile(drawn, 95):.1f}, max {drawn.max():.1f}); "
            f"{len(scores)} scores on screen, median {np.median(scores) if len(scores) else 0:.0f} ms after their "
            f"request; at most {self.most} in flight; last change {self.last_change:.0f} ms after the hand stopped"
        )


class OcclusionPage:
    """The `number`-th OcclusionCanvas of a notebook; `canvas` is its variable in the kernel."""

    def __init__(self, nb: NotebookPage, number: int = 0) -> None:
        self.nb = nb
        self.number = number
        self.root: Locator = nb.page.locator('.cnnw[data-view="occlusion"]').nth(number)
        self.pane = self.root.locator(".cnnw-occlusion-pane")

    def wait_ready(self, timeout: float = 60) -> None:
        """Wait until an occluder is drawn and a score is shown."""
        self.nb.page.wait_for_function(READY, arg=self.number, polling=50, timeout=1000 * timeout)
        self.root.evaluate("(root) => root.scrollIntoView({ block: 'start' })")

    def fact(self, name: str) -> str:
        """Return one of the root's data attributes."""
        return self.root.get_attribute(f"data-{name}") or ""

    @property
    def box(self) -> list[float]:
        """The box painted last, in pixels of the picture."""
        return [float(edge) for edge in self.fact("box").split(",")]

    @property
    def scored(self) -> list[float]:
        """The box whose score is on show."""
        return [float(edge) for edge in self.fact("scored").split(",")]

    def python(self, expression: str) -> Any:
        """Return the value of an attribute of the canvas in the kernel."""
        return self.nb.python(f"canvas.{expression}")

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point of the picture lies in the page; shares of its width and height."""
        box = self.pane.bounding_box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def grab(self, at: tuple[float, float] | None = None) -> tuple[float, float]:
        """Press the mouse on the middle of the occluder, or at a point of the page; return where."""
        x, y = at or self.middle()
        self.nb.page.mouse.move(x, y)
        self.nb.page.mouse.down()
        return x, y

    def middle(self) -> tuple[float, float]:
        """Return where the middle of the occluder lies in the page."""
        width, height = self.python("_photo['width']"), self.python("_photo['height']")
        left, top, right, bottom = self.box
        return self.at((left + right) / 2 / width, (top + bottom) / 2 / height)

    def watch(self) -> None:
        """Begin to note what happens."""
        self.root.evaluate(WATCH)

    def watched(self) -> Drag:
        """Return what was noted."""
        seen = self.nb.page.evaluate("() => window.watched")
        return Drag(seen["drawn"], seen["scores"], seen["events"], seen["changes"], seen["most"])

    def drag(self, moves: int, per_second: int = 60, rest: float = 1.5, at: tuple[float, float] | None = None) -> Drag:
        """Drag the occluder along a curve, let go, and look on for `rest` seconds more.

        The mouse is pressed and let go by the browser; its moves in between are made in the page, at the rate asked
        for: sent one by one from here they come at half of it.
        """
        x, y = self.grab(at)
        reach = 0.14 * self.pane.bounding_box()["height"]
        self.watch()
        last = self.pane.evaluate(MOVES, [x, y, reach, moves, per_second])
        self.nb.page.mouse.move(*last)
        self.nb.page.mouse.up()
        self.nb.page.wait_for_timeout(1000 * rest)
        return self.watched()

    def wait_settled(self, timeout: float = 20) -> None:
        """Wait until the score on show is that of the box on screen and nothing is on its way."""
        self.nb.wait_until(
            lambda: self.fact("in-flight") == "0" and self.fact("box") == self.fact("scored"),
            "the score of the place on screen",
            timeout,
        )

    def status(self) -> str:
        """Return what the line below the picture says."""
        return self.root.locator(".cnnw-words").inner_text()

    def wait_status(self, words: str, timeout: float = 20) -> None:
        """Wait until the line below the picture says this."""
        self.root.locator(".cnnw-words", has_text=words).wait_for(timeout=1000 * timeout)

    def kernel_log(self) -> list[list[Any]]:
        """Return what a `TIMED` canvas has noted: requests and answers in order."""
        return self.nb.python("log")


def open_canvas(opener: Callable[..., NotebookPage], *cells: str, **options: Any) -> OcclusionPage:
    """Open a notebook of these cells, the canvas in the second, and wait until it is ready."""
    first, *rest = cells or (CANVAS,)
    canvas = OcclusionPage(opener(first, "canvas", *rest, **options))
    canvas.wait_ready()
    return canvas
