"""Pixels on an ipycanvas, and the hand on it: the rules that ipycanvas asks for, in one place."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import ipycanvas
import numpy as np
from ipycanvas.canvas import _CanvasManager
from PIL import Image

from cnnwidgets.images.encode import to_png
from cnnwidgets.widgets._closing import close_whole
from cnnwidgets.widgets._page import FromPage
from cnnwidgets.widgets._page_tables import CANVAS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cnnwidgets.images.painting import Box


class PageCanvas(FromPage, ipycanvas.Canvas):  # type: ignore[misc]
    """A canvas whose events are checked before they are handled."""

    _page = CANVAS


class Surface:
    """A canvas that shows pixels exactly and reports a brush by mouse or by one finger.

    - Opaque RGBA goes to the browser as PNG; RGB would go as JPEG.
    - ipycanvas' one manager for all canvases remembers in the kernel which canvas the browser draws on. A page that
      is loaded again does not know it, another thread may change it, and an exception within anybody's `hold_canvas`
      ends all drawing. So each surface has a manager of its own, and each message names its canvas.
    - Nothing is drawn in a page that comes later, hence `ready`; and nothing where no kernel runs, hence `keep`.

    Args:
        width: pixels of the canvas; its size on the page, too, where there is room.
        height: ditto.
        down: called with x and y in pixels of the canvas when the brush is put down.
        move: called when it moves, down or not.
        up: called when it is lifted or leaves the canvas.
        key: called with the name of a key and whether Shift and Control (or Command) are held.
        ready: called when a page has come that shows nothing yet.

    """

    def __init__(
        self,
        width: int,
        height: int,
        *,
        down: Callable[[float, float], None],
        move: Callable[[float, float], None],
        up: Callable[[], None],
        key: Callable[[str, bool, bool], None],
        ready: Callable[[], None],
    ) -> None:
        self._lock = threading.Lock()
        self._manager = _CanvasManager()
        self.canvas = PageCanvas(_canvas_manager=self._manager, width=width, height=height)
        self._down, self._move, self._up, self._key = down, move, up, key
        self.resize(width, height)
        self.canvas.on_mouse_down(down)
        self.canvas.on_mouse_move(move)
        self.canvas.on_mouse_up(self._lift)
        self.canvas.on_mouse_out(self._lift)
        self.canvas.on_touch_start(self._touch)
        self.canvas.on_touch_move(self._drag)
        self.canvas.on_touch_end(lambda _touches: up())
        self.canvas.on_touch_cancel(lambda _touches: up())
        self.canvas.on_key_down(lambda name, shift, control, command: key(name, shift, control or command))
        self.canvas.on_client_ready(ready)

    def resize(self, width: int, height: int) -> None:
        """Have another size; the canvas is empty then."""
        with self.canvas.hold_sync():
            self.canvas.width, self.canvas.height = width, height
            self.canvas.layout.width = f"{width}px"  # without one it is stretched, and so it is by a taller neighbour
            self.canvas.layout.align_self = "flex-start"
            self.canvas.layout.max_width = "100%"
            self.canvas.layout.height = "auto"

    def put(self, pixels: NDArray[np.uint8], box: Box) -> None:
        """Show a part of uint8 (H,W,3) on the page."""
        left, top, right, bottom = box
        part = pixels[top:bottom, left:right]
        opaque = np.full((*part.shape[:2], 1), 255, np.uint8)
        with self._lock:
            self._manager._caching, self._manager._current_canvas = True, None  # noqa: SLF001 - see the class
            self.canvas.put_image_data(np.concatenate([part, opaque], 2), left, top)
            self._manager.flush()

    def keep(self, pixels: NDArray[np.uint8]) -> None:
        """Have uint8 (H,W,3) shown where the page's state is all there is: in an export."""
        self.canvas.set_trait("image_data", to_png(Image.fromarray(pixels)))

    def close(self) -> None:
        """Leave the page."""
        close_whole(self.canvas)
        self._manager.close()

    def _lift(self, x: float, y: float) -> None:
        self._move(x, y)
        self._up()

    def _touch(self, touches: list[tuple[float, float]]) -> None:
        if len(touches) == 1:
            self._down(*touches[0])
        else:
            self._up()

    def _drag(self, touches: list[tuple[float, float]]) -> None:
        if len(touches) == 1:
            self._move(*touches[0])
