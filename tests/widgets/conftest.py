"""Small networks and pictures, and a browser's side of the wire that only records."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import cnnwidgets as cw

NAMES = ("tiger cat", "tabby", "lynx", "espresso", "crane")


class Net(nn.Module):
    """Two convolutions, global average pooling and a linear layer; counts its passes and can fail."""

    passes = 0
    fails = False

    def __init__(self, channels: int = 3, classes: int = 5) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 4, 3, stride=2, padding=1)
        self.second = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.linear = nn.Linear(6, classes)

    def forward(self, x):
        Net.passes += 1
        if Net.fails:
            raise ValueError("the third valve is stuck")
        x = torch.relu(self.second(torch.relu(self.first(x))))
        return self.linear(x.mean((2, 3)))


def make_classifier(channels: int = 3, classes: int = 5, names: Any = NAMES) -> cw.Classifier:
    torch.manual_seed(1)
    net = Net(channels, classes).eval()
    nn.init.normal_(net.linear.weight)
    return cw.Classifier(net, cw.Preprocess(resize=(32, 32), channels=channels), names)


def make_picture(width: int = 60, height: int = 40) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture(autouse=True)
def fresh_net(monkeypatch):
    monkeypatch.setattr(Net, "passes", 0)
    monkeypatch.setattr(Net, "fails", False)
    from tests.widgets import occlusion

    occlusion.reset()


@pytest.fixture
def clf() -> cw.Classifier:
    return make_classifier()


@pytest.fixture
def view(clf) -> cw.HeatmapView:
    made = cw.HeatmapView(clf, make_picture())
    made.wait(20)
    return made


def kept(widget):
    """Wait for a widget's first answer, hand it out, and close it in the end: for fixtures."""
    widget.wait(20)
    yield widget
    widget.close()


@dataclass
class Browser:
    """The other side of a widget's comm: keeps what it was sent, and sends as a page would."""

    widget: Any
    updates: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.widget.comm.publish_msg = self._take

    def _take(self, msg_type: str, data: Any = None, **_rest: Any) -> None:
        if data and data.get("method") == "update":
            self.updates.append(data["state"])
        elif data and data.get("method") == "custom":
            self.messages.append(data["content"])

    @property
    def names(self) -> set[str]:
        """Names of all traits that were sent."""
        return {name for state in self.updates for name in state}

    def states(self) -> list[tuple[str, int]]:
        """Every status that was sent: its state and the ask that it speaks of."""
        return [(state["_status"]["state"], state["_status"]["ask"]) for state in self.updates if "_status" in state]

    def set(self, **traits: Any) -> None:
        """Change traits in one message."""
        data = {"method": "update", "state": traits, "buffer_paths": []}
        self.widget._handle_msg({"content": {"data": data}, "buffers": []})

    def ask(self, **traits: Any) -> None:
        """Change traits together with the number of the question."""
        self.set(**traits, _ask=self.widget._ask + 1)

    def send(self, **content: Any) -> None:
        """Send a message."""
        self.widget._handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})


@pytest.fixture
def browser(view) -> Browser:
    return Browser(view)


@pytest.fixture
def made():
    """An OcclusionCanvas over a network whose scores can be worked out by hand."""
    from tests.widgets import occlusion

    return occlusion.canvas()


@pytest.fixture
def page(made):
    """The page of that canvas."""
    from tests.widgets.occlusion import Page

    return Page(made)


@pytest.fixture
def pad():
    made = cw.SketchPad(make_classifier(channels=1))
    yield made
    made.close()


@pytest.fixture
def photo():
    return make_picture(320, 240)


@pytest.fixture
def painted(clf, photo):
    made = cw.SketchPad(clf, photo)
    yield made
    made.close()


@pytest.fixture
def gate(monkeypatch):
    """Holds the model before its answer until it is set."""
    opened, answer = threading.Event(), Net.forward

    def forward(self, x):
        assert opened.wait(20)
        return answer(self, x)

    opened.set()
    monkeypatch.setattr(Net, "forward", forward)
    yield opened
    opened.set()
