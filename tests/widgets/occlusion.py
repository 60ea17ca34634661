"""Networks and pictures whose occlusion is known, and a page that drags."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

import cnnwidgets as cw
from tests.widgets.conftest import Browser

SIDE = 32
NAMES = ("bright", "dark", "red")


class Brightness(nn.Module):
    """Logits that can be worked out by hand: the mean of all pixels, its negative, and the mean of the red ones."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(4.0))

    def forward(self, x):
        STATE.passes += 1
        if STATE.hold is not None:
            assert STATE.hold.wait(10)
        time.sleep(STATE.seconds * len(x))
        if STATE.fails:
            raise ValueError("the third valve is stuck")
        mean = x.mean((1, 2, 3))
        red = x[:, 0].mean((1, 2))
        return self.gain * torch.stack([mean, -mean, red * (torch.nan if STATE.nan else 1.0)], 1)


class State:
    """What a test does to the network; apart from it, so that the canvas' twin follows."""

    passes = 0
    fails = False
    nan = False
    seconds = 0.0
    hold: threading.Event | None = None


STATE = State()


def reset() -> None:
    STATE.__dict__.clear()


def brightness(*, classes: Any = NAMES, size: int = SIDE) -> cw.Classifier:
    return cw.Classifier(Brightness().eval(), cw.Preprocess(resize=(size, size)), classes, output="logits")


def gradient(width: int = 2 * SIDE, height: int = 2 * SIDE) -> Image.Image:
    """Dark at the left, bright at the right; every 2 x 2 block has one colour, so halving the size is exact."""
    columns = np.repeat(np.arange(width // 2) * 4 + 60, 2)
    pixels = np.broadcast_to(columns[None, :, None], (height, width, 3)).astype(np.uint8).copy()
    pixels[..., 2] = 90
    return Image.fromarray(pixels)


def canvas(clf: cw.Classifier | None = None, image: Any = None, **options: Any) -> cw.OcclusionCanvas:
    made = cw.OcclusionCanvas(
        clf or brightness(), gradient() if image is None else image, **{"incremental": False, **options}
    )
    made.wait(20)
    return made


def logits(made: cw.OcclusionCanvas, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return made.clf.model(x)[0]


class Page(Browser):
    """A page with an OcclusionCanvas."""

    def place(self, number: int, *boxes: Any, active: int = 0) -> None:
        self.send(kind="place", id=number, boxes=[list(box) for box in boxes], active=active)

    def answers(self, number: int) -> list[dict[str, Any]]:
        return [message for message in self.messages if message.get("id") == number]

    def answer(self, number: int, timeout: float = 10) -> dict[str, Any]:
        """Wait until a request is answered; return the answer."""
        end = time.monotonic() + timeout
        while not self.answers(number):
            assert time.monotonic() < end, f"request {number} is not answered"
            time.sleep(0.001)
        return self.answers(number)[0]
