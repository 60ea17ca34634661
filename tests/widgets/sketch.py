"""A hand and a page for a SketchPad: events as the browser sends them, and pixels as it draws them."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import numpy as np
from ipycanvas.canvas import COMMANDS
from PIL import Image

NAMES = {number: name for name, number in COMMANDS.items()}


class Page:
    """What a browser shows of a pad's canvas; it begins like a page that has just been loaded."""

    def __init__(self, pad: Any) -> None:
        self.pad = pad
        self.canvas = pad._surface.canvas
        self.pixels = np.zeros((self.canvas.height, self.canvas.width, 4), np.uint8)
        self.messages = 0
        self._on: str | None = None
        pad._surface._manager.comm.publish_msg = self._take
        self.send(event="client_ready")
        pad.wait(20)

    def _take(self, _type: str, data: Any = None, buffers: Any = (), **_rest: Any) -> None:
        if not data or data.get("method") != "custom":
            return
        self.messages += 1
        size = (self.canvas.height, self.canvas.width)
        if self.pixels.shape[:2] != size:  # a canvas of another size is empty
            self.pixels = np.zeros((*size, 4), np.uint8)
        pictures = list(buffers[1:])
        for command in json.loads(bytes(buffers[0])):
            if NAMES[command[0]] == "switchCanvas":
                self._on = command[1][0].removeprefix("IPY_MODEL_")
                continue
            assert NAMES[command[0]] == "putImageData"
            assert self._on == self.canvas.model_id, "a page that was loaded anew knows no canvas"
            picture = Image.open(io.BytesIO(pictures.pop(0)))
            assert (picture.format, picture.mode) == ("PNG", "RGBA")
            part = np.asarray(picture)
            assert part[..., 3].min() == 255
            (left, top), (height, width) = command[1], part.shape[:2]
            self.pixels[top : top + height, left : left + width] = part
        self._on = None

    @property
    def rgb(self) -> np.ndarray:
        """What the canvas shows, uint8 (H,W,3)."""
        assert self.pixels[..., 3].min() == 255
        return self.pixels[..., :3]

    def send(self, **content: Any) -> None:
        """Send an event, in pixels of the canvas."""
        data = {"method": "custom", "content": content}
        self.canvas._handle_msg({"content": {"data": data}, "buffers": []})

    def down(self, x: float, y: float) -> None:
        self.send(event="mouse_down", x=x, y=y)

    def move(self, x: float, y: float) -> None:
        self.send(event="mouse_move", x=x, y=y)

    def up(self, x: float, y: float) -> None:
        self.send(event="mouse_up", x=x, y=y)

    def draw(self, *points: tuple[float, float]) -> None:
        """Draw one stroke with the mouse."""
        self.down(*points[0])
        for point in points[1:]:
            self.move(*point)
        self.up(*points[-1])


SEVEN = ((80, 64), (160, 64), (240, 64), (200, 170), (150, 280))


def pixels(picture) -> np.ndarray:
    return np.asarray(picture.convert("RGB"))


def wait_until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
